"""Another number for a mapping that is held: asked for beside the one it has."""

import home as h
import pytest
import scripted
from daemon import INTERFACE, Natd, external
from fixtures import shared_home
from lab import wait_until
from varlink import VarlinkError

CLIENT = "192.168.1.20"
place = shared_home()

ROUTERS = {
    "pcp": "[pcp]\non = true\n",
    "nat_pmp": "[nat_pmp]\non = true\n",
    "igd1": "[upnp]\non = true\n",
    "igd2": "[upnp]\non = true\n[description]\nversion = 2\n",
}
OTHER = {"protocol": "tcp", "external_port": 41443, "client": "192.168.1.30",
         "internal_port": 41443, "description": "other"}


@pytest.fixture
def start(gateway, run):
    def start(kind, more=""):
        gw = gateway(ROUTERS[kind] + more)
        gw.order("insert", entry=OTHER)
        return gw, run()
    return start


def entries(gw):
    return {e["external_port"] for e in gw.table() if e["client"] == CLIENT}


def deletions(gw):
    """The numbers, or ports inside, that the router was told to delete, in order."""
    return [line["external_port" if "soap" in line["event"] else "internal_port"]
            for line in gw.heard() if "Delete" in line["event"] or line.get("delete")]


def refused(natd, number, **parameters):
    with pytest.raises(VarlinkError) as error:
        natd.map(["tcp"], 41010, suggestedExternalPort=number, preferFailure=True, **parameters)
    assert error.value.name == INTERFACE + "ExternalPortUnavailable"
    assert error.value.parameters["requestedPort"] == number


@pytest.mark.parametrize("kind", ROUTERS)
def test_the_old_number_stays_while_the_other_is_asked_for(start, kind):
    """Refused: nobody has deleted the old one.  Granted: not before that."""
    gw, natd = start(kind)
    before = natd.map(["tcp"], 41010)
    refused(natd, 41443)
    after = natd.mapping(before["id"])
    assert (after["context"], external(after)) == (before["context"], external(before))
    assert after["runtime"]["state"] == "active"
    wait_until(lambda: entries(gw) == {41010}, 3, "the old one only")
    assert 41010 not in deletions(gw)
    since = scripted.now()
    moved = natd.map(["tcp"], 41010, suggestedExternalPort=41444, preferFailure=True)
    assert (moved["id"], external(moved)[1]) == (before["id"], 41444)
    wait_until(lambda: entries(gw) == {41444}, 3, "the new one only")
    heard = [(line["event"], line["external_port"]) for line in gw.heard(since=since)
             if line["event"] in ("soap.AddPortMapping", "soap.DeletePortMapping")]
    if "igd" in kind:
        assert heard == [("soap.AddPortMapping", 41444), ("soap.DeletePortMapping", 41010)]
    natd.call("ReleaseMapping", id=moved["id"])
    wait_until(lambda: entries(gw) == set(), 3, "nothing")


def test_another_number_that_is_only_wished_for(start):
    """Somebody has it: then the old one will do."""
    gw, natd = start("igd1")
    before = natd.map(["tcp"], 41010)
    after = natd.map(["tcp"], 41010, suggestedExternalPort=41443)
    assert (after["id"], external(after)[1]) == (before["id"], 41010)
    assert after["context"]["suggestedExternalPort"] == 41443
    assert natd.map(["tcp"], 41010, suggestedExternalPort=41444)["runtime"]["external"]["port"] == 41444
    wait_until(lambda: entries(gw) == {41444}, 3, "the wish only")
    # To insist on the number it has changes nothing on the router.
    asked = len(gw.heard("soap.DeletePortMapping"))
    exact = natd.map(["tcp"], 41010, suggestedExternalPort=41444, preferFailure=True)
    assert exact["context"]["preferFailure"] and external(exact)[1] == 41444
    assert entries(gw) == {41444}
    assert len(gw.heard("soap.DeletePortMapping")) == asked


