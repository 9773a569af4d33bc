"""Skips with the reason where no Debian root can be made; finds the modules beside it."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import roots  # noqa: E402


def pytest_collection_modifyitems(items):
    reason = roots.why_not()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))
