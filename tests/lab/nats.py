"""Networks behind every kind of NAT: a table of them, each with what is true of it.

    with nats.network("symmetric") as place:    # .client, .router, .carrier, .internet
        ...

    client 192.168.1.20 -- router 11.22.33.44 -- internet 11.22.33.1 and .2
    client 192.168.1.20 -- router 100.64.7.2 -- carrier 11.22.33.99 -- internet

The translators are the kernel's: nftables and connection tracking.  What a row claims is
proven by test_nats.py, with a prober that shares no code with natd.
"""

import contextlib
import dataclasses

from home import Router
from lab import Lab

ONE, TWO = "11.22.33.1", "11.22.33.2"
ONE6, TWO6 = "2a10:60::1", "2a10:60::2"
PORTS = 3478, 3479
LAN_ADDRESS, CLIENT = "192.168.1.1", "192.168.1.20"

NONE, EIM, ADM, APDM = ("none", "endpoint_independent", "address_dependent",
                        "address_and_port_dependent")
EIF, ADF, APDF = EIM, ADM, APDM

# An outside port is the inside one with some bits turned, so that it is another one, no two
# inside ports share one, and what it depends on is what selects the row: whom it is for.
TURNS = {
    EIM: [("", 0x0155)],
    ADM: [(f"ip daddr {ONE}", 0x0155), (f"ip daddr {TWO}", 0x02AA), ("", 0x0733)],
    APDM: [(f"ip daddr {address} udp dport {port}", turn) for (address, port), turn in zip(
        [(a, p) for a in (ONE, TWO) for p in PORTS], (0x0155, 0x02AA, 0x0CCC, 0x1333))] +
          [("", 0x0F0F)],
}

RULES = """
table inet kind {{
    # Outside port -> inside port; whom an inside port has written to.
    map bindings {{
        type inet_service : inet_service; size 65535; flags dynamic, timeout; timeout {lifetime_s}s;
    }}
    set met {{
        type ipv4_addr . inet_service; size 65535; flags dynamic, timeout; timeout {lifetime_s}s;
    }}
    chain before {{
        type filter hook forward priority -10;
        {udp}
    }}
    chain forward {{
        type filter hook forward priority 0; policy {policy};
        ct state established,related accept
        iifname "lan0" accept
        meta l4proto icmpv6 accept
        {let_in}
    }}
    chain input {{
        type filter hook input priority 0;
        ct state established,related accept
        iifname "wan0" meta l4proto {{ tcp, udp }} drop
    }}
    chain prerouting {{
        type nat hook prerouting priority -100;
        {inward}
    }}
    chain postrouting {{
        type nat hook postrouting priority 100;
        {outward}
    }}
    chain remember {{
        type filter hook postrouting priority 150;
        oifname "wan0" meta nfproto ipv4 meta l4proto udp ct direction original \
            update @bindings {{ udp sport : ct original proto-src }} \
            update @met {{ ip daddr . ct original proto-src }}
    }}
}}
"""


@dataclasses.dataclass(frozen=True)
class Nat:
    """One translator.  turn: the port outside is another one; udp: what becomes of it; pool:
    a second address outside, as which TWO sees its clients."""
    mapping: str = EIM
    filtering: str = APDF
    hairpin: bool = False
    turn: bool = False
    random: bool = False
    lifetime_s: int = 30
    udp: str = ""
    pool: str = ""

    def rules(self, inside, outside, ipv6=False):
        bound = "udp dport map @bindings"
        inward, outward, let_in = [], [], []
        if self.filtering != APDF and self.mapping != NONE:
            inward.append(f'iifname "wan0" meta l4proto udp dnat ip to {inside} : {bound}')
        if self.filtering == EIF:
            let_in.append("ct status dnat accept" if self.mapping != NONE else "")
        if self.filtering == ADF:
            let_in.append("ip saddr . udp dport @met accept")
        if self.hairpin:
            turn = f": udp sport ^ {TURNS[EIM][0][1]}" if self.turn else ""
            inward.append(f'iifname "lan0" ip daddr {outside} meta l4proto udp '
                          f"dnat ip to {inside} : {bound}")
            outward.append(f'oifname "lan0" ip saddr {inside} ct status dnat meta l4proto udp '
                           f"snat ip to {outside} {turn}")
        if self.mapping != NONE:
            nfproto = "ipv6" if ipv6 else "ipv4"
            if self.turn:
                outward += [f'oifname "wan0" meta l4proto udp {whom} snat ip to {outside} '
                            f": udp sport ^ {turn}" for whom, turn in TURNS[self.mapping]]
            if self.pool:
                outward.append(f'oifname "wan0" ip daddr {TWO} snat ip to {self.pool}')
            outward.append(f'oifname "wan0" meta nfproto {nfproto} masquerade'
                           + (" random,fully-random" if self.random else ""))
        return RULES.format(
            lifetime_s=self.lifetime_s, udp=f"meta l4proto udp {self.udp}" if self.udp else "",
            policy="accept" if self.filtering == NONE else "drop",
            **{k: "\n        ".join(v) for k, v in
               dict(inward=inward, outward=outward, let_in=let_in).items()})


