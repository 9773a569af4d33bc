"""IPv6 pinholes by UPnP (WANIPv6FirewallControl): on a real router, at a change of prefix, lost,
renewed, forbidden."""

import clock
import home as h
import pytest
import scripted
from daemon import external
from fixtures import shared_home
from lab import wait_until

PORT, ADDRESS, NEW, OTHER = 40000, "2a10:50::20", "2a10:50:0:7::20", "2a10:50::30"
LAN6 = ["fe80::1", "2a10:50::1"]
SOON_S = 1.0
IGD = "[upnp]\non = true\n[description]\nversion = 2\n"
place = shared_home(ipv6=True)


@pytest.fixture
def gw(gateway):
    return gateway(IGD, lan6=LAN6)


@pytest.fixture
def natd(run):
    return run()


def holes(gw):
    return {(e["client"], e["protocol"], e["internal_port"]) for e in gw.order("table")["pinholes"]}


def address(natd, ident):
    return (natd.mapping(ident)["runtime"].get("external") or {}).get("address")


def insert_other(gw):
    """Another host asks before us."""
    gw.order("insert_pinhole", entry={"protocol": "tcp", "external_port": PORT, "client": OTHER,
                                      "internal_port": PORT})


def test_miniupnpd_opens_a_pinhole_by_upnp(place, natd):
    """Ask 7, the other half: pinholes by UPnP."""
    place.router.start(pxp=False)
    try:
        mapping = natd.map(["tcp"], PORT, family="ipv6", methods=["igd_pinhole"])
        assert mapping["runtime"]["method"] == "igd_pinhole"
        assert external(mapping) == (ADDRESS, PORT)
        assert h.forwards(place, "tcp", (ADDRESS, PORT), PORT)
        natd.call("ReleaseMapping", id=mapping["id"])
        wait_until(lambda: not h.forwards(place, "tcp", (ADDRESS, PORT), PORT, timeout_s=0.1), 2,
                   "the pinhole closed")
    finally:
        place.router.stop()
        place.router.flush()


def test_made_again_at_a_change_of_prefix(place, gw, natd):
    """Fault 63: the prefix changes; the pinholes are for the new address within a second."""
    ident = natd.map(["tcp", "udp"], PORT, family="ipv6")["id"]
    assert holes(gw) == {(ADDRESS, "tcp", PORT), (ADDRESS, "udp", PORT)}
    place.router.node.ip("addr add 2a10:50:0:7::1/64 dev lan0 nodad")
    since = scripted.now()
    place.client.ip(f"addr add {NEW}/64 dev eth0 nodad", f"addr del {ADDRESS}/64 dev eth0")
    try:
        made = gw.wait_heard("soap.AddPinhole", 2, since=since)
        assert clock.lasted(since, made[0]["t"]) < SOON_S
        assert {line["arguments"]["InternalClient"] for line in made} == {NEW}
        wait_until(lambda: address(natd, ident) == NEW, 2, "the new address")
        assert {(NEW, "tcp", PORT), (NEW, "udp", PORT)} <= holes(gw)
        # It comes back to the first network: what was left there is not left for ever.
        place.client.ip(f"addr add {ADDRESS}/64 dev eth0 nodad", f"addr del {NEW}/64 dev eth0")
        wait_until(lambda: address(natd, ident) == ADDRESS, 3, "the first address")
        natd.call("ReleaseMapping", id=ident)
        wait_until(lambda: not {hole for hole in holes(gw) if hole[0] == ADDRESS}, 3,
                   "no pinhole of the first address")
    finally:
        place.router.node.ip("addr del 2a10:50:0:7::1/64 dev lan0")


@pytest.mark.parametrize("method", ["pcp", "igd_pinhole"])
def test_another_prefix_and_a_restart_while_natd_was_away(place, gateway, run, method):
    """Fault 63, 48: another host came first and has the id now that the old pinhole had: what natd
    takes back is its own, and what it wants is made for the new address."""
    gw = gateway(IGD if method == "igd_pinhole" else "[pcp]\non = true\n", lan6=LAN6)
    natd = run()
    ident = natd.map(["tcp"], PORT, family="ipv6", persistence="permanent")["id"]
    wait_until(lambda: address(natd, ident) == ADDRESS, 3, "the first address")
    state = natd.lab.path(natd.state + "/leases.json")
    wait_until(lambda: b'"held"' in state.read_bytes(), 3, "what is held on the disk")
    natd.kill()
    gw.order("restart")
    if method == "igd_pinhole":
        insert_other(gw)
    place.router.node.ip("addr add 2a10:50:0:7::1/64 dev lan0 nodad")
    place.client.ip(f"addr add {NEW}/64 dev eth0 nodad", f"addr del {ADDRESS}/64 dev eth0")
    try:
        since = scripted.now()
        natd.start()
        ready = scripted.now()
        asked = "soap.AddPinhole" if method == "igd_pinhole" else "pcp.map"
        made = gw.wait_heard(asked, since=since)[0]
        assert clock.lasted(ready, made["t"]) < SOON_S
        wait_until(lambda: address(natd, ident) == NEW, 3, "the new address")
        # It comes back, and what was there before natd ended is not there any more.
        place.client.ip(f"addr add {ADDRESS}/64 dev eth0 nodad", f"addr del {NEW}/64 dev eth0")
        wait_until(lambda: address(natd, ident) == ADDRESS, 3, "the first address")
        natd.call("ReleaseMapping", id=ident)
        if method == "igd_pinhole":
            wait_until(lambda: holes(gw) <= {(OTHER, "tcp", PORT), (NEW, "tcp", PORT)}, 3, "ours closed")
            assert (OTHER, "tcp", PORT) in holes(gw)
        else:
            wait_until(lambda: ADDRESS not in {e["client"] for e in gw.table()}, 3, "ours closed")
    finally:
        place.router.node.ip("addr del 2a10:50:0:7::1/64 dev lan0")
        place.client.ip("addr flush dev eth0 scope global", "addr add 192.168.1.20/24 dev eth0",
                        f"addr add {ADDRESS}/64 dev eth0 nodad", "route replace default via 192.168.1.1",
                        "route replace default via fe80::1 dev eth0")


