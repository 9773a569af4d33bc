"""VerifyMapping: what is proven from outside about mappings of a real router."""

import json
import socket
import struct

import pytest

import home as h
import nats
import stun_servers
import varlink
from daemon import BUILD, Natd, external
from lab import wait_until
from stun_server import StunServer

ONE, TWO = "11.22.33.1", "11.22.33.2"
SERVER = f"[StunServer]\nListen={ONE}\nAlternateListen={TWO}:3479\nRateLimit=0\n"
STUN = f"[Stun]\nServers={ONE}\n"
NATCTL = str(BUILD / "natctl")


@pytest.fixture
def place():
    with h.home() as place:
        place.router.start()
        place.server = Natd(place.internet, SERVER)
        yield place


def app(place, port, family=socket.AF_INET, address="0.0.0.0"):
    """A program's socket."""
    return place.client.socket(family, socket.SOCK_DGRAM, bind=(address, port))


def prove(natd, m, s=None, **parameters):
    """(reachability, codes, reply)"""
    if s:
        parameters["socketFileDescriptor"] = 0
    reply = natd.call("VerifyMapping", [s.fileno()] if s else [], id=m["id"], **parameters)
    return reply["reachability"], [f["code"] for f in reply["findings"]], reply


def forget(place, port):
    """The rule is removed behind our back; what the kernel has let in stays known."""
    text = place.router.node.run("nft", "-a", "list", "chain", "inet", h.TABLE,
                                 "prerouting_miniupnpd").stdout
    handles = [line.rsplit("handle ", 1)[1] for line in text.splitlines()
               if "dnat" in line and f":{port}" in line]
    assert handles
    place.router.node.nft("".join(
        f"delete rule inet {h.TABLE} prerouting_miniupnpd handle {n}\n" for n in handles))


@pytest.mark.parametrize("method", ["pcp", "nat_pmp", "igd2"])
def test_a_mapping_is_proven_open_with_a_scratch_port(place, method):
    natd = Natd(place.client, STUN)
    m = natd.map(["udp"], 5555, methods=[method])
    assert m["runtime"]["reachability"] == "unknown"
    before = place.router.rules()
    assert prove(natd, m)[:2] == ("open", ["proven_open", "proven_by_scratch"])
    assert natd.mapping(m["id"])["runtime"]["reachability"] == "unknown", "of another port"
    wait_until(lambda: len(natd.mappings()) == 1, 5, "the scratch port is given back")
    wait_until(lambda: place.router.rules() == before, 5, "the router has its rule no more")


@pytest.fixture(params=stun_servers.HERE, ids=lambda server: server.__name__)
def served(request):
    """A home of which natd or somebody else's STUN server can prove things."""
    with h.home() as place, request.param(place.internet, ONE, TWO):
        place.router.start()
        yield place


def test_this_very_mapping_is_proven_with_the_socket_of_its_program(served):
    """Ask 1: is it really open?  Open; closed once its rule is gone, and its data stays its own."""
    place, natd = served, Natd(served.client, STUN)
    with app(place, 5555) as s:
        m = natd.map(["udp"], 5555)
        assert prove(natd, m, s)[:2] == ("open", ["proven_open"])
        assert len(natd.mappings()) == 1 and len(place.router.rules()) == 1
        with place.internet.socket(kind=socket.SOCK_DGRAM) as peer:
            peer.sendto(b"data", external(m))
            assert s.recv(100) == b"data"
        forget(place, 5555)
        assert prove(natd, m, s)[:2] == ("closed", ["nothing_arrived", "not_forwarded", "made_anew"])
        s.settimeout(0.1)
        with pytest.raises(TimeoutError):
            s.recv(100)
    assert natd.mapping(m["id"])["runtime"]["reachability"] == "closed"


@pytest.mark.parametrize("method", ["pcp", pytest.param("nat_pmp", marks=pytest.mark.long),
                                    pytest.param("igd2", marks=pytest.mark.long)])
def test_what_is_listed_but_forwards_nothing_is_made_anew_once(place, method):
    """Quirk 28: renewing does not help, deleting and adding does; if not that either, it is said and
    left at that."""
    natd = Natd(place.client, STUN)
    with app(place, 5555) as s:
        m = natd.map(["udp"], 5555, methods=[method])
        before = place.router.rules()
        forget(place, 5555)
        assert prove(natd, m, s)[1] == ["nothing_arrived", "not_forwarded", "made_anew"]
        natd.wait_state(m["id"], "active")
        assert external(natd.mapping(m["id"])) == external(m)
        wait_until(lambda: place.router.rules() == before, 2, "the rule made again")
        forget(place, 5555)
        assert prove(natd, m, s)[:2] == ("closed", ["nothing_arrived", "not_forwarded"])
        assert place.router.rules() == set()


