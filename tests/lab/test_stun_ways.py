"""Our address outside, by servers that disagree, and over TCP, TLS and DTLS where UDP is blocked."""

import contextlib
import json
import shutil
import signal
import socket
import ssl
import time

import pytest

import clock
from daemon import BUILD, INTERFACE, Natd
from lab import TOP, search_path, wait_until
from stun_server import Resolver, StreamServer, StunServer, use_resolver
from varlink import VarlinkError

TLS = TOP / "tests/data/tls"
WAN, ONE, TWO = "11.22.33.44", "11.22.33.1", "11.22.33.2"
TRUST = {"SSL_CERT_FILE": str(TLS / "authority.pem")}


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{certificate}.pem", TLS / "server.key")
    return context


def start(place, servers, **env):
    return Natd(place.client, f"[Stun]\nServers={servers}\n", start=False).start(env=env)


def look(place, natd, timeout_us=3000000, **parameters):
    """Asks for an address, whether there is an answer or not."""
    with place.client.socket(kind=socket.SOCK_DGRAM, bind=("0.0.0.0", 0)) as s:
        with contextlib.suppress(VarlinkError):
            return natd.call("GetReflexiveAddress", [s.fileno()], socketFileDescriptor=0,
                             timeoutUSec=timeout_us, **parameters)


def external(natd):
    return [(a["address"], a["source"]) for a in natd.call("Status")["externalAddresses"]]


def becomes(natd, *expected):
    wait_until(lambda: external(natd) == list(expected), 15,
               f"{expected}; natd said:\n{natd.log()}")


def block_udp(place):
    """What a network that lets only TCP through does."""
    place.router.node.nft("table inet no_udp {\nchain forward {\n"
                          "type filter hook forward priority -10;\nmeta l4proto udp drop\n}\n}\n")


def localhost_is(lab, address):
    """The certificates are for this name."""
    lab.path("/run/hosts").write_text(f"{address} localhost\n")
    lab.run(["mount", "--bind", "/run/hosts", "/etc/hosts"])


# ---- certain and uncertain ----

def test_servers_that_differ(place):
    with StunServer(place.internet, ONE) as one, StunServer(place.internet, TWO) as two:
        two.manner = "lies"
        natd = start(place, f"{ONE} {TWO}")
        with natd.connect() as c:
            c.send(INTERFACE + "Monitor", {"events": ["external_address_changed"]}, more=True)
            c.result()  # the snapshot
            look(place, natd)
            wait_until(lambda: one.answers and two.answers, 10, "two opinions")
            (address, source), = external(natd)
            assert source == "stun_uncertain" and address in (WAN, two.lie[0])
            status = place.client.run(BUILD / "natctl", "-H", natd.socket, "status").stdout
            assert f"External: {address} via STUN on eth0 (uncertain: no two STUN servers say so)" \
                in status
            event = c.result()["externalAddress"]
            assert event["source"] == "stun_uncertain" and event["address"] in (WAN, two.lie[0])
            # The other one comes to its senses; other servers are asked anew.
            two.manner = "answers"
            natd.configure(f"[Stun]\nServers={TWO} {ONE}\n")
            natd.call("Reload")
            look(place, natd)
            becomes(natd, (WAN, "stun"))
            while event["source"] != "stun":
                event = c.result()["externalAddress"]
            assert event["address"] == WAN


@pytest.mark.long
def test_a_server_that_changes_its_mind(place):
    """A minute after it was asked, while somebody has a binding kept."""
    with StunServer(place.internet, ONE) as one, StunServer(place.internet, TWO) as two, \
            place.client.socket(kind=socket.SOCK_DGRAM, bind=("0.0.0.0", 0)) as s:
        two.manner = "lies"
        natd = start(place, f"{ONE} {TWO}")
        with natd.connect() as c:
            c.send(INTERFACE + "GetReflexiveAddress", {"socketFileDescriptor": 0}, [s.fileno()],
                   more=True)
            c.result()
            wait_until(lambda: one.answers and two.answers, 10, "two opinions")
            assert external(natd)[0][1] == "stun_uncertain"
            two.manner = "answers"
            wait_until(lambda: external(natd) == [(WAN, "stun")], 90, "agreement")