@pytest.mark.parametrize("kind", ["pcp", "igd1"])
def test_another_number_of_both_protocols(start, kind):
    gw, natd = start(kind)
    before = natd.map(["tcp", "udp"], 41010)
    with pytest.raises(VarlinkError) as error:  # for TCP another host has it
        natd.map(["tcp", "udp"], 41010, suggestedExternalPort=41443, preferFailure=True)
    assert error.value.name == INTERFACE + "ExternalPortUnavailable"
    wait_until(lambda: entries(gw) == {41010}, 3, "the old one only")
    assert 41010 not in deletions(gw)
    assert external(natd.mapping(before["id"]))[1] == 41010
    moved = natd.map(["tcp", "udp"], 41010, suggestedExternalPort=41444, preferFailure=True)
    assert (moved["id"], external(moved)[1]) == (before["id"], 41444)
    wait_until(lambda: entries(gw) == {41444}, 3, "the new one only")
    assert len([e for e in gw.table() if e["client"] == CLIENT]) == 2


@pytest.mark.parametrize("kind,event", [("pcp", "pcp.map"), ("igd2", "soap.DeletePinhole")])
def test_where_nothing_is_translated_the_hole_stays_open(kind, event):
    """A number that is only wished for, or the one that it has: there is no other in IPv6."""
    with h.home(ipv6=True) as six:
        gw = scripted.Scripted(six.router, ROUTERS[kind], lan6=["fe80::1", "2a10:50::1"])
        natd = Natd(six.client)
        first = natd.map(["tcp"], 41010, family="ipv6")
        since = scripted.now()
        for wish in ({"suggestedExternalPort": 41444},
                     {"suggestedExternalPort": 41010, "preferFailure": True}):
            m = natd.map(["tcp"], 41010, family="ipv6", **wish)
            assert wish.items() <= m["context"].items()
            assert (m["id"], external(m)) == (first["id"], ("2a10:50::20", 41010))
            assert m["runtime"]["state"] in ("active", "renewing")  # as for each that asks again
            natd.wait_state(m["id"], "active")
        assert not any(line.get("delete", True) for line in gw.heard(event, since))
        natd.kill()
        gw.stop()


def test_a_router_with_one_entry_for_each_port_inside(start):
    """It calls the free number taken while there is the old one."""
    gw, natd = start("igd1", """[[rule]]
on = "soap.AddPortMapping"
external_port = 41444
nth = "1-2"
do = { error = 718 }
""")
    before = natd.map(["tcp"], 41010)
    moved = natd.map(["tcp"], 41010, suggestedExternalPort=41444, preferFailure=True)
    assert (moved["id"], external(moved)[1]) == (before["id"], 41444)
    wait_until(lambda: entries(gw) == {41444}, 3, "the new one only")


@pytest.mark.parametrize("kind", ROUTERS)
def test_killed_while_another_number_is_asked_for(start, kind):
    """What the mapping had it has again; what was asked beside it is deleted."""
    gw, natd = start(kind)
    before = natd.map(["tcp"], 41010)
    gw.order("change", **{"with": {"rule": [
        {"on": ["pcp.map", "nat_pmp.map", "soap.AddPortMapping"], "do": {"delay_ms": 2000}}]}})
    with natd.connect() as c:
        c.send(INTERFACE + "RequestMapping", {"protocols": ["tcp"], "internalPort": 41010,
                                              "suggestedExternalPort": 41444, "preferFailure": True})
        wait_until(lambda: len(entries(gw)) == 2, 3, "both")
        natd.kill()
    gw.order("change", **{"with": {"rule": []}})
    natd.start()
    wait_until(lambda: entries(gw) == {41010}, 5, "the old one")
    after = natd.wait_state(before["id"], "active")
    assert (after["context"], external(after)) == (before["context"], external(before))
    assert 41010 not in deletions(gw)
