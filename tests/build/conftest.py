"""Fixtures for the tests of the build: the top of the tree, and make in it."""

import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def top():
    return TOP


@pytest.fixture
def run():
    """Runs a command at the top of the tree (or cwd=) and returns what it did."""
    def run_command(*argv, env=None, cwd=TOP, check=True):
        # Not the flags and the job server of the make that runs these tests.
        base = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        done = subprocess.run([str(a) for a in argv], cwd=cwd, env={**base, **(env or {})},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout
        return done
    return run_command
