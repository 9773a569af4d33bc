"""GetNatBehavior: asked for, kept, told; test_nat.py has the kinds of NAT."""

import contextlib
import shutil
import socket

import pytest

import clock
import nats
from daemon import INTERFACE, Natd
from lab import search_path, wait_until
from stun_server import Resolver, use_resolver
from varlink import VarlinkError


@contextlib.contextmanager
def place_and_natd(kind, servers=nats.ONE):
    with nats.network(kind) as place:
        Natd(place.internet,
             f"[StunServer]\nListen={nats.ONE}\nAlternateListen={nats.TWO}:3479\n")
        yield place, Natd(place.client, f"[Stun]\nServers={servers}\n")


def ask(natd, **parameters):
    return natd.call("GetNatBehavior", **parameters)["natBehaviors"]


def refused(natd, name, **parameters):
    with pytest.raises(VarlinkError) as e:
        ask(natd, **parameters)
    assert e.value.name == INTERFACE + name
    return e.value.parameters


@clock.one_of(3)
def test_measured_once_and_kept():
    with place_and_natd("port_restricted") as (place, natd):
        assert natd.call("Status")["natBehaviors"] == []
        with natd.connect() as monitor, natd.connect() as other:
            monitor.send(INTERFACE + "Monitor", {"events": ["nat_behavior_changed"]}, more=True)
            monitor.result()
            # Two ask at the same time, and share one measurement.
            other.send(INTERFACE + "GetNatBehavior", {})
            began = clock.now()
            found, = ask(natd)
            assert clock.lasted(began) < 4
            assert other.result()["natBehaviors"] == [found]
            event = monitor.result()
            assert event["event"] == "nat_behavior_changed" and event["natBehavior"] == found
        assert found["mapping"] == "endpoint_independent"
        assert found["filtering"] == "address_and_port_dependent"
        assert found["hairpinning"] is False and found["portPreservation"] is True
        assert (found["interface"], found["family"]) == ("eth0", "ipv4")
        assert found["server"] == {"address": nats.ONE, "port": 3478}
        assert found["reflexive"]["address"] == "11.22.33.44"
        assert (found["translators"], found["carrierGradeNat"]) == (1, False)
        assert natd.call("Status")["natBehaviors"] == [found]
        assert ask(natd, interface="eth0", family="ipv4") == [found]
        assert ask(natd, family="ipv6") == []
        again, = ask(natd, refresh=True)
        assert again["measured"]["boottime"] > found["measured"]["boottime"]
        assert refused(natd, "NoSuchInterface", interface="none0") == {"interface": "none0"}
        # Another network: what was known is forgotten.
        place.client.ip("addr del 192.168.1.20/24 dev eth0", "addr add 192.168.1.21/24 dev eth0",
                        f"route replace default via {nats.LAN_ADDRESS}")
        wait_until(lambda: natd.call("Status")["natBehaviors"] == [], what="nothing known")
        place.client.ip("link set eth0 down")
        wait_until(lambda: natd.call("Status")["state"] == "offline", what="no way out")
        refused(natd, "NotOnline")


def test_routers_word_tells_translators():
    with place_and_natd("full_cone") as (place, natd):
        place.router.start(upnp=False, ext_ip="11.22.33.44")
        ask(natd)
        known, = wait_until(
            lambda: [b for b in natd.call("Status")["natBehaviors"] if "translators" in b],
            what="the router's external address")
        assert (known["translators"], known["carrierGradeNat"]) == (1, False)
        assert known["filtering"] == "endpoint_independent" and known["hairpinning"] is True


def test_nobody_to_ask():
    with place_and_natd("full_cone", "") as (_, natd):
        assert refused(natd, "StunFailed") == {"reason": "no STUN server is configured"}
        natd.configure("[Stun]\nServers=[2a10:60::1]\n")
        natd.call("Reload")
        assert refused(natd, "StunFailed") == {"reason": "no STUN server of the family is known"}
        # A server that does not answer: the path lets no UDP through, as far as we know.
        natd.configure("[Stun]\nServers=11.22.33.77\n")
        natd.call("Reload")
        began = clock.now()
        nothing, = ask(natd)
        assert clock.lasted(began) < 4
        assert nothing["mapping"] == nothing["filtering"] == "unknown"
        assert "reflexive" not in nothing


