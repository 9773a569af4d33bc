"""What natd costs while nothing happens: 7 MiB, and not one wake-up that no timer and no news
asked for."""

import shutil

import home as h
import pytest
import scripted
from daemon import Natd
from lab import wait_until


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not here")
def test_sleeps_until_something_is_due():
    """Mappings held for two hours, watchers and a client that says nothing: the next thing due
    is the look at the router a minute after the last, so there are long windows of quiet."""
    with h.home() as place:
        gateway = scripted.Scripted(place.router, "[pcp]\non = true")
        natd = Natd(place.client, level="info")
        with natd.connect() as owner, natd.connect() as watcher:
            for port in range(40000, 40010):
                owner.call("org.natd.NAT.RequestMapping", protocols=["udp", "tcp"], internalPort=port)
            next(watcher.more("org.natd.NAT.Monitor"))
            windows = []
            while 0 not in windows and len(windows) < 5:
                windows.append(natd.wakeups(6)[0])
            memory_kib = natd.rss_kib()
        natd.stop()
        gateway.stop()
    assert 0 in windows, windows
    assert memory_kib <= 7 * 1024


def test_gives_back_what_a_busy_time_took():
    """Many mappings for a while, and their list, are no reason to be larger ever after."""
    with h.home() as place:
        gateway = scripted.Scripted(place.router, "[pcp]\non = true")
        natd = Natd(place.client, level="info")
        state = natd.lab.path(natd.state + "/leases.json")

        def saved(mappings):
            text = state.read_text()  # the first line and the numbers of mappings, no notes
            return text.count('"held"') == mappings == text.count("\n") - 2

        def hold(count):
            """The memory while they are held, and once none is and that is saved."""
            with natd.connect() as c:
                idents = [c.call("org.natd.NAT.RequestMapping", protocols=["udp", "tcp"],
                                 internalPort=port)["mapping"]["id"]
                          for port in range(40000, 40000 + count)]
                wait_until(lambda: saved(count), 5, "the state file of all mappings")
                c.call("org.natd.NAT.ListMappings")
                natd.call("Status")  # what the list took is free by now
                held_kib = natd.anonymous_kib()
                for ident in idents:
                    c.call("org.natd.NAT.ReleaseMapping", id=ident)
            wait_until(lambda: not gateway.table() and saved(0), 15, "all released")
            natd.call("Status")  # it is through with the save
            return held_kib, natd.anonymous_kib()
        first_kib = hold(1)[1]
        held_kib, after_kib = hold(60)
        natd.stop()
        gateway.stop()
    print(f"{first_kib} KiB, with 60 mappings {held_kib}, after them {after_kib}")
    assert held_kib - first_kib < 280 and after_kib - first_kib < 120
