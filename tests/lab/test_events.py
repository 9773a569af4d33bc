"""Events of UPnP routers: heard within a second, from the router only, given up cleanly."""

import contextlib
import re
import time

import clock
import home as h
import pytest
import scripted
from daemon import INTERFACE, Natd
from lab import wait_until
from meddle import Meddle

# Nothing is found out by looking: what is noticed was told by an event.
CONFIG = "[Daemon]\nEvents=yes\nProbeSec=3600\nMethods=igd2 igd1\n"
SCRIPTED = "[upnp]\non = true\n[soap]\nevents = true\n"
FORGETFUL = ('[wan]\nuptime = false\n[[rule]]\non = "http.subscribe"\n'
             'do = { headers = { TIMEOUT = "Second-20" } }\n')
EVENT_S = 1.0


def listeners(node):
    """(address, port) of every TCP listener of the node."""
    lines = node.run("ss", "-Hltn").stdout.splitlines()
    return [(a, int(p)) for a, _, p in (line.split()[3].rpartition(":") for line in lines)]


def the_listener(place):
    return wait_until(lambda: listeners(place.client), 5, "a listener")[0]


def subscribed(gw):
    return gw.wait_heard("http.subscribe", result=200)[0]


def new_address(natd, cause):
    """Seconds from the end of cause() to natd's word of an external address, and that."""
    with natd.connect() as c:
        replies = c.more(INTERFACE + "Monitor")
        assert next(replies)["event"] == "snapshot"
        cause()
        start = clock.now()
        for reply in replies:
            if reply.get("externalAddress"):
                return clock.lasted(start), reply["externalAddress"]["address"]
    raise AssertionError("no external address")


def test_as_shipped_there_is_no_tcp_listener(place, gateway):
    gw = gateway(SCRIPTED)
    natd = Natd(place.client)
    natd.wait_state(natd.map(port=8080)["id"], "active")
    gw.wait_heard("soap.GetExternalIPAddress")
    assert listeners(place.client) == []
    assert gw.heard("http.subscribe") == []


def test_miniupnpd_tells_of_a_new_address(place):
    place.router.start()
    natd = Natd(place.client, CONFIG)
    ident = natd.map(["tcp"], 8080)["id"]
    address, _ = the_listener(place)
    assert address.split("%")[0] == "192.168.1.20"
    wait_until(lambda: "answered 200" in natd.log(), 3, "the first event")
    time.sleep(1)  # those of the start count among the five SOAP requests of any second

    def renumber():
        place.router.node.ip("addr del 11.22.33.44/24 dev wan0")
        wait_until(lambda: "external address lost" in natd.log(), 3, "the loss")
        place.router.node.ip("addr add 11.22.33.77/24 dev wan0")
    took, address = new_address(natd, renumber)
    print(f"natd told the new address {took * 1000:.0f} ms after the router had it")
    assert address == "11.22.33.77" and took < EVENT_S
    assert natd.mapping(ident)["runtime"]["external"]["address"] == "11.22.33.77"


def test_miniupnpd_tells_that_somebody_deleted_the_mapping(place):
    place.router.start()
    natd = Natd(place.client, CONFIG)
    natd.map(["tcp"], 8080)
    wait_until(lambda: "answered 200" in natd.log(), 3, "the first event")
    time.sleep(1)  # those of the start count among the five SOAP requests of any second
    rule = h.Rule("tcp", 8080, "192.168.1.20", 8080)
    place.client.run("upnpc", "-u", "http://192.168.1.1:5000/rootDesc.xml", "-d", "8080", "TCP")
    deleted = clock.now()
    wait_until(lambda: rule in place.router.rules(), 5, "the mapping made again")
    took = clock.lasted(deleted)
    print(f"made again {took * 1000:.0f} ms after it was deleted")
    assert took < EVENT_S


def test_the_address_is_not_believed_but_asked(place, gateway):
    gw = gateway(SCRIPTED)
    natd = Natd(place.client, CONFIG)
    ident = natd.map(port=8080)["id"]
    subscribed(gw)
    since = scripted.now()
    took, address = new_address(natd, lambda: gw.order("wan", address="11.22.33.55"))
    assert address == "11.22.33.55" and took < EVENT_S
    assert gw.heard("soap.GetExternalIPAddress", since)
    assert natd.mapping(ident)["runtime"]["external"]["address"] == "11.22.33.55"


def test_unsubscribed_when_nothing_is_held_at_reload_and_at_the_end(place, gateway):
    gw = gateway(SCRIPTED)
    natd = Natd(place.client, CONFIG)

    def left(count):
        gw.wait_heard("http.unsubscribe", count, result=200)
        wait_until(lambda: listeners(place.client) == [], 2, "no listener")
    ident = natd.map(port=8080)["id"]
    subscribed(gw)
    assert len(listeners(place.client)) == 1
    natd.call("ReleaseMapping", id=ident)
    left(1)

    natd.map(port=8081)
    gw.wait_heard("http.subscribe", 2)
    natd.configure(CONFIG.replace("Events=yes", "Events=no"))
    natd.call("Reload")
    left(2)
    natd.configure(CONFIG)
    natd.call("Reload")
    gw.wait_heard("http.subscribe", 3)
    assert natd.stop() == 0
    left(3)
    assert gw.table() == []


def test_unsubscribed_at_the_end_although_the_mapping_stays(place, gateway):
    gw = gateway(SCRIPTED)
    natd = Natd(place.client, CONFIG)
    natd.map(port=8080, persistence="permanent")
    subscribed(gw)
    assert natd.stop() == 0
    assert [line["result"] for line in gw.heard("http.unsubscribe")] == [200]
    assert len(gw.table()) == 1


