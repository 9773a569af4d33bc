"""What kept bindings cost an application that uses its socket, and natd that keeps many."""

import contextlib
import os
import resource
import socket
import threading
import time

import pytest

import clock
import home as h
from daemon import INTERFACE, Natd
from lab import wait_until
from stun_server import StunServer

METHOD = INTERFACE + "GetReflexiveAddress"
UDP, IPV4, IPV6 = socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
LAN, LAN6 = "192.168.1.20", "2a10:50::20"
PEER, PEER6 = "11.22.33.3", "2a10:60::3"
SERVERS = {4: ["11.22.33.1", "11.22.33.2"], 6: [h.INTERNET6, "2a10:60::2"]}
ALL = 100000  # datagrams of all ways together

# family of the socket, bound to, IPv6 only, the traffic's IP version, the user who made the
# socket, natd's user
WAYS = {
    "ipv4-any": (IPV4, "0.0.0.0", True, 4, 0, 0),
    "ipv4-address": (IPV4, LAN, True, 4, 1234, 12345),
    "ipv4-same-user": (IPV4, "0.0.0.0", True, 4, 12345, 12345),
    "ipv6-any": (IPV6, "::", True, 6, 1234, 12345),
    "ipv6-address": (IPV6, LAN6, True, 6, 0, 12345),
    "both-by-ipv4": (IPV6, "::", False, 4, 1234, 0),
    "both-by-ipv6": (IPV6, "::", False, 6, 0, 0),
    "ipv4-in-ipv6": (IPV6, "::ffff:" + LAN, False, 4, 0, 12345),
}


@pytest.fixture
def place():
    with h.home(ipv6=True) as place:
        place.internet.ip(f"addr add {PEER}/24 dev eth0", f"addr add {PEER6}/64 dev eth0 nodad",
                          f"addr add {SERVERS[6][1]}/64 dev eth0 nodad")
        yield place


@contextlib.contextmanager
def servers(place, *versions):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(StunServer(place.internet, address))
               for version in versions for address in SERVERS[version]]


def configured(*versions):
    return f"[Stun]\nServers={' '.join(a for v in versions for a in SERVERS[v])}\n"


def app_socket(place, family=IPV4, bind="0.0.0.0", v6only=True, uid=0):
    with place.client.inside():
        os.seteuid(uid)
        try:
            s = socket.socket(family, UDP)
        finally:
            os.seteuid(0)
    assert os.fstat(s.fileno()).st_uid == uid
    if family == IPV6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    s.bind((bind, 0))
    s.settimeout(3)
    return s


@contextlib.contextmanager
def kept(natd, s, **parameters):
    """What natd said first."""
    with natd.connect() as c:
        c.send(METHOD, {"socketFileDescriptor": 0, **parameters}, [s.fileno()], more=True)
        yield c.result()


@contextlib.contextmanager
def running(work):
    """work(stop) in a thread until the end of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def move(place, s, version, count):
    """count datagrams there and back; what came back, sorted."""
    back, sent, began = [], 0, clock.now()
    address = PEER if version == 4 else PEER6
    to = ("::ffff:" + address if version == 4 and s.family == IPV6 else address, 7777)
    with place.internet.socket(IPV4 if version == 4 else IPV6, UDP, bind=(address, 7777),
                               timeout_s=0.2) as peer:
        def echo(stop):
            while not stop.is_set():
                with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                    peer.sendto(*peer.recvfrom(64))
        with running(echo):
            while len(back) < count:
                while sent < count and sent - len(back) < 64:
                    s.sendto(sent.to_bytes(4, "big"), to)
                    sent += 1
                data, source = s.recvfrom(64)
                # A request that natd repeated is answered twice, and its twin is closed: see twin.h.
                if source[1] == 3478 and clock.stood_still(began):
                    continue
                assert source[:2] == to
                back.append(int.from_bytes(data, "big"))
    s.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        data, source = s.recvfrom(64)
        if source[:2] == to:
            back.append(int.from_bytes(data, "big"))
    return sorted(back)


def keeps_its_datagrams(place, way, count):
    family, bind, v6only, version, uid, natd_uid = WAYS[way]
    with servers(place, version) as asked, app_socket(place, family, bind, v6only, uid) as s:
        natd = Natd(place.client, configured(version), uid=natd_uid)
        with kept(natd, s, keepAliveUSec=1000000) as first:
            assert first["reflexive"]["port"] == s.getsockname()[1]

            # And it is looked at again and again meanwhile: twins come and go.
            def look_again(stop):
                while not stop.is_set():
                    natd.call("GetReflexiveAddress", [s.fileno()], socketFileDescriptor=0)
            with running(look_again):
                assert move(place, s, version, count) == list(range(count))
        assert sum(len(server.requests) for server in asked) > 20


@pytest.mark.parametrize("way", WAYS)
def test_an_application_keeps_its_datagrams(place, way):
    keeps_its_datagrams(place, way, ALL // len(WAYS))


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_an_application_keeps_a_million_datagrams(place, way):
    keeps_its_datagrams(place, way, 1000000)


# ---- many ----

def cpu_s(pid):
    """Of its one thread, as the kernel's scheduler counts it."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def share_of_a_core(place, interval_s, measured_s):
    """What natd needs for a thousand bindings, when keepalives go out already."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, limits[1]))
    try:
        with servers(place, 4) as asked, contextlib.ExitStack() as stack:
            natd = Natd(place.client, "[Daemon]\nConnectionsPerUser=2000\n" + configured(4),
                        wrap=["prlimit", "--nofile=8192"], level="info")
            for _ in range(1000):
                s = stack.enter_context(app_socket(place))
                stack.enter_context(kept(natd, s, keepAliveUSec=interval_s * 1000000))
            time.sleep(interval_s)

            def heard():
                return sum(len(server.requests) for server in asked)
            before, cpu = heard(), cpu_s(natd.process.pid)
            time.sleep(measured_s)
            # On a busy machine they come later, and cost no less.
            wait_until(lambda: heard() - before > 1000 / interval_s * measured_s * 0.7, 30, "keepalives")
            each_s = (cpu_s(natd.process.pid) - cpu) / (heard() - before)
            return each_s * 1000 / interval_s
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_thousand_bindings(place):
    # Five times as often as while nothing is known of the NAT, five times the share.
    share = share_of_a_core(place, 3, 3)
    print(f"{share:.3%} of a core")
    assert share <= 5 * 0.01


@pytest.mark.long
def test_a_thousand_bindings_for_a_minute(place):
    assert share_of_a_core(place, 15, 60) <= 0.01
