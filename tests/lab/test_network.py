"""The network changes under natd: links, addresses, routes, routers, prefixes."""

import contextlib
import os
import socket
import statistics
import subprocess
import threading
import time
from collections import Counter

import clock
import home as h
import pytest
import scripted
from daemon import INTERFACE, Natd, external
from lab import Lab, wait_until
from meddle import Meddle

# From the kernel's last word to the first request; and where it goes on talking, after a debounce
# of at most 250 ms.  See Reaction; the tests that look at something else only wait for natd.
ACTED_S, DEBOUNCED_S = 0.1, 0.35
# Its priority is above that of the other programs of this machine: what is measured is natd.
URGENT = ["chrt", "--fifo", "10"]
VPN = ("[Uplink wg0]\nGateway=10.2.0.1\nLeaseSec=60\nMethods=nat_pmp\n"
       "[Mapping torrent]\nProtocols=tcp udp\nInternalPort=0\nInterface=wg0\n")


@pytest.fixture
def pcp(gateway):
    return gateway("a01-pcp")


def clients(gw):
    return {e["client"] for e in gw.table()}


class News:
    """When the kernel of a node told of links, addresses and routes."""

    GROUPS = 0x1 | 0x10 | 0x40  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE

    def __init__(self, node):
        with node.inside():
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.bind((0, self.GROUPS))
        self.socket.settimeout(0.2)
        self.times, self.stop = [], threading.Event()
        self.thread = threading.Thread(target=self.listen)

    def listen(self):
        with clock.urgent():
            while not self.stop.is_set():
                with contextlib.suppress(TimeoutError):
                    self.socket.recv(65536)
                    self.times.append(time.monotonic())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.socket.close()


def move(place, address):
    place.client.ip("addr flush dev eth0", f"addr add {address}/24 dev eth0",
                    "route add default via 192.168.1.1")


class Reaction:
    """How long after the kernel's last word natd did something, again and again: half of the times
    within 100 ms, and never five times as late."""

    def __init__(self, node):
        self.news, self.took = News(node), {}

    def __enter__(self):
        self.news.__enter__()
        self.urgent = clock.urgent()
        self.urgent.__enter__()
        return self

    def to(self, what, cause, effect):
        """effect(since): the time when natd has reacted to the cause."""
        since = scripted.now()
        cause()
        done = effect(since)
        wait_until(lambda: self.news.times and self.news.times[-1] >= since, 2,
                   f"the kernel's word of {what}")
        # natd, whose priority is higher, may have read it before this process did.
        told = [t for t in self.news.times if since <= t <= done] or [done]
        self.add(what, max(told), done)
        time.sleep(0.1)  # whatever the kernel has to add

    def add(self, what, since, done):
        self.took.setdefault(what, []).append(clock.lasted(since, done))

    def __exit__(self, *failed):
        self.urgent.__exit__(*failed)
        self.news.__exit__(*failed)
        for what, took in self.took.items():
            print(f"{what} after", *(f"{1000 * t:.0f} ms" for t in took))
        for what, took in self.took.items():
            assert any(failed) or statistics.median(took) < ACTED_S, what
            assert any(failed) or max(took) < 5 * ACTED_S, what


def asked(gw, event="pcp.map", **facts):
    return lambda since: gw.wait_heard(event, since=since, **facts)[0]["t"]


def in_state(natd, *states):
    def effect(since):
        wait_until(lambda: natd.mappings()[0]["runtime"]["state"] in states, 5, states)
        return scripted.now()
    return effect


