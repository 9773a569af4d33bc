"""natctl nat: what natd measured, in the words of RFC 4787 and in the old ones."""

import json

import pytest

import replies as r

EI, AD, APD = "endpoint_independent", "address_dependent", "address_and_port_dependent"
SEEN = {"server": {"address": "203.0.113.1", "port": 3478},
        "reflexive": {"address": "203.0.113.7", "port": 40001}}


def behavior(mapping, filtering, **more):
    return {"family": "ipv4", "interface": "eth0", "mapping": mapping, "filtering": filtering,
            "measured": r.stamp(-150), **SEEN, **more}


def test_everything_that_is_known(fake, natctl):
    natd = fake(GetNatBehavior={"natBehaviors": [
        behavior(EI, APD, hairpinning=False, portPreservation=True, bindingLifetimeSeconds=115,
                 carrierGradeNat=True, translators=2),
        {**behavior("none", EI), "family": "ipv6"}]})
    assert natctl("nat") == """\
● eth0 IPv4: port restricted cone
     Seen as: 203.0.113.7:40001 by 203.0.113.1:3478
     Mapping: endpoint-independent
   Filtering: address-and-port-dependent
 Hairpinning: no
       Ports: preserved
    Lifetime: 115s of an idle UDP binding
 Translators: 2, the carrier's among them
    Measured: 2min ago
     Meaning: who a socket has written to can reach it; hole punching works, but not with a \
peer behind a symmetric NAT

● eth0 IPv6: open internet
     Seen as: 203.0.113.7:40001 by 203.0.113.1:3478
     Mapping: none
   Filtering: endpoint-independent
    Measured: 2min ago
     Meaning: anybody can reach this host
"""
    assert natd.requests[-1][:2] == ("GetNatBehavior", {})
    assert natctl("nat", "-q") == "port restricted cone\nopen internet\n"


@pytest.mark.parametrize("mapping, filtering, name", [
    ("none", EI, "open internet"),
    ("none", AD, "symmetric firewall"),
    ("none", APD, "symmetric firewall"),
    ("none", "unknown", "no NAT"),
    (EI, EI, "full cone"),
    (EI, AD, "restricted cone"),
    (EI, APD, "port restricted cone"),
    (EI, "unknown", "cone"),
    (AD, EI, "symmetric"),
    (APD, APD, "symmetric"),
    (APD, "unknown", "symmetric"),
    ("unknown", APD, "unknown"),
    ("unknown", "unknown", "unknown"),
])
def test_old_names(fake, natctl, mapping, filtering, name):
    fake(GetNatBehavior={"natBehaviors": [behavior(mapping, filtering)]})
    assert natctl("nat", "-q") == name + "\n"
    assert natctl("nat").startswith(f"● eth0 IPv4: {name}\n")


def test_nobody_answered(fake, natctl):
    nothing = behavior("unknown", "unknown")
    del nothing["reflexive"], nothing["server"]
    fake(GetNatBehavior={"natBehaviors": [nothing]})
    assert natctl("nat") == """\
● eth0 IPv4: UDP blocked
    Measured: 2min ago
     Meaning: no STUN server answers over UDP: it is blocked on the way, or they are down
"""


def test_options(fake, natctl):
    reply = {"natBehaviors": [behavior(EI, EI)]}
    natd = fake(GetNatBehavior=reply)
    assert json.loads(natctl("nat", "-4", "-i", "eth0", "--refresh", "--json=short")) == reply
    assert natd.requests[-1][1] == {"interface": "eth0", "family": "ipv4", "refresh": True}
    natctl("nat", "-i", 300 * "x", code=2, err="is not the name of an interface")
    natctl("list", "--refresh", code=2, err="--refresh is not for 'list' but for: nat")


def test_no_uplink_of_the_kind(fake, natctl):
    fake(GetNatBehavior={"natBehaviors": []})
    assert natctl("nat", "-6", code=5, err="natctl: this host has no way out over IPv6. "
                  "Try: natctl gateways\n") == ""
    assert natctl("nat", "-i", "eth7", code=5, err="no way out on eth7. Try") == ""
    assert natctl("nat", code=5, err="this host has no way out. Try") == ""


def test_a_reply_that_is_wrong(fake, natctl):
    wrong = behavior(EI, EI)
    wrong["reflexive"] = {"address": "not one", "port": 1}
    fake(GetNatBehavior={"natBehaviors": [wrong]})
    natctl("nat", code=1, err="address")
