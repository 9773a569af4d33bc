"""A neighbour on the home network forges what it can: packets from its own and from the
router's address, announcements, search answers, descriptions."""

import contextlib
import socket
import statistics
import time

import clock
import home as h
import pytest
import scripted
from daemon import Natd, external
from forger import (ANNOUNCE, ATTACKER, CLIENT, EVIL, GATEWAY, PCP_ANNOUNCE, Forger, alive, flood,
                    forged, nat_pmp_answer, pcp_answer)
from lab import wait_until


@pytest.fixture
def place():
    with h.home() as p:
        p.attacker = p.neighbour(ATTACKER)
        yield p


@pytest.fixture
def gw(gateway):
    return gateway("a05-all")


def unharmed(natd, ident, gw):
    mapping = natd.mapping(ident)
    assert mapping["runtime"]["state"] in ("active", "renewing")
    assert external(mapping) == ("11.22.33.44", 40000)
    assert len(gw.table()) == 1
    addresses = {a["address"] for a in natd.call("Status")["externalAddresses"]}
    assert EVIL not in addresses


def test_a_flood_of_forged_packets_changes_nothing(place, gw):
    """Attacks 13 and 14: neither a mapping nor an address is a neighbour's to give."""
    natd = Natd(place.client, level="info")
    ident = natd.map(port=40000)["id"]
    with place.attacker.socket(bind=(ATTACKER, 8080)) as trap:
        trap.setblocking(False)
        before, since = natd.forget_peak(), scripted.now()
        with flood(place.attacker, forged) as sent:
            took = []
            while clock.now() < since + 5 or sent[0] <= 10000:
                asked = clock.now()
                natd.call("Status")
                took.append(clock.lasted(asked))
                time.sleep(0.01)
        flooded_s = clock.now() - since
        with pytest.raises(BlockingIOError):
            trap.accept()
    unharmed(natd, ident, gw)
    assert natd.peak_kib() - before <= 1024
    # Two cores, shared with the flood and whoever else is there.
    assert statistics.quantiles(took, n=10)[-1] < 0.25
    assert len(gw.heard(since=since)) < 12 * flooded_s


@pytest.mark.parametrize("mode", ["pcp", "nat_pmp"])
def test_only_who_was_asked_is_believed(place, gateway, mode):
    """While the router is silent: answers that are right but for their source or their nonce."""
    gw = gateway(f"[{mode}]\non = true\n")
    natd, forger = Natd(place.client), Forger(place.attacker)
    ident = natd.map(port=40000)["id"]
    gw.order("silent", on=True)
    since = scripted.now()
    natd.call("RenewMapping", id=ident)
    other = natd.call("RequestMapping", protocols=["udp"], internalPort=40001, timeoutUSec=0)["mapping"]["id"]
    asked = {port: gw.wait_heard(f"{mode}.map", since=since, internal_port=port)[0]
             for port in (40000, 40001)}

    def answer(source, port, external, nonce=None, **more):
        if mode == "nat_pmp":
            data = nat_pmp_answer(port, external, **more)
        else:
            data = pcp_answer(bytes.fromhex(nonce or asked[port]["nonce"]), port, external,
                              address="11.22.33.44", **more)
        forger.send(data, source, (CLIENT, asked[port]["source_port"]))

    def harm(source, **more):
        answer(source, 40001, 6666, **more)                  # create
        answer(source, 40000, 6666, **more)                  # move
        answer(source, 40000, 0, lease=0, code=2, **more)    # kill
        answer(source, 40000, 40000, lease=0, **more)
    harm((ATTACKER, 5351))
    harm((GATEWAY, 5352))
    if mode == "pcp":
        harm((GATEWAY, 5351), nonce="00" * 12)
    assert natd.mapping(other)["runtime"]["state"] == "requesting"
    # What comes behind all that, and from where it should, is an answer.
    answer((GATEWAY, 5351), 40001, 7777, epoch=gw.order("table")["epoch"])
    assert external(natd.wait_state(other, "active", 2)) == ("11.22.33.44", 7777)
    held = natd.mapping(ident)["runtime"]
    assert held["state"] in ("active", "renewing") and "problem" not in held
    assert external(natd.mapping(ident)) == ("11.22.33.44", 40000)
    assert natd.metric("natd_gateway_restarts_total") == 0