@pytest.mark.parametrize("killed", [False, True], ids=["seen", "natd away"])
def test_an_id_that_is_anothers_since_the_router_restarted(gw, natd, killed):
    """Ids begin anew at a restart.  A router that is asked about another host's says that it is
    not ours to ask about, which is no word about what natd wants."""
    ident = natd.map(["tcp"], PORT, family="ipv6", persistence="permanent")["id"]
    if killed:
        state = natd.lab.path(natd.state + "/leases.json")
        wait_until(lambda: b"pinhole" in state.read_bytes(), 3, "the id on disk")
        natd.kill()
    gw.order("restart")
    insert_other(gw)
    if killed:
        natd.start()
    else:
        natd.call("RenewMapping", id=ident)
    wait_until(lambda: (ADDRESS, "tcp", PORT) in holes(gw), 3, "the pinhole made again")
    assert natd.wait_state(ident, "active")["runtime"].get("problem") is None
    natd.call("ReleaseMapping", id=ident)
    wait_until(lambda: holes(gw) == {(OTHER, "tcp", PORT)}, 3, "ours closed")


def test_renewed_by_its_id_and_made_again_when_it_is_gone(place, gw, natd):
    ident = natd.map(["udp"], PORT, family="ipv6")["id"]
    natd.call("RenewMapping", id=ident)
    renewed = gw.wait_heard("soap.UpdatePinhole")
    assert renewed[0]["arguments"]["UniqueID"] == "1"
    gw.order("wipe")
    natd.call("RenewMapping", id=ident)
    wait_until(lambda: len(holes(gw)) == 1, 2, "the pinhole made again")
    natd.call("ReleaseMapping", id=ident)
    assert gw.heard("soap.DeletePinhole") and not holes(gw)


def test_kept_over_a_crash(place, gw, natd):
    """The id is on disk: the next natd renews the same pinhole, and makes no other."""
    natd.map(["tcp"], PORT, family="ipv6", persistence="permanent")
    state = natd.lab.path(natd.state + "/leases.json")
    wait_until(lambda: b"pinhole" in state.read_bytes(), 1, "the id on disk")
    natd.kill()
    natd.start()
    gw.wait_heard("soap.UpdatePinhole")
    wait_until(lambda: natd.mappings()[0]["runtime"]["state"] == "active", 3, "active")
    assert len(gw.heard("soap.AddPinhole")) == 1
    natd.call("ReleaseMapping", id=natd.mappings()[0]["id"])
    assert not holes(gw)


def test_killed_before_the_id_of_the_one_made_again_is_known(gw, natd):
    """F48: the id that was noted is that of a pinhole that the router lost."""
    with natd.connect() as c:
        c.send("org.natd.NAT.RequestMapping", {"protocols": ["tcp", "udp"], "internalPort": PORT,
                                               "family": "ipv6"}, more=True)
        ident = c.result()["mapping"]["id"]
        gw.order("wipe")
        gw.order("change", **{"with": {"rule": [{"on": "soap.AddPinhole", "do": {"delay_ms": 400}}]}})
        natd.call("RenewMapping", id=ident)
        wait_until(lambda: holes(gw), 5, "the pinhole")
        natd.kill()
    gw.order("change", **{"with": {"rule": []}})
    natd.start()
    wait_until(lambda: not holes(gw), 8, "the pinhole closed")


def test_killed_before_the_id_is_known(gw, natd):
    """F48: a pinhole asked for again is the same one, and says its id: the next natd closes it."""
    gw.order("change", **{"with": {"rule": [{"on": "soap.AddPinhole", "nth": 1,
                                             "do": {"delay_ms": 400}}]}})
    with natd.connect() as c:
        c.send("org.natd.NAT.RequestMapping", {"protocols": ["udp"], "internalPort": PORT,
                                               "family": "ipv6"}, more=True)
        wait_until(lambda: holes(gw), 5, "the pinhole")
        natd.kill()
    natd.start()
    wait_until(lambda: not holes(gw), 8, "the pinhole closed")
    assert natd.map(port=PORT + 1, family="ipv6")["runtime"]["method"] == "igd_pinhole"
    assert {hole[2] for hole in holes(gw)} == {PORT + 1}
    assert [line["arguments"]["LeaseTime"] for line in gw.heard("soap.AddPinhole")] == [
        "7200", "120", "7200"]


def test_what_the_firewall_says_of_itself(place, gw, natd):
    """GetFirewallStatus and GetOutboundPinholeTimeout, in what Diagnose finds."""
    natd.map(["tcp"], PORT, family="ipv6")
    gw.wait_heard("soap.GetFirewallStatus", result=0)
    gw.wait_heard("soap.GetOutboundPinholeTimeout", result=0)
    found = {f["code"]: f["message"] for f in natd.call("Diagnose", family="ipv6")["findings"]}
    assert "120 s after the last packet" in found["firewall_timeout"]
    assert len(gw.heard("soap.GetOutboundPinholeTimeout")) == 1
