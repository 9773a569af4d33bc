"""Runs the parts of "make check" and adds up what they counted.

    check.py --make MAKE --results DIR --only-root PART --alone PART [--most-s SECONDS] PART...

Every part runs, whatever the others did.  A part is "make check-PART"; it leaves
DIR/PART.xml (JUnit) behind, or nothing: then the part itself counts as one test.
A part of --alone has limits in real time, which are for natd and not for a machine that others keep
busy: up to three of its tests that fail are run once more, by "make check-PART ALONE=1", with nothing
beside them.  Which passed only then is told at the end.
Their times and the total are told, and whether that is more than it is meant to be: no failure,
for a slow or busy machine is not wrong.
The last line is for people and for CI: "N passed, N failed, N skipped".
"""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

# More than these are no accident.
ALONE_MAX = 3


def count(path, status):
    """(passed, failed, skipped) of one part."""
    try:
        suites = list(ET.parse(path).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return (0, 1, 0) if status else (1, 0, 0)

    def total(*names):
        return sum(int(suite.get(name, 0)) for suite in suites for name in names)

    failed, skipped = total("failures", "errors"), total("skipped")
    passed = total("tests") - failed - skipped
    if status and not failed:
        failed = 1  # it broke off, or found no test at all
    return passed, failed, skipped


def verdicts(path):
    """Whether each test of a part failed, by its name."""
    with contextlib.suppress(OSError, ET.ParseError):
        return {f"{case.get('classname')}::{case.get('name')}":
                case.find("failure") is not None or case.find("error") is not None
                for case in ET.parse(path).iter("testcase")}
    return {}


def run_part(arguments, part, *more):
    """(passed, failed, skipped) and the verdicts."""
    path = os.path.join(arguments.results, part + ".xml")
    if os.path.exists(path):
        os.unlink(path)
    # close_fds: make's job server is handed on.
    status = subprocess.run(shlex.split(arguments.make) + ["check-" + part, *more],
                            close_fds=False).returncode
    return count(path, status), verdicts(path)


def run_twice(arguments, part):
    """(passed, failed, skipped), and what failed at first and passed with nothing beside it."""
    first, tests = run_part(arguments, part)
    bad = {name for name in tests if tests[name]}
    if part not in arguments.alone or not 0 < first[1] == len(bad) <= ALONE_MAX:
        return first, []
    print(f"== {part}: what failed, once more with nothing beside it", flush=True)
    again, tests = run_part(arguments, part, "ALONE=1")
    if set(tests) != bad:
        return first, []
    return ((first[0] + again[0], again[1], first[2] + again[2]),
            sorted(name for name in tests if not tests[name]))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--make", required=True)
    arguments.add_argument("--results", required=True)
    arguments.add_argument("--only-root", action="append", default=[])
    arguments.add_argument("--alone", action="append", default=[])
    arguments.add_argument("--most-s", type=float, default=600)
    arguments.add_argument("parts", nargs="+")
    arguments = arguments.parse_args()

    rows, skipped_parts, alone = [], [], []
    for part in arguments.parts:
        if part in arguments.only_root and os.geteuid() != 0:
            skipped_parts.append(part)
            continue
        print(f"== {part}", flush=True)
        start = time.monotonic()
        counted, passed_alone = run_twice(arguments, part)
        alone += passed_alone
        rows.append((part, counted, time.monotonic() - start))

    print()
    for part, (passed, failed, skipped), seconds in rows:
        print(f"{part:12} {passed:5} passed {failed:3} failed {skipped:3} skipped {seconds:7.1f} s")
    total_s = sum(seconds for _, _, seconds in rows)
    print(f"{'all':12} {total_s:43.1f} s")
    for part in skipped_parts:
        print(f"{part:12} skipped: it makes namespaces, which needs root (sudo make check)")
    for name in alone:
        print(f"failed, and passed with nothing beside it: {name}")
    if total_s > arguments.most_s:
        print(f"This took longer than the {arguments.most_s / 60:.0f} minutes that are enough for it on"
              f" two cores with nothing else to do; here are {len(os.sched_getaffinity(0))}, with a load"
              f" of {os.getloadavg()[1]:.1f}.")
    passed, failed, skipped = (sum(row[1][i] for row in rows) for i in range(3))
    skipped += len(skipped_parts)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)


main()
