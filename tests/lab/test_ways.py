"""The ways out of ways.py, and the reader of what is said to a router."""

import ways
from daemon import Natd


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
