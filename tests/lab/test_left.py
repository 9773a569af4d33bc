"""What a router did not confirm to have deleted: found again and deleted, and nothing else with it."""

import pytest
import scripted
from daemon import INTERFACE, Natd
from home import add_uplink
from lab import wait_until
from meddle import Meddle


@pytest.fixture
def natd(place, tmp_path):
    """One whose clock can be put forward."""
    made = Natd(place.client, start=False)
    made.meddle = Meddle(tmp_path)
    return made.start(env=made.meddle.env)


def later(natd, seconds):
    natd.meddle.order(asleep_s=natd.meddle.asleep_s + seconds)
    for _ in range(2):  # what is due is done before the second answer
        natd.call("Status")


def released_in_vain(natd, gw, port=40000):
    """A mapping that is left in the table of a router that is silent for a while."""
    ident = natd.map(port=port)["id"]
    left = gw.table()
    gw.order("silent", on=True)
    natd.call("ReleaseMapping", id=ident)
    wait_until(lambda: not natd.mappings(), 6, "the end of the mapping")
    later(natd, 5)  # natd has given it up, too
    gw.order("silent", on=False)
    assert gw.table() == left
    return left


@pytest.mark.parametrize("mode", ["a01-pcp", "a02-nat-pmp", "a03-igd1"])
def test_what_a_silent_router_was_to_delete_is_tried_again(natd, gateway, mode):
    gw = gateway(mode)
    released_in_vain(natd, gw)
    later(natd, 61)
    wait_until(lambda: gw.table() == [], 5, "an empty table")


def granted_in_silence(natd, gateway, mode):
    """What the router has, and nobody was ever told: neither the grant nor the deletion is answered."""
    gw = gateway(mode)
    gw.order("change", **{"with": {"rule": [{"on": event, "do": {"delay_ms": 20000}} for event in
                                            ("pcp.map", "nat_pmp.map", "soap.AddPortMapping")]}})
    with natd.connect() as c:
        c.send(INTERFACE + "RequestMapping", {"protocols": ["udp"], "internalPort": 40000,
                                              "persistence": "connection"}, more=True)
        left = wait_until(gw.table, 5, "the rule")
        gw.order("silent", on=True)
    wait_until(lambda: not natd.mappings(), 6, "the end of the mapping")
    for _ in range(2):  # natd has given up the question, and then the deletion
        later(natd, 10)
    gw.order("change", **{"with": {"rule": []}})
    gw.order("silent", on=False)
    assert gw.table() == left
    return gw


@pytest.mark.parametrize("mode", ["a02-nat-pmp", "a03-igd1"])
def test_what_was_never_answered_is_deleted_later(natd, gateway, mode):
    """F48 without a crash: the router was silent throughout, but did what it was asked."""
    gw = granted_in_silence(natd, gateway, mode)
    later(natd, 61)
    wait_until(lambda: gw.table() == [], 5, "an empty table")


def test_what_was_never_answered_is_tried_until_its_end(natd, gateway):
    """After 1, 2, 4, ... minutes, and no longer than for the two hours that were asked."""
    gw = granted_in_silence(natd, gateway, "a01-pcp")
    gw.order("silent", on=True)
    for minutes in (1, 2, 4, 8, 16, 32):
        since = scripted.now()
        later(natd, 60 * minutes + 1)
        gw.wait_heard("pcp.map", since=since, lease=0)
        later(natd, 5)  # in vain
    gw.order("silent", on=False)
    since = scripted.now()
    later(natd, 3600 + 1)
    natd.map(port=40001)
    assert [e["internal_port"] for e in gw.table()] == [40000, 40001]
    assert not gw.heard("pcp.map", since, lease=0)


@pytest.mark.parametrize("mode", ["a02-nat-pmp", "a03-igd1"])
def test_what_is_in_its_place_by_now_is_not_deleted(natd, gateway, mode):
    """Who asks for the same port before that has it for good."""
    gw = gateway(mode)
    released_in_vain(natd, gw)
    ident = natd.map(port=40000)["id"]
    natd.wait_state(ident, "active")
    since = scripted.now()
    for seconds in (61, 121, 241):
        later(natd, seconds)
        other = natd.map(port=40001)["id"]
        natd.call("ReleaseMapping", id=other)
        # Whatever was to be deleted before is deleted before this, or in the next round.
        wait_until(lambda: [e["internal_port"] for e in gw.table()] == [40000], 5, "one entry")
    assert not gw.heard("nat_pmp.map", since, lease=0, internal_port=40000)
    assert not gw.heard("soap.DeletePortMapping", since, external_port=40000)


