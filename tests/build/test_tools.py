"""The counting of "make check": nothing that failed may look passed."""

import os
import pathlib
import shutil
import sys
import tempfile

import pytest

PROGRAMS = {
    "passes": ('printf "[       OK ] a\\n[       OK ] b\\n"', (2, 0, 0)),
    "fails": ('printf "[       OK ] a\\n[  FAILED  ] b\\n"; exit 1', (1, 1, 0)),
    "skips": ('printf "[  SKIPPED ] a\\n"', (0, 0, 1)),
    "crashes": ('printf "[       OK ] a\\n"; kill -SEGV $$', (1, 1, 0)),
    "runs nothing": ("exit 0", (0, 1, 0)),
    "fails without a word": ("exit 3", (0, 1, 0)),
}
SUITE = ('<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/>'
         "</testsuites>")


def script(path, text):
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_counted(run, top, tmp_path, name):
    text, expected = PROGRAMS[name]
    program = script(tmp_path / "program", text)
    fake_make = script(tmp_path / "make",
                       f"{sys.executable} {top}/tests/tools/run_tests.py "
                       f"--results {tmp_path}/unit.xml {program}")
    done = run(sys.executable, top / "tests/tools/check.py", "--make", fake_make,
               "--results", tmp_path, "unit", check=False)
    passed, failed, skipped = expected
    last = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    assert done.stdout.splitlines()[-1] == last
    assert done.returncode == (1 if failed else 0)


# What a part wrote (None: nothing), its exit status, and what it counts as.
PARTS = [
    (SUITE.format(5, 0, 0, 1), 0, (4, 0, 1)),
    (SUITE.format(5, 1, 1, 0), 1, (3, 2, 0)),
    (SUITE.format(5, 0, 0, 0), 1, (5, 1, 0)),
    (SUITE.format(0, 0, 0, 0), 5, (0, 1, 0)),
    (None, 0, (1, 0, 0)),
    (None, 2, (0, 1, 0)),
]


@pytest.mark.parametrize("xml,status,expected", PARTS)
def test_part_is_counted(run, top, tmp_path, xml, status, expected):
    write = f"echo '{xml}' >{tmp_path}/x.xml" if xml else ":"
    fake_make = script(tmp_path / "make", f"{write}; exit {status}")
    (tmp_path / "x.xml").write_text(SUITE.format(9, 0, 0, 0))  # of an earlier run
    done = run(sys.executable, top / "tests/tools/check.py", "--make", fake_make,
               "--results", tmp_path, "x", "x", check=False)
    passed, failed, skipped = (2 * n for n in expected)
    last = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    assert done.stdout.splitlines()[-1] == last


CASE = '<testcase classname="lab.test_x" name="{}">{}</testcase>'
FAILED = "<failure/>"


def cases(**verdicts):
    """One suite of tests by name: whether each failed."""
    return (f'<testsuites><testsuite tests="{len(verdicts)}" failures="{sum(verdicts.values())}">' +
            "".join(CASE.format(n, FAILED if bad else "") for n, bad in verdicts.items()) +
            "</testsuite></testsuites>")


# What failed beside others, what became of that with nothing beside it, what it counts as.
ALONE = {
    "passes then": ("a", cases(a=False), (6, 0), ["a"]),
    "one of two": ("ab", cases(a=True, b=False), (5, 1), ["b"]),
    "fails again": ("a", cases(a=True), (5, 1), []),
    "too many": ("abcd", None, (2, 4), []),
    "is not found": ("ab", cases(a=False), (4, 2), []),
    "breaks off": ("a", "", (5, 1), []),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_fails_beside_others_is_run_alone_once(run, top, tmp_path, name):
    bad, again, expected, told = ALONE[name]
    (tmp_path / "first").write_text(cases(**{n: n in bad for n in "abcdef"}))
    (tmp_path / "again").write_text(again or "")
    fake_make = script(tmp_path / "make",
                       f"echo $* >>{tmp_path}/calls; test \"$2\" && w=again || w=first\n"
                       f"cp {tmp_path}/$w {tmp_path}/x.xml; ! grep -q '<failure' {tmp_path}/x.xml")
    done = run(sys.executable, top / "tests/tools/check.py", "--make", fake_make,
               "--results", tmp_path, "--alone", "x", "x", check=False)
    assert done.stdout.splitlines()[-1] == "{} passed, {} failed".format(*expected)
    assert done.returncode == (1 if expected[1] else 0)
    assert [line.split()[-1] for line in done.stdout.splitlines()
            if line.startswith("failed, and passed")] == [f"lab.test_x::{n}" for n in told]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["check-x"] + ["check-x ALONE=1"] * (again is not None)


@pytest.mark.parametrize("most_s,told", [("0.5", True), ("60", False)])
def test_the_total_time_is_told(run, top, tmp_path, most_s, told):
    fake_make = script(tmp_path / "make", "sleep 0.3")
    done = run(sys.executable, top / "tests/tools/check.py", "--make", fake_make,
               "--results", tmp_path, "--most-s", most_s, "x", "y", check=False)
    total = [line.split() for line in done.stdout.splitlines() if line.startswith("all ")]
    assert len(total) == 1 and 0.6 <= float(total[0][1]) < 30
    assert ("This took longer than" in done.stdout) == told
    assert done.returncode == 0


def test_harness_is_one_test_by_its_exit_status(run, top, tmp_path):
    good, bad = script(tmp_path / "good", "exit 0"), script(tmp_path / "bad", "exit 1")
    done = run(sys.executable, top / "tests/tools/run_tests.py", "--results",
               tmp_path / "f.xml", "--arguments", "tests/data", "--", good, bad, check=False)
    assert done.returncode == 1
    assert 'tests="2" failures="1"' in (tmp_path / "f.xml").read_text()


@pytest.mark.parametrize("closed", [True, False])
def test_programs_of_a_closed_folder_are_copied_out_of_it(run, top, tmp_path, closed):
    """pytest's own folder is closed to others, too."""
    home = tempfile.mkdtemp(dir="/tmp")
    try:
        os.chmod(home, 0o700 if closed else 0o755)
        for name in ("natd", "natctl", "libnatd.so.0"):
            script(pathlib.Path(home, name), f"echo this is {name}")
        command = ("sh", "-c", "ls -ld ${NATD%/*}; echo $NATD; $NATD; $NATCTL; exit 7")
        done = run(sys.executable, top / "tests/tools/reachable.py", home, *command, check=False)
    finally:
        shutil.rmtree(home)
    folder, path, *said = done.stdout.splitlines()
    assert folder.startswith("drwxr-xr-x") and said == ["this is natd", "this is natctl"]
    assert (path != home + "/natd") == closed and not os.path.exists(path)
    assert done.returncode == 7