@dataclasses.dataclass(frozen=True)
class Kind:
    """A network.  expected: what is true, in the names of org.natd.NAT's NatBehavior; a
    field that is not there is not decided by this network."""
    name: str
    nats: tuple
    expected: dict
    between: str = "100.64.7"
    family: str = "ipv4"


def truth(mapping, filtering, hairpinning=False, portPreservation=True, translators=1,
          carrierGradeNat=False, **more):
    return dict(mapping=mapping, filtering=filtering, hairpinning=hairpinning,
                portPreservation=portPreservation, translators=translators,
                carrierGradeNat=carrierGradeNat, **more)


def one(name, mapping, filtering, hairpin=False, turn=False, lifetime_s=30, random=False):
    return Kind(name, (Nat(mapping, filtering, hairpin, turn, random, lifetime_s),),
                truth(mapping, filtering, hairpin, not (turn or random),
                      bindingLifetimeSeconds=lifetime_s))


BLOCKED = dict(mapping="unknown", filtering="unknown", hairpinning=None, portPreservation=None)
PUBLIC = dict(translators=0, carrierGradeNat=False)

KINDS = {kind.name: kind for kind in [
    # What people call full cone, restricted cone, port-restricted cone and symmetric.
    one("full_cone", EIM, EIF, hairpin=True),
    one("full_cone_turned", EIM, EIF, turn=True),
    one("restricted", EIM, ADF),
    one("restricted_turned", EIM, ADF, hairpin=True, turn=True),
    one("port_restricted", EIM, APDF),
    one("port_restricted_turned", EIM, APDF, hairpin=True, turn=True),
    one("address_dependent_open", ADM, EIF, turn=True),
    one("address_dependent_restricted", ADM, ADF, turn=True),
    one("address_dependent", ADM, APDF, hairpin=True, turn=True),
    one("symmetric_open", APDM, EIF, turn=True),
    one("symmetric_restricted", APDM, ADF, turn=True),
    one("symmetric", APDM, APDF, hairpin=True, turn=True),
    one("symmetric_random", APDM, APDF, random=True),
    # Not a port but the address depends on whom it is for, as with some carriers.
    Kind("two_addresses", (Nat(pool="11.22.33.45"),), truth(ADM, APDF)),
    one("lifetime_20", EIM, APDF, lifetime_s=20),
    one("lifetime_120", EIM, APDF, lifetime_s=120),
    Kind("carrier", (Nat(), Nat()),
         truth(EIM, APDF, translators=2, carrierGradeNat=True, bindingLifetimeSeconds=30)),
    Kind("carrier_cone", (Nat(EIM, EIF), Nat(EIM, EIF, hairpin=True, turn=True)),
         truth(EIM, EIF, True, False, translators=2, carrierGradeNat=True)),
    Kind("carrier_symmetric", (Nat(EIM, EIF), Nat(APDM, APDF, turn=True)),
         truth(APDM, APDF, False, False, translators=2, carrierGradeNat=True)),
    Kind("two_routers", (Nat(EIM, ADF), Nat(EIM, EIF)), truth(EIM, ADF, translators=2),
         between="10.7.0"),
    Kind("udp_blocked", (Nat(udp="drop"),), BLOCKED),
    Kind("udp_refused", (Nat(udp="reject with icmpx admin-prohibited"),), BLOCKED),
    Kind("public", (Nat(NONE, NONE),), dict(mapping=NONE, filtering=EIF, **PUBLIC)),
    Kind("public_firewall", (Nat(NONE, APDF),), dict(mapping=NONE, filtering=APDF, **PUBLIC)),
    Kind("ipv6", (Nat(NONE, NONE),), dict(mapping=NONE, filtering=EIF, **PUBLIC),
         family="ipv6"),
    Kind("ipv6_firewall", (Nat(NONE, APDF),), dict(mapping=NONE, filtering=APDF, **PUBLIC),
         family="ipv6"),
    Kind("ipv6_translated", (Nat(),), dict(mapping=EIM, filtering=APDF, hairpinning=False,
                                           portPreservation=True), family="ipv6"),
]}


