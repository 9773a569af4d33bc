"""Skips with the reason where no lab can be made; finds the lab's modules; what several files of
tests start, which ends with the test.

place is a home for one test; a file whose tests share one says `place = shared_home()`.
"""

import concurrent.futures
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import home  # noqa: E402
import lab  # noqa: E402
from daemon import Natd  # noqa: E402
from scripted import Scripted  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: does not fit in `make check`; `make check-long` runs it")


def pytest_collection_modifyitems(items):
    reason = lab.why_not()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def place():
    with home.home() as made:
        yield made


@pytest.fixture(scope="module")
def neighbour(place):
    """Another host of a shared home, 192.168.1.66."""
    return place.neighbour()


@pytest.fixture
def gateway(place):
    """Starts a scripted gateway, on the home router if no other is named."""
    started = []

    def start(personality, router=None, **options):
        started.append(Scripted(router or place.router, personality, **options))
        return started[-1]
    yield start
    for gw in started:
        gw.stop()


@pytest.fixture
def run(place):
    """Starts a natd, in the client if no other node is named."""
    started = []

    def start(config="", node=None, **options):
        started.append(Natd(node or place.client, config, **options))
        return started[-1]
    yield start
    for natd in started:
        if natd.process and natd.process.running():
            natd.kill()
        print(natd.log()[-10000:])


@pytest.fixture(scope="module")
def at_once(request):
    """at_once(fixture, look): look(name) of every test that is to run and asks for the fixture, all
    at once, for most of it is waiting; the futures by name."""
    with concurrent.futures.ThreadPoolExecutor(14) as pool:
        def start(fixture, look):
            names = [item.callspec.params["name"] for item in request.session.items
                     if item.module is request.module and fixture in item.fixturenames]
            return {name: pool.submit(look, name) for name in names}
        yield start
