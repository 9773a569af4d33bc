"""What asking again, and another configuration, do to mappings that are there already."""

import home as h
import pytest
import scripted
from daemon import INTERFACE, Natd, external
from fixtures import shared_home
from lab import LabError, wait_until
from varlink import VarlinkError

CLIENT = "192.168.1.20"
place = shared_home()


@pytest.fixture(autouse=True)
def router(place):
    """One that knows of nothing."""
    place.router.start()
    yield
    place.router.stop()
    place.router.flush()


def rule(protocol, port):
    return h.Rule(protocol, port, CLIENT, port)


def method(natd, ident):
    return natd.mapping(ident)["runtime"].get("method")


def test_methods_of_a_reload_are_in_effect(place, run):
    natd = run("[Daemon]\nMethods=pcp\n")
    ident = natd.map(["tcp"], 41001)["id"]
    assert method(natd, ident) == "pcp"
    natd.configure("[Daemon]\nMethods=igd2\n")
    assert natd.call("Reload")["changed"] == ["Daemon.Methods"]
    wait_until(lambda: method(natd, ident) == "igd2", 5, "the mapping by IGD:2")
    assert natd.map(["tcp"], 41002)["runtime"]["method"] == "igd2"
    wait_until(lambda: place.router.rules() == {rule("tcp", 41001), rule("tcp", 41002)}, 2, "both")
    natd.configure("")
    natd.call("Reload")
    assert natd.map(["tcp"], 41003)["runtime"]["method"] in ("pcp", "igd2")


def test_a_method_that_a_request_named_is_forbidden_by_a_reload(place, run):
    """What was made by it is deleted; the request may use no other."""
    natd = run("[Daemon]\nMethods=pcp igd2\n")
    ident = natd.map(["tcp"], 41009, methods=["pcp"])["id"]
    natd.configure("[Daemon]\nMethods=igd2\n")
    natd.call("Reload")
    natd.wait_state(ident, "failed")
    wait_until(lambda: place.router.rules() == set(), 2, "the rule deleted")


def test_methods_that_were_changed_while_natd_was_away(place, run):
    natd = run("[Daemon]\nMethods=pcp\n")
    ident = natd.map(["tcp"], 41008, persistence="permanent")["id"]
    assert method(natd, ident) == "pcp"
    natd.stop()
    natd.configure("[Daemon]\nMethods=igd2\n")
    natd.start()
    wait_until(lambda: method(natd, ident) == "igd2", 5, "the mapping by IGD:2")
    assert rule("tcp", 41008) in place.router.rules()
    assert "is not renewed" not in natd.log()


def test_the_lease_of_a_reload_is_in_effect(place, run):
    natd = run()
    ident = natd.map(["udp"], 41004)["id"]
    assert natd.mapping(ident)["runtime"]["grantedLifetimeSeconds"] == 7200
    natd.configure("[Daemon]\nLeaseSec=10min\n")
    natd.call("Reload")
    wait_until(lambda: natd.mapping(ident)["runtime"].get("grantedLifetimeSeconds") == 600, 5,
               "a lease of 10 minutes")


def test_a_configured_mapping_is_not_changed_by_a_request(place, run):
    natd = run("[Mapping vpn]\nProtocols=udp\nInternalPort=41005\n")
    wait_until(lambda: rule("udp", 41005) in place.router.rules(), 5, "the configured mapping")
    ident = natd.mappings()[0]["id"]
    assert natd.map(["udp"], 41005)["id"] == ident
    with pytest.raises(VarlinkError) as refused:
        natd.map(["udp"], 41005, suggestedExternalPort=41443, preferFailure=True)
    assert refused.value.name == INTERFACE + "MappingConflict"
    assert place.router.rules() == {rule("udp", 41005)}


def test_a_short_wish_does_not_end_a_hold(place, run):
    natd = run()
    with natd.connect() as holder:
        replies = holder.more(INTERFACE + "RequestMapping", protocols=["tcp"], internalPort=41006)
        ident = next(replies)["mapping"]["id"]
        assert natd.map(["tcp"], 41006, lifetimeSeconds=1)["id"] == ident
        with pytest.raises(LabError):
            wait_until(lambda: not natd.mappings(), 2.5, "its end")
        assert rule("tcp", 41006) in place.router.rules()
    wait_until(lambda: place.router.rules() == set(), 2, "the end of both wishes")


def test_a_connection_does_not_shorten_a_lease(place, run):
    """Who follows a mapping that is wanted for longer, and leaves, leaves it there."""
    natd = run()
    ident = natd.map(["udp"], 41011)["id"]
    with natd.connect() as c:
        followed = next(c.more(INTERFACE + "RequestMapping", protocols=["udp"], internalPort=41011))
        assert followed["mapping"]["id"] == ident
    with natd.connect() as c:  # whose mapping goes later, with its connection
        next(c.more(INTERFACE + "RequestMapping", protocols=["udp"], internalPort=41012))
    wait_until(lambda: len(natd.mappings()) == 1, 5, "the end of the other one")
    assert natd.mapping(ident)["context"]["persistence"] == "lease"
    assert natd.mapping(ident)["runtime"]["state"] == "active"


def test_asking_for_one_protocol_keeps_the_other(place, run):
    natd = run()
    both = natd.map(["tcp", "udp"], 41007)
    one = natd.map(["tcp"], 41007)
    assert one["id"] == both["id"]
    assert external(one) == external(both)
    wait_until(lambda: place.router.rules() == {rule("tcp", 41007), rule("udp", 41007)}, 2,
               "both protocols")


def test_numbers_left_to_the_router_are_different_ones(place, run):
    natd = run()
    made = [natd.map(["tcp", "udp"]) for _ in range(4)]
    assert len({external(m) for m in made}) == 4
    assert all(m["runtime"]["internal"]["port"] == external(m)[1] for m in made)


