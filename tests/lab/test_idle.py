"""What natd costs while nothing happens: 7 MiB, and not one wake-up that no timer and no news
asked for."""

import shutil

import home as h
import pytest
import scripted
from daemon import Natd


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
