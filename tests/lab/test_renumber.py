"""DHCP gives this host another address on the same network: the number outside stays the
same where the router allows, and no other host's entry is touched."""

import pytest
import scripted
from daemon import Natd, external
from lab import wait_until

FORMER, NOW, PORT = "192.168.1.20", "192.168.1.77", 40000
ROUTER = """
[upnp]
on = true
[description]
version = {version}
[soap]
delete_any = {delete_any}
"""


def renumber(place):
    place.client.ip(f"addr del {FORMER}/24 dev eth0", f"addr add {NOW}/24 dev eth0",
                    "route add default via 192.168.1.1")


def moved(natd, ident):
    """The mapping once it is held from the new address."""
    def check():
        m = natd.mapping(ident)
        inside = m["runtime"].get("internal") or {}
        return m if m["runtime"]["state"] == "active" and inside.get("address") == NOW else None
    return wait_until(check, 5, "active at the new address", 0.02)


def entries(gw):
    return {(e["client"], e["external_port"], e["internal_port"]) for e in gw.table()}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("delete_any", ["true", "false"])
def test_the_same_number_from_another_address(place, version, delete_any, gateway):
    """F25: renumbered by DHCP, the entry of the old address is ours."""
    gw = gateway(ROUTER.format(version=version, delete_any=delete_any))
    natd = Natd(place.client)
    ident = natd.map(port=PORT, description="game")["id"]
    assert entries(gw) == {(FORMER, PORT, PORT)}
    renumber(place)
    port = external(moved(natd, ident))[1]
    if delete_any == "true":
        assert port == PORT
        assert entries(gw) == {(NOW, PORT, PORT)}
    else:  # the router guards what it takes for another host's
        assert port != PORT
        assert entries(gw) == {(FORMER, PORT, PORT), (NOW, port, PORT)}


@pytest.mark.parametrize("made", [
    {"description": "another host", "lease_s": 60},  # says something else
    {"description": "game", "lease_s": 86400},       # was asked for after we left
    {"description": "game", "lease_s": 0},           # nobody knows when
    {"description": "game", "lease_s": 60, "internal_port": PORT + 1},
    {"description": "game", "lease_s": 60, "client": "192.168.1.30"},
])
def test_what_lives_at_the_former_address_is_left_alone(place, made, gateway):
    gw = gateway(ROUTER.format(version=1, delete_any="true"))
    natd = Natd(place.client)
    ident = natd.map(port=PORT, description="game")["id"]
    place.unplug()
    natd.wait_state(ident, "suspended")
    entry = {"protocol": "udp", "external_port": PORT, "client": FORMER, "internal_port": PORT,
             **made}
    if entry["lease_s"]:
        entry["expires_s"] = scripted.now() + entry["lease_s"]
    gw.order("insert", entry=entry)
    other = (entry["client"], PORT, entry["internal_port"])
    renumber(place)
    place.replug()
    port = external(moved(natd, ident))[1]
    assert port != PORT
    assert entries(gw) == {other, (NOW, port, PORT)}
    assert not gw.heard("soap.DeletePortMapping", external_port=PORT)
