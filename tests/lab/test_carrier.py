"""Two NATs: the home router's and the carrier's, and what PCP (RFC 7723) can do there."""

import contextlib
import re

import home as h
import pytest
import scripted
import varlink
from daemon import Natd, external
from lab import Lab, wait_until

ANYCAST = "192.0.0.9"
HOME = "[pcp]\non = true\n"


def anycast(carrier):
    """The carrier's miniupnpd answers at the anycast address, too."""
    carrier.node.nft(f"""table ip anycast {{ chain prerouting {{
        type nat hook prerouting priority -110;
        ip daddr {ANYCAST} udp dport 5351 counter dnat to {carrier.lan_address}
    }}
    }}""")


def asked(carrier):
    """How many flows went to the anycast address."""
    text = carrier.node.run("nft", "list", "table", "ip", "anycast").stdout
    return int(text.split("counter packets ")[1].split()[0])


def pass_on(router, protocol, port, internal=8080):
    """The scripted home router forwards nothing; the kernel beside it does."""
    router.node.nft(f"""table ip passed {{ chain prerouting {{
        type nat hook prerouting priority -110;
        iifname {router.wan} {protocol} dport {port} dnat to 192.168.1.20:{internal}
    }}
    }}
    insert rule inet {h.TABLE} forward ct status dnat accept""")


@pytest.fixture
def place():
    with h.carrier_home() as (made, carrier):
        made.carrier = carrier
        anycast(carrier)
        yield made


@pytest.fixture
def carrier(place):
    return place.carrier


def wait_external(natd, ident, address, timeout_s=5.0):
    def check():
        m = natd.mapping(ident)
        e = m["runtime"].get("external")
        return m if e and e["address"] == address else None
    return wait_until(check, timeout_s, f"external address {address}; natd said:\n{natd.log()}")


def finding(natd, ident, word, timeout_s=5.0):
    def check():
        p = natd.mapping(ident)["runtime"].get("problem")
        return p if p and word in p["message"] else None
    return wait_until(check, timeout_s, f"a finding with {word}; natd said:\n{natd.log()}")


def test_mapped_through_both(place, carrier, gateway):
    carrier.start(upnp=False)
    gw = gateway(HOME)
    natd = Natd(place.client)
    m = natd.map(["tcp"], 8080)
    # The first answer is already the whole way.
    assert external(m) == ("11.22.33.99", 8080)
    assert m["runtime"]["externalIsGlobal"] is True
    assert "problem" not in m["runtime"]
    assert [(e["client"], e["external_port"]) for e in gw.table()] == [("192.168.1.20", 8080)]
    assert carrier.rules() == {h.Rule("tcp", 8080, "100.64.7.2", 8080)}
    pass_on(place.router, "tcp", 8080)
    assert h.forwards(place, "tcp", ("11.22.33.99", 8080), 8080)
    natd.call("ReleaseMapping", id=m["id"])
    wait_until(lambda: not carrier.rules() and not gw.table(), 3, "nothing left behind")
    assert natd.mappings() == []


def test_numbers_differ_on_each_layer(place, carrier, gateway):
    """The carrier has given 8080 to somebody else; the home router 8080 to a neighbour."""
    carrier.start(upnp=False)
    taken = {"protocol": "udp", "external_port": 8080, "client": "192.168.1.99",
             "internal_port": 1, "lease_s": 0}
    gw = gateway(HOME)
    gw.order("insert", entry=taken)
    natd = Natd(place.client)
    m = natd.map(["udp"], 8080)
    port = next(e["external_port"] for e in gw.table() if e["client"] == "192.168.1.20")
    assert port != 8080
    (rule,) = carrier.rules()
    assert (rule.address, rule.port) == ("100.64.7.2", port)
    assert external(m) == ("11.22.33.99", rule.external_port)
    pass_on(place.router, "udp", port)
    assert h.forwards(place, "udp", external(m), 8080)