def test_strangers_do_not_even_find_the_port(place, gateway):
    gw = gateway(SCRIPTED)
    natd = Natd(place.client, CONFIG)
    natd.map(port=8080)
    sid = subscribed(gw)
    neighbour = place.neighbour()
    address, port = the_listener(place)
    assert address.split("%")[0] == "192.168.1.20"
    with neighbour.socket(timeout_s=1.0) as s, pytest.raises(TimeoutError):
        s.connect(("192.168.1.20", port))
    # Nor by another address of the router's own host.
    place.router.node.ip("addr add 192.168.1.9/24 dev lan0")
    with place.router.node.socket(timeout_s=1.0) as s:
        s.bind(("192.168.1.9", 0))
        with pytest.raises(TimeoutError):
            s.connect(("192.168.1.20", port))
    assert sid["callback"].startswith(f"<http://192.168.1.20:{port}/")


def test_strangers_are_not_heard_where_the_kernel_does_not_hide_the_port(place, gateway, tmp_path):
    meddle = Meddle(tmp_path)
    gw = gateway(SCRIPTED)
    natd = Natd(place.client, CONFIG, start=False).start(env=meddle.env)
    meddle.order(no_filters=1)
    natd.map(port=8080)
    subscribed(gw)
    _, port = the_listener(place)
    with place.neighbour().socket(timeout_s=5) as s, contextlib.suppress(ConnectionError):
        s.connect(("192.168.1.20", port))
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert s.recv(100) == b""
    assert talk(place, port, b"GET / HTTP/1.1\r\n\r\n")[0].startswith(b"HTTP/1.1 411 ")


def talk(place, port, data, timeout_s=8.0):
    """What the router's host is answered, and after how many seconds the connection ends."""
    start = clock.now()
    with place.router.node.socket(timeout_s=timeout_s) as s:
        s.connect(("192.168.1.20", port))
        got = b""
        try:
            s.sendall(data)
            while more := s.recv(4096):
                got += more
        except ConnectionError:
            pass
        return got, clock.lasted(start)


def test_hostile_requests_from_the_router_are_bounded(place, gateway):
    gw = gateway(SCRIPTED)
    natd = Natd(place.client, CONFIG)
    ident = natd.map(port=8080)["id"]
    callback = subscribed(gw)["callback"]
    _, port = the_listener(place)
    path = re.search(r":\d+(/\S+)>", callback)[1]
    head = (f"NOTIFY {path} HTTP/1.1\r\nNT: upnp:event\r\nNTS: upnp:propchange\r\n"
            "SID: uuid:other\r\nSEQ: 0\r\n")
    assert talk(place, port, b"GET / HTTP/1.1\r\n\r\n")[0].startswith(b"HTTP/1.1 411 ")
    assert talk(place, port, b"\x16\x03\x01")[0].startswith(b"HTTP/1.1 400 ")
    assert talk(place, port, b"A" * 20000)[0][:13] in (b"HTTP/1.1 413 ", b"")
    assert talk(place, port, head.encode() + b"Content-Length: 99999\r\n\r\n")[0].startswith(
        b"HTTP/1.1 413 ")
    assert talk(place, port, head.encode() + b"Content-Length: 4\r\n\r\n<a/>")[0].startswith(
        b"HTTP/1.1 412 ")
    # Four that say nothing are ended after 5 s; a fifth is not waited for.
    before = natd.forget_peak()
    silent = [place.router.node.socket() for _ in range(4)]
    start = clock.now()
    for s in silent:
        s.connect(("192.168.1.20", port))
    assert talk(place, port, b"", 3)[1] < 1
    for s in silent:
        s.settimeout(8)
        assert s.recv(10) == b""
        s.close()
    assert 4.5 < clock.now() - start and clock.lasted(start) < 6.5
    assert natd.peak_kib() - before < 512
    # It still hears.
    assert new_address(natd, lambda: gw.order("wan", address="11.22.33.55"))[0] < EVENT_S
    assert natd.mapping(ident)["runtime"]["state"] == "active"


def test_a_router_that_forgot_the_subscription_is_subscribed_again(place, gateway):
    gw = gateway(SCRIPTED)
    natd = Natd(place.client, CONFIG)
    natd.map(port=8080)
    subscribed(gw)
    gw.order("restart", alive=True)
    gw.wait_heard("http.subscribe", 1, result=412)
    gw.wait_heard("http.subscribe", 2, result=200)
    wait_until(lambda: len(gw.table()) == 1, 5, "the mapping restored")
    assert natd.metric("natd_gateway_restarts_total") == 1  # of however many signs
    assert new_address(natd, lambda: gw.order("wan", address="11.22.33.55"))[0] < EVENT_S


def test_a_refused_renewal_is_a_restart_that_nobody_told(place, gateway, tmp_path):
    """No alive, an uptime that goes on: the router forgot the subscription, so perhaps the rest."""
    gw = gateway(SCRIPTED + FORGETFUL)
    meddle = Meddle(tmp_path)
    natd = Natd(place.client, CONFIG, start=False).start(env=meddle.env)
    natd.map(port=8080)
    subscribed(gw)
    time.sleep(1)  # those of the start count among the five SOAP requests of any second
    gw.order("restart")
    since = scripted.now()
    natd.call("Status")
    assert gw.table() == [] == gw.heard("soap", since)
    meddle.order(asleep_s=10)  # of the 20 s of the subscription, which the lease outlasts
    natd.call("Status")
    refused = gw.wait_heard("http.subscribe", result=412, since=since)[0]["t"]
    wait_until(lambda: len(gw.table()) == 1, 5, "the mapping restored")
    asked = gw.wait_heard("soap.AddPortMapping", since=since)[0]["t"]
    assert clock.lasted(refused, asked) < EVENT_S
    gw.wait_heard("http.subscribe", result=200, since=since)