def test_the_third_proof_in_a_row_is_not_taken_in_by_what_was_let_in_before(place):
    natd = Natd(place.client, STUN)
    with app(place, 5555) as s:
        m = natd.map(["udp"], 5555)
        assert [prove(natd, m, s)[0] for _ in range(2)] == ["open", "open"]
        forget(place, 5555)
        assert prove(natd, m, s)[0] == "closed"
        place.router.restart()
        natd.call("RenewMapping")
        wait_until(lambda: place.router.rules(), 10, "the rule is there again")
        natd.wait_state(m["id"], "active")
        assert prove(natd, m, s)[:2] == ("open", ["proven_open"])
        assert prove(natd, m, s)[:2] == ("unknown", ["too_soon"])


def test_an_application_that_speaks_with_the_server_proves_nothing(place):
    """What it has opened itself is no mapping."""
    natd = Natd(place.client, STUN)
    with app(place, 5555) as s:
        m = natd.map(["udp"], 5555)
        forget(place, 5555)
        s.sendto(struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12), (ONE, 3478))
        assert s.recv(100)
        assert prove(natd, m, s)[0] == "closed"


def test_behind_a_second_nat_it_is_closed():
    with h.carrier_home() as (place, _outer):
        place.router.start(ext_ip="11.22.33.77")
        place.internet.ip(f"addr add {TWO}/24 dev eth0")
        Natd(place.internet, SERVER)
        natd = Natd(place.client, STUN)
        m = natd.map(["udp"], 5555)
        with app(place, 5555) as s:
            reachability, codes, reply = prove(natd, m, s)
        assert (reachability, codes) == ("closed", ["nothing_arrived", "external_mismatch"])
        assert "11.22.33.99" in reply["findings"][1]["message"]
        done = place.client.run(NATCTL, "-H", natd.socket, "verify", m["id"], check=False,
                                env={"LC_ALL": "C.UTF-8", "COLUMNS": "80"})
        assert done.returncode == 12
        assert done.stdout.splitlines()[0] == f"          {m['id']}: closed"
        assert "(external_mismatch)" in done.stdout
        status = place.client.run(NATCTL, "-H", natd.socket).stdout
        assert "proven closed from outside" in " ".join(status.split())


def test_natctl_proves_this_very_mapping_while_no_program_has_its_port(place):
    """A rule that is gone shows; beside a program there is the scratch port, and its data is safe."""
    natd = Natd(place.client, STUN)
    m = natd.map(["udp"], 5555)

    def verify(where=place.client):
        done = where.run(NATCTL, "-H", natd.socket, "verify", m["id"], "-j", check=False)
        reply = json.loads(done.stdout)
        return done.returncode, reply["reachability"], [f["code"] for f in reply["findings"]]

    assert verify() == (0, "open", ["proven_open"])
    with app(place, 5555) as s:
        assert verify() == (0, "open", ["proven_open", "proven_by_scratch"])
        with place.internet.socket(kind=socket.SOCK_DGRAM) as peer:
            peer.sendto(b"data", external(m))
            assert s.recv(100) == b"data"
    # Nor is a socket of use to natd from a container that has the host's address.
    place.internet.ip("addr add 192.168.1.20/32 dev lo")
    assert verify(place.internet) == (0, "open", ["proven_open", "proven_by_scratch"])
    forget(place, 5555)
    assert verify() == (12, "closed", ["nothing_arrived", "not_forwarded", "made_anew"])


def test_tcp_is_not_said_to_be_proven(place):
    natd = Natd(place.client, STUN)
    m = natd.map(["tcp"], 8080)
    assert prove(natd, m)[:2] == ("unknown", ["proven_open", "tcp_unproven"])
    assert natd.mapping(m["id"])["runtime"]["reachability"] == "unknown"
    both = natd.map(["tcp", "udp"], 8081)
    assert prove(natd, both)[1] == ["proven_open", "proven_by_scratch", "half_proven"]


@pytest.mark.parametrize("manner, finding", [("answers", "no_rfc5780"), ("silent", "udp_blocked")])
def test_a_server_that_cannot_prove_it(place, manner, finding):
    with StunServer(place.internet, ONE, 3500) as server:
        server.manner = manner
        natd = Natd(place.client, f"[Stun]\nServers={ONE}:3500\n")
        m = natd.map(["udp"], 5555)
        assert prove(natd, m)[:2] == ("unknown", [finding])


def test_a_server_that_can_is_found_among_others(place):
    with StunServer(place.internet, ONE, 3500):
        natd = Natd(place.client, f"[Stun]\nServers={ONE}:3500, {ONE}\n")
        assert prove(natd, natd.map(["udp"], 5555))[0] == "open"


@pytest.mark.parametrize("servers, finding", [
    ("", "no_stun_server"), ("stun.invalid", "dns_failing"), ("[2a10:60::1]", "no_stun_family")])
def test_nobody_to_ask(place, servers, finding):
    natd = Natd(place.client, f"[Stun]\nServers={servers}\n")
    m = natd.map(["udp"], 5555)
    assert prove(natd, m)[:2] == ("unknown", [finding])


