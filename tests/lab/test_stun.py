"""GetReflexiveAddress: an application's own socket as the internet shows it."""

import contextlib
import json
import shutil
import socket
import time

import pytest

import clock
import home as h
from daemon import BUILD, INTERFACE, Natd
from lab import TOP, search_path, wait_until
from stun_server import Resolver, StunServer, use_resolver
from varlink import VarlinkError

METHOD = INTERFACE + "GetReflexiveAddress"
SERVERS = "[Stun]\nServers=11.22.33.1, 11.22.33.2\n"
UDP = socket.SOCK_DGRAM
WAN, LAN = "11.22.33.44", "192.168.1.20"


@pytest.fixture
def place():
    with h.home() as place, StunServer(place.internet, "11.22.33.1") as one, \
            StunServer(place.internet, "11.22.33.2") as two:
        place.servers = one, two
        yield place


def app_socket(place, bind=("0.0.0.0", 0), family=socket.AF_INET, v6only=True):
    with place.client.inside():
        s = socket.socket(family, UDP)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    s.bind(bind)
    s.settimeout(3)
    return s


def look(natd, s, **parameters):
    return natd.call("GetReflexiveAddress", [s.fileno()], socketFileDescriptor=0, **parameters)


def pair(endpoint):
    return endpoint["address"], endpoint["port"]


# ---- once ----

@pytest.mark.parametrize("family, bind, v6only", [
    (socket.AF_INET, ("0.0.0.0", 0), True),
    (socket.AF_INET, (LAN, 0), True),
    (socket.AF_INET6, ("::", 0), False),
    (socket.AF_INET6, ("::ffff:" + LAN, 0), False),
])
def test_once(place, family, bind, v6only):
    natd = Natd(place.client, SERVERS)
    time.sleep(0.3)
    assert not any(server.requests for server in place.servers)  # never at idle
    with app_socket(place, bind, family, v6only) as s:
        port = s.getsockname()[1]
        began = clock.now()
        found = look(natd, s)
        assert clock.lasted(began) < 1
        assert pair(found["local"]) == (LAN, port)
        assert pair(found["reflexive"]) == (WAN, port)
        assert pair(found["server"]) in [("11.22.33.1", 3478), ("11.22.33.2", 3478)]
        assert "keepAliveUSec" not in found
        # As it was: nobody else may have the port now, and what comes comes to it.
        other = app_socket(place, ("0.0.0.0", 0))
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with other, pytest.raises(OSError):
            other.bind(("0.0.0.0", port))


def test_a_user_without_privilege_and_natd_as_another(place):
    natd = Natd(place.client, SERVERS, uid=12345)
    with app_socket(place) as s:
        assert pair(look(natd, s)["reflexive"]) == (WAN, s.getsockname()[1])


def test_two_servers_agree(place):
    natd = Natd(place.client, SERVERS)
    with app_socket(place) as s:
        look(natd, s)

    def published():
        return [a for a in natd.call("Status")["externalAddresses"] if a["source"] == "stun"]
    address, = wait_until(published, what="an address that two servers agree on")
    assert address == {"family": "ipv4", "address": WAN, "isGlobal": True, "interface": "eth0",
                       "source": "stun"}
    servers = natd.call("Status")["stunServers"]
    assert [s["name"] for s in servers] == ["stun:11.22.33.1", "stun:11.22.33.2"]
    for s in servers:
        assert s["successRate"] == 100 and s["circuit"] == "closed"
        assert s["consecutiveFailures"] == 0 and s["roundTripUSec"] >= 0
        assert s["endpoint"]["port"] == 3478
    text = natd.call("GetMetrics")["text"]
    assert "natd_stun_answers_total 2\n" in text
    assert 'natd_stun_server_up{server="stun:11.22.33.1"} 1\n' in text


def test_first_server_is_dead(place):
    place.servers[0].manner = "silent"
    natd = Natd(place.client, SERVERS)
    for _ in range(4):  # either may come first
        with app_socket(place) as s:
            began = clock.now()
            found = look(natd, s)
            assert clock.lasted(began) < 0.7
            assert pair(found["server"]) == ("11.22.33.2", 3478)