@pytest.mark.parametrize("blocked", [["nat_pmp", "ssdp"], ["pcp", "ssdp"], ["pxp"]],
                         ids=["pcp", "nat_pmp", "igd2"])
def test_a_change_that_is_refused_leaves_what_was_there(place, run, neighbour, blocked):
    """Another number and no other, but somebody has it: the old number stays this program's."""
    assert h.nat_pmp(neighbour, "192.168.1.1", 2, 41443, 41443, 600)
    place.router.block(*blocked, source=CLIENT)
    try:
        natd = run()
        before = natd.map(["tcp"], 41010)
        with pytest.raises(VarlinkError) as refused:
            natd.map(["tcp"], 41010, suggestedExternalPort=41443, preferFailure=True)
        assert refused.value.name == INTERFACE + "ExternalPortUnavailable"
        after = natd.wait_state(before["id"], "active")
        assert external(after) == external(before)
        assert after["context"] == before["context"]
        ours = {r for r in place.router.rules() if r.address == CLIENT}
        assert ours == {rule("tcp", 41010)}
        moved = natd.map(["tcp"], 41010, suggestedExternalPort=41444, preferFailure=True)
        assert external(moved)[1] == 41444
    finally:
        place.router.block()


@pytest.mark.parametrize("blocked", [["nat_pmp", "ssdp"], ["pcp", "ssdp"], ["pxp"]],
                         ids=["pcp", "nat_pmp", "igd2"])
@pytest.mark.parametrize("port", [41020, None], ids=["taken", "left-to-the-router"])
def test_a_natd_that_knows_nothing_gets_the_same_number(place, run, neighbour, blocked, port):
    """Its state is lost; the number follows from the machine, the user and the port inside."""
    if port:
        assert h.nat_pmp(neighbour, "192.168.1.1", 2, port, port, 600)
    place.router.block(*blocked, source=CLIENT)
    try:
        numbers = set()
        for _ in range(2):
            natd = run()
            numbers.add(external(natd.map(["tcp"], port))[1])
            natd.call("ReleaseMapping", id=natd.mappings()[0]["id"])
            wait_until(lambda: not any(r.address == CLIENT for r in place.router.rules()), 5, "no rule")
            natd.stop()
        assert len(numbers) == 1 and port not in numbers
    finally:
        place.router.block()


def test_what_a_router_insists_on_is_known_after_a_restart():
    """The lifetime it takes is not searched for again."""
    with h.home() as p:
        gw = scripted.Scripted(p.router, "b18-permanent-only")
        natd = Natd(p.client)
        natd.map(["tcp"], 41014)
        first = gw.heard("soap.AddPortMapping")
        natd.stop()
        natd.start()
        since = scripted.now()
        natd.map(["tcp"], 41014)
        again = gw.heard("soap.AddPortMapping", since=since)
        natd.stop()
        gw.stop()
    assert (first[0]["lease"], first[-1]["lease"]) == (7200, 0)
    assert {m["lease"] for m in again} == {0}


@pytest.mark.parametrize("port", [41020, None], ids=["a port", "of the router's choice"])
def test_what_is_removed_is_told_with_its_inside(run, port):
    natd = run()
    with natd.connect() as c:
        events = c.more(INTERFACE + "Monitor")
        assert next(events)["event"] == "snapshot"
        mapping = natd.map(["tcp"], port)
        natd.call("ReleaseMapping", id=mapping["id"])
        removed = next(e["mapping"] for e in events if e["event"] == "mapping_removed")
    assert removed["runtime"]["internal"] == mapping["runtime"]["internal"]
    assert removed["runtime"]["internal"]["address"] == CLIENT


def test_the_log_tells_once_when_a_port_is_closed_and_why(place, run):
    natd = run("[Mapping web]\nProtocols=tcp\nInternalPort=41034\n")
    natd.wait_active(1)
    outside = {}

    def opened(mapping):
        outside[mapping["id"]] = "tcp %s:%d" % external(mapping)
        return mapping["id"]
    web = opened(natd.mappings()[0])
    asked = opened(natd.map(["tcp"], 41030))
    short = opened(natd.map(["tcp"], 41031, lifetimeSeconds=2))
    with natd.connect() as c:
        held = opened(next(c.more(INTERFACE + "RequestMapping", protocols=["tcp"],
                                  internalPort=41032))["mapping"])
    natd.call("ReleaseMapping", id=asked)
    natd.configure("")
    natd.call("Reload")
    wait_until(lambda: not natd.mappings(), 10, "the end of all")
    for port in (41035, 41036):
        opened(natd.map(["tcp"], port))
    natd.stop()
    said = [line for line in natd.log().splitlines() if "released" in line or "ended" in line]
    assert sorted(said[:-1]) == sorted(
        f"mapping {ident}: {outside[ident]} released{why}" for ident, why in (
            (web, ", its configuration changed"), (asked, ""), (short, ", its lifetime ended"),
            (held, ", its program ended")))
    assert said[-1] == "2 open mappings released, 0 left for the next start"


def test_every_change_of_many_mappings_is_in_the_log(place, run):
    """A reader of the log must not wonder which of them the others were."""
    ports = range(41100, 41140)
    natd = run("".join(f"[Mapping m{p}]\nProtocols=udp\nInternalPort={p}\n" for p in ports))
    natd.wait_active(40)
    log = natd.log()
    assert [p for p in ports if f" -> {CLIENT}:{p} by " not in log] == []
    natd.configure("")
    natd.call("Reload")
    wait_until(lambda: natd.mappings() == [], 10, "no mapping")
    log = natd.log()
    assert [p for p in ports if f":{p} released, its configuration changed" not in log] == []
    assert "more like: mapping" not in log
