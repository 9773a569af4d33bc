"""The networks of nats.py are what their rows say, as a prober of the lab's own sees them."""

import concurrent.futures

import clock
import nats
import pytest
import stun5780
import stun_servers
from lab import wait_until

PROVEN = "mapping", "filtering", "hairpinning", "portPreservation"


@pytest.fixture(scope="module")
def proven(at_once):
    """What the prober says of each row."""
    def look(name):
        with nats.network(name) as place, stun5780.Server(place.internet, *place.servers):
            return clock.undisturbed(lambda: stun5780.probe(place.client, *place.servers),
                                     lambda found: is_true(name, found))
    return at_once("proven", look)


def is_true(name, found):
    expected = nats.KINDS[name].expected
    return all(found[key] == expected[key] for key in PROVEN if key in expected)


@pytest.mark.parametrize("name", nats.KINDS)
def test_a_row_is_true(proven, name):
    expected, found = nats.KINDS[name].expected, proven[name].result()
    assert {k: found[k] for k in PROVEN if k in expected} == \
        {k: expected[k] for k in PROVEN if k in expected}


def test_the_table_has_what_is_asked_for():
    kinds = nats.KINDS.values()
    assert len(kinds) >= 16
    seen = {(k.expected["mapping"], k.expected["filtering"]) for k in kinds}
    three = nats.EIM, nats.ADM, nats.APDM
    assert {(m, f) for m in three for f in three} <= seen
    for key, values in dict(hairpinning=(True, False), portPreservation=(True, False),
                            translators=(0, 1, 2), carrierGradeNat=(True, False),
                            bindingLifetimeSeconds=(20, 120)).items():
        assert set(values) <= {k.expected.get(key) for k in kinds}, key


def test_a_binding_lives_as_long_as_it_should():
    """With 2 s for 20: what counts is which of the router's clocks is used."""
    def look(filtering, seconds):
        kind = nats.Kind("short", (nats.Nat(filtering=filtering, lifetime_s=2),), {})
        with nats.network(kind) as place, stun5780.Server(place.internet, *place.servers):
            return clock.undisturbed(
                lambda: stun5780.alive_after(place.client, nats.ONE, stun5780.PORTS, seconds),
                lambda alive: alive == (seconds == 1))
    cases = [(filtering, seconds) for filtering in (nats.EIF, nats.APDF) for seconds in (1, 3.2)]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        assert list(pool.map(look, *zip(*cases))) == [True, False] * 2


def test_the_lifetimes_are_the_kernels():
    for name in ("lifetime_20", "lifetime_120"):
        with nats.network(name) as place:
            for key in ("udp_timeout", "udp_timeout_stream"):
                said = place.router.node.run("cat", f"/proc/sys/net/netfilter/nf_conntrack_{key}")
                assert int(said.stdout) == nats.KINDS[name].expected["bindingLifetimeSeconds"]


def test_the_carriers_hop_is_seen():
    """Two translators are two hops, and the second one is the carrier's."""
    with nats.network("carrier") as place:
        for ttl, hop in ((1, "192.168.1.1"), (2, "100.64.7.1")):
            said = place.client.run("ping", "-n", "-c1", "-W1", f"-t{ttl}", nats.ONE, check=False)
            assert f"From {hop} " in said.stdout, said.stdout


def test_udp_refused_is_said_by_icmp():
    with nats.network("udp_refused") as place, place.client.socket(kind=stun5780.UDP) as s:
        s.connect((nats.ONE, 3478))
        s.send(b"x")
        with pytest.raises(OSError) as e:
            s.recv(64)
        assert not isinstance(e.value, TimeoutError)


@pytest.mark.parametrize("server", stun_servers.HERE)
def test_real_servers_tell_the_same(server):
    names = "restricted", "symmetric_restricted", "full_cone", "ipv6", "ipv6_firewall"

    def look(name):
        with nats.network(name) as place, server(place.internet, *place.servers):
            found = clock.undisturbed(lambda: stun5780.probe(place.client, *place.servers),
                                      lambda found: is_true(name, found))
        return {k: found[k] for k in ("mapping", "filtering")}
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        for name, found in zip(names, pool.map(look, names)):
            assert found == {k: nats.KINDS[name].expected[k] for k in found}, name


def test_the_server_is_late_and_loses_as_told():
    with nats.network("public") as place, \
            stun5780.Server(place.internet, *place.servers, delay_s=0.2) as server:
        began = clock.now()
        with stun5780.fresh(place.client, nats.ONE) as s:
            assert stun5780.ask(s, (nats.ONE, 3478), wait_s=5) == ("11.22.55.20", s.getsockname()[1])
            assert 0.2 <= clock.now() - began and clock.lasted(began) < 0.9
            server.lost = 1
            assert stun5780.ask(s, (nats.ONE, 3478), tries=1) is None
        wait_until(lambda: len(server.requests) == 1, what="one request heard")
