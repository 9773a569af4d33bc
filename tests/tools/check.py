"""Runs the parts of "make check" and adds up what they counted.

    check.py --make MAKE --results DIR --only-root PART [--most-s SECONDS] PART PART...

Every part runs, whatever the others did.  A part is "make check-PART"; it leaves
DIR/PART.xml (JUnit) behind, or nothing: then the part itself counts as one test.
Their times and the total are told, and whether that is more than it is meant to be: no failure,
for a slow or busy machine is not wrong.
The last line is for people and for CI: "N passed, N failed, N skipped".
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ET


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


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--make", required=True)
    arguments.add_argument("--results", required=True)
    arguments.add_argument("--only-root", action="append", default=[])
    arguments.add_argument("--most-s", type=float, default=600)
    arguments.add_argument("parts", nargs="+")
    arguments = arguments.parse_args()

    rows, skipped_parts = [], []
    for part in arguments.parts:
        path = os.path.join(arguments.results, part + ".xml")
        if os.path.exists(path):
            os.unlink(path)
        if part in arguments.only_root and os.geteuid() != 0:
            skipped_parts.append(part)
            continue
        print(f"== {part}", flush=True)
        start = time.monotonic()
        # close_fds: make's job server is handed on.
        status = subprocess.run(shlex.split(arguments.make) + ["check-" + part],
                                close_fds=False).returncode
        rows.append((part, count(path, status), time.monotonic() - start))

    print()
    for part, (passed, failed, skipped), seconds in rows:
        print(f"{part:12} {passed:5} passed {failed:3} failed {skipped:3} skipped {seconds:7.1f} s")
    total_s = sum(seconds for _, _, seconds in rows)
    print(f"{'all':12} {total_s:43.1f} s")
    for part in skipped_parts:
        print(f"{part:12} skipped: it makes namespaces, which needs root (sudo make check)")
    if total_s > arguments.most_s:
        print(f"This took longer than the {arguments.most_s / 60:.0f} minutes that are enough for it on"
              f" two cores with nothing else to do; here are {len(os.sched_getaffinity(0))}, with a load"
              f" of {os.getloadavg()[1]:.1f}.")
    passed, failed, skipped = (sum(row[1][i] for row in rows) for i in range(3))
    skipped += len(skipped_parts)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)


main()