@pytest.mark.skipif(not shutil.which("turnserver", path=search_path()), reason="no coturn here")
@pytest.mark.parametrize("kind", ["full_cone_turned", "restricted"])
@clock.one_of(3)
def test_with_coturn(kind):
    """Another project's server is understood as ours is."""
    with nats.network(kind) as place:
        server = place.internet.spawn(
            "turnserver", "-n", "-S", "-L", nats.ONE, "-L", nats.TWO, "--no-auth", "--no-cli",
            "--no-tls", "--no-dtls", "--log-file", "stdout")
        wait_until(lambda: place.internet.listening(3478, "udp"), 20, "coturn")
        found, = ask(Natd(place.client, f"[Stun]\nServers={nats.ONE}\n"))
        server.kill()
        expected = place.kind.expected
        assert {k: found.get(k) for k in expected if k in found} == \
            {k: v for k, v in expected.items() if k in found}
        assert found["filtering"] == expected["filtering"]


@clock.one_of(3, (AssertionError, VarlinkError))
def test_names_of_servers():
    """They are waited for, but not for long, and nobody else waits."""
    names = {"stun.example": [nats.ONE]}
    with place_and_natd("full_cone", "stun.example") as (place, natd), \
            Resolver(place.internet, nats.TWO, names) as resolver:
        use_resolver(place.lab, nats.TWO)
        resolver.delay_s = None
        began = clock.now()
        with natd.connect() as c:
            c.send(INTERFACE + "GetNatBehavior", {})
            while clock.now() - began < 2:
                asked = clock.now()
                natd.call("Status")
                assert clock.lasted(asked) < 0.5
            with pytest.raises(VarlinkError) as e:
                c.result()
        assert clock.lasted(began) < 4.5
        assert e.value.parameters == {"reason": "no name of a server could be resolved"}
        resolver.delay_s = 0.3
        found, = ask(natd)
        assert found["filtering"] == "endpoint_independent"


def test_names_that_were_not_resolved():
    """Also while the resolver, which failed, is not asked again."""
    with place_and_natd("full_cone", "stun.example") as (place, natd):
        use_resolver(place.lab, nats.TWO)
        for _ in range(2):
            assert refused(natd, "StunFailed") == {
                "reason": "no name of a server could be resolved"}
        assert natd.log().count("its name is not resolved") == 1


def test_lifetime_is_found_and_keepalives_follow():
    """An idle binding lives 3 s here: natd finds that out behind its back, and whoever has one
    kept is told of the new interval, 0.7 of it."""
    short = nats.one("short", nats.EIM, nats.APDF, lifetime_s=3)
    with place_and_natd(short) as (place, natd), \
            place.client.socket(kind=socket.SOCK_DGRAM, bind=("0.0.0.0", 0)) as s, \
            natd.connect(timeout_s=60) as keeper, natd.connect(timeout_s=60) as monitor:
        # A single look measures nothing; a binding that is kept does.
        natd.call("GetReflexiveAddress", [s.fileno()], socketFileDescriptor=0)
        assert natd.call("Status")["natBehaviors"] == []
        monitor.send(INTERFACE + "Monitor", {"events": ["nat_behavior_changed"]}, more=True)
        monitor.result()
        keeper.send(INTERFACE + "GetReflexiveAddress", {"socketFileDescriptor": 0},
                    [s.fileno()], more=True)
        assert keeper.result()["keepAliveUSec"] == 15000000
        first, second = monitor.result(), monitor.result()
        assert "bindingLifetimeSeconds" not in first["natBehavior"]
        lifetime = second["natBehavior"]["bindingLifetimeSeconds"]
        assert 1 <= lifetime <= 3
        assert ask(natd) == [second["natBehavior"]]
        assert keeper.result()["keepAliveUSec"] == max(lifetime * 700000, 1000000)
        assert f'natd_nat_binding_lifetime_seconds{{interface="eth0",family="ipv4"}} {lifetime}\n' \
            in natd.call("GetMetrics")["text"]
        assert 'natd_nat_fragments{interface="eth0",family="ipv4"} 1\n' \
            in natd.call("GetMetrics")["text"]