def test_one_server_alone_is_not_believed(place):
    with StunServer(place.internet, ONE):
        natd = start(place, ONE)
        look(place, natd)
        becomes(natd, (WAN, "stun_uncertain"))


# ---- other ways ----

def test_udp_is_blocked(place):
    """Servers of UDP are asked over TCP then, and those that have TCP and TLS by these."""
    block_udp(place)
    with StunServer(place.internet, ONE) as udp, StreamServer(place.internet, ONE) as tcp, \
            StreamServer(place.internet, TWO) as other:
        natd = start(place, f"{ONE} stun:{TWO}?transport=tcp")
        assert external(natd) == [] and not tcp.hellos and not other.hellos  # never at idle
        assert look(place, natd) is None  # what a UDP socket looks like nobody can say
        becomes(natd, (WAN, "stun"))
        assert not udp.requests and tcp.answers and other.answers
        names = [s["name"] for s in natd.call("Status")["stunServers"]]
        assert names == [f"stun:{ONE}", f"stun:{TWO}?transport=tcp"]
        assert natd.call("Status")["stunServers"][1]["successRate"] == 100


def test_udp_is_blocked_for_the_measurement_of_the_nat(place):
    block_udp(place)
    with StreamServer(place.internet, ONE) as tcp, StreamServer(place.internet, TWO):
        natd = start(place, f"{ONE} {TWO}")
        natd.call("GetNatBehavior")
        becomes(natd, (WAN, "stun"))
        assert tcp.answers


def test_another_network_blocks_udp(place):
    """A kept binding is lost there; the address of this host is not."""
    with StunServer(place.internet, ONE), StunServer(place.internet, TWO), \
            StreamServer(place.internet, ONE) as tcp, StreamServer(place.internet, TWO), \
            place.client.socket(kind=socket.SOCK_DGRAM, bind=("0.0.0.0", 0)) as s:
        natd = start(place, f"{ONE} {TWO}")
        with natd.connect() as c:
            c.send(INTERFACE + "GetReflexiveAddress", {"socketFileDescriptor": 0}, [s.fileno()],
                   more=True)
            assert c.result()["reflexive"]["address"] == WAN
            becomes(natd, (WAN, "stun"))
            assert not tcp.hellos
            block_udp(place)
            place.client.ip("addr del 192.168.1.20/24 dev eth0", "addr add 192.168.1.21/24 dev eth0",
                            "route replace default via 192.168.1.1")
            wait_until(lambda: tcp.answers, 15, "a question over TCP")
            becomes(natd, (WAN, "stun"))


@pytest.mark.long
def test_nobody_is_waited_for_without_end(place):
    """A connection that stands and a path that swallows: 39.5 s (RFC 8489) and 10 s."""
    place.router.node.nft("table inet no_80 {\nchain forward {\n"
                          "type filter hook forward priority -10;\ntcp dport 80 drop\n}\n}\n")
    with StreamServer(place.internet, ONE) as dumb:
        dumb.manner, dumb.patience_s = "silent", 60
        natd = start(place, f"stun:{ONE}?transport=tcp stun:{TWO}:80?transport=tcp")
        began = time.monotonic()
        look(place, natd)
        wait_until(lambda: f"stun:{TWO}:80?transport=tcp by tcp: no answer in time" in natd.log(), 30)
        assert 9 < time.monotonic() - began < 20
        wait_until(lambda: f"stun:{ONE}?transport=tcp by tcp: no answer in time" in natd.log(), 60)
        assert 39 < time.monotonic() - began < 50


def test_one_way_is_blocked_and_the_other_silent(place):
    block_udp(place)
    with StreamServer(place.internet, ONE) as tcp, StreamServer(place.internet, TWO) as dumb:
        dumb.manner, dumb.patience_s = "silent", 2
        natd = start(place, f"stun:{TWO}?transport=tcp {ONE}")
        look(place, natd)
        becomes(natd, (WAN, "stun_uncertain"))
        assert tcp.answers and dumb.hellos


