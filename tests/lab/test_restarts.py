"""A router that restarts again before the last restart is forgotten, or while something waits for
it: its mappings are there again, and it is never said to forget them."""

import re

import pytest
from lab import wait_until

UPNP = "[upnp]\non = true\n[pxp]\nlisten = false\n"
SPOKEN = {"igd1": {"pxp": False, "igd1": True}, "igd2": {"pxp": False}}
SCRIPTED = {"upnp": UPNP, "pcp": "[pcp]\non = true\n", "nat_pmp": "[nat_pmp]\non = true\n"}


def unblamed(natd, ident, restarts):
    natd.wait_state(ident, "active")
    assert "VANISHED" not in natd.log() and "forgets" not in natd.log()
    assert natd.metric("natd_gateway_restarts_total") == restarts


@pytest.mark.parametrize("spoken", SPOKEN)
def test_three_restarts_in_a_row(place, run, spoken):
    place.router.start(**SPOKEN[spoken])
    natd = run()
    ident = natd.map(port=40000)["id"]
    for n in range(3):
        place.router.restart()
        wait_until(lambda: ("udp", 40000) in place.router.ports(), 15, f"the rule after restart {n + 1}")
    unblamed(natd, ident, 3)


@pytest.mark.parametrize("spoken", SCRIPTED)
def test_an_announced_restart_and_another(place, run, gateway, spoken):
    """Of whatever of them comes too early, the last is looked into, too."""
    gw, natd = gateway(SCRIPTED[spoken]), run()
    natd.map(port=40000)
    for n in range(3 if spoken == "upnp" else 2):
        gw.order("restart", announce=True, alive=True)
        wait_until(gw.table, 15, f"the mapping after restart {n + 1}")


@pytest.mark.parametrize("refusal", [
    {"table": {"capacity": 0}}, {"rule": [{"on": "soap.AddPortMapping", "do": {"error": 606}}]}],
    ids=["full", "denied"])
def test_what_was_refused_is_asked_of_a_router_that_restarted(place, run, gateway, refusal):
    """It would be asked again in minutes, or in an hour."""
    gw = gateway(UPNP)
    gw.order("change", **{"with": refusal})
    gw.order("alive")
    natd = run("[Mapping web]\nProtocols=tcp\nInternalPort=40033\n")
    wait_until(lambda: natd.mappings()[0]["runtime"]["state"] == "failed", 10, "the refusal")
    gw.order("change", **{"with": {"table": {"capacity": 9}, "rule": []}})
    gw.order("restart", alive=True)
    wait_until(gw.table, 5, "the mapping")


@pytest.mark.parametrize("spoken", ["pcp", "nat_pmp"])
def test_what_the_first_sign_of_a_restart_made_again_is_told(run, gateway, spoken):
    """The answer to a renewal shows the restart and is what heals it."""
    gw, natd = gateway(SCRIPTED[spoken]), run()
    ident = natd.map(port=40000)["id"]
    gw.order("restart")
    natd.call("RenewMapping", id=ident)
    wait_until(lambda: "restarted; mappings are asked again" in natd.log(), 5, "the restart")
    wait_until(lambda: re.search(rf"mapping {ident}: .*, again$", natd.log(), re.M), 5, "a line of it")
    assert len(gw.table()) == 1
    assert natd.log().count(", again\n") == 1
