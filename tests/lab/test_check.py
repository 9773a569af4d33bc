"""Diagnose and natctl check with the real daemon: what is said of each home, and that
looking changes nothing."""

import contextlib
import re

import pytest

import home as h
from daemon import BUILD, Natd
from scripted import Scripted
from stun_server import StunServer

NATCTL = str(BUILD / "natctl")
STUN = "[Stun]\nServers=11.22.33.1, 11.22.33.2:3479\n"
# Only what is asked for is waited for: UPnP that is not there takes its time.
PXP = STUN + "[Daemon]\nMethods=pcp nat_pmp\n"
UPNP = STUN + "[Daemon]\nMethods=igd1 igd2\n"
SERVER = "[StunServer]\nListen=11.22.33.1\nAlternateListen=11.22.33.2:3479\nRateLimit=0\n"


@pytest.fixture
def place():
    with h.home() as place:
        place.server = Natd(place.internet, SERVER)
        yield place


def check(place, natd, code, *argv):
    """The lines of natctl check in 80 columns."""
    done = place.client.run(NATCTL, "-H", natd.socket, "check", *argv, check=False,
                            env={"LC_ALL": "C.UTF-8", "COLUMNS": "80"})
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def codes(reply):
    return [f["code"] for f in reply["findings"]]


def deaf(place):
    """Nobody outside answers."""
    place.internet.nft("table inet deaf { chain i { type filter hook input priority 0\n"
                       "udp dport {3478, 3479} drop\n}\n}")


def test_a_home_as_it_should_be(place):
    place.router.start()
    natd = Natd(place.client, STUN)
    lines = check(place, natd, 0)
    assert lines[-1] == "     Verdict: reachable through mappings, at 11.22.33.44"
    assert lines[0] == "     Network: • 192.168.1.20 on eth0, router 192.168.1.1 (uplink)"
    assert "     Address: • the router says 11.22.33.44 too (external_matches)" in lines
    at = next(i for i, line in enumerate(lines) if line.startswith("  this host"))
    assert re.fullmatch(r"  this host ─+ router ─+ internet", lines[at])
    assert lines[at + 1].split()[:2] == ["192.168.1.20", "192.168.1.1"]
    assert lines[at + 2].split() == ["eth0", "11.22.33.44", "sees", "11.22.33.44"]
    # Without "more" it is one reply with everything in it.
    whole = natd.call("Diagnose")
    assert whole["verdict"] == "mapped" and whole.get("step") is None
    assert codes(whole)[:2] == ["uplink", "method_available"]
    with natd.connect() as c:
        *steps, last = c.more("org.natd.NAT.Diagnose")
    assert [s["step"] for s in steps][:3] == ["network", "router", "outside"]
    assert steps[-1]["step"] == "path" and last["verdict"] == "mapped"
    assert "findings" not in last


def test_looking_changes_nothing(place):
    """What the router hears are questions only, and its table stays as it was."""
    gateway = Scripted(place.router, "a05-all")
    natd = Natd(place.client, STUN)
    natd.map(["tcp"], 8080)
    before, since = gateway.table(), gateway.heard()[-1]["t"]
    for _ in range(2):
        check(place, natd, 0)
    Natd(place.client, STUN).call("Diagnose")
    asked = {line["event"] for line in gateway.heard() if line["t"] > since}
    assert asked <= {"pcp.announce", "nat_pmp.address", "ssdp.search", "http.get",
                     "soap.GetExternalIPAddress", "soap.GetStatusInfo"}, asked
    assert {"pcp.announce", "nat_pmp.address", "ssdp.search"} <= asked
    assert gateway.table() == before


@pytest.mark.parametrize("personality, code, finding, hop, words", [
    ("b33-external-private", 11, "double_nat", "second NAT",
     "behind a second NAT: a mapping on the router is not enough"),
    ("[upnp]\non = true\n[[rule]]\non = \"soap.GetExternalIPAddress\"\n"
     "do = { address = \"100.64.7.2\" }\n", 11, "cgnat", "carrier",
     "behind carrier-grade NAT: no incoming TCP over IPv4"),
    ("[upnp]\non = true\n[[rule]]\non = \"soap.GetExternalIPAddress\"\n"
     "do = { address = \"11.99.0.7\" }\n", 11, "external_mismatch", "second NAT",
     "behind a second NAT: a mapping on the router is not enough"),
])
def test_a_second_nat(place, personality, code, finding, hop, words):
    Scripted(place.router, personality)
    natd = Natd(place.client, UPNP)
    lines = check(place, natd, code)
    assert lines[-1] == f"     Verdict: {words}"
    assert any(hop in line for line in lines if line.startswith("  this host"))
    assert f"({finding})" in " ".join(lines)


def test_a_pool_of_addresses_is_no_second_nat(place):
    """The carrier's PCP server gives out several; the Internet sees one of them."""
    Scripted(place.router, """[pcp]
on = true
[[rule]]
on = "pcp.map"
internal_port = 8081
do = { address = "11.22.33.55" }
""", wan="11.22.33.77")
    natd = Natd(place.client, PXP)
    natd.map(["tcp"], 8080)
    assert "external_mismatch" in codes(natd.call("Diagnose"))
    natd.map(["udp"], 8081)
    reply = natd.call("Diagnose")
    assert "external_global" in codes(reply) and "external_mismatch" not in codes(reply)
    assert reply["verdict"] == "mapped"
    assert reply["summary"] == "reachable through mappings, at 11.22.33.77"


