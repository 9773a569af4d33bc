"""Runs test programs one after the other and writes what they said as JUnit XML.

    run_tests.py --results FILE PROGRAM...                 cmocka programs
    run_tests.py --results FILE --arguments A... -- PROGRAM...
        any programs, each with these arguments: one test each, by its exit status

A program that crashes, hangs or runs no test at all counts as one failed test.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

CMOCKA_LINE = re.compile(r"^\[\s*(OK|FAILED|SKIPPED)\s*\] (\w+)$", re.M)
LIMIT_S = 300


def run_one(command):
    """Returns (exit status or a word, everything it printed)."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as late:
        return f"still running after {LIMIT_S} s", (late.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def outcomes(status, output):
    """name -> OK, FAILED or SKIPPED, as cmocka's lines tell."""
    found = {}
    for word, name in CMOCKA_LINE.findall(output):
        if found.get(name) != "FAILED":
            found[name] = word
    if status != 0 and "FAILED" not in found.values():
        found[f"(program: {status})"] = "FAILED"
    elif not found:
        found["(no test was run)"] = "FAILED"
    return found


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--results", required=True)
    arguments.add_argument("--arguments", nargs="*")
    arguments.add_argument("programs", nargs="*")
    arguments = arguments.parse_args()

    suite = ET.Element("testsuite", name=os.path.basename(arguments.results).partition(".")[0])
    counts = {"OK": 0, "FAILED": 0, "SKIPPED": 0}
    for program in arguments.programs:
        name, start = os.path.basename(program), time.monotonic()
        status, output = run_one([program] + (arguments.arguments or []))
        if arguments.arguments is None:
            found = outcomes(status, output)
        else:
            found = {name: "FAILED" if status else "OK"}
        failed = [test for test, word in found.items() if word == "FAILED"]
        for test, word in found.items():
            counts[word] += 1
            case = ET.SubElement(suite, "testcase", classname=name, name=test)
            if word == "FAILED":
                ET.SubElement(case, "failure", message=f"see the output of {program}")
            elif word == "SKIPPED":
                ET.SubElement(case, "skipped")
        print(f"{'FAIL' if failed else ' ok '} {name}: {len(found)} test{'s' * (len(found) != 1)}, "
              f"{time.monotonic() - start:.2f} s", flush=True)
        if failed:
            print(output, flush=True)

    suite.set("tests", str(sum(counts.values())))
    suite.set("failures", str(counts["FAILED"]))
    suite.set("skipped", str(counts["SKIPPED"]))
    os.makedirs(os.path.dirname(arguments.results) or ".", exist_ok=True)
    ET.ElementTree(suite).write(arguments.results)
    sys.exit(1 if counts["FAILED"] else 0)


main()