class Place:
    """The nodes of a network, as in home.Home: .client, .router, .carrier (or None), .internet."""

    def __init__(self, lab, kind):
        self.lab, self.kind, self.carrier = lab, kind, None
        self.ipv6 = kind.family == "ipv6"
        self.servers = (ONE6, TWO6) if self.ipv6 else (ONE, TWO)
        self.client, self.internet = lab.node("client"), lab.node("internet")
        (self.ipv6_only if self.ipv6 else self.ipv4_only)(kind)

    def chain(self, *nodes):
        """Cables from each to the next; what leads outward is wan0, what leads inward lan0."""
        names = ["eth0"] + ["wan0"] * (len(nodes) - 2)
        for a, b, out, into in zip(nodes, nodes[1:], names,
                                   ["lan0"] * (len(nodes) - 2) + ["eth0"]):
            self.lab.cable(a, out, b, into)
            a.ip(f"link set {out} up")
            b.ip(f"link set {into} up")

    def ipv4_only(self, kind):
        node, nat = self.lab.node("router"), kind.nats[0]
        public = nat.mapping == NONE
        lan, client = ("11.22.55.1", "11.22.55.20") if public else (LAN_ADDRESS, CLIENT)
        wan, upstream = "11.22.33.44", ONE
        if len(kind.nats) > 1:
            wan, upstream = kind.between + ".2", kind.between + ".1"
            carrier = self.lab.node("carrier")
            self.chain(self.client, node, carrier, self.internet)
            carrier.ip(f"addr add {upstream}/24 dev lan0", "addr add 11.22.33.99/24 dev wan0",
                       f"route add default via {ONE}")
            self.carrier = Router(carrier, upstream, "11.22.33.99")
        else:
            self.chain(self.client, node, self.internet)
        self.client.ip(f"addr add {client}/24 dev eth0", f"route add default via {lan}")
        node.ip(f"addr add {lan}/24 dev lan0", f"addr add {wan}/24 dev wan0",
                f"route add default via {upstream}",
                *([f"addr add {nat.pool}/24 dev wan0"] if nat.pool else []))
        self.internet.ip(f"addr add {ONE}/24 dev eth0", f"addr add {TWO}/24 dev eth0",
                         *(["route add 11.22.55.0/24 via 11.22.33.44"] if public else []))
        self.router = Router(node, lan, wan)
        translate(self.router, nat, client)
        if self.carrier:
            translate(self.carrier, kind.nats[1], wan)
        self.address = client

    def ipv6_only(self, kind):
        node, net = self.lab.node("router"), "2a10:50::" if kind.nats[0].mapping == NONE else "fd50::"
        self.chain(self.client, node, self.internet)
        self.client.ip(f"addr add {net}20/64 dev eth0 nodad", "route add default via fe80::1 dev eth0")
        node.ip("addr add fe80::1/64 dev lan0 nodad", f"addr add {net}1/64 dev lan0 nodad",
                "addr add 2a10:60::44/64 dev wan0 nodad", f"route add default via {ONE6}")
        self.internet.ip(f"addr add {ONE6}/64 dev eth0 nodad", f"addr add {TWO6}/64 dev eth0 nodad",
                         "route add 2a10:50::/64 via 2a10:60::44")
        self.router = Router(node, "fe80::1", None, wan6="2a10:60::44")
        translate(self.router, kind.nats[0], None, ipv6=True)
        self.address = f"{net}20"


def translate(router, nat, inside, ipv6=False):
    """Makes a router translate like this from now on."""
    node = router.node
    node.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1,
                net__ipv4__icmp_ratelimit=0, net__ipv4__conf__all__send_redirects=0,
                net__ipv4__conf__lan0__send_redirects=0)
    node.nft("add table inet kind\ndelete table inet kind\n" +
             nat.rules(inside, router.wan_address, ipv6))
    node.sysctl(net__netfilter__nf_conntrack_udp_timeout=nat.lifetime_s,
                net__netfilter__nf_conntrack_udp_timeout_stream=nat.lifetime_s)


@contextlib.contextmanager
def network(kind):
    """kind: the name of a row, or a Kind of one's own."""
    with Lab() as lab:
        yield Place(lab, KINDS[kind] if isinstance(kind, str) else kind)
