"""Faults of the network and of the machine that need a stage of their own; the number of each
is that of the fault model."""

import contextlib
import os
import re
import signal
import socket
import struct
import time

import clock
import home as h
import pytest
import scripted
from daemon import BUILD, INTERFACE, Natd, external
from lab import LabError, wait_until
from varlink import VarlinkError

PCP = "[pcp]\non = true\n"
UPNP = "[upnp]\non = true\n[pxp]\nlisten = false\n"
NOTHING = ("NoMethodAvailable", "GatewayTimeout")


def descriptors(natd):
    return len(os.listdir(f"/proc/{natd.process.pid}/fd"))


def refused(natd, *names, **parameters):
    """The error of a request that cannot be served, and how long it took."""
    while True:
        asked = clock.now()
        try:
            mapping = natd.map(port=40000, **parameters)
        except VarlinkError as e:
            assert e.name.rsplit(".", 1)[1] in names, e
            return e, clock.lasted(asked)
        # The verdict came later than the answer was due.
        assert clock.stood_still(asked), mapping
        natd.call("ReleaseMapping", id=mapping["id"])


# ---- the network


def test_the_address_goes_while_a_request_is_under_way(place, gateway):
    """F24, attack 27: an address is removed in the middle of a transaction: it ends, its socket with it, and
    nothing is sent from an address that this host does not have."""
    gw = gateway(PCP)
    natd = Natd(place.client)
    idle = descriptors(natd)
    gw.order("silent", on=True)
    with natd.connect() as c:
        c.send(INTERFACE + "RequestMapping", {"protocols": ["udp"], "internalPort": 40000,
                                              "timeoutUSec": 0}, more=True)
        c.result()
        gw.wait_heard("pcp")
        assert descriptors(natd) > idle + 1  # this connection, and a socket to the router
        place.client.ip("addr del 192.168.1.20/24 dev eth0")
        wait_until(lambda: descriptors(natd) == idle + 1, 5, "the socket closed")
        since = scripted.now()
        time.sleep(1.2)  # the next repetitions of the request would be in this time
        assert not gw.heard(since=since)
        gw.order("silent", on=False)
        place.client.ip("addr add 192.168.1.21/24 dev eth0", "route add default via 192.168.1.1")
        while True:
            runtime = c.result(5)["mapping"]["runtime"]
            if runtime["state"] == "active":
                break
        assert runtime["internal"]["address"] == "192.168.1.21"
    assert {line["source"] for line in gw.heard(since=since)} == {"192.168.1.21"}


def test_a_vpn_that_takes_the_default_route_is_not_asked(place, gateway):
    """F27: a VPN's tunnel takes the default route by policy rules: nobody in it is asked until the
    configuration says so; the home router serves who names it."""
    vpn = h.add_tunnel(place)
    inside = gateway("v01-vpn", h.Router(vpn, "10.2.0.1", "11.99.1.1", lan="wg0"))
    home = gateway(PCP)
    natd = Natd(place.client)
    refused(natd, *NOTHING, "NoGateway")
    assert not inside.heard() and not home.heard("pcp.map")
    named = natd.map(port=40001, interface="eth0")
    assert (external(named), named["runtime"]["interface"]) == (("11.22.33.44", 40001), "eth0")
    assert {e["client"] for e in home.table()} == {"192.168.1.20"}
    assert not inside.heard()
    h.tunnel_down(place)
    after = wait_until(lambda: natd.map(port=40000), 3)
    assert external(after) == ("11.22.33.44", 40000)


