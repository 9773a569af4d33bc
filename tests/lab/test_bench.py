"""The promises on speed and size, measured a few times: `make bench` has the whole table."""

import re
import subprocess
import sys

import pytest
from lab import TOP


@pytest.mark.long
def test_targets_are_met():
    shown = subprocess.run([sys.executable, "-B", TOP / "tests/bench/bench.py", "--runs=5", "--alone"],
                           capture_output=True, text=True, timeout=600)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert len(re.findall(r"^\|.*\| yes \|", shown.stdout, re.M)) == 19