@clock.one_of(3)
def test_answers_too_many_are_not_the_applications(place):
    """Servers that are further away than was thought: one is asked twice, and the other one beside it;
    all three answers come, two of them when the first has told all."""
    for server in place.servers:
        server.late_s = 0.7
        server.requests.clear()
        server.answers.clear()
    natd = Natd(place.client, SERVERS)
    with app_socket(place) as s:
        port = s.getsockname()[1]
        assert pair(look(natd, s)["reflexive"]) == (WAN, port)

        def answers():
            return [peer for server in place.servers for _, peer in server.answers if peer == (WAN, port)]
        wait_until(lambda: len(answers()) == 3, 5, "three answers")
        s.settimeout(0.3)
        strays = []
        with contextlib.suppress(TimeoutError):
            strays.append(s.recv(100))
        assert strays == []

    def is_free():
        with contextlib.suppress(OSError), app_socket(place, ("0.0.0.0", port)):
            return True
    # Whoever answers or not, the port is soon its program's alone again.
    wait_until(is_free, 5, "the port")


def test_ipv6_and_a_socket_of_both_families():
    with h.home(ipv6=True) as place, StunServer(place.internet, h.INTERNET6) as six, \
            StunServer(place.internet, h.INTERNET) as four:
        natd = Natd(place.client, f"[Stun]\nServers={h.INTERNET} {h.INTERNET6}\n")
        with app_socket(place, ("::", 0), socket.AF_INET6) as s:
            found = look(natd, s)
            assert pair(found["reflexive"]) == ("2a10:50::20", s.getsockname()[1])
            assert pair(found["server"]) == (h.INTERNET6, 3478)
        # Of both: IPv6 first; if that is dead, IPv4 250 ms later (RFC 8305).
        with app_socket(place, ("::", 0), socket.AF_INET6, v6only=False) as s:
            assert pair(look(natd, s)["server"]) == (h.INTERNET6, 3478)
        six.manner = "silent"
        with app_socket(place, ("::", 0), socket.AF_INET6, v6only=False) as s:
            began = clock.now()
            assert pair(look(natd, s)["reflexive"]) == (WAN, s.getsockname()[1])
            assert 0.2 < clock.now() - began and clock.lasted(began) < 0.6
        wait_until(lambda: four.answers, 1, "an answer over IPv4")


# ---- what is refused ----

def refused(natd, fds, name, reason, **parameters):
    with pytest.raises(VarlinkError) as e:
        natd.call("GetReflexiveAddress", fds, socketFileDescriptor=0, **parameters)
    assert e.value.name == INTERFACE + name
    assert e.value.parameters.get("reason") == reason


def test_sockets_that_cannot_be_looked_at(place):
    natd = Natd(place.client, SERVERS)

    def problem(fds, reason):
        refused(natd, fds, "InvalidSocket", reason)
    problem([], "missing")
    with open("/dev/null") as f:
        problem([f.fileno()], "not_a_socket")
    with place.client.socket() as s:
        problem([s.fileno()], "not_udp")
    with place.client.socket(kind=UDP) as s:
        problem([s.fileno()], "not_bound")
    with socket.socket(socket.AF_UNIX, UDP) as s:
        problem([s.fileno()], "wrong_family")
    with place.internet.socket(kind=UDP, bind=("0.0.0.0", 0)) as s:
        problem([s.fileno()], "wrong_namespace")
    with app_socket(place) as s:
        with pytest.raises(VarlinkError) as e:
            look(natd, s, server="turn:x:y")
        assert e.value.name == "org.varlink.service.InvalidParameter"
    assert not any(server.requests for server in place.servers)