def test_a_lan_of_ipv6_only():
    """F61: no IPv4 at all: PCP to the link-local router, and not a word of IPv4 or of errors."""
    with h.home(ipv6=True) as p:
        p.client.ip("addr flush dev eth0 scope global", "addr add 2a10:50::20/64 dev eth0 nodad",
                    "route replace default via fe80::1 dev eth0")
        gw = scripted.Scripted(p.router, "v02-ipv6-pcp", lan6=["fe80::1"])
        natd = Natd(p.client, level="info")
        mapping = natd.map(["tcp"], 40000)
        assert external(mapping) == ("2a10:50::20", 40000)
        assert mapping["runtime"]["gateway"] == "fe80::1%eth0"
        with p.client.inside():
            number = socket.if_nametoindex("eth0")
        for gateway in ("fe80::1", "fe80::1%eth0", f"fe80::1%{number}"):
            again = natd.map(["tcp"], 40000, gateway=gateway)
            # The number of an interface does not outlive a reboot, its name does.
            assert again["context"]["gateway"] == "fe80::1"
            assert again["context"].get("interface") == (None if gateway == "fe80::1" else "eth0")
            assert again["id"] == mapping["id"]
        for wrong in ({"gateway": "fe80::1%eth7"}, {"gateway": "fe80::1%eth0", "interface": "lo"}):
            with pytest.raises(VarlinkError) as e:
                natd.map(["tcp"], 40001, **wrong)
            assert e.value.parameters == {"parameter": "gateway"}
        natctl = [str(BUILD / "natctl"), "-H", natd.socket]
        assert p.client.run(*natctl, "gateways", "-q").stdout == "fe80::1%eth0\n"
        p.client.run(*natctl, "map", "tcp", "40000", "--gateway", "fe80::1%eth0", "--permanent")
        natd.configure("[Mapping web]\nProtocols=tcp\nInternalPort=40002\nGateway=fe80::1%eth0\n")
        natd.call("Reload")
        natd.wait_active(2)
        assert "uplink fe80::1 on eth0" in natd.log()
        assert not gw.heard("nat_pmp")
        assert "annot" not in natd.log() and "error" not in natd.log()
        gw.stop()


def test_a_translator_on_this_host():
    """F62: 464XLAT: IPv4 is only made up by a clat of this host: what does not care for the family
    is mapped by IPv6."""
    with h.home(ipv6=True) as p:
        plat = p.lab.node("plat")
        p.lab.cable(p.client, "clat0", plat, "eth0")
        p.client.ip("addr flush dev eth0 scope global", "addr add 2a10:50::20/64 dev eth0 nodad",
                    "route replace default via fe80::1 dev eth0", "link set clat0 up",
                    "addr add 192.0.0.4/32 dev clat0", "route add default dev clat0")
        plat.ip("link set eth0 up")
        gw = scripted.Scripted(p.router, "v02-ipv6-pcp", lan6=["fe80::1"])
        natd = Natd(p.client)
        assert external(natd.map(["tcp"], 40000)) == ("2a10:50::20", 40000)
        _, took_s = refused(natd, *NOTHING, interface="clat0")
        assert took_s < 3.6
        gw.stop()


def test_a_link_of_576_bytes(place, gateway):
    """F64: the smallest MTU of IPv4: datagrams fit, SOAP is cut by TCP."""
    for node, interface in ((place.client, "eth0"), (place.router.node, "lan0")):
        node.ip(f"link set {interface} mtu 576")
    gw = gateway("a05-all")
    natd = Natd(place.client)
    assert natd.map(port=40000)["runtime"]["state"] == "active"
    assert natd.map(port=40001, methods=["igd1", "igd2"])["runtime"]["state"] == "active"
    assert gw.heard("ssdp.search") and len(gw.table()) == 2


ICMP_PORT_UNREACHABLE = 3, 3


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def forged_icmp(source, client, port, gateway="192.168.1.1"):
    """Port unreachable, as if the gateway's kernel refused client:port -> gateway:5351."""
    def ip(a, b, kind, payload):
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, kind, 0,
                           bytes(map(int, a.split("."))), bytes(map(int, b.split("."))))
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload
    quoted = ip(client, gateway, 17, struct.pack("!HHHH", port, 5351, 68, 0))
    icmp = struct.pack("!BBHI", *ICMP_PORT_UNREACHABLE, 0, 0) + quoted
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    return ip(source, client, 1, icmp)


