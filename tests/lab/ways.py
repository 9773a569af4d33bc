"""Ways out to the Internet that a diagnosis must tell apart, and what a person would say.

    with ways.way("carrier") as place:     # .client, .router, .internet; .server: STUN
        with ways.Wire(place) as wire:
            ...
        assert wire.changes() == []
"""

import contextlib
import dataclasses
import re
import socket
import struct
import threading
import time

import nats
import scripted
import stun5780
from lab import wait_until

PCP_ONLY = "[pcp]\non = true\n"
PCP = "[pcp]\non = true\n[nat_pmp]\non = true\n"
MAPPED, SECOND, PUNCHABLE, UNREACHABLE, DIRECT = (
    "mapped", "mapped_behind_second_nat", "punchable", "unreachable", "direct")
EXIT = {DIRECT: 0, MAPPED: 0, PUNCHABLE: 10, SECOND: 11, UNREACHABLE: 12, "unknown": 13}


@dataclasses.dataclass(frozen=True)
class Way:
    """kind: of nats.py; speaks: options of miniupnpd, or the text of a scripted router; cut: what
    is missing.  verdict, codes (and those that would be wrong), words of the verdict line."""
    name: str
    kind: object
    verdict: str
    codes: tuple
    words: str
    wrong: tuple = ()
    speaks: object = None
    cut: str = ""


def kind(name, *nats_, **more):
    return nats.Kind(name, nats_, {}, **more)


WAYS = {way.name: way for way in [
    Way("offline", "port_restricted", UNREACHABLE, ("offline",), "offline", cut="cable"),
    Way("no_gateway", "port_restricted", UNREACHABLE, ("offline",), "offline", cut="route"),
    Way("dead_router", "port_restricted", UNREACHABLE, ("router_silent",),
        "router does not answer", cut="router"),
    Way("nothing", "port_restricted", PUNCHABLE, ("no_method", "seen_as", "nat_independent"),
        "opens no ports.*hole punching works", ("double_nat", "cgnat", "nat_symmetric")),
    Way("symmetric", "symmetric", UNREACHABLE, ("no_method", "seen_as", "nat_symmetric"),
        "symmetric NAT", ("nat_independent",)),
    Way("pcp", "port_restricted", MAPPED,
        ("method_available", "external_matches", "nat_independent"), "mapping",
        ("no_method", "double_nat", "cgnat"), speaks=dict(upnp=False)),
    Way("upnp", "port_restricted", MAPPED, ("method_available", "external_matches"), "mapping",
        ("no_method", "double_nat", "cgnat"), speaks=dict(pxp=False)),
    Way("double_nat", kind("double_nat", nats.Nat(), nats.Nat(), between="10.7.0"), SECOND,
        ("method_available", "double_nat"), "second NAT", ("cgnat", "no_method"), speaks=PCP),
    Way("carrier", "carrier", SECOND, ("method_available", "cgnat"), "carrier-grade NAT",
        ("double_nat", "no_method"), speaks=PCP),
    # TCP goes through: what the router says of itself is true, and nobody outside confirms it.
    Way("upnp_udp_blocked", "port_restricted", MAPPED, ("method_available", "udp_blocked"),
        "mapping", ("seen_as", "nat_independent", "external_matches"), speaks=dict(pxp=False),
        cut="udp"),
    # Only PCP, whose address is known when it maps: packets that live for a hop or two tell.
    Way("pcp_only", "port_restricted", MAPPED, ("method_available", "external_own"),
        "mappings, at 11.22.33.44", ("cgnat", "double_nat", "external_unknown"), speaks=PCP_ONLY),
    Way("carrier_pcp_only", "carrier", SECOND, ("method_available", "cgnat"),
        "carrier-grade NAT", ("double_nat", "external_unknown"), speaks=PCP_ONLY),
    Way("carrier_nothing", "carrier", PUNCHABLE, ("no_method", "cgnat", "nat_independent"),
        "carrier-grade NAT, but UDP hole punching works", ("double_nat", "external_own")),
    Way("carrier_symmetric", "carrier_symmetric", UNREACHABLE, ("cgnat", "nat_symmetric"),
        "symmetric carrier-grade NAT", ("nat_independent",)),
    Way("udp_blocked", "udp_blocked", UNREACHABLE, ("no_method", "udp_blocked"), "UDP is blocked",
        ("seen_as", "nat_independent", "nat_symmetric")),
    Way("public", "public", DIRECT, ("address_global", "nat_none"), "directly, at 11.22.55.20",
        ("no_method", "firewall")),
    Way("public_firewall", "public_firewall", PUNCHABLE, ("address_global", "firewall"),
        "firewall", ("no_method",)),
    Way("ipv6", "ipv6", DIRECT, ("nat_none",), "directly, at 2a10:50::20",
        ("firewall", "no_pinholes", "ipv6_none")),
    Way("ipv6_firewall", "ipv6_firewall", PUNCHABLE, ("firewall", "no_pinholes"), "firewall"),
    Way("ipv6_pinholes", "ipv6_firewall", MAPPED, ("method_available", "firewall_opened"),
        "router's firewall, at 2a10:50::20", ("no_pinholes", "no_method", "firewall"), speaks=dict()),
]}