def test_acted_on_within_100_ms_and_told(place, pcp):
    """From the kernel's last word to the first request, and from the router's answer to the
    application."""
    natd = Natd(place.client, level="info", wrap=URGENT)
    with Reaction(place.client) as reaction, natd.connect() as c:
        stream = c.more(INTERFACE + "RequestMapping", protocols=["udp"], internalPort=40000)
        next(stream)
        def asked_and_told(since):
            heard = asked(pcp, client=address)(since)
            # Told of the loss, perhaps, and of the new one in any case.
            while (next(stream)["mapping"]["runtime"].get("internal") or {}).get("address") != address:
                pass
            reaction.add("told", heard, scripted.now())
            return heard
        for address in (f"192.168.1.{n}" for n in range(31, 37)):
            reaction.to("another address", lambda: move(place, address), asked_and_told)


def test_a_default_route_that_moves_is_followed_within_100_ms(place, pcp, gateway):
    second = gateway("a01-pcp", h.add_uplink(place), name="second")
    natd = Natd(place.client, level="info", wrap=URGENT)
    natd.map(port=40000)
    way = "default via 192.168.2.1 dev eth1 metric 50"
    place.client.ip("route replace default via 192.168.1.1 dev eth0 metric 100",
                    "route del default via 192.168.1.1 dev eth0 metric 0")
    time.sleep(0.5)
    with Reaction(place.client) as reaction:
        for _ in range(3):
            reaction.to("route moved", lambda: place.client.ip(f"route add {way}"),
                        asked(second, delete=False))
            reaction.to("route moved back", lambda: place.client.ip(f"route del {way}"),
                        asked(pcp, delete=False))


def test_a_vpn_that_comes_and_goes_is_noticed_within_100_ms(place, gateway):
    vpn = h.add_tunnel(place)
    gw = gateway("v01-vpn", h.Router(vpn, "10.2.0.1", "11.99.1.1", lan="wg0"))
    natd = Natd(place.client, VPN, level="info", wrap=URGENT)
    natd.wait_active(1)
    with Reaction(place.client) as reaction:
        for _ in range(3):
            reaction.to("tunnel down", lambda: h.tunnel_down(place), in_state(natd, "suspended"))
            reaction.to("tunnel up", lambda: h.tunnel_up(place), asked(gw, "nat_pmp.map"))
            natd.wait_active(1)


def test_a_carrier_that_goes_and_comes_is_noticed_within_100_ms(place, pcp):
    natd = Natd(place.client, level="info", wrap=URGENT)
    natd.map(port=40000)
    with Reaction(place.client) as reaction:
        for _ in range(3):
            reaction.to("carrier lost", place.unplug, in_state(natd, "suspended"))
            # The first packet waits for the bridge, which the kernel tells of a second later.
            reaction.to("carrier back", place.replug,
                        in_state(natd, "requesting", "renewing", "active"))
            natd.wait_active(1)


@contextlib.contextmanager
def talk(node):
    """The kernel says something of another link each 10 ms: no pause is long enough to be its last word."""
    stop = threading.Event()

    def speak():
        with node.inside(), clock.urgent(), subprocess.Popen(["ip", "-batch", "-"], text=True,
                                                             stdin=subprocess.PIPE) as ip:
            while not stop.wait(0.01):
                for what in ("add", "del"):
                    ip.stdin.write(f"addr {what} 10.9.9.1/32 dev other\n")
                ip.stdin.flush()
    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_news_without_end_are_acted_on_in_between(place, pcp):
    """Debounced for 250 ms at most, although the kernel goes on talking of something else."""
    natd = Natd(place.client, level="info", wrap=URGENT)
    natd.map(port=40000)
    place.client.ip("link add other type veth peer name other2", "link set other up")
    acted = []
    with talk(place.client):
        for address in (f"192.168.1.{n}" for n in range(31, 34)):
            time.sleep(0.8)  # what natd does later because of the last one is over
            since = scripted.now()
            move(place, address)
            # The kernel's last word of it comes before the end of ip, which takes its time to start.
            moved = scripted.now()
            acted.append(clock.lasted(moved, pcp.wait_heard("pcp.map", since=since, client=address)[0]["t"]))
    print("acted on after", *(f"{1000 * t:.0f} ms" for t in acted))
    assert statistics.median(acted) < DEBOUNCED_S