def test_forged_icmp_takes_nothing_away(place, gateway):
    """F65: ICMP errors are forged while a renewal is under way: what is held stays held."""
    attacker = place.neighbour("192.168.1.66")
    gw = gateway(PCP)
    natd = Natd(place.client)
    ident = natd.map(port=40000)["id"]
    gw.order("silent", on=True)
    since = scripted.now()
    natd.call("RenewMapping", id=ident)
    port = gw.wait_heard("pcp.map", since=since)[0]["source_port"]
    with attacker.inside(), socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                          socket.IPPROTO_RAW) as raw:
        for _ in range(200):
            raw.sendto(forged_icmp("192.168.1.1", "192.168.1.20", port), ("192.168.1.20", 0))
    # That it came to natd shows in its log, at the latest in the next request's error.
    time.sleep(0.5)
    mapping = natd.mapping(ident)
    assert mapping["runtime"]["state"] in ("active", "renewing", "degraded")
    assert external(mapping) == ("11.22.33.44", 40000)
    assert len(gw.table()) == 1
    gw.order("silent", on=False)
    since = scripted.now()
    natd.call("RenewMapping", id=ident)
    gw.wait_heard("pcp.map", since=since, timeout_s=10)
    assert external(natd.wait_state(ident, "active", 5)) == ("11.22.33.44", 40000)


def test_the_hosts_firewall_drops_answers_to_multicast(place, gateway):
    """F67: a packet filter that lets in only what was asked for: the search sent to the router
    alone is answered."""
    place.client.nft("table inet own { chain input { type filter hook input priority 0; policy drop;"
                     " iif lo accept; ct state established,related accept\n}\n}")
    gateway(UPNP)
    assert Natd(place.client).map(port=40000)["runtime"]["state"] == "active"


@pytest.mark.parametrize("groups", [0, 1])
def test_groups_that_cannot_be_joined(place, gateway, groups):
    """F33: the limit of multicast memberships is reached: hints are missed, nothing else."""
    place.client.sysctl(net__ipv4__igmp_max_memberships=groups)
    gw = gateway("a05-all")
    natd = Natd(place.client)
    ident = natd.map(port=40000)["id"]
    gw.order("restart")
    natd.call("RenewMapping", id=ident)
    wait_until(lambda: len(gw.table()) == 1, 5, "the mapping again")


@pytest.mark.parametrize("personality", [UPNP + "[soap]\ndelete_any = true\n", PCP])
def test_two_hosts_want_one_port(place, gateway, personality):
    """F52: who came first keeps it, whatever the other could do to the router, and neither fights."""
    gw = gateway(personality)
    hosts = place.client, place.neighbour("192.168.1.66")
    natds = [Natd(node, level="info") for node in hosts]
    idents = [natd.map(port=40000, suggestedExternalPort=40000)["id"] for natd in natds]
    before = {(e["client"], e["external_port"]) for e in gw.table()}
    assert len(before) == 2 and ("192.168.1.20", 40000) in before
    for _ in range(3):
        since = scripted.now()
        for natd, ident in zip(natds, idents):
            natd.call("RenewMapping", id=ident)
        for source in ("192.168.1.20", "192.168.1.66"):
            gw.wait_heard("soap" if "upnp" in personality else "pcp.map", since=since, source=source)
    for natd, ident in zip(natds, idents):
        natd.wait_state(ident, "active")
    assert {(e["client"], e["external_port"]) for e in gw.table()} == before
    assert not gw.heard("soap.DeletePortMapping", external_port=40000, source="192.168.1.66")


# ---- the router's TCP


def established(node):
    with node.inside(), open("/proc/thread-self/net/tcp") as f:
        return [line for line in list(f)[1:] if line.split()[3] == "01"]


def test_tcp_that_opens_and_stays_silent(place, gateway):
    """F35: half-open TCP: SYN and ACK, then nothing: the caller hears in 3 s that it is still being
    asked, then why not; the socket is closed, and it is served when the router is well again."""
    gw = gateway(UPNP)
    natd = Natd(place.client)
    place.router.node.nft("table inet hole { chain input { type filter hook input priority -10; "
                          "iifname lan0 tcp flags & psh == psh drop\n}\n}")
    asked = clock.now()
    mapping = natd.map(port=40000)
    assert clock.lasted(asked) < 3.6 and mapping["runtime"]["state"] == "requesting"
    assert established(place.client)
    mapping = natd.wait_state(mapping["id"], "failed", 10)
    assert mapping["runtime"]["problem"]["code"] == "no_method"
    wait_until(lambda: not established(place.client), 6, "the connection closed")
    assert not gw.heard("http")
    place.router.node.nft("delete table inet hole")
    natd.call("RenewMapping", id=mapping["id"])
    natd.wait_state(mapping["id"], "active", 10)