def test_loss_makes_it_unknown_never_closed(place):
    natd = Natd(place.client, STUN)
    with app(place, 5555) as s:
        m = natd.map(["udp"], 5555)
        # What comes back is lost, but for the first answers of each place.
        place.client.nft("""table inet few { chain i { type filter hook input priority 0
            udp sport 3478 limit rate 1/day burst 1 packets accept
            udp sport 3479 limit rate 1/day burst 2 packets accept
            udp sport {3478, 3479} drop
        }
        }""")
        forget(place, 5555)
        assert prove(natd, m, s)[:2] == ("unknown", ["too_lossy"])


def test_ipv6_and_its_pinhole():
    with h.home(ipv6=True) as place:
        place.router.start()
        place.internet.ip("addr add 2a10:60::2/64 dev eth0 nodad")
        Natd(place.internet, "[StunServer]\nListen=[2a10:60::1]\n"
             "AlternateListen=[2a10:60::2]:3479\nRateLimit=0\n")
        natd = Natd(place.client, "[Stun]\nServers=[2a10:60::1]\n")
        m = natd.map(["udp"], 5555, family="ipv6")
        assert prove(natd, m)[0] == "open"
        with app(place, 5555, socket.AF_INET6, "::") as s:
            assert prove(natd, m, s)[0] == "open"
            place.router.flush()
            assert prove(natd, m, s)[:2] == ("closed", ["nothing_arrived", "not_forwarded", "made_anew"])


@pytest.mark.parametrize("kind, proven", [
    ("public", ("open", ["proven_open"])), ("public_firewall", ("closed", ["nothing_arrived",
                                                                           "firewall"]))])
def test_where_no_router_maps(kind, proven):
    with nats.network(kind) as place, stun_servers.natd(place.internet, *place.servers):
        natd = Natd(place.client, f"[Stun]\nServers={place.servers[0]}\n")
        m = natd.map(["udp"], 5555, methods=["direct"])
        with app(place, 5555) as s:
            assert prove(natd, m, s)[:2] == proven


def test_change_is_told_and_progress_with_more(place):
    natd = Natd(place.client, STUN)
    m = natd.map(["udp"], 5555)
    with natd.connect() as watch, natd.connect() as c, app(place, 5555) as s:
        events = watch.more("org.natd.NAT.Monitor", events=["mapping_changed"])
        assert next(events)["event"] == "snapshot"
        asking, last = c.more("org.natd.NAT.VerifyMapping", [s.fileno()], id=m["id"],
                              socketFileDescriptor=0)
        assert [f["code"] for f in asking["findings"]] == ["asking"]
        assert (asking["reachability"], last["reachability"]) == ("unknown", "open")
        mine = (e["mapping"] for e in events if e["mapping"]["id"] == m["id"])
        assert next(e for e in mine if e["runtime"]["reachability"] == "open")


@pytest.mark.parametrize("signal", ["gone", "kill"])
def test_no_scratch_port_stays_behind(place, signal):
    """The caller leaves in the middle; natd dies in the middle."""
    natd = Natd(place.client, "[Stun]\nServers=11.22.33.9\n")
    m = natd.map(["udp"], 5555)
    with natd.connect() as c:
        c.send("org.natd.NAT.VerifyMapping", {"id": m["id"]})
        wait_until(lambda: len(place.router.rules()) == 2, 5, "the scratch port is mapped")
        if signal == "kill":
            natd.kill()
            natd.start()
    wait_until(lambda: len(place.router.rules()) == 1, 10, "only the first is left")
    assert [n["id"] for n in natd.mappings()] == [m["id"]]


def test_who_may_and_with_what(place):
    natd = Natd(place.client, STUN + "[Daemon]\nQuotaPerUser=1\n")
    with app(place, 5555) as s, app(place, 6666) as other:
        m = natd.map(["udp"], 5555)
        tcp = natd.map(["tcp"], 8080)
        for mapping, passed, problem in ((m, other, "not_bound"), (tcp, s, "not_udp")):
            with pytest.raises(varlink.VarlinkError, match="InvalidSocket.*" + problem):
                prove(natd, mapping, passed)
        with pytest.raises(varlink.VarlinkError, match="InvalidSocket.*missing"):
            natd.call("VerifyMapping", id=m["id"], socketFileDescriptor=0)
        with pytest.raises(varlink.VarlinkError, match="NoSuchMapping"):
            natd.call("VerifyMapping", id="m99")
        assert prove(natd, m, s, timeoutUSec=0)[:2] == ("unknown", ["too_late"])
    done = place.client.run(NATCTL, "-H", natd.socket, "verify", m["id"], check=False, uid=12345)
    assert done.returncode == 4
    place.client.run(NATCTL, "-H", natd.socket, "map", "udp", "7777", uid=12345)
    mine = next(x for x in natd.mappings() if x["context"]["internalPort"] == 7777)
    with app(place, 7777):
        done = place.client.run(NATCTL, "-H", natd.socket, "verify", mine["id"], check=False,
                                uid=12345)
    assert done.returncode == 13 and "the quota is used up" in done.stdout


def test_what_is_not_held_cannot_be_proven(place):
    place.router.stop()
    natd = Natd(place.client, STUN)
    m = natd.map(["udp"], 5555, persistence="permanent", timeoutUSec=0)
    assert prove(natd, m)[:2] == ("unknown", ["not_held"])