def test_carrier_loss_and_return(place, pcp):
    natd = Natd(place.client)
    ident = natd.map(port=40000)["id"]
    place.unplug()
    natd.wait_state(ident, "suspended", 3)
    since = scripted.now()
    place.replug()
    pcp.wait_heard("pcp", since=since)
    natd.wait_state(ident, "active")
    assert len(pcp.table()) == 1


def test_a_flapping_link_is_not_a_storm(place, pcp):
    """F23: an interface that flaps: few packets, served soon after, nothing left open."""
    natd = Natd(place.client)
    ident = natd.map(port=40000)["id"]

    def descriptors():
        return len(os.listdir(f"/proc/{natd.process.pid}/fd"))
    wait_until(lambda: len(pcp.table()) == 1, 2)
    time.sleep(0.2)
    before, since = descriptors(), scripted.now()
    for _ in range(30):
        place.unplug()
        place.replug()
        time.sleep(0.05)
    took = scripted.now() - since
    natd.wait_state(ident, "active", 3)
    assert len(pcp.heard("pcp", since)) <= 10 * (took + 3)
    assert len(pcp.table()) == 1
    wait_until(lambda: descriptors() <= before, 3, f"{before} descriptors as before")


def test_another_address_from_the_same_router(place, pcp):
    """F25: renumbered by DHCP, same gateway."""
    natd = Natd(place.client)
    ident = natd.map(port=40000)["id"]
    assert clients(pcp) == {"192.168.1.20"}
    since = scripted.now()
    place.client.ip("addr del 192.168.1.20/24 dev eth0", "addr add 192.168.1.21/24 dev eth0",
                    "route add default via 192.168.1.1")
    heard = pcp.wait_heard("pcp.map", since=since, client="192.168.1.21")
    wait_until(lambda: (natd.mapping(ident)["runtime"]["internal"] or {}).get("address") ==
               "192.168.1.21", 2, "the new internal address")
    assert natd.wait_state(ident, "active", 2)
    assert not pcp.heard("pcp", heard[0]["t"], source="192.168.1.20")


def test_the_default_route_moves_and_comes_back(place):
    """F26: the default route switches and comes back."""
    second = h.add_uplink(place)
    place.router.start()
    second.start()
    place.client.ip("route replace default via 192.168.1.1 dev eth0 metric 100",
                    "route del default via 192.168.1.1 dev eth0 metric 0")
    natd = Natd(place.client)
    with natd.connect() as c:
        stream = c.more(INTERFACE + "RequestMapping", protocols=["udp"], internalPort=40000)
        assert external(next(stream)["mapping"]) == ("11.22.33.44", 40000)
        place.client.ip("route add default via 192.168.2.1 dev eth1 metric 50")
        moved = next(m for m in (r["mapping"] for r in stream) if m["runtime"]["state"] == "active"
                     and external(m)[0] == "11.22.34.44")
        assert moved["runtime"]["interface"] == "eth1"
        # The old lease is given back where its router still answers.
        wait_until(lambda: place.router.rules() == set(), 2, "the old router's rule gone")
        place.client.ip("route del default via 192.168.2.1 dev eth1 metric 50")
        next(m for m in (r["mapping"] for r in stream) if m["runtime"]["state"] == "active"
             and external(m)[0] == "11.22.33.44")
        wait_until(lambda: second.rules() == set(), 2, "the second router's rule gone")
    wait_until(lambda: place.router.rules() == set(), 1, "all released")


