"""Quirks of hosts and routers that take more than a personality of the router to show."""

import contextlib
import re
import socket
import time

import pytest
import scripted
from daemon import INTERFACE, Natd, external
from fixtures import shared_home
from lab import wait_until

CLIENT, PORT = "192.168.1.20", 40000
SPOKEN = {"pcp": "[pcp]\non = true\n", "nat_pmp": "[nat_pmp]\non = true\n",
          "igd1": "[upnp]\non = true\n", "igd2": "[upnp]\non = true\n[description]\nversion = 2\n"}
place = shared_home()


def test_a_bridge_of_containers_is_not_this_hosts_address(place, gateway, run):
    """Quirk 12: docker's bridge comes first by name and has an address of its own; the mapping
    is for the one from which the router is reached."""
    gw = gateway(SPOKEN["igd1"])
    place.client.ip("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0",
                    "link set docker0 up")
    try:
        assert external(run().map(port=PORT)) == ("11.22.33.44", PORT)
        assert [line["client"] for line in gw.heard("soap.AddPortMapping")] == [CLIENT]
        assert {line["source"] for line in gw.heard()} == {CLIENT}
    finally:
        place.client.ip("link del docker0")


@pytest.mark.parametrize("mode", SPOKEN)
def test_a_lease_that_is_ignored_leaves_no_rule(gateway, run, mode):
    """Quirk 31: the router keeps rules for days, whatever lease it grants: what natd held when it
    was killed is deleted by the next one, and the end of a wish is told to the router."""
    gw = gateway(SPOKEN[mode] + ('[[rule]]\non = "soap"\ndo = { grant_lease = 604800 }\n'
                                 '[[rule]]\non = ["pcp.map", "nat_pmp.map"]\n'
                                 "do = { grant_lease = 604800, answer_lease = 5 }\n"
                                 if mode[0] == "i" else "[lease]\nmin = 604800\n"))
    natd = run()
    with natd.connect() as c:
        assert next(c.more(INTERFACE + "RequestMapping", protocols=["udp"], internalPort=PORT))
        state = natd.lab.path(natd.state + "/leases.json")
        wait_until(lambda: b"40000" in state.read_bytes(), 1, "the mapping on disk")
        natd.kill()
    assert len(gw.table()) == 1
    natd.start()
    wait_until(lambda: gw.table() == [], 5, "the rule gone after the next start")
    natd.map(port=PORT, lifetimeSeconds=1)
    assert len(gw.table()) == 1
    wait_until(lambda: gw.table() == [], 5, "the rule gone with the wish")


def test_a_default_route_of_a_policy_table_among_many_routes(place, gateway, run):
    """Quirk 41: the default route is in table 201 by a rule, as on a UDM, and the main table is
    larger than any buffer."""
    gw = gateway(SPOKEN["pcp"])
    client = place.client
    client.ip("route del default", "rule add pref 100 table 201",
              "route add default via 192.168.1.1 dev eth0 table 201",
              *(f"route add 10.{n >> 8}.{n & 255}.0/24 dev eth0" for n in range(8000)))
    try:
        assert external(run().map(port=PORT)) == ("11.22.33.44", PORT)
        assert len(gw.table()) == 1
    finally:
        client.ip("route flush root 10.0.0.0/8", "route flush table 201", "rule del pref 100",
                  "route add default via 192.168.1.1")


@pytest.mark.parametrize("network", ["100.64.9", "11.50.60"])
def test_a_router_whose_own_address_is_not_a_private_one(place, gateway, run, network):
    """Quirk 42: others do not even ask it."""
    place.router.node.ip(f"addr add {network}.1/24 dev lan0")
    place.client.ip(f"addr add {network}.20/24 dev eth0",
                    f"route replace default via {network}.1 dev eth0")
    gw = gateway(SPOKEN["pcp"], lan=f"{network}.1")
    try:
        assert external(run().map(port=PORT)) == ("11.22.33.44", PORT)
        assert [e["client"] for e in gw.table()] == [f"{network}.20"]
    finally:
        place.client.ip("route replace default via 192.168.1.1 dev eth0",
                        f"addr del {network}.20/24 dev eth0")
        place.router.node.ip(f"addr del {network}.1/24 dev lan0")


@pytest.mark.parametrize("mode", ["pcp", "nat_pmp"])
def test_ports_of_the_protocol_taken_here(place, gateway, run, mode):
    """Quirks 43 and 44: another program has 5350 and 5351 and does not share: natd does without
    the first, and asks from a port that the kernel chose."""
    gw = gateway(SPOKEN[mode])
    with contextlib.ExitStack() as held:
        for port in (5350, 5351):
            with place.client.inside():
                s = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            s.bind(("0.0.0.0", port))
        assert external(run().map(port=PORT)) == ("11.22.33.44", PORT)
    assert all(line["source_port"] > 5351 for line in gw.heard(mode))