def test_the_carrier_has_no_pcp(place, carrier, gateway):
    gateway(HOME)
    natd = Natd(place.client)
    m = natd.map(["tcp"], 8080)
    p = finding(natd, m["id"], "does not answer")
    r = natd.mapping(m["id"])["runtime"]
    assert (p["severity"], p["code"]) == ("warning", "cgnat")
    assert "100.64.7.2" in p["message"] and ANYCAST in p["message"]
    assert (r["state"], r["externalIsGlobal"]) == ("active", False)
    assert r["external"]["address"] == "100.64.7.2"
    # It is switched on later.
    carrier.start(upnp=False)
    natd.call("RenewMapping", id=m["id"])
    wait_external(natd, m["id"], "11.22.33.99", 20)


def test_switched_off_nobody_is_asked(place, carrier, gateway):
    carrier.start(upnp=False)
    gateway(HOME)
    natd = Natd(place.client, "[Daemon]\nPcpServers=\n")
    m = natd.map(["tcp"], 8080)
    natd.wait_state(m["id"], "active")
    p = finding(natd, m["id"], "100.64.7.2")
    assert p["code"] == "cgnat" and ANYCAST not in p["message"]
    assert asked(carrier) == 0 and carrier.rules() == set()
    # A program that allows no PCP is not served by it either.
    natd.configure("")
    natd.call("Reload")
    wait_external(natd, m["id"], "11.22.33.99")
    natd.configure("[Daemon]\nPcpServers=\n")
    natd.call("Reload")
    wait_external(natd, m["id"], "100.64.7.2")
    wait_until(lambda: carrier.rules() == set(), 3, "the carrier's mapping deleted")


def test_an_address_lost_for_a_moment_leaves_the_carriers_mapping(place, carrier, gateway):
    """The router's WAN is away (NETWORK_FAILURE): what is held behind it will be needed again."""
    outer = scripted.Scripted(carrier, HOME, name="carrier")
    gw = gateway("[nat_pmp]\non = true\n")
    natd = Natd(place.client)
    m = natd.map(["tcp"], 8080)
    wait_external(natd, m["id"], "11.22.33.99")
    gw.order("change", **{"with": {"rule": [{"on": "nat_pmp.address", "do": {"error": 3}}]}})
    gw.order("announce")
    wait_until(lambda: "external address lost" in natd.log(), 5, "the address lost")
    gw.order("change", **{"with": {"rule": []}})
    gw.order("announce")
    wait_until(lambda: natd.log().count("external address 100.64.7.2") == 2, 10, "the address again")
    wait_external(natd, m["id"], "11.22.33.99")
    assert outer.heard("pcp.map", delete=True) == []
    assert {line["nonce"] for line in outer.heard("pcp.map")} == {outer.table()[0]["nonce"]}
    outer.stop()


def test_a_third_nat_is_named(place, carrier, gateway):
    """The home router's idea of its address is not what the carrier sees."""
    carrier.start(upnp=False)
    gateway(HOME, wan="10.9.9.9")
    natd = Natd(place.client)
    m = natd.map(["tcp"], 8080)
    p = finding(natd, m["id"], "ADDRESS_MISMATCH")
    assert p["code"] == "double_nat"
    assert "10.9.9.9" in p["message"] and ANYCAST in p["message"]
    assert natd.mapping(m["id"])["runtime"]["externalIsGlobal"] is False
    assert carrier.rules() == set()


def test_the_carriers_own_address_is_not_global_either(place, carrier, gateway):
    gateway(HOME)
    gateway(HOME, carrier, wan="10.77.0.5", name="far")
    natd = Natd(place.client)
    m = natd.map(["tcp"], 8080)
    p = finding(natd, m["id"], "10.77.0.5")
    assert "100.64.7.2" in p["message"]
    assert natd.mapping(m["id"])["runtime"]["externalIsGlobal"] is False


def test_the_home_router_gets_another_address(place, carrier, gateway):
    carrier.start(upnp=False)
    gw = gateway(HOME + "[nat_pmp]\non = true\n")
    natd = Natd(place.client, "[Daemon]\nProbeSec=10\n")
    m = natd.map(["tcp"], 8080)
    assert external(m)[0] == "11.22.33.99"
    place.router.node.ip("addr add 100.64.7.3/24 dev wan0", "addr del 100.64.7.2/24 dev wan0",
                         "addr add 100.64.7.3/24 dev wan0",
                         "route add default via 100.64.7.1")
    gw.order("wan", address="100.64.7.3", tell=True)
    wait_until(lambda: h.Rule("tcp", 8080, "100.64.7.3", 8080) in carrier.rules() or
               any(r.address == "100.64.7.3" for r in carrier.rules()), 15,
               "the mapping for the new address")
    natd.wait_state(m["id"], "active")
    assert external(natd.mapping(m["id"]))[0] == "11.22.33.99"