def test_two_uplinks_at_once(place, pcp, gateway):
    """Each mapping is on the uplink that was named, by interface, gateway or address, and asked for from
    that one's address only; one that goes takes only its own with it, and who follows is told."""
    second = h.add_uplink(place)
    other = gateway("a01-pcp", second, name="other")
    natd = Natd(place.client)
    with natd.connect() as c:
        wanted = {40000: {}, 40001: {"interface": "eth1"}, 40002: {"gateway": "192.168.2.1"},
                  40003: {"gateway": "192.168.1.1"}, 40004: {"interface": "eth0"},
                  40005: {"internalAddress": "192.168.2.20"}}
        for port, where in wanted.items():
            natd.map(port=port, **where)
        stream = c.more(INTERFACE + "RequestMapping", protocols=["tcp"], internalPort=40002,
                        gateway="192.168.2.1")
        assert external(next(stream)["mapping"])[0] == "11.22.34.44"
        assert {e["internal_port"] for e in pcp.table()} == {40000, 40003, 40004}
        assert {e["internal_port"] for e in other.table()} == {40001, 40002, 40005}
        assert {line["source"] for line in pcp.heard("pcp")} == {"192.168.1.20"}
        assert {line["source"] for line in other.heard("pcp")} == {"192.168.2.20"}
        since = scripted.now()
        second.node.ip("link set lan0 down")
        assert next(stream)["mapping"]["runtime"]["state"] == "suspended"
        states = {m["context"]["internalPort"]: m["runtime"]["state"] for m in natd.mappings()}
        assert states == {40000: "active", 40001: "suspended", 40002: "suspended",
                          40003: "active", 40004: "active", 40005: "suspended"}
        assert not pcp.heard("pcp.map", since)
        second.node.ip("link set lan0 up")
        while next(stream)["mapping"]["runtime"]["state"] != "active":
            pass


def test_uplinks_that_come_and_go_are_told(place, pcp):
    natd = Natd(place.client)
    with natd.connect() as c:
        told = c.more(INTERFACE + "Monitor", events=["gateway_changed"])
        h.add_uplink(place)
        while next(told).get("gateway", {}).get("address") != "192.168.2.1":
            pass
        place.client.ip("route del default via 192.168.2.1 dev eth1")
        while "gateway" in next(told):
            pass
    assert [g["address"] for g in natd.call("ListGateways")["gateways"]] == ["192.168.1.1"]


def test_two_uplinks_whose_routers_have_the_same_address(place, pcp):
    """Both are 192.168.1.1, as they are sold: only the interface tells them apart, and the kernel's
    table knows but one way there."""
    second = h.add_uplink(place, net="192.168.1", host=30)
    other = scripted.Scripted(second, "a05-all", name="other")
    natd = Natd(place.client)
    wanted = {40000: "eth0", 40001: "eth1", 40002: "eth0", 40003: "eth1"}
    made = {port: external(natd.map(port=port, interface=name))[0] for port, name in wanted.items()}
    assert made == {40000: "11.22.33.44", 40001: "11.22.34.44",
                    40002: "11.22.33.44", 40003: "11.22.34.44"}
    assert {e["internal_port"] for e in pcp.table()} == {40000, 40002}
    assert {e["internal_port"] for e in other.table()} == {40001, 40003}
    assert {line["source"] for line in pcp.heard()} == {"192.168.1.20"}
    assert {line["source"] for line in other.heard()} == {"192.168.1.30"}
    # Searches, descriptions and what they are asked for by TCP, too.
    assert other.heard("http.get") and other.heard("ssdp.search")
    # What one of them announces is nothing to the other.
    since = scripted.now()
    other.order("restart", announce=True)
    wait_until(lambda: {e["internal_port"] for e in other.table()} == {40001, 40003}, 5, "both again")
    other.order("byebye")
    other.wait_heard("pcp.announce", 2, since=since)  # each was a reason to look
    assert not pcp.heard("pcp", since)
    assert natd.metric("natd_gateway_restarts_total") == 1
    other.stop()


