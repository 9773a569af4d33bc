"""What a router is spared, and where it is seen: requests under way, SOAP requests a second, the
circuit breaker."""

import threading
import time

import clock
import pytest
from fixtures import shared_home
from lab import wait_until

UNDER_WAY, SOAP_PER_S = 50, 5
place = shared_home()


@pytest.fixture
def start(gateway, run):
    return lambda text, config="": (gateway(text), run(config, level="info"))


def status(natd):
    return natd.call("Status")["gateways"][0]


def service(natd, method):
    return next(s for s in status(natd)["services"] if s["method"] == method)


def want(natd, count, **parameters):
    for port in range(41000, 41000 + count):
        natd.call("RequestMapping", protocols=["udp"], internalPort=port, timeoutUSec=0, **parameters)


def test_an_open_circuit_is_shown(start):
    """Three requests in silence open it; then one look goes through, and closes it."""
    gw, natd = start("[nat_pmp]\non = true\n")
    for port in range(40000, 40004):
        natd.map(port=port)
    assert service(natd, "nat_pmp")["circuit"] == "closed"
    assert natd.metric("natd_gateway_circuit_open") == 0
    gw.order("silent", on=True)
    natd.call("RenewMapping")
    wait_until(lambda: service(natd, "nat_pmp")["circuit"] == "open", 15, "the open circuit")
    shown = service(natd, "nat_pmp")
    assert shown["problem"]["code"] == "circuit_open"
    assert "requests in a row" in shown["problem"]["message"]
    assert natd.metric("natd_gateway_circuit_open") == 1
    gw.order("silent", on=False)
    natd.call("RenewMapping")
    wait_until(lambda: service(natd, "nat_pmp")["circuit"] == "closed", 5, "the closed circuit")
    assert natd.metric("natd_gateway_circuit_open") == 0


def test_requests_under_way_are_bounded_and_shown(start):
    gw, natd = start("[pcp]\non = true\n")
    natd.map(port=40000)
    gw.order("silent", on=True)
    most, stop = [0, 0], threading.Event()

    def watch():
        while not stop.is_set():
            most[0] = max(most[0], natd.metric("natd_gateway_requests_under_way"))
            most[1] = max(most[1], status(natd)["requestsUnderWay"])
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        want(natd, UNDER_WAY + 20)
        wait_until(lambda: min(most) >= UNDER_WAY, 3, "as many as may be")
        time.sleep(1.2)  # the pace would let 50 more go
    finally:
        stop.set()
        watcher.join()
    assert most == [UNDER_WAY, UNDER_WAY]


@clock.one_of(3)
def test_soap_requests_are_paced_and_counted(start):
    gw, natd = start("[upnp]\non = true\n")
    try:
        natd.map(port=40000)
        want(natd, 12)
        gw.wait_heard("soap.AddPortMapping", 13, timeout_s=10)
        wait_until(lambda: natd.metric("natd_gateway_soap_requests_total") == len(gw.heard("soap")) ==
                   status(natd)["soapRequests"], 5, "the same count")
        times = [line["t"] for line in gw.heard("soap")]
    finally:
        natd.kill()
        gw.stop()
    spans = [later - first for first, later in zip(times, times[SOAP_PER_S:])]
    # The sixth comes a second after the first; what the gateway hears late on a busy machine
    # may seem to come in less.
    assert min(spans) > 0.7
    assert (len(times) - SOAP_PER_S) / (times[-1] - times[0]) < SOAP_PER_S + 0.5
