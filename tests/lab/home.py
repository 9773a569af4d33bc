"""The networks natd lives in: client, home router, internet; carrier NAT, tunnel, uplinks.

    client 192.168.1.20 -- 192.168.1.1 router 11.22.33.44 -- 11.22.33.1 internet

The router is the kernel's NAT by nftables and, when started, miniupnpd.  The WAN
network must not be a reserved one for miniupnpd; nothing leaves the namespaces.
"""

import contextlib
import dataclasses
import itertools
import json
import signal
import socket
import struct
import time

from lab import Lab, LabError, wait_until

INTERNET = "11.22.33.1"
INTERNET6 = "2a10:60::1"
TABLE = "upnpd"

RULES = """
table inet upnpd {{
    chain forward {{
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "{wan}" meta nfproto ipv6 meta l4proto icmpv6 accept
        jump miniupnpd
        iifname "{lan}" accept
    }}
    chain miniupnpd {{ }}
    chain input {{
        type filter hook input priority 0; policy accept;
        ct state established,related accept
        iifname "{wan}" meta l4proto {{ tcp, udp }} drop
    }}
    chain prerouting {{
        type nat hook prerouting priority -100;
        jump prerouting_miniupnpd
    }}
    chain postrouting {{
        type nat hook postrouting priority 100;
        jump postrouting_miniupnpd
        oifname "{wan}" meta nfproto ipv4 masquerade {masquerade}
    }}
    chain prerouting_miniupnpd {{ }}
    chain postrouting_miniupnpd {{ }}
}}
"""

CONFIG = """
ext_ifname={wan}
{ext6}
{ext_ip}
listening_ip={lan}
http_port={http_port}
enable_upnp={upnp}
enable_natpmp={natpmp}
force_igd_desc_v1={igd1}
ipv6_disable={ipv6_disable}
upnp_table_name=upnpd
upnp_nat_table_name=upnpd
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
secure_mode=yes
system_uptime={system_uptime}
notify_interval={notify_s}
min_lifetime=120
max_lifetime=86400
clean_ruleset_interval=600
uuid={uuid}
friendly_name=Lab router
model_name=lab
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


@dataclasses.dataclass(frozen=True)
class Rule:
    """A mapping (or pinhole) as the router's kernel has it."""
    protocol: str
    external_port: int
    address: str
    port: int