@pytest.mark.parametrize("mode", SPOKEN)
def test_the_lifetime_on_the_wire(gateway, run, mode):
    """Quirk 45: 7200 s, not 538705920, and no more than was wanted."""
    gw = gateway(SPOKEN[mode])
    natd = run()
    natd.map(port=PORT)
    natd.map(port=PORT + 1, lifetimeSeconds=600)
    made = [line for line in gw.heard() if line.get("internal_port") and line.get("lease")]
    assert {(line["internal_port"], line["lease"]) for line in made} == {(PORT, 7200), (PORT + 1, 600)}


@pytest.mark.parametrize("mode", SPOKEN)
def test_two_programs_want_one_port_outside(gateway, run, mode):
    """Quirk 49: the router would let the second take it from the first, they are one host to it;
    natd knows both."""
    gw = gateway(SPOKEN[mode] + "[table]\nown_replaced = true\n")
    natd = run(f"[Daemon]\nMethods={mode}\n")
    made = [natd.as_user(uid, "RequestMapping", protocols=["tcp"], internalPort=internal,
                          suggestedExternalPort=40500)[0]["mapping"]
            for uid, internal in ((4001, 40501), (4002, 40502))]
    assert [m["runtime"]["state"] for m in made] == ["active", "active"]
    first, second = (external(m)[1] for m in made)
    assert first == 40500 != second
    assert {(e["external_port"], e["internal_port"]) for e in gw.table()} == {
        (40500, 40501), (second, 40502)}
    _, error = natd.as_user(4003, "RequestMapping", protocols=["tcp"], internalPort=40503,
                            suggestedExternalPort=40500, preferFailure=True)
    assert error == INTERFACE + "ExternalPortUnavailable"
    assert len(gw.table()) == 2


def test_granted_is_not_open(gateway, run):
    """Quirk 51: what the router granted is never called open, and is released with the nonce it
    was asked with."""
    gw = gateway(SPOKEN["pcp"])
    natd = run()
    mapping = natd.map(port=PORT)
    assert mapping["runtime"]["state"] == "active"
    assert mapping["runtime"]["reachability"] == "unknown"
    natd.call("RenewMapping", id=mapping["id"])
    natd.call("ReleaseMapping", id=mapping["id"])
    asked = gw.heard("pcp.map")
    assert asked[-1]["delete"] and asked[-1]["result"] == 0
    assert len({line["nonce"] for line in asked}) == 1
    assert gw.table() == []


def test_timers_are_tunable_and_another_look_can_be_asked_for(gateway, run):
    """Ask 11: how long leases are (b40-address-without-epoch: how often a silent router is looked
    at); and a router switched on a moment ago is found by asking, not by waiting minutes."""
    natd = run(f"[Daemon]\nLeaseSec=10min\n[Mapping web]\nProtocols=tcp\nInternalPort={PORT}\n")
    natd.wait_state(natd.mappings()[0]["id"], "failed")
    gw = gateway(SPOKEN["nat_pmp"])
    since = scripted.now()
    natd.call("RenewMapping")
    asked = gw.wait_heard("nat_pmp.map", timeout_s=2)[0]
    assert asked["t"] - since < 1 and asked["lease"] == 600
    wait_until(lambda: natd.mappings()[0]["runtime"]["state"] == "active", 2, "active")


@pytest.mark.parametrize("mode", ["pcp", "igd1"])
def test_for_a_containers_address(place, neighbour, gateway, run, mode):
    """Ask 12: for an address that is not this host's, or is on no link of it, by PCP's THIRD_PARTY
    or as the internal client of UPnP; and this natd is one of several, each in its own namespace."""
    gw = gateway({"pcp": "[pcp]\non = true\nthird_party = true\n",
                  "igd1": "[upnp]\non = true\n[soap]\ndelete_any = true\n"}[mode])
    natd = run()
    mapping = natd.map(port=PORT, internalAddress="192.168.1.77")
    assert mapping["runtime"]["internal"] == {"address": "192.168.1.77", "port": PORT}
    assert {(e["client"], e["internal_port"]) for e in gw.table()} == {("192.168.1.77", PORT)}
    if mode == "pcp":
        assert all(line["client"] == CLIENT or line["third_party"] for line in gw.heard("pcp.map"))
    place.client.ip("addr replace 192.168.1.99/32 dev lo")
    inner = natd.map(port=PORT + 2, internalAddress="192.168.1.99")
    assert ("192.168.1.99", PORT + 2) in {(e["client"], e["internal_port"]) for e in gw.table()}
    natd.call("ReleaseMapping", id=inner["id"])
    other = Natd(neighbour)
    assert other.map(port=PORT + 1)["runtime"]["internal"]["address"] == "192.168.1.66"
    natd.call("ReleaseMapping", id=mapping["id"])
    assert [e["client"] for e in gw.table()] == ["192.168.1.66"]
    other.stop()


