"""natctl check on each way out: the verdict and the findings that a person would give, and
nothing asked of a router that would change it."""

import dataclasses
import re

import pytest

import ways
from daemon import BUILD, Natd

NATCTL = str(BUILD / "natctl")


@dataclasses.dataclass
class Checked:
    """What natctl said, what natd says to a program, what went over the wire, the log."""
    text: str
    code: int
    findings: list
    verdict: str
    wire: ways.Wire
    rules: tuple
    log: str


def rules_of(place):
    return place.router.rules() if isinstance(place.way.speaks, dict) else set()


def check(name):
    with ways.way(name) as place, ways.Wire(place) as wire:
        natd = Natd(place.client, "[Stun]\nServers={}\n".format(", ".join(place.servers)))
        before = rules_of(place)
        said = place.client.run(NATCTL, "-H", natd.socket, "check", check=False,
                                env={"LC_ALL": "C.UTF-8"})
        told = natd.call("Diagnose")
        return Checked(said.stdout + said.stderr, said.returncode, told["findings"],
                       told["verdict"], wire, (before, rules_of(place)), natd.log())


@pytest.fixture(scope="module")
def checked(at_once):
    return at_once("checked", check)


@pytest.mark.parametrize("name", ways.WAYS)
def test_what_a_person_would_say(checked, name):
    row, found = ways.WAYS[name], checked[name].result()
    codes = {f["code"] for f in found.findings}
    last = [line for line in found.text.splitlines() if "Verdict" in line]
    assert len(last) == 1 and re.search(row.words, found.text[found.text.index(last[0]):],
                                        re.DOTALL), found.text
    assert (found.verdict, found.code) == (row.verdict, ways.EXIT[row.verdict]), found.text
    assert set(row.codes) <= codes, found.text
    assert not codes & set(row.wrong), found.text
    # What is wrong comes with what to do about it.
    assert all(f.get("hint") for f in found.findings if f["severity"] == "error")
    # Looking changes nothing.
    assert found.wire.changes() == []
    assert found.rules[0] == found.rules[1]


def test_the_wire_is_read():
    """Else nothing would be found on it."""
    with ways.way("pcp") as place, ways.Wire(place) as wire:
        natd = Natd(place.client)
        natd.call("ReleaseMapping", id=natd.map(["udp"], 8080)["id"])
    assert {"pcp map"} <= {s.what for s in wire.changes()}
    assert 0 in {s.lifetime_s for s in wire.changes()}
    with ways.way("upnp") as place, ways.Wire(place) as wire:
        natd = Natd(place.client)
        natd.call("ReleaseMapping", id=natd.map(["udp"], 8080)["id"])
    assert any(s.what.startswith("soap Add") for s in wire.changes())
    assert any(s.what == "soap DeletePortMapping" for s in wire.changes())