@contextlib.contextmanager
def way(name):
    """The network as it says there, and a STUN server of RFC 5780 in it: .server."""
    row = WAYS[name]
    with nats.network(row.kind) as place:
        place.way = row
        with stun5780.Server(place.internet, *place.servers) as place.server:
            speaker = speak(place, row.speaks)
            cut(place, row.cut)
            yield place
            if speaker:
                speaker.stop()


def speak(place, what):
    if isinstance(what, dict):
        # miniupnpd has its own place in the table of home.Router, which forwards, too.
        place.router.node.nft("delete table inet kind")
        place.router.nat()
        if place.ipv6:  # miniupnpd cannot do without IPv4
            place.router.node.ip("addr add 192.168.1.1/24 dev lan0",
                                 "addr add 11.22.33.44/24 dev wan0")
        place.router.start(**what)
        return place.router
    return scripted.Scripted(place.router, what) if what else None


def cut(place, what):
    if what == "cable":
        place.router.node.ip("link set lan0 down")
        wait_until(lambda: "state DOWN" in place.client.run("ip", "link", "show", "eth0").stdout,
                   what="the client's end of the cable to know")
    elif what == "route":
        place.client.ip("route del default")
    elif what == "router":
        place.router.node.ip("addr flush dev lan0")
    elif what == "udp":
        place.router.node.nft("table inet blocked { chain forward { type filter hook forward "
                              "priority -20; meta l4proto udp drop\n}\n}")


# ---- what goes to the router ----

@dataclasses.dataclass(frozen=True)
class Sent:
    """A request: "pcp map", "nat_pmp address", "soap AddPortMapping", ... and its lifetime."""
    at: float
    what: str
    lifetime_s: int = 0


PCP_OPS = {0: "announce", 1: "map", 2: "peer"}
NAT_PMP_OPS = {0: "address", 1: "map", 2: "map"}
CHANGING = re.compile(r"(pcp|nat_pmp) (map|peer)|soap (Add|Delete|Set|Force|Request|Update)")


class Wire:
    """All that a client says to its routers, taken from its cable by a second reader."""

    def __init__(self, place, interface="eth0"):
        with place.client.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            self.socket.bind((interface, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.settimeout(0.05)
        self.sent, self.packets, self.ending = [], 0, False
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        time.sleep(0.1)  # the reader's turn: what was sent is in its queue
        self.ending = True
        self.thread.join()
        self.socket.close()

    def read(self):
        while True:
            try:
                data, address = self.socket.recvfrom(65536)
            except TimeoutError:
                if self.ending:
                    return
                continue
            if address[2] == 4:  # PACKET_OUTGOING
                self.packets += 1
                self.look(data)

    def look(self, data):
        if data[0] >> 4 == 4:
            protocol, rest = data[9], data[(data[0] & 15) * 4:]
        else:
            protocol, rest = data[6], data[40:]
        if protocol == 17 and struct.unpack("!H", rest[2:4])[0] == 5351:
            self.look_pxp(rest[8:])
        elif protocol == 6:
            for action in re.findall(rb"SOAPAction: *\"?[^\r\n#]*#(\w+)", rest, re.IGNORECASE):
                self.sent.append(Sent(time.monotonic(), "soap " + action.decode()))

    def look_pxp(self, data):
        if data[0] == 2:
            what, lifetime = "pcp " + PCP_OPS.get(data[1] & 127, "?"), data[4:8]
        else:
            what, lifetime = "nat_pmp " + NAT_PMP_OPS.get(data[1], "?"), data[8:12]
        self.sent.append(Sent(time.monotonic(), what, int.from_bytes(lifetime, "big")))

    def changes(self):
        """What would make, change or remove a mapping."""
        return [s for s in self.sent if CHANGING.match(s.what)]