def test_announcements_in_the_routers_name_are_only_hints(place, gw):
    """Attack 12: they cannot be told from true ones, so the router is asked, at a bounded rate."""
    natd = Natd(place.client, level="info")
    ident = natd.map(port=40000)["id"]
    since = scripted.now()

    def packets():
        for boot in range(100):
            yield ANNOUNCE, (GATEWAY, 5351), ("224.0.0.1", 5350)
            yield PCP_ANNOUNCE, (GATEWAY, 5351), ("224.0.0.1", 5350)
            yield alive(boot, GATEWAY), (GATEWAY, 1900), ("239.255.255.250", 1900)
            yield alive(boot, GATEWAY, "ssdp:byebye"), (GATEWAY, 1900), ("239.255.255.250", 1900)
        time.sleep(0.005)
    with flood(place.attacker, packets):
        time.sleep(4)
    assert len(gw.heard(since=since)) < 200
    natd.wait_state(ident, "active", 3)
    wait_until(lambda: external(natd.mapping(ident)) == ("11.22.33.44", 40000), 3, "the truth")
    unharmed(natd, ident, gw)


ANNOUNCED = {
    5350: [(data, 5351, ("224.0.0.1", 5350)) for data in (ANNOUNCE, PCP_ANNOUNCE)],
    # Two alive, because the first one only tells what the next one differs from.
    1900: [(alive(boot, GATEWAY, kind), 1900, ("239.255.255.250", 1900))
           for boot, kind in ((1, "ssdp:alive"), (2, "ssdp:alive"), (2, "ssdp:byebye"))],
}


@pytest.mark.parametrize("port", ANNOUNCED)
def test_what_a_stranger_announces_costs_no_packet(place, gw, port):
    """The same in the router's name is acted on."""
    def is_read():
        with place.client.inside():
            lines = open("/proc/thread-self/net/udp").readlines()[1:]
        return all(line.split()[4].endswith(":00000000") for line in lines)

    def announce(source):
        for data, source_port, target in ANNOUNCED[port]:
            forger.send(data, (source, source_port), target)
        wait_until(is_read, 5, "natd has read them")
        natd.call("Status")

    natd, forger = Natd(place.client), Forger(place.attacker)
    natd.map(port=40000)
    gw.wait_heard("soap")
    wait_until(lambda: scripted.now() - max(line["t"] for line in gw.heard()) > 1, 15, "peace")
    since = scripted.now()
    for _ in range(5):
        announce(ATTACKER)
    assert not gw.heard(since=since)
    announce(GATEWAY)
    wait_until(lambda: gw.heard(since=since), 5, "a question to the router")


def test_a_neighbour_that_answers_searches_is_not_believed(place):
    evil = scripted.Scripted(h.Router(place.attacker, ATTACKER, EVIL, lan="eth0"), "a03-igd1")
    try:
        natd = Natd(place.client)
        try:
            mapping = natd.map(port=40000)
            assert mapping["runtime"]["state"] != "active"
        except Exception as e:
            assert "NoMethodAvailable" in str(e) or "GatewayTimeout" in str(e)
        assert evil.heard("ssdp.search")
        assert not evil.heard("http") and not evil.heard("soap")
    finally:
        evil.stop()


def test_nothing_listens(place, gw):
    """Attack 10: no TCP port as shipped, and UDP only to hear announcements."""
    natd = Natd(place.client)
    natd.map(port=40000)
    with place.client.inside():
        tcp = [line.split() for name in ("tcp", "tcp6")
               for line in open(f"/proc/thread-self/net/{name}").readlines()[1:]]
        udp = [line.split() for line in open("/proc/thread-self/net/udp").readlines()[1:]]
    assert not [line for line in tcp if line[3] == "0A"]
    fixed = {int(line[1].split(":")[1], 16) for line in udp}
    assert {p for p in fixed if p < 32768} <= {1900, 5350}


def test_a_search_is_never_answered(place, gw):
    """Attack 11: natd is no reflector."""
    natd = Natd(place.client)
    natd.map(port=40000)
    search = (b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n'
              b"MX: 1\r\nST: ssdp:all\r\n\r\n")
    with place.attacker.socket(kind=socket.SOCK_DGRAM, timeout_s=1.0) as s:
        s.bind((ATTACKER, 0))
        for target in (CLIENT, "239.255.255.250"):
            s.sendto(search, (target, 1900))
        heard = set()
        with contextlib.suppress(TimeoutError):
            while True:
                heard.add(s.recvfrom(4096)[1][0])
    assert CLIENT not in heard
