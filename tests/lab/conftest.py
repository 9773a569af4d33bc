"""Skips with the reason where no lab can be made; finds the lab's modules."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import lab  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: does not fit in `make check`; `make check-long` runs it")


def pytest_collection_modifyitems(items):
    reason = lab.why_not()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))