class Router:
    """A node with a NAT; lan and wan are its interfaces there."""

    def __init__(self, node, lan_address, wan_address, lan="lan0", wan="wan0", wan6=None):
        self.node, self.lan, self.wan, self.wan6 = node, lan, wan, wan6
        self.lan_address, self.wan_address = lan_address, wan_address
        self.upnpd, self.booted_s = None, 0
        self.options = {}

    def nat(self, masquerade=""):
        """masquerade: "" (endpoint-independent mapping), or "random,fully-random"."""
        # Runs follow each other quickly: each gets its ICMP error.
        self.node.sysctl(net__ipv4__ip_forward=1, net__ipv4__icmp_ratelimit=0)
        if self.wan6:
            self.node.sysctl(net__ipv6__conf__all__forwarding=1)
        self.node.nft(f"add table inet {TABLE}\ndelete table inet {TABLE}\n" + RULES.format(
            lan=self.lan, wan=self.wan, masquerade=masquerade))

    def start(self, pxp=True, upnp=True, igd1=False, ext_ip=None, http_port=5000,
              system_uptime=False, notify_s=900, ipv6=None, reject_pxp=False):
        """miniupnpd in the given mode; ready to answer on return."""
        def yes(value):
            return "yes" if value else "no"
        self.options = dict(pxp=pxp, upnp=upnp, igd1=igd1, ext_ip=ext_ip, http_port=http_port,
                            system_uptime=system_uptime, notify_s=notify_s, ipv6=ipv6,
                            reject_pxp=reject_pxp)
        ipv6 = bool(self.wan6) if ipv6 is None else ipv6
        config = self.node.lab.path(f"/run/miniupnpd-{self.node.name}.conf")
        config.write_text(CONFIG.format(
            wan=self.wan, lan=self.lan, http_port=http_port, upnp=yes(upnp), natpmp=yes(pxp),
            igd1=yes(igd1), ipv6_disable=yes(not ipv6), system_uptime=yes(system_uptime),
            notify_s=notify_s, ext_ip=f"ext_ip={ext_ip}" if ext_ip else "",
            ext6=f"ext_ifname6={self.wan}" if ipv6 else "",
            uuid=f"b0000000-0000-4000-8000-{abs(hash(self.node.name)) % 10**12:012d}"))
        # Its BOOTID.UPNP.ORG is the second in which it starts, and no router starts twice in one.
        # Its clock is time(2), which is up to a tick of the kernel behind.
        wait_until(lambda: int(time.time() - 0.1) > self.booted_s, 2, "the next second")
        name = self.node.name
        self.node.run("miniupnpd", "-f", f"/run/miniupnpd-{name}.conf",
                      "-P", f"/run/miniupnpd-{name}.pid")
        pidfile = self.node.lab.path(f"/run/miniupnpd-{name}.pid")
        self.upnpd = wait_until(lambda: pidfile.exists() and pidfile.read_text().strip(),
                                what="miniupnpd's pid file")
        if pxp:
            wait_until(lambda: self.node.listening(5351, "udp"), what="NAT-PMP of miniupnpd")
        if upnp:
            wait_until(lambda: self.node.listening(http_port), what="HTTP of miniupnpd")
            wait_until(lambda: self.node.listening(1900, "udp"), what="SSDP of miniupnpd")
        self.booted_s = int(time.time())  # or earlier, on a busy machine

    def stop(self, number=signal.SIGTERM):
        if self.upnpd:
            pid, self.upnpd = int(self.upnpd), None
            with contextlib.suppress(LabError):
                self.node.lab.ask({"do": "kill", "pid": pid, "signal": int(number)})
            proc = self.node.lab.path(f"/proc/{pid}/stat")
            wait_until(lambda: not proc.exists() or ") Z" in proc.read_text(),
                       what="the end of miniupnpd")
            self.node.lab.path(f"/run/miniupnpd-{self.node.name}.pid").unlink(missing_ok=True)

    def flush(self):
        """Forget every mapping, as a power cut does."""
        self.node.nft("".join(f"flush chain inet {TABLE} {chain}\n" for chain in (
            "miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd")))

    def restart(self, **changed):
        """A power cut: the table is empty and the epoch starts anew."""
        self.stop(signal.SIGKILL)
        self.flush()
        self.start(**dict(self.options, **changed))

    def rules(self):
        """The set of mappings in the kernel's table."""
        return self._list("prerouting_miniupnpd", parse_dnat)

    def ports(self):
        """What is open from outside: (protocol, port)."""
        return {(rule.protocol, rule.external_port) for rule in self.rules()}

    def pinholes(self):
        """The set of IPv6 pinholes; external_port is the port that is open."""
        return self._list("miniupnpd", parse_pinhole)

    def _list(self, chain, parse):
        text = self.node.run("nft", "-j", "list", "chain", "inet", TABLE, chain).stdout
        rules = (item["rule"] for item in json.loads(text)["nftables"] if "rule" in item)
        return {found for found in map(parse, rules) if found}

    def block(self, *protocols, how="drop", source="0.0.0.0/0"):
        """Of PCP, NAT-PMP and SSDP let only those through that are not named."""
        match = {"pcp": "udp dport 5351 @th,64,8 2", "nat_pmp": "udp dport 5351 @th,64,8 0",
                 "ssdp": "udp dport 1900", "pxp": "udp dport 5351"}
        self.node.nft("add table inet block\ndelete table inet block\n"
                      "table inet block { chain input { type filter hook input priority -10;\n" +
                      "".join(f"iifname {self.lan} ip saddr {source} {match[p]} {how}\n" for p in protocols) + "}\n}")


def parse_dnat(rule):
    found, target = matches(rule), [e["dnat"] for e in rule["expr"] if "dnat" in e]
    if not target or found.get("dport") is None:
        return None
    return Rule(named(found.get("protocol")), found["dport"], target[0]["addr"],
                target[0].get("port", found["dport"]))


def parse_pinhole(rule):
    found = matches(rule)
    if ":" not in str(found.get("address", "")) or found.get("dport") is None:
        return None
    return Rule(named(found.get("protocol")), found["dport"], found["address"], found["dport"])


# miniupnpd writes raw header matches: (base, bit offset, bits) of IPv4 and IPv6.
RAW = {("nh", 72, 8): "protocol", ("nh", 48, 8): "protocol", ("th", 16, 16): "dport",
       ("nh", 192, 128): "address"}