def test_another_router_behind_the_same_address(place, pcp):
    """F66: another MAC behind the gateway's address."""
    natd = Natd(place.client)
    natd.map(port=40000)
    # The old router's MAC is known to natd after its debounce, and nowhere shown.
    time.sleep(0.5)
    natd.call("Status")
    pcp.order("wipe")
    since = scripted.now()
    place.router.node.ip("link set lan0 address 02:00:00:00:99:01")
    place.client.ip("neigh replace 192.168.1.1 lladdr 02:00:00:00:99:01 dev eth0 nud reachable")
    pcp.wait_heard("pcp.map", since=since)
    wait_until(lambda: len(pcp.table()) == 1, 2, "the mapping on the new router")


def test_starts_before_there_is_a_network(place, pcp):
    place.client.ip("link set eth0 down")
    natd = Natd(place.client, "[Mapping web]\nProtocols=tcp\nInternalPort=80\n")
    assert natd.call("Status")["state"] == "offline"
    place.client.ip("link set eth0 up", "route add default via 192.168.1.1")
    wait_until(lambda: len(pcp.table()) == 1, 3, "the mapping once there is a network")


def test_as_many_uplinks_as_can_be_named():
    """Each with both families, and none of them is left out."""
    with Lab() as lab:
        node, names = lab.node("host"), [f"tun{n}" for n in range(64)]
        node.ip(*(line for n, name in enumerate(names) for line in (
            f"link add {name} type veth peer name end{n}", f"link set {name} up",
            f"link set end{n} up",
            f"addr add 10.1.{n}.2/24 dev {name}",
            f"addr add fd00:{n}::2/64 dev {name} nodad")))
        natd = Natd(node, "".join(f"[Uplink {name}]\n" for name in names))
        gateways = natd.call("ListGateways")["gateways"]
        assert sorted(Counter(g["interface"] for g in gateways).items()) == sorted(
            dict.fromkeys(names, 2).items())


def test_a_new_ipv6_prefix():
    """F63: the IPv6 prefix is renumbered."""
    with h.home(ipv6=True) as p:
        gw = scripted.Scripted(p.router, "v02-ipv6-pcp", lan6=["fe80::1"])
        natd = Natd(p.client)
        ident = natd.map(["tcp"], 40000, family="ipv6")["id"]
        assert clients(gw) == {"2a10:50::20"}
        p.router.node.ip("addr add 2a10:50:0:7::1/64 dev lan0 nodad")
        since = scripted.now()
        p.client.ip("addr add 2a10:50:0:7::20/64 dev eth0 nodad",
                    "addr del 2a10:50::20/64 dev eth0")
        heard = gw.wait_heard("pcp.map", since=since, timeout_s=3, client="2a10:50:0:7::20")
        assert clock.lasted(since, heard[0]["t"]) < 1
        wait_until(lambda: external(natd.mapping(ident))[0] == "2a10:50:0:7::20", 2,
                   "the new address")


def test_a_temporary_ipv6_address_gets_no_pinhole():
    """F63: temporary, deprecated and private IPv6 addresses."""
    with h.home(ipv6=True) as p:
        gw = scripted.Scripted(p.router, "v02-ipv6-pcp", lan6=["fe80::1"])
        p.client.ip("addr del 2a10:50::20/64 dev eth0",
                    "addr add 2a10:50::bad/64 dev eth0 nodad preferred_lft 0",
                    "addr add fd00::20/64 dev eth0 nodad",
                    "addr add 2a10:50::21/64 dev eth0 nodad")
        mapping = Natd(p.client).map(["tcp"], 40000, family="ipv6")
        assert external(mapping) == ("2a10:50::21", 40000)
        assert clients(gw) == {"2a10:50::21"}


def test_two_gateways_answer_and_only_the_own_is_asked(place, gateway):
    """F21: two gateways answer.  Another IGD on the same network is not ours."""
    stranger = place.neighbour("192.168.1.99")
    other = gateway("a03-igd1", h.Router(stranger, "192.168.1.99", "11.9.9.9", lan="eth0"))
    own = gateway("a03-igd1")
    try:
        natd = Natd(place.client)
        assert external(natd.map(port=40000))[0] == "11.22.33.44"
        assert not other.heard("soap") and not other.heard("http")
        assert len(own.table()) == 1
    finally:
        own.stop()
        other.stop()