def the_problem(natd):
    """Of the only mapping, once all was tried."""
    wait_until(lambda: " failed: " in natd.log(), 5, "the verdict")
    return natd.mappings()[0]["runtime"]["problem"]


@pytest.mark.parametrize("mode,code", [("pcp", 2), ("nat_pmp", 2), ("igd1", 606), ("igd2", 606)])
def test_denied_is_one_finding_with_the_routers_name(gateway, run, mode, code):
    """Quirk 24: this host may not map: said once, with the router's name, asked again hourly."""
    gw = gateway(SPOKEN[mode] + ("name = \"FRITZ!Box 7590\"\n" if mode == "igd2" else "") +
                 f'[[rule]]\non = ["pcp.map", "nat_pmp.map", "soap.AddPortMapping", '
                 f'"soap.AddAnyPortMapping"]\ndo = {{ error = {code} }}\n')
    natd = run(f"[Daemon]\nMethods={mode}\n[Mapping web]\nProtocols=tcp\nInternalPort={PORT}\n")
    problem = the_problem(natd)
    assert (problem["severity"], problem["code"]) == ("error", "not_authorized")
    assert "192.168.1.1" in problem["message"] and str(code) in problem["message"]
    name = {"igd1": "Scripted", "igd2": "FRITZ!Box 7590"}.get(mode, "192.168.1.1")
    assert problem["message"].startswith(name)
    by = "" if name == "192.168.1.1" else f"{name} says "
    assert re.search(rf" failed: {re.escape(by)}[A-Z]\w+, ", natd.log())
    assert "allow them in its settings" in problem["hint"]
    # One of the services, then an hour of peace.
    asked = [line for line in gw.heard() if line["event"] in ("pcp.map", "nat_pmp.map") or
             "PortMapping" in line["event"]]
    assert len(asked) == 1
    runtime = natd.mappings()[0]["runtime"]
    assert 3500 < runtime["nextRenewal"]["realtime"] / 1e6 - time.time() <= 3600
    said = [line for line in natd.log().splitlines() if "mapping m1" in line and "failed" in line]
    assert len(said) == 1 and (name in said[0] or mode in ("pcp", "nat_pmp"))


ENTRY = ('[[entry]]\nprotocol = "tcp"\nexternal_port = 40000\ninternal_port = 40000\nclient = "{}"\n')
EXACT = (f"[Daemon]\nMethods=igd1\n[Mapping web]\nProtocols=tcp\nInternalPort={PORT}\nExternalPort={PORT}\n"
         "PreferFailure=yes\n")


def test_conflicts_are_told_apart(gateway, run):
    """Quirk 22: our own stale entry is replaced; another host's is named and left alone; so is a rule
    of the router itself."""
    gw = gateway(SPOKEN["igd1"] + ENTRY.format(CLIENT) +
                 '[[rule]]\non = "soap.AddPortMapping"\nheld = true\nnth = 1\ndo = { error = 718 }\n')
    natd = run(EXACT)
    natd.wait_state(natd.mappings()[0]["id"], "active")
    assert len(gw.heard("soap.DeletePortMapping")) == 1
    assert len(gw.table()) == 1
    natd.kill()
    gw.stop()

    gw = gateway(SPOKEN["igd1"] + ENTRY.format("192.168.1.77"))
    natd = run(EXACT)
    problem = the_problem(natd)
    assert problem["code"] == "external_port_unavailable"
    assert problem["message"].endswith("ConflictInMappingEntry (718): 192.168.1.77 has the port")
    assert "the port belongs to 192.168.1.77" in natd.log()
    assert not gw.heard("soap.DeletePortMapping")
    assert [e["client"] for e in gw.table()] == ["192.168.1.77"]
    natd.kill()
    gw.stop()

    gw = gateway(SPOKEN["igd1"] + '[[rule]]\non = "soap.AddPortMapping"\ndo = { error = 729 }\n')
    natd = run(EXACT)
    problem = the_problem(natd)
    assert problem["code"] == "external_port_unavailable"
    assert problem["message"].endswith("ConflictWithOtherMechanisms (729)")
    assert "a static rule or DMZ" in problem["hint"]
