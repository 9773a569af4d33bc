"""Skips with the reason where no systemd can be started; finds the lab's modules; the place where
a file's machine stands, if it makes no other."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]

import home  # noqa: E402
import lab  # noqa: E402
import machine  # noqa: E402


def pytest_collection_modifyitems(items):
    reason = lab.why_not() or machine.why_not()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def place():
    with home.home() as made:
        made.router.start(upnp=False)
        yield made