def udp_ports(node):
    with node.inside(), open("/proc/thread-self/net/udp") as f:
        return {int(line.split()[1].split(":")[1], 16) for line in list(f)[1:]}


def test_searching_works_beside_a_program_that_holds_the_ports(place, tmp_path, gateway):
    """F32, F33 (quirk 43): ports 1900 and 5350 are taken by somebody who does not share."""
    gateway("a03-igd1")
    held = []
    with place.client.inside():
        for port in (1900, 5350):
            held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            held[-1].bind(("0.0.0.0", port))
    meddle = Meddle(tmp_path)
    natd = Natd(place.client, start=False)
    natd.start(env=meddle.env)
    try:
        ident = natd.map(port=40000)["id"]
        natd.wait_state(ident, "active")
        time.sleep(1)  # what natd has to do for the mapping is done
    finally:
        for s in held:
            s.close()
    # The program ends: a minute later natd listens.
    assert not udp_ports(place.client) & {1900, 5350}
    meddle.order(asleep_s=61)
    natd.call("Status")
    wait_until(lambda: udp_ports(place.client) >= {1900, 5350}, 5, "natd at both ports")


def test_a_replaced_default_route_leaves_nothing_behind(place):
    """The old router still answers: what moved on is deleted there."""
    place.router.start()
    other = h.add_uplink(place)
    other.start()
    natd = Natd(place.client)
    natd.map(["tcp"], 40180)
    assert len(place.router.rules()) == 1
    place.client.ip("route del default via 192.168.1.1 dev eth0")
    wait_until(lambda: len(other.rules()) == 1, 2, "the mapping on the other router")
    wait_until(lambda: place.router.rules() == set(), 2, "an empty table on the old one")
    place.client.ip("route add default via 192.168.1.1 dev eth0")
    wait_until(lambda: len(place.router.rules()) == 1, 2, "the mapping back")
    wait_until(lambda: other.rules() == set(), 2, "an empty table on the other one")
    natd.stop()
    assert (place.router.rules(), other.rules()) == (set(), set())


@pytest.mark.parametrize("via", ["192.168.2.1 dev eth1", "192.168.1.66 dev eth0"])
def test_what_moves_to_a_new_uplink_in_one_step_is_deleted_on_the_old_one(place, pcp, gateway, via):
    """F26, where one change of the route takes the one router away and shows the other one."""
    second = h.add_uplink(place)
    place.client.ip("route del default via 192.168.2.1 dev eth1 metric 200")
    other = gateway("a01-pcp", h.Router(place.neighbour(), "192.168.1.66", "11.22.33.66", lan="eth0")
                    if "eth0" in via else second, name="other")
    natd = Natd(place.client)
    natd.map(port=40181)
    place.client.ip(f"route replace default via {via}")
    wait_until(lambda: len(other.table()) == 1, 3, "the mapping on the new router")
    wait_until(lambda: pcp.table() == [], 3, "an empty table on the old one")


def test_a_router_that_took_anothers_place_is_not_told_to_delete(place, pcp, gateway):
    """F66: it would delete what it is asked for, should the one overtake the other."""
    second = h.add_uplink(place)
    gateway("a01-pcp", second, name="other")
    natd = Natd(place.client)
    natd.map(port=40182)
    time.sleep(0.5)  # the old router's MAC is known to natd after its debounce
    natd.call("Status")
    since = scripted.now()
    place.router.node.ip("link set lan0 address 02:00:00:00:99:02")
    place.client.ip("neigh replace 192.168.1.1 lladdr 02:00:00:00:99:02 dev eth0 nud reachable")
    pcp.wait_heard("pcp.map", since=since, lease=7200)
    assert not pcp.heard("pcp.map", since, lease=0)
