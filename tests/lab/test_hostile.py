"""A neighbour on the home network forges what it can: packets from its own and from the
router's address, announcements, search answers, descriptions."""

import contextlib
import random
import socket
import struct
import threading
import time

import home as h
import pytest
import scripted
from daemon import Natd, external
from lab import wait_until

ATTACKER, GATEWAY, CLIENT = "192.168.1.66", "192.168.1.1", "192.168.1.20"
EVIL = "6.6.6.6"
ANNOUNCE = struct.pack("!BBHI", 0, 128, 0, 1) + socket.inet_aton(EVIL)
NAT_PMP_MAP = struct.pack("!BBHIHHI", 0, 129, 0, 1, 40000, 6666, 7200)
PCP_ANNOUNCE = struct.pack("!BBBBII12x", 2, 0x80, 0, 0, 0, 1)
PCP_MAP = struct.pack("!BBBBII12x", 2, 0x81, 0, 0, 7200, 1) + bytes(12) + struct.pack(
    "!B3xHH", 17, 40000, 6666) + b"\0" * 10 + b"\xff\xff" + socket.inet_aton(EVIL)


@pytest.fixture
def place():
    with h.home() as p:
        p.attacker = p.neighbour(ATTACKER)
        yield p


@pytest.fixture
def gw(gateway):
    return gateway("a05-all")


class Forger:
    """Sends datagrams with any source address and port from the attacker's node."""

    def __init__(self, node):
        with node.inside():
            self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self.raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                                socket.inet_aton(ATTACKER))

    def send(self, data, source, target):
        udp = struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0) + data
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                         socket.inet_aton(source[0]), socket.inet_aton(target[0]))
        with contextlib.suppress(OSError):  # the queue is full: so much the better
            self.raw.sendto(ip + udp, (target[0], 0))


def alive(boot, host=ATTACKER, kind="ssdp:alive"):
    return (f"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: {kind}\r\n"
            "NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
            f"USN: uuid:{boot}::x\r\nLOCATION: http://{host}:8080/evil.xml\r\n"
            f"BOOTID.UPNP.ORG: {boot}\r\nCACHE-CONTROL: max-age=100\r\n\r\n").encode()


def unharmed(natd, ident, gw):
    mapping = natd.mapping(ident)
    assert mapping["runtime"]["state"] in ("active", "renewing")
    assert external(mapping) == ("11.22.33.44", 40000)
    assert len(gw.table()) == 1
    addresses = {a["address"] for a in natd.call("Status")["externalAddresses"]}
    assert EVIL not in addresses


@contextlib.contextmanager
def flood(node, packets):
    """Send (data, source, target) in turn, as fast as one thread can, during the block."""
    stop, sent = threading.Event(), [0]

    def loop():
        forger = Forger(node)
        while not stop.is_set():
            for packet in packets():
                forger.send(*packet)
                sent[0] += 1
    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def forged():
    """One batch of everything, some of it as from the router itself."""
    chance = random.Random(7)
    for _ in range(200):
        port = chance.randrange(1024, 65536)
        for source in ((ATTACKER, 5351), (GATEWAY, 5351)):
            for data in (ANNOUNCE, NAT_PMP_MAP, PCP_ANNOUNCE, PCP_MAP):
                yield data, source, (CLIENT, port)
        yield alive(chance.randrange(2**31)), (ATTACKER, 1900), ("239.255.255.250", 1900)
        yield alive(1, kind="ssdp:byebye"), (ATTACKER, 1900), ("239.255.255.250", 1900)
        yield ANNOUNCE, (ATTACKER, 5351), ("224.0.0.1", 5350)
        yield PCP_ANNOUNCE, (ATTACKER, 5351), ("224.0.0.1", 5350)
        answer = alive(5).replace(b"NOTIFY * HTTP/1.1", b"HTTP/1.1 200 OK").replace(b"NT:", b"ST:")
        yield answer, (ATTACKER, 1900), (CLIENT, port)