def test_mappings_that_are_of_no_use_are_counted(place):
    Scripted(place.router, "b33-external-private")
    natd = Natd(place.client, UPNP)
    natd.map(["tcp"], 8080)
    natd.map(["udp"], 8081)
    said = [f for f in natd.call("Diagnose")["findings"] if f["code"].startswith("mappings_")]
    assert [f["code"] for f in said] == ["mappings_useless"]
    assert said[0]["message"].startswith("2 active, but ")
    assert "no_uplink_here" in codes(natd.call("Diagnose", family="ipv6"))
    assert "no_mappings" in codes(natd.call("Diagnose", family="ipv6"))


def test_the_problem_of_a_mapping_is_told(place):
    Scripted(place.router, "b24-606-denied")
    natd = Natd(place.client, UPNP)
    m = natd.map(["tcp"], 8080, timeoutUSec=10_000_000, persistence="permanent")
    reply = natd.call("Diagnose")
    found = next(f for f in reply["findings"] if f["code"] == "not_authorized")
    assert found["message"].startswith(f"{m['id']}: ")
    assert "refused by UPnP IGD:1: ActionNotAuthorized (606)" in found["message"]


def test_what_is_known_of_the_router_is_told(place):
    Scripted(place.router, "b22-724-same-port")
    natd = Natd(place.client, UPNP)
    natd.map(["tcp"], 8080, suggestedExternalPort=9090)
    assert "quirk_same_port" in codes(natd.call("Diagnose"))


def test_servers_that_do_not_agree(place):
    """One of them lies, and nobody knows which."""
    place.router.start()
    with StunServer(place.internet, "11.22.33.1", 3500) as liar, \
            StunServer(place.internet, "11.22.33.2", 3500):
        liar.manner = "lies"
        natd = Natd(place.client, "[Stun]\nServers=11.22.33.1:3500, 11.22.33.2:3500\n")
        assert "servers_disagree" in codes(natd.call("Diagnose"))


@pytest.mark.parametrize("servers, finding, verdict", [
    ("11.22.33.1", "udp_blocked", "unreachable"),
    ("stun.invalid", "dns_failing", "unknown"),
    ("", "no_stun_server", "unknown"),
    ("[2a10:60::1]", "no_stun_family", "unknown"),
])
def test_nothing_helps(place, servers, finding, verdict):
    """No router that maps, and nobody outside; said within the patience of a person."""
    deaf(place)
    natd = Natd(place.client, f"[Stun]\nServers={servers}\n[Daemon]\nMethods=pcp\n")
    reply = natd.call("Diagnose")
    assert {"no_method", "method_absent", finding} <= set(codes(reply))
    assert reply["verdict"] == verdict


def test_a_host_that_is_offline(place):
    place.client.ip("link set eth0 down")
    natd = Natd(place.client, STUN)
    assert check(place, natd, 12)[-1] == "     Verdict: unreachable: offline"
    assert codes(natd.call("Diagnose"))[0] == "offline"


def test_a_router_that_is_switched_off(place):
    place.router.node.ip("addr del 192.168.1.1/24 dev lan0")
    natd = Natd(place.client, STUN)
    assert check(place, natd, 12)[-1] == "     Verdict: unreachable: the router does not answer"


def test_one_interface_or_family(place):
    place.router.start()
    h.add_uplink(place)
    natd = Natd(place.client, STUN)
    reply = natd.call("Diagnose", interface="eth1")
    assert reply["findings"][0]["message"] == "192.168.2.20 on eth1, router 192.168.2.1"
    assert "not_default" in codes(reply) and "seen_as" in codes(reply)
    assert "11.22.34.44" in str(reply["findings"])
    assert codes(natd.call("Diagnose", family="ipv6"))[0] == "no_uplink_here"
    assert check(place, natd, 12, "-6")[-1] == "     Verdict: unreachable: no such way out"


def test_ipv6():
    with h.home(ipv6=True) as place:
        place.router.start()
        Natd(place.internet, "[StunServer]\nListen=[2a10:60::1]\n")
        only = "[Stun]\nServers=[2a10:60::1]\n[Daemon]\nMethods=pcp\n"
        natd = Natd(place.client, only)
        assert "ipv6_pinholes" in codes(natd.call("Diagnose"))
        lines = check(place, natd, 0, "-6")
        assert lines[-1].endswith("natd opens the router's firewall, at 2a10:50::20")
        place.router.stop()
        other = Natd(place.client, only)
        assert "no_pinholes" in codes(other.call("Diagnose", family="ipv6"))
        assert "ipv6_firewall" in codes(other.call("Diagnose"))


def test_so_many_at_once_and_no_more(place):
    deaf(place)
    natd = Natd(place.client, PXP)
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(natd.connect()) for _ in range(20)]
        for c in callers:
            c.send("org.natd.NAT.Diagnose", {})
        found = [codes(c.result()) for c in callers]
    assert found.count(["too_many"]) == 4
    assert codes(natd.call("Diagnose")) != ["too_many"]


def test_a_client_that_leaves_takes_its_diagnosis_along(place):
    natd = Natd(place.client, STUN)
    with natd.connect() as c:
        c.send("org.natd.NAT.Diagnose", more=True)
        assert c.receive()["parameters"]["step"] == "network"
    assert natd.call("Status")["state"] == "online"