def matches(rule):
    """What a rule matches on: protocol, dport, address (destination, IPv6 only)."""
    found = {}
    for match in (e["match"] for e in rule["expr"] if "match" in e):
        left, right = match["left"], match["right"]
        payload = left.get("payload", {})
        if "base" in payload:
            key = RAW.get((payload["base"], payload["offset"], payload["len"]))
            if key == "address":
                right = socket.inet_ntop(socket.AF_INET6, int(str(right), 0).to_bytes(16, "big"))
            found[key] = right
        elif payload.get("field") == "dport":
            found["dport"] = right
        elif payload.get("field") == "nexthdr":
            found["protocol"] = right
        elif payload.get("protocol") == "ip6" and payload.get("field") == "daddr":
            found["address"] = right
        elif left.get("meta", {}).get("key") == "l4proto":
            found["protocol"] = right
    return found


def named(protocol):
    return {6: "tcp", 17: "udp"}.get(protocol, protocol)


class Home:
    """The usual place: .client, .router (a Router), .internet, in .lab."""

    def __init__(self, lab, ipv6=False, private_wan=None):
        self.lab, self.ipv6 = lab, ipv6
        self.client, self.internet = lab.node("client"), lab.node("internet")
        node = lab.node("router")
        self.ports = itertools.count(1)
        node.ip("link add lan0 type bridge forward_delay 0 mcast_snooping 0",
                "addr add 192.168.1.1/24 dev lan0", "link set lan0 up")
        wan = private_wan or "11.22.33.44"
        upstream = wan.rsplit(".", 1)[0] + ".1"
        self.router = Router(node, "192.168.1.1", wan, wan6="2a10:60::44" if ipv6 else None)
        self.plug(self.client, "eth0", "192.168.1.20")
        lab.cable(node, "wan0", self.internet, "eth0")
        node.ip(f"addr add {wan}/24 dev wan0", "link set wan0 up")
        self.internet.ip(f"addr add {INTERNET}/24 dev eth0", "addr add 11.22.33.2/24 dev eth0",
                         "link set eth0 up")
        node.ip(f"route add default via {upstream}")
        if ipv6:
            self._ipv6(node)
        self.router.nat()

    def _ipv6(self, node):
        node.ip("addr add fe80::1/64 dev lan0 nodad", "addr add 2a10:50::1/64 dev lan0 nodad",
                "addr add 2a10:60::44/64 dev wan0 nodad", f"route add default via {INTERNET6}")
        self.internet.ip(f"addr add {INTERNET6}/64 dev eth0 nodad",
                         "route add 2a10:50::/48 via 2a10:60::44")
        self.client.ip("addr add 2a10:50::20/64 dev eth0 nodad",
                       "route add default via fe80::1 dev eth0")

    def plug(self, node, interface, address):
        """A host on the home network."""
        port = f"port{next(self.ports)}"
        self.lab.cable(node, interface, self.router.node, port)
        self.router.node.ip(f"link set {port} master lan0", f"link set {port} up")
        node.ip(f"addr add {address}/24 dev {interface}", f"link set {interface} up",
                f"route add default via {self.router.lan_address}")
        return port

    def unplug(self, port="port1"):
        self.router.node.ip(f"link set {port} down")

    def replug(self, port="port1"):
        self.router.node.ip(f"link set {port} up")

    def neighbour(self, address="192.168.1.66"):
        """Another host on the home network."""
        node = self.lab.node(f"host{address.rsplit('.', 1)[1]}")
        self.plug(node, "eth0", address)
        return node


@contextlib.contextmanager
def home(**options):
    with Lab() as lab:
        yield Home(lab, **options)


def add_uplink(place, number=2, net=None, host=20, start=lambda router: None):
    """A second way out: client eth1 -- router2 -- internet.  Its Router.  net: 192.168.1 is like
    the first router's; the client is its host.  start(router) is called before it is a way out: who
    asks there at once, and finds nobody at the port, does not ask again soon."""
    lab, lan, wan = place.lab, net or f"192.168.{number}", f"11.22.{32 + number}"
    node = lab.node(f"router{number}")
    lab.cable(place.client, f"eth{number - 1}", node, "lan0")
    lab.cable(node, "wan0", place.internet, f"eth{number - 1}")
    node.ip(f"addr add {lan}.1/24 dev lan0", "link set lan0 up",
            f"addr add {wan}.44/24 dev wan0", "link set wan0 up", f"route add default via {wan}.1")
    place.internet.ip(f"addr add {wan}.1/24 dev eth{number - 1}",
                      f"link set eth{number - 1} up")
    router = Router(node, f"{lan}.1", f"{wan}.44")
    router.nat()
    start(router)
    place.client.ip(f"addr add {lan}.{host}/24 dev eth{number - 1}", f"link set eth{number - 1} up",
                    f"route add default via {lan}.1 dev eth{number - 1} metric {100 * number}")
    return router