def test_an_uplink_that_goes_while_one_protocol_takes_over_from_another(place, natd, gateway):
    """What was to be deleted for it is remembered until the uplink is back."""
    gw = gateway("a02-nat-pmp")
    ident = natd.map(port=40000)["id"]
    natd.wait_state(ident, "active")
    left = gw.table()
    gw.order("change", **{"with": {"pcp": {"on": True}}})
    natd.map(port=40001)  # looks for PCP once more
    since = scripted.now()
    gw.order("silent", on=True)
    natd.call("RenewMapping", id=ident)
    gw.wait_heard("nat_pmp.map", since=since, internal_port=40000, lease=0)
    other = started_uplink(place, gateway)
    place.unplug()
    wait_until(lambda: len(other.table()) == 2, 5, "both on the other router")
    assert left[0] in gw.table()
    gw.order("silent", on=False)
    place.client.ip("route replace default via 192.168.2.1 dev eth1",
                    "route add default via 192.168.1.1 dev eth0 metric 300")
    place.replug()
    wait_until(lambda: gw.table() == [], 5, "an empty table")


# The method that is forbidden later, those then allowed, and what deletes.
FORBIDDEN = [("pcp", "igd2", {"event": "pcp.map", "lease": 0}),
             ("nat_pmp", "igd2", {"event": "nat_pmp.map", "lease": 0}),
             ("igd2", "pcp", {"event": "soap.DeletePortMapping"})]


def forbidden_while_away(natd, gateway, was, allowed, persistence):
    gw = gateway("a05-all")
    natd.configure(f"[Daemon]\nMethods={was}\n")
    natd.call("Reload")
    with natd.connect() as c:
        c.send(INTERFACE + "RequestMapping", {"protocols": ["udp"], "internalPort": 40000,
                                              "persistence": persistence}, more=True)
        assert c.result()["mapping"]["runtime"]["method"] == was
        natd.kill()
    natd.configure(f"[Daemon]\nMethods={allowed}\n")
    since = scripted.now()
    natd.start(env=natd.meddle.env)
    return gw, since


@pytest.mark.parametrize("was,allowed,deletes", FORBIDDEN)
def test_held_by_a_method_that_was_forbidden_while_natd_was_away(natd, gateway, was, allowed, deletes):
    """F48: deleted by that method before it is asked for by another, as with a reload: where the
    tables are apart nobody else could."""
    gw, since = forbidden_while_away(natd, gateway, was, allowed, "permanent")
    assert natd.wait_active(1)[0]["runtime"]["method"] == allowed
    asked = next(line["t"] for line in gw.heard(since=since) if line.get("lease") and
                 line["event"] in ("pcp.map", "soap.AddPortMapping", "soap.AddAnyPortMapping"))
    assert [line["t"] < asked for line in gw.heard(since=since, **deletes)] == [True]
    assert len(gw.table()) == 1
    used = {s["method"] for s in natd.call("Status")["gateways"][0]["services"]
            if s["available"]}
    assert used == {allowed}


@pytest.mark.parametrize("was,allowed,deletes", FORBIDDEN)
def test_left_by_a_method_that_was_forbidden_while_natd_was_away(natd, gateway, was, allowed, deletes):
    """F48: nobody wants it any more."""
    gw, _ = forbidden_while_away(natd, gateway, was, allowed, "connection")
    wait_until(lambda: gw.table() == [], 5, "an empty table")


def started_uplink(place, gateway):
    """Another way out, whose router answers from its first moment on."""
    gateways = []
    add_uplink(place, start=lambda router: gateways.append(gateway("a01-pcp", router, name="other")))
    return gateways[0]