def test_sent_to_another_server(place):
    """Once, and not to a door of our own (RFC 8489 section 10)."""
    block_udp(place)
    with StreamServer(place.internet, ONE, 7000) as first, StreamServer(place.internet, TWO, 7000) as second:
        first.manner, first.alternate = "redirects", (TWO, 7000)
        natd = start(place, f"stun:{ONE}:7000?transport=tcp")
        look(place, natd)
        becomes(natd, (WAN, "stun_uncertain"))
        assert first.requests and second.answers

        second.manner, second.alternate = "redirects", (ONE, 7000)
        natd.configure(f"[Stun]\nServers=stun:{TWO}:7000?transport=tcp\n")
        natd.call("Reload")
        assert external(natd) == []
        asked = len(second.requests)
        look(place, natd)
        wait_until(lambda: "error 300" in natd.log(), 10, "an end")
        assert (len(first.requests), len(second.requests)) == (2, asked + 1)

        first.manner, first.alternate = "redirects", ("192.168.1.1", 5000)
        natd.configure(f"[Stun]\nServers=stun:{ONE}:7000?transport=tcp\n")
        natd.call("Reload")
        look(place, natd)
        wait_until(lambda: natd.log().count("error 300") == 2, 10, "an end")
        assert external(natd) == []


def test_tls_by_srv_and_by_port(place):
    """Two servers of TLS beside one of UDP that answers: the second opinion is theirs."""
    names = {"_stuns._tcp.localhost": [(7000, "a.example")], "a.example": [TWO]}
    with Resolver(place.internet, TWO, names), StunServer(place.internet, ONE), \
            StreamServer(place.internet, TWO, 7000, tls("right")) as by_tls:
        use_resolver(place.lab, TWO)
        natd = start(place, f"{ONE} stuns:localhost", **TRUST)
        look(place, natd)
        becomes(natd, (WAN, "stun"))
        assert by_tls.answers


@pytest.mark.parametrize("certificate, words", [
    ("wrong-name", "certificate is for another name"),
    ("expired", "certificate has expired"),
    ("self-signed", "not signed by an authority that is trusted here"),
])
def test_certificates(place, certificate, words):
    with StunServer(place.internet, ONE), \
            StreamServer(place.internet, TWO, 7000, tls(certificate)) as by_tls:
        localhost_is(place.lab, TWO)
        natd = start(place, f"{ONE} stuns:localhost:7000", **TRUST)
        look(place, natd)
        wait_until(lambda: words in natd.log(), 10, words)
        assert external(natd) == [(WAN, "stun_uncertain")]
        assert not by_tls.requests


def test_certificate_after_a_redirect(place):
    """It is for ALTERNATE-DOMAIN, where that is given (RFC 8489 section 14.16)."""
    with StreamServer(place.internet, ONE, 7000, tls("right")) as first, \
            StreamServer(place.internet, TWO, 7000, tls("wrong-name")) as second:
        localhost_is(place.lab, ONE)
        first.manner, first.alternate = "redirects", (TWO, 7000)
        natd = start(place, "stuns:localhost:7000", **TRUST)

        def natctl():
            return place.client.run(BUILD / "natctl", "stun", "-q", "stuns:localhost:7000",
                                    env=TRUST, check=False)
        look(place, natd)
        wait_until(lambda: "certificate is for another name" in natd.log(), 10, "a refusal")
        assert "certificate is for another name" in natctl().stderr
        first.domain = "other.example"
        natd.configure("[Stun]\nServers=stuns:localhost:7000 stun:192.0.2.1?transport=tcp\n")
        natd.call("Reload")
        look(place, natd)
        becomes(natd, (WAN, "stun_uncertain"))
        assert second.answers
        assert natctl().stdout.startswith(WAN + ":")


@pytest.mark.skipif(not shutil.which("turnserver", path=search_path()), reason="coturn is not here")
def test_dtls(place):
    place.internet.spawn("turnserver", "-n", "--stun-only", "--no-cli", "-L", ONE,
                         "--cert", TLS / "right.pem", "--pkey", TLS / "server.key",
                         "--log-file=stdout", "--pidfile=/run/turnserver.pid", log="coturn")
    wait_until(lambda: place.internet.listening(5349, "udp"), 10, "coturn")
    localhost_is(place.lab, ONE)
    with StunServer(place.internet, TWO):
        natd = start(place, f"{TWO} stuns:localhost:5349?transport=udp", **TRUST)
        look(place, natd)
        becomes(natd, (WAN, "stun"))
    # An address that is dead delays nobody: the next one joins 250 ms later (RFC 8305).
    place.lab.path("/run/hosts").write_text(f"11.22.33.99 localhost\n{ONE} localhost\n")
    for transport in ("dtls", "tls"):
        began = clock.now()
        done = place.client.run(BUILD / "natctl", "stun", "-q", "-4", "--transport", transport,
                                "stuns:localhost:5349", env=TRUST)
        assert done.stdout.startswith(WAN + ":")
        assert 0.2 < clock.now() - began and clock.lasted(began) < 2.5