def test_nobody_answers(place):
    """F55: all STUN servers are dead."""
    for server in place.servers:
        server.manner = "silent"
    natd = Natd(place.client, SERVERS)
    with app_socket(place) as s:
        began = clock.now()
        refused(natd, [s.fileno()], "StunFailed", "no answer in time", timeoutUSec=400000)
        assert 0.35 < clock.now() - began and clock.lasted(began) < 0.8
    natd.configure("[Stun]\nServers=\n")
    natd.call("Reload")
    with app_socket(place) as s:
        refused(natd, [s.fileno()], "StunFailed", "no STUN server is configured")
        # One that the caller names is asked all the same; nobody listens there.
        refused(natd, [s.fileno()], "StunFailed", "no server answered",
                server="stun:11.22.33.1:9")
        place.servers[0].manner = "answers"
        assert pair(look(natd, s, server="11.22.33.1:3478")["reflexive"])[0] == WAN
        place.client.ip("link set eth0 down")
        refused(natd, [s.fileno()], "NotOnline", None, server="11.22.33.1:3478")


def test_resolvers(place):
    """F53: DNS that is slow, broken or dead."""
    names = {"stun.example": ["11.22.33.1"]}
    with Resolver(place.internet, "11.22.33.2", names) as resolver:
        use_resolver(place.lab, "11.22.33.2")
        natd = Natd(place.client, "[Stun]\nServers=stun.example\n")
        assert not resolver.requests
        with app_socket(place) as s:
            for resolver.delay_s in (None, 30):
                began = time.monotonic()
                with natd.connect() as c:
                    c.send(METHOD, {"socketFileDescriptor": 0, "timeoutUSec": 1000000},
                           [s.fileno()])
                    # Dead or 30 s late: nobody else waits for it.  (Not 50 ms: a loaded
                    # machine needs those by itself; a wait would be one of seconds.)
                    while time.monotonic() - began < 0.9:
                        asked = clock.now()
                        natd.call("Status")
                        assert clock.lasted(asked) < 0.3
                    with pytest.raises(VarlinkError) as e:
                        c.result()
                assert e.value.parameters["reason"] == "no answer in time"
            resolver.delay_s = 0.3
            assert pair(look(natd, s, timeoutUSec=15000000)["reflexive"])[0] == WAN
            # The name is known from now on.
            asked = len(resolver.requests)
            look(natd, s)
            assert len(resolver.requests) == asked
            names["stun.example"] = []
            refused(natd, [s.fileno()], "StunFailed", "there is no such name",
                    server="no.such.name.example")


# ---- kept ----

@contextlib.contextmanager
def kept(natd, s, **parameters):
    """(connection, first report)"""
    with natd.connect() as c:
        c.send(METHOD, {"socketFileDescriptor": 0, **parameters}, [s.fileno()], more=True)
        yield c, c.result()


def test_a_change_is_reported_at_once(place):
    natd = Natd(place.client, SERVERS)
    with app_socket(place) as s, kept(natd, s, keepAliveUSec=1000000) as (c, first):
        assert first["keepAliveUSec"] == 1000000
        assert pair(first["reflexive"]) == (WAN, s.getsockname()[1])
        # The router forgets, and gives out ports at random from now on.
        place.router.nat("random,fully-random")
        place.router.node.run("nft", "flush", "ruleset")
        place.router.nat("random,fully-random")

        @clock.one_of(3)
        def changes():
            forget_bindings(place.router)
            with clock.urgent():
                second = c.result(5)
                at = clock.now()
            assert pair(second["reflexive"]) != pair(first["reflexive"])
            seen = [t for server in place.servers for t, peer in server.answers
                    if peer == pair(second["reflexive"])]
            assert clock.lasted(min(seen), at) < 0.1
            assert pair(second["local"]) == pair(first["local"])
        changes()


def forget_bindings(router):
    """Takes the link of the router's WAN away, with it go its bindings."""
    router.node.ip(f"addr del {router.wan_address}/24 dev {router.wan}",
                   f"addr add {router.wan_address}/24 dev {router.wan}",
                   f"route add default via {h.INTERNET}")