def test_after_a_crash_it_is_found_again_or_deleted(place, carrier, gateway):
    carrier.start(upnp=False)
    gateway(HOME)
    natd = Natd(place.client)
    kept = natd.map(["tcp"], 8080, persistence="permanent")
    with varlink.Connection(natd.lab.path(natd.socket)) as c:
        replies = c.more("org.natd.NAT.RequestMapping", protocols=["tcp"], internalPort=9090)
        assert external(next(replies)["mapping"]) == ("11.22.33.99", 9090)
        natd.kill()
    assert len(carrier.rules()) == 2
    natd.start()
    wait_until(lambda: {r.external_port for r in carrier.rules()} == {8080}, 8,
               f"only what is wanted; natd said:\n{natd.log()}")
    assert external(wait_external(natd, kept["id"], "11.22.33.99")) == external(kept)


def test_pcp_was_forbidden_while_natd_was_away(place, carrier, gateway):
    """The carrier's server is asked for nothing more, but to delete what it has."""
    carrier.start(upnp=False)
    gw = gateway(HOME + "[nat_pmp]\non = true\n")
    natd = Natd(place.client)
    assert external(natd.map(["tcp"], 8080, persistence="permanent")) == ("11.22.33.99", 8080)
    natd.kill()
    natd.configure("[Daemon]\nMethods=nat_pmp\n")
    natd.start()
    assert external(natd.wait_active(1)[0]) == ("100.64.7.2", 8080)
    wait_until(lambda: carrier.rules() == set(), 5, "nothing left at the carrier")
    assert len(gw.table()) == 1


def test_killed_before_the_carrier_has_answered(place, carrier, gateway):
    """What it was asked is deleted, although nobody knows the home router's address any more."""
    gw = gateway(HOME)
    far = gateway(HOME + '[[rule]]\non = "pcp.map"\ndo = { delay_ms = 700 }\n', carrier,
                            name="far")
    natd = Natd(place.client)
    with natd.connect() as c:
        c.send("org.natd.NAT.RequestMapping", {"protocols": ["udp"], "internalPort": 9090}, more=True)
        wait_until(far.table, 5, "the carrier's rule")
        natd.kill()
    natd.start()
    wait_until(lambda: not far.table() and not gw.table(), 8, "nothing left behind")


def test_nothing_stays_when_natd_ends(place, carrier, gateway):
    carrier.start(upnp=False)
    gw = gateway(HOME)
    natd = Natd(place.client)
    natd.map(["tcp", "udp"], 8080)
    assert len(carrier.rules()) == 2
    assert natd.stop() == 0
    assert carrier.rules() == set() and gw.table() == []


@contextlib.contextmanager
def directly_behind():
    """A host on the carrier's network, without a router of its own: (Home, carrier)."""
    with Lab() as lab:
        place = h.Home.__new__(h.Home)
        place.lab, place.client = lab, lab.node("client")
        place.internet, carrier = lab.node("internet"), lab.node("carrier")
        lab.cable(place.client, "eth0", carrier, "lan0")
        lab.cable(carrier, "wan0", place.internet, "eth0")
        carrier.ip("addr add 100.64.7.1/24 dev lan0", "link set lan0 up",
                   "addr add 11.22.33.99/24 dev wan0", "link set wan0 up",
                   f"route add default via {h.INTERNET}")
        place.client.ip("addr add 100.64.7.20/24 dev eth0", "link set eth0 up",
                        "route add default via 100.64.7.1")
        place.internet.ip(f"addr add {h.INTERNET}/24 dev eth0", "link set eth0 up")
        router = h.Router(carrier, "100.64.7.1", "11.22.33.99")
        router.nat()
        anycast(router)
        # The first hop itself speaks nothing.
        carrier.nft("table ip mute { chain input { type filter hook input priority -10; "
                    "ct original ip daddr 100.64.7.1 udp dport { 1900, 5351 } drop\n"
                    "ip daddr 239.255.255.250 drop\n }\n }")
        yield place, router