def test_a_flood_of_forged_packets_changes_nothing(place, gw):
    natd = Natd(place.client, level="info")
    ident = natd.map(port=40000)["id"]
    with place.attacker.socket(bind=(ATTACKER, 8080)) as trap:
        trap.setblocking(False)
        before, since = natd.rss_kib(), scripted.now()
        with flood(place.attacker, forged) as sent:
            slowest, end = 0.0, time.monotonic() + 5
            while time.monotonic() < end:
                asked = time.monotonic()
                natd.call("Status")
                slowest = max(slowest, time.monotonic() - asked)
                time.sleep(0.01)
        assert sent[0] > 10000
        with pytest.raises(BlockingIOError):
            trap.accept()
    unharmed(natd, ident, gw)
    assert natd.rss_kib() - before <= 1024
    assert slowest < 0.25  # two cores, shared with the flood
    assert len(gw.heard(since=since)) < 60


def test_announcements_in_the_routers_name_are_only_hints(place, gw):
    """They cannot be told from true ones: the router is asked, at a bounded rate."""
    natd = Natd(place.client, level="info")
    ident = natd.map(port=40000)["id"]
    since = scripted.now()

    def packets():
        for boot in range(100):
            yield ANNOUNCE, (GATEWAY, 5351), ("224.0.0.1", 5350)
            yield PCP_ANNOUNCE, (GATEWAY, 5351), ("224.0.0.1", 5350)
            yield alive(boot, GATEWAY), (GATEWAY, 1900), ("239.255.255.250", 1900)
            yield alive(boot, GATEWAY, "ssdp:byebye"), (GATEWAY, 1900), ("239.255.255.250", 1900)
        time.sleep(0.005)
    with flood(place.attacker, packets):
        time.sleep(4)
    assert len(gw.heard(since=since)) < 200
    natd.wait_state(ident, "active", 3)
    wait_until(lambda: external(natd.mapping(ident)) == ("11.22.33.44", 40000), 3, "the truth")
    unharmed(natd, ident, gw)


def test_a_neighbour_that_answers_searches_is_not_believed(place):
    evil = scripted.Scripted(h.Router(place.attacker, ATTACKER, EVIL, lan="eth0"), "a03-igd1")
    try:
        natd = Natd(place.client)
        try:
            mapping = natd.map(port=40000)
            assert mapping["runtime"]["state"] != "active"
        except Exception as e:
            assert "NoMethodAvailable" in str(e) or "GatewayTimeout" in str(e)
        assert evil.heard("ssdp.search")
        assert not evil.heard("http") and not evil.heard("soap")
    finally:
        evil.stop()


def test_nothing_listens(place, gw):
    """As shipped: no TCP port, and UDP only to hear announcements."""
    natd = Natd(place.client)
    natd.map(port=40000)
    with place.client.inside():
        tcp = [line.split() for name in ("tcp", "tcp6")
               for line in open(f"/proc/thread-self/net/{name}").readlines()[1:]]
        udp = [line.split() for line in open("/proc/thread-self/net/udp").readlines()[1:]]
    assert not [line for line in tcp if line[3] == "0A"]
    fixed = {int(line[1].split(":")[1], 16) for line in udp}
    assert {p for p in fixed if p < 32768} <= {1900, 5350}


def test_a_search_is_never_answered(place, gw):
    """natd is no reflector."""
    natd = Natd(place.client)
    natd.map(port=40000)
    search = (b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n'
              b"MX: 1\r\nST: ssdp:all\r\n\r\n")
    with place.attacker.socket(kind=socket.SOCK_DGRAM, timeout_s=1.0) as s:
        s.bind((ATTACKER, 0))
        for target in (CLIENT, "239.255.255.250"):
            s.sendto(search, (target, 1900))
        heard = set()
        with contextlib.suppress(TimeoutError):
            while True:
                heard.add(s.recvfrom(4096)[1][0])
    assert CLIENT not in heard