@contextlib.contextmanager
def carrier_home():
    """A second NAT between: router WAN 100.64.7.2, carrier 11.22.33.99.  (Home, Router)."""
    with Lab() as lab:
        place = Home(lab, private_wan="100.64.7.2")
        carrier = lab.node("carrier")
        place.router.node.ip("link del wan0")
        lab.cable(place.router.node, "wan0", carrier, "lan0")
        lab.cable(carrier, "wan0", place.internet, "eth0")
        place.router.node.ip("addr add 100.64.7.2/24 dev wan0", "link set wan0 up",
                             "route add default via 100.64.7.1")
        carrier.ip("addr add 100.64.7.1/24 dev lan0", "link set lan0 up",
                   "addr add 11.22.33.99/24 dev wan0", "link set wan0 up",
                   f"route add default via {INTERNET}")
        place.internet.ip(f"addr add {INTERNET}/24 dev eth0", "link set eth0 up")
        outer = Router(carrier, "100.64.7.1", "11.22.33.99")
        outer.nat()
        yield place, outer


def add_tunnel(place, interface="wg0", address="10.2.0.2", gateway="10.2.0.1"):
    """A VPN as wg-quick sets it up: a /32 address, no route in the main table.

    The other end is the node `vpn`.  Both ends have one MAC and no ARP, so that the
    link behaves as WireGuard's does: whatever is sent arrives.  The Node.
    """
    node, mac = place.lab.node("vpn"), "02:00:00:00:77:01"
    place.lab.cable(place.client, interface, node, "wg0")
    place.client.ip(f"link set {interface} address {mac} arp off")
    node.ip(f"link set wg0 address {mac} arp off", f"addr add {gateway}/32 dev wg0",
            "link set wg0 up", f"route add {address}/32 dev wg0")
    tunnel_up(place, interface, address)
    return node


def tunnel_up(place, interface="wg0", address="10.2.0.2"):
    place.client.ip(f"addr add {address}/32 dev {interface}", f"link set {interface} up",
                    f"route add default dev {interface} table 51820",
                    "rule add not fwmark 51820 table 51820",
                    "rule add table main suppress_prefixlength 0")


def tunnel_down(place, interface="wg0", address="10.2.0.2"):
    place.client.ip(f"addr del {address}/32 dev {interface}", f"link set {interface} down",
                    "rule del not fwmark 51820 table 51820",
                    "rule del table main suppress_prefixlength 0")


def reaches(place, protocol, external, internal, timeout_s=10.0, node=None, source=None):
    """Connect from the internet to external, an (address, port), where the client listens on
    the internal port; the bytes that came through and back, or None if none did."""
    family = socket.AF_INET6 if ":" in external[0] else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    any_address = "::" if family == socket.AF_INET6 else "0.0.0.0"
    node = node or place.client
    with node.socket(family, kind, bind=(any_address, internal), timeout_s=timeout_s) as inside, \
            place.internet.socket(family, kind, timeout_s=timeout_s) as outside:
        if source:
            outside.bind((source, 0))
        try:
            outside.connect(tuple(external))
            if kind == socket.SOCK_DGRAM:
                outside.send(b"hello from the internet")
                heard, peer = inside.recvfrom(1024)
                inside.sendto(b"reply to " + heard, peer)
                return outside.recv(1024)
            outside.sendall(b"hello from the internet")
            accepted, _ = inside.accept()
            with accepted:
                accepted.settimeout(timeout_s)
                accepted.sendall(b"reply to " + accepted.recv(1024))
                return outside.recv(1024)
        except OSError:
            return None


def forwards(*args, **options):
    return reaches(*args, **options) == b"reply to hello from the internet"


def nat_pmp(node, gateway, op, internal=0, external=0, lifetime=0, source=None,
            waits_s=(0.25, 0.5, 1.0, 2.0, 4.0)):
    """One NAT-PMP exchange by hand, for tests of the lab itself: the answer's bytes."""
    packet = struct.pack("!BB", 0, 0) if op == 0 else \
        struct.pack("!BBHHHI", 0, op, 0, internal, external, lifetime)
    with node.socket(kind=socket.SOCK_DGRAM) as s:
        if source:
            s.bind((source, 0))
        s.connect((gateway, 5351))
        for timeout_s in waits_s:
            s.settimeout(timeout_s)
            s.send(packet)
            with contextlib.suppress(TimeoutError):
                return s.recv(1024)
    return None
