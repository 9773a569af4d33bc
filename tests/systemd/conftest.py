"""Skips with the reason where no systemd can be started; finds the lab's modules."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]

import lab  # noqa: E402
import machine  # noqa: E402


def pytest_collection_modifyitems(items):
    reason = lab.why_not() or machine.why_not()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))