def no_way_out(place, natd, gateway):
    """What was mapped on a router that can be reached, but leads nowhere any more."""
    gw = gateway("a01-pcp")
    ident = natd.map(port=40000)["id"]
    natd.wait_state(ident, "active")
    place.client.ip("route del default via 192.168.1.1 dev eth0")
    natd.wait_state(ident, "suspended")
    return gw, ident


def test_what_had_no_way_out_for_a_while_moves_to_another(place, natd, gateway):
    gw, _ = no_way_out(place, natd, gateway)
    assert gw.table()  # it may come back
    other = started_uplink(place, gateway)
    wait_until(lambda: other.table(), 5, "the mapping on the other router")
    wait_until(lambda: gw.table() == [], 3, "an empty table on the old one")


def test_what_is_released_without_a_way_out_is_deleted_at_once(place, natd, gateway):
    gw, ident = no_way_out(place, natd, gateway)
    natd.call("ReleaseMapping", id=ident)
    wait_until(lambda: gw.table() == [], 3, "an empty table")


def test_what_comes_back_after_a_while_without_a_way_out_is_adopted(place, natd, gateway):
    gw, ident = no_way_out(place, natd, gateway)
    since = scripted.now()
    place.client.ip("route add default via 192.168.1.1 dev eth0")
    natd.wait_state(ident, "active")
    assert not gw.heard("pcp.map", since, lease=0) and len(gw.table()) == 1


def gone_while_away(place, natd, gateway, mode, persistence, ends="kill", another=True):
    """The default route goes while natd is away; its router can be reached.  That one's gateway, and
    that of the other way out, which is there before natd is."""
    gw = gateway(mode)
    with natd.connect() as c:
        c.send(INTERFACE + "RequestMapping", {"protocols": ["udp"], "internalPort": 40000,
                                              "persistence": persistence}, more=True)
        assert c.result()["mapping"]["runtime"]["state"] == "active"
        getattr(natd, ends)()
    assert gw.table()
    place.client.ip("route del default via 192.168.1.1 dev eth0")
    other = started_uplink(place, gateway) if another else None
    natd.start(env=natd.meddle.env)
    return gw, other


@pytest.mark.parametrize("mode,ends", [("a01-pcp", "kill"), ("a02-nat-pmp", "stop"), ("a03-igd1", "kill")])
def test_a_route_that_went_while_natd_was_away(place, natd, gateway, mode, ends):
    """F26, F48: what natd left there is deleted when it is held elsewhere."""
    gw, other = gone_while_away(place, natd, gateway, mode, "permanent", ends)
    natd.wait_active(1)
    assert len(other.table()) == 1
    wait_until(lambda: gw.table() == [], 8, "an empty table on the old one")
    assert [g["interface"] for g in natd.call("Status")["gateways"]] == ["eth1"]


def test_a_route_that_went_with_what_nobody_wants(place, natd, gateway):
    """F26, F48: it needs no other way to be deleted."""
    gw, _ = gone_while_away(place, natd, gateway, "a01-pcp", "connection", another=False)
    wait_until(lambda: gw.table() == [], 5, "an empty table")
    assert natd.call("Status")["gateways"] == []


def test_a_route_that_went_and_nothing_instead(place, natd, gateway):
    """What is wanted stays where it is, until it can be had elsewhere."""
    gw, _ = gone_while_away(place, natd, gateway, "a01-pcp", "permanent", another=False)
    other = started_uplink(place, gateway)
    natd.wait_active(1)
    wait_until(lambda: gw.table() == [] and other.table(), 5, "the mapping on the other router only")
    assert gw.wait_heard("pcp.map", lease=0)[0]["t"] > other.heard("pcp.map")[0]["t"]


def test_a_route_that_went_with_its_link(place, natd, gateway):
    """The link is there again, but leads nowhere any more."""
    gw = gateway("a01-pcp")
    ident = natd.map(port=40000)["id"]
    natd.wait_state(ident, "active")
    place.unplug()
    natd.wait_state(ident, "suspended")
    other = started_uplink(place, gateway)
    natd.wait_state(ident, "active")
    place.client.ip("route del default via 192.168.1.1 dev eth0")
    assert gw.table()
    place.replug()
    wait_until(lambda: gw.table() == [], 5, "an empty table on the old one")
    assert len(other.table()) == 1