def test_a_router_that_wants_a_password(place, gateway):
    """F72: 401 for the description (TR-064, DeviceProtection): not asked again, not prompted for;
    other protocols serve."""
    locked = UPNP + '[[rule]]\non = ["http.get"]\ndo = { status = 401, body = "" }\n'
    gw = gateway(locked)
    natd = Natd(place.client)
    error, took_s = refused(natd, *NOTHING)
    assert took_s < 3.6 and "no UPnP description" in str(error.parameters)
    assert 1 <= len(gw.heard("http.get")) <= 4 and not gw.heard("soap")
    gw.stop()
    both = locked.replace("listen = false", "listen = true") + "[pcp]\non = true\n"
    gateway(both)
    assert natd.map(port=40000)["runtime"]["method"] == "pcp"


# ---- the machine


def traced(place, tmp_path, *inject):
    """natd with strace beside it (-D: natd stays the process of the lab)."""
    return Natd(place.client, wrap=["strace", "-D", "-f", "-qq", "-o", tmp_path / "trace",
                                    *(f"--inject={what}" for what in inject)])


def test_system_calls_that_are_interrupted(place, gateway, tmp_path):
    """F69: EINTR from every third call that can be interrupted."""
    gw = gateway("a05-all")
    # The first 60 of read() are those of the dynamic linker, which does not expect that.
    natd = traced(place, tmp_path, "read:error=EINTR:when=60+3",
                  "epoll_wait,recvmsg,recvfrom,sendmsg,sendto,write,fsync,accept4"
                  ":error=EINTR:when=3+3")
    with natd.connect() as c:
        ident = c.call(INTERFACE + "RequestMapping", protocols=["udp"], internalPort=40000,
                       persistence="permanent")["mapping"]["id"]
        natd.wait_state(ident, "active")
        c.call(INTERFACE + "RenewMapping", id=ident)
        assert len(gw.table()) == 1
        c.call(INTERFACE + "ReleaseMapping", id=ident)
    wait_until(lambda: gw.table() == [], 5, "the mapping released")
    # libevent hands a signal on with one write() that never blocks: outside of a test nothing
    # interrupts it, here each third one is lost.
    for _ in range(2):
        natd.process.send(signal.SIGTERM)
        with contextlib.suppress(LabError):
            wait_until(lambda: "stopping on SIGTERM" in natd.log(), 3, "the signal taken")
            break
    assert natd.process.wait() == 0
    wait_until(lambda: (tmp_path / "trace").read_text().count("EINTR") > 20, 5, "what strace wrote down")


def test_what_is_saved_is_on_the_disk_before_it_is_in_its_place(place, gateway, tmp_path):
    """F46, F48: where the power fails there is the old file, whole, or the new one."""
    gateway(PCP)
    trace = tmp_path / "trace"
    natd = Natd(place.client, wrap=["strace", "-D", "-f", "-qq", "-y", "-o", trace,
                                    "-e", "trace=fsync,renameat,renameat2,rename"])
    natd.map(port=40000, persistence="permanent")
    saved = re.compile(r"fsync\(\d+<[^>]*/leases\.json\.new>\) += 0\n.*rename.*\n.*"
                       r"fsync\(\d+<[^>]*/state>\) += 0\n")
    wait_until(lambda: saved.search(trace.read_text()), 5, "the new file and its name written")
    assert "rename" not in saved.sub("", trace.read_text())


def test_a_disk_that_fails(place, gateway, tmp_path):
    """F46: EIO from the disk: natd runs on without, and says so once."""
    gateway(PCP)
    natd = traced(place, tmp_path, "fsync:error=EIO")
    for port in (40000, 40001):
        assert natd.map(port=port, persistence="permanent")["runtime"]["state"] == "active"
    assert natd.log().count("cannot save what is held") == 1
    assert "Input/output error" in natd.log()
    with contextlib.suppress(OSError):
        natd.stop()