# ---- names, for natctl ----

@pytest.mark.parametrize("delay_s", [None, 30])
def test_natctl_does_not_wait_for_the_resolver(place, delay_s):
    with Resolver(place.internet, TWO, {"stun.example": [ONE]}) as resolver:
        use_resolver(place.lab, TWO)
        resolver.delay_s = delay_s
        began = clock.now()
        done = place.client.run(BUILD / "natctl", "stun", "--timeout=500ms", "stun.example",
                                check=False)
        assert 0.4 < clock.now() - began and clock.lasted(began) < 3
        assert done.returncode == 7 and "the DNS does not answer in time" in done.stderr
        asked = len(resolver.requests)
        natctl = place.client.spawn(BUILD / "natctl", "stun", "stun.example")
        wait_until(lambda: len(resolver.requests) > asked, 5, "a question")
        began = clock.now()
        assert natctl.stop(signal.SIGINT) == -signal.SIGINT
        assert clock.lasted(began) < 2


def test_natctl_takes_the_family_that_answers(place):
    """By SRV; the resolver swallows questions for IPv6."""
    names = {"_stun._udp.stun.example": [(7000, "a.example")], "a.example": [ONE]}
    with Resolver(place.internet, TWO, names) as resolver, \
            StunServer(place.internet, ONE, 7000) as server:
        use_resolver(place.lab, TWO)
        resolver.swallows = 28
        began = clock.now()
        done = place.client.run(BUILD / "natctl", "stun", "--json=short", "stun.example")
        assert clock.lasted(began) < 2
        assert json.loads(done.stdout)["server"] == {"address": ONE, "port": 7000}
        assert server.answers
        # One that swallows questions for SRV records costs a second.
        resolver.swallows, names["stun.example"] = 33, [ONE]
        with StunServer(place.internet, ONE) as server:
            began = clock.now()
            assert place.client.run(BUILD / "natctl", "stun", "-q", "stun.example").stdout
            assert clock.lasted(began) < 4
            assert server.answers


# ---- addresses of one link ----

def test_link_local_server(place):
    """A server on the link, by an address that needs its zone."""
    for node, interface in ((place.router.node, "lan0"), (place.client, "eth0")):
        node.sysctl(**{f"net__ipv6__conf__{interface}__disable_ipv6": 0})
    place.router.node.ip("addr add fe80::77/64 dev lan0 nodad")
    place.client.ip("addr add fe80::78/64 dev eth0 nodad")
    with place.router.node.inside():
        zone = socket.if_nametoindex("lan0")
    with StunServer(place.router.node, f"fe80::77%{zone}"), \
            place.client.socket(socket.AF_INET6, socket.SOCK_DGRAM, bind=("::", 0)) as s:
        natd = start(place, "")
        found = natd.call("GetReflexiveAddress", [s.fileno()], socketFileDescriptor=0,
                          server="stun:[fe80::77%eth0]:3478")
        assert found["reflexive"]["port"] == s.getsockname()[1]
        assert found["reflexive"]["address"].startswith("fe80::")
        assert found["server"] == {"address": "fe80::77%eth0", "port": 3478}
        done = place.client.run(BUILD / "natctl", "stun", "--json=short", "[fe80::77%eth0]")
        assert json.loads(done.stdout)["reflexive"]["address"].startswith("fe80::")
        assert json.loads(done.stdout)["server"] == found["server"]
        done = place.client.run(BUILD / "natctl", "stun", "[fe80::77%eth0]")
        assert "Server: [fe80::77%eth0]:3478 by udp\n" in done.stdout
