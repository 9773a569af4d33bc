"""What natd tells its service manager, and when: sd_notify(3), heard at a socket of ours."""

import os
import signal
import socket
import time

import pytest

from daemon import Natd
from home import home


@pytest.fixture
def place():
    with home() as made:
        made.router.start(upnp=False)
        yield made


@pytest.fixture
def hear(place):
    """The next that is more than a status, as a dictionary."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place.lab.path("/run/notify")))
        manager.settimeout(10)

        def next_one():
            while True:
                told = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
                if told.keys() != {"STATUS"}:
                    return told
        yield next_one


def reloads(natd, hear):
    before = time.monotonic_ns() // 1000
    os.kill(natd.process.pid, signal.SIGHUP)
    told = hear()
    assert told.pop("RELOADING") == "1" and told.keys() == {"MONOTONIC_USEC"}
    assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert hear() == {"READY": "1"}


def test_ready_reloading_and_stopping(place, hear):
    natd = Natd(place.client, start=False)
    started = {"ready": False, "env": {"NOTIFY_SOCKET": "/run/notify"}}
    natd.start(**started)
    # The kernel's tables are read, and whoever connects is answered.
    assert hear() == {"READY": "1", "STATUS": "online, 0 of 0 mappings active"}
    natd.map(["udp"], 40000, persistence="permanent")
    natd.configure("[Mapping game]\nProtocols=udp\nInternalPort=40001\n")
    reloads(natd, hear)
    assert len(natd.mappings()) == 2
    natd.configure("[Mapping game]\nProtocols=x\n")
    reloads(natd, hear)
    natd.configure("")
    assert natd.stop() == 0
    assert hear() == {"STOPPING": "1", "STATUS": "releasing mappings"}
    # And what was kept is known.
    natd.start(**started)
    assert hear()["STATUS"].endswith(" of 1 mappings active")
    assert len(natd.mappings()) == 1
