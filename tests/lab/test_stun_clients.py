"""natd as a STUN server, asked by other people's clients from behind every kind of NAT.

What they conclude must be what the network is: then natd answered each test of RFC 5780, or
of RFC 3489, as its author expected.
"""

import re
import shutil

import nats
import pytest
from daemon import Natd
from lab import search_path

DISCOVER = "turnutils_natdiscovery", "-m", "-f"
SHORT = nats.Kind("short", (nats.Nat(lifetime_s=2),), {})
# network, client, what it says.  (coturn's takes address-dependent mapping for one that
# depends on the port, too, whatever the server: it asks the first address for both.)
SAID = {
    "cone": ("full_cone", (*DISCOVER, "-H"), "successful hairpinning.*Endpoint Independent Mapping"
             ".*Endpoint Independent Filtering"),
    "padded": ("restricted_turned", (*DISCOVER, "-P"), "Endpoint Independent Mapping"
               ".*Address Dependent Filtering"),
    "port restricted": ("port_restricted_turned", DISCOVER, "Endpoint Independent Mapping"
                        ".*Address and Port Dependent Filtering"),
    "symmetric": ("symmetric_restricted", DISCOVER, "Address and Port Dependent Mapping"
                  ".*Address Dependent Filtering"),
    "lives": (SHORT, ("turnutils_natdiscovery", "-t", "-T", "1"), "response 1.*response 2"),
    "has ended": (SHORT, ("turnutils_natdiscovery", "-t", "-T", "3"), "response 1.*timeout"),
    "IPv6": ("ipv6", ("turnutils_stunclient", "-f"), r"response 3.*reflexive addr: 2a10:50::20:\d+"),
    "IPv6, open": ("ipv6", DISCOVER, "Endpoint Independent Mapping.*Endpoint Independent Filtering"),
    "IPv6, firewall": ("ipv6_firewall", DISCOVER, "Endpoint Independent Mapping"
                       ".*Address and Port Dependent Filtering"),
    "IPv6, NAT": ("ipv6_translated", DISCOVER, r"reflexive addr: 2a10:60::44:\d+"
                  ".*Endpoint Independent Mapping.*Address and Port Dependent Filtering"),
    "3489, cone": ("full_cone", ("stun",),
                   "Independent Mapping, Independent Filter, preserves ports, will hairpin"),
    "3489, restricted": ("restricted", ("stun",), "Independent Mapping, Address Dependent Filter, "
                         "preserves ports, no hairpin"),
    "3489, turned": ("port_restricted_turned", ("stun",),
                     "Independent Mapping, Port Dependent Filter, random port, will hairpin"),
    "3489, symmetric": ("symmetric", ("stun",), "Dependent Mapping, random port, will hairpin"),
    "3489, no NAT": ("public", ("stun",), "Primary: Open"),
    "3489, firewall": ("public_firewall", ("stun",), "Primary: Firewall"),
}


def ask(name):
    """What a client says; it is asked again where it does not say the truth, for it may have waited
    less long than a busy machine takes."""
    network, argv, true = SAID[name]
    with nats.network(network) as place:
        one, two = (f"[{a}]" if place.ipv6 else a for a in place.servers)
        natd = Natd(place.internet,
                    f"[StunServer]\nListen={one}\nAlternateListen={two}:3479\nRateLimit=0\n")
        for _ in range(3):
            said = place.client.run(*argv, place.servers[0], check=False, timeout_s=60)
            text = said.stdout + said.stderr
            if re.search(true, text, re.DOTALL):
                break
        natd.stop()
        return text


@pytest.fixture(scope="module")
def answers(at_once):
    return at_once("answers", ask)


@pytest.mark.parametrize("name", SAID)
def test_what_a_client_says_is_true(answers, name):
    program = SAID[name][1][0]
    if not shutil.which(program, path=search_path()):
        pytest.skip(f"{program} is not here")
    text = answers[name].result()
    assert re.search(SAID[name][2], text, re.DOTALL), text