def test_directly_behind_the_carriers_nat():
    with directly_behind() as (place, carrier):
        carrier.start(upnp=False)
        natd = Natd(place.client)
        m = natd.map(["tcp"], 8080)
        if m["runtime"]["state"] != "active":
            m = natd.wait_state(m["id"], "active", 3)
        r = m["runtime"]
        assert external(m) == ("11.22.33.99", 8080)
        assert (r["method"], r["gateway"], r["externalIsGlobal"]) == ("pcp", ANYCAST, True)
        assert "problem" not in r
        assert carrier.rules() == {h.Rule("tcp", 8080, "100.64.7.20", 8080)}
        assert h.forwards(place, "tcp", ("11.22.33.99", 8080), 8080)
        natd.call("ReleaseMapping", id=m["id"])
        wait_until(lambda: carrier.rules() == set(), 3, "the mapping deleted")


def test_nobody_there_is_said_in_time():
    with directly_behind() as (place, _):
        natd = Natd(place.client)
        with natd.connect() as c, pytest.raises(varlink.VarlinkError) as e:
            c.call("org.natd.NAT.RequestMapping", protocols=["tcp"], internalPort=8080)
        assert e.value.name == "org.natd.NAT.NoMethodAvailable"
        tried = {(t["method"], t["gateway"]) for t in e.value.parameters["tried"]}
        assert ("pcp", "100.64.7.1") in tried and ("pcp", ANYCAST) in tried
        assert re.search(rf"; PCP: .*; PCP at {ANYCAST}: ", natd.log())


def test_a_router_that_maps_nothing_in_front_of_a_carrier_that_would(place, carrier):
    """No protocol at home: the carrier sees a NAT it was not told of."""
    carrier.start(upnp=False)
    natd = Natd(place.client)
    with natd.connect() as c:
        replies = c.more("org.natd.NAT.RequestMapping", protocols=["tcp"], internalPort=8080)
        m = next(replies)["mapping"]
        p = finding(natd, m["id"], "ADDRESS_MISMATCH", 8)
        assert p["code"] == "no_method" and ANYCAST in p["message"]
        assert carrier.rules() == set()


def test_another_server_is_named(place, carrier, gateway):
    """PcpServers= takes the place of the well-known addresses."""
    carrier.start(upnp=False)
    gateway(HOME)
    natd = Natd(place.client, f"[Daemon]\nPcpServers={carrier.lan_address}\n")
    assert external(natd.map(["tcp"], 8080)) == ("11.22.33.99", 8080)
    assert carrier.rules() == {h.Rule("tcp", 8080, "100.64.7.2", 8080)}
    assert asked(carrier) == 0


def test_a_server_that_is_not_there_is_followed_by_the_next(place, carrier, gateway):
    carrier.start(upnp=False)
    gateway(HOME)
    natd = Natd(place.client, f"[Daemon]\nPcpServers=11.22.33.98 {carrier.lan_address}\n")
    ident = natd.map(["tcp"], 8080)["id"]
    wait_until(lambda: external(natd.mapping(ident)) == ("11.22.33.99", 8080), 10, "the next one")


def test_the_anycast_address_of_ipv6():
    """Looked for, too (RFC 7723).  A global address needs no mapping there: it is the same."""
    with h.home(ipv6=True) as place:
        place.router.node.ip("addr add 2001:1::1/128 dev lo")
        gw = scripted.Scripted(place.router, HOME, lan6=["2001:1::1"])
        natd = Natd(place.client)
        assert external(natd.map(["tcp"], 8080, family="ipv6")) == ("2a10:50::20", 8080)
        looks = wait_until(lambda: gw.heard("pcp.announce"), 4, "a look at the provider's server")
        assert {look["source"] for look in looks} == {"2a10:50::20"}
        assert gw.heard("pcp.map") == []
        gw.stop()
