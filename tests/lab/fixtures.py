"""Fixtures of which each file of tests makes its own; those that all have are in conftest.py."""

import pytest
from home import home


def shared_home(**options):
    """`place = shared_home()`: one home for all tests of the file, which leave it as they found it."""
    @pytest.fixture(scope="module")
    def place():
        with home(**options) as made:
            yield made
    return place