def test_keepalives(place):
    """F56: a NAT that forgets bindings quickly gets the keepalives asked for."""
    natd = Natd(place.client, SERVERS)
    with app_socket(place) as s, kept(natd, s, keepAliveUSec=1000000) as (c, _):
        port = s.getsockname()[1]

        @clock.one_of(3)
        def sent():
            since = clock.now()
            time.sleep(3.5)
            times = sorted(t for server in place.servers for t, peer in server.requests
                           if peer == (WAN, port) and t > since)
            gaps = [b - a for a, b in zip(times, times[1:])]
            assert 2 <= len(gaps) <= 4
            assert all(0.85 < gap < 1.1 for gap in gaps)
        sent()
    # With the connection the binding ends, and so does every trace of the twin.
    wait_until(lambda: "natd_stun_bindings 0\n" in natd.call("GetMetrics")["text"])
    time.sleep(0.5)  # what was sent before is read
    before = sum(len(server.requests) for server in place.servers)
    time.sleep(1.2)
    assert sum(len(server.requests) for server in place.servers) == before


def test_default_interval(place):
    natd = Natd(place.client, SERVERS)
    with app_socket(place) as s, kept(natd, s) as (_, first):
        assert first["keepAliveUSec"] == 15000000


def test_another_network(place):
    natd = Natd(place.client, SERVERS)
    with app_socket(place) as s, kept(natd, s) as (c, first):
        assert pair(first["reflexive"])[0] == WAN
        second = h.add_uplink(place)
        place.client.ip("route add default via 192.168.2.1 dev eth1 metric 1")
        place.client.ip("route del default via 192.168.1.1 dev eth0")
        began = clock.now()
        moved = c.result(5)
        assert clock.lasted(began) < 1
        assert pair(moved["local"]) == ("192.168.2.20", s.getsockname()[1])
        assert pair(moved["reflexive"])[0] == second.wan_address


def test_server_of_a_kept_binding_dies(place):
    """F55: the STUN server of a binding dies."""
    natd = Natd(place.client, SERVERS)
    place.router.nat("random,fully-random")  # each server sees another port
    with app_socket(place) as s, kept(natd, s, keepAliveUSec=1000000) as (c, first):
        for server in place.servers:
            if server.address == first["server"]["address"]:
                server.manner = "silent"
        second = c.result(6)
        assert second["server"]["address"] != first["server"]["address"]


# ---- somebody else's server ----

@pytest.mark.skipif(not shutil.which("turnserver", path=search_path()), reason="coturn is not here")
def test_coturn():
    with h.home() as place:
        place.internet.spawn("turnserver", "-n", "--stun-only", "--no-cli", "--no-tls", "--no-dtls",
                             "-L", "11.22.33.1", "-L", "11.22.33.2", "--log-file=stdout",
                             "--pidfile=/run/turnserver.pid", log="coturn")
        wait_until(lambda: place.internet.listening(3478, "udp"), 10, "coturn")
        natd = Natd(place.client, SERVERS)
        with app_socket(place) as s:
            assert pair(look(natd, s, timeoutUSec=5000000)["reflexive"]) == \
                (WAN, s.getsockname()[1])
        wait_until(lambda: natd.call("Status")["externalAddresses"], what="agreement")


@pytest.mark.skipif(not shutil.which("turnserver", path=search_path()), reason="coturn is not here")
def test_natctl_by_every_transport():
    tls = TOP / "tests/data/tls"
    with h.home() as place:
        place.internet.spawn("turnserver", "-n", "--stun-only", "--no-cli", "-L", "127.0.0.1",
                             "--cert", tls / "right.pem", "--pkey", tls / "server.key",
                             "--log-file=stdout", "--pidfile=/run/turnserver.pid", log="coturn")
        wait_until(lambda: place.internet.listening(5349, "udp"), 10, "coturn")
        for transport in ("udp", "tcp", "tls", "dtls"):
            scheme = "stuns" if transport in ("tls", "dtls") else "stun"
            port = 5349 if scheme == "stuns" else 3478
            done = place.internet.run(
                BUILD / "natctl", "stun", "--json=short", "-4", "--transport", transport,
                f"{scheme}:localhost:{port}", env={"SSL_CERT_FILE": str(tls / "authority.pem")})
            found = json.loads(done.stdout)
            assert found["reflexive"] == found["local"]
            assert found["transport"] == transport
        # The authorities of the system have not signed this one.
        for transport in ("tls", "dtls"):
            done = place.internet.run(BUILD / "natctl", "stun", "-4", "--transport", transport,
                                      "stuns:localhost:5349", check=False)
            assert done.returncode == 1 and "certificate" in done.stderr
