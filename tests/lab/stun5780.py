"""RFC 5780 by hand, on both ends: a server with two addresses, and a prober.

Neither shares anything with natd: they prove what the networks of nats.py are, and the server
is late and loses packets as it is told.

    with Server(place.internet, nats.ONE, nats.TWO, delay_s=0.1) as server:
        probe(place.client, nats.ONE, nats.TWO)["mapping"]
"""

import concurrent.futures
import dataclasses
import heapq
import itertools
import os
import random
import select
import socket
import struct
import threading
import time

COOKIE = struct.pack("!I", 0x2112A442)
CHANGE_REQUEST, MAPPED, XOR_MAPPED, RESPONSE_PORT = 0x0003, 0x0001, 0x0020, 0x0027
RESPONSE_ORIGIN, OTHER_ADDRESS = 0x802B, 0x802C
CHANGE_ADDRESS, CHANGE_PORT = 4, 2
PORTS = 3478, 3479
UDP = socket.SOCK_DGRAM


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def put(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def put_address(kind, address, port, ident=None):
    """In clear, or turned with the cookie and the transaction id."""
    raw = socket.inet_pton(family_of(address), address)
    if ident:
        port ^= struct.unpack("!H", COOKIE[:2])[0]
        raw = bytes(a ^ b for a, b in zip(raw, COOKIE + ident))
    return put(kind, struct.pack("!BBH", 0, 2 if len(raw) == 16 else 1, port) + raw)


def get_address(value, ident=None):
    port, raw = struct.unpack("!H", value[2:4])[0], value[4:]
    if ident:
        port ^= struct.unpack("!H", COOKIE[:2])[0]
        raw = bytes(a ^ b for a, b in zip(raw, COOKIE + ident))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), port


def attributes(message):
    """kind -> value; None if this is no STUN message."""
    if len(message) < 20 or message[0] & 0xC0 or message[4:8] != COOKIE or \
            struct.unpack("!H", message[2:4])[0] != len(message) - 20:
        return None
    found, at = {}, 20
    while at < len(message):
        kind, length = struct.unpack("!HH", message[at:at + 4])
        found.setdefault(kind, message[at + 4:at + 4 + length])
        at += 4 + length + -length % 4
    return found


# ---- the server ----

@dataclasses.dataclass(frozen=True)
class Heard:
    """A request: when it came, whence, to which address and port, with which wishes."""
    at: float
    peer: tuple
    to: tuple
    change: int
    response_port: int
    ident: bytes


class Server:
    """Two addresses, two ports each.  .delay_s: how late each answer is, .lost: the share of
    packets that vanish on each way, .silent: nothing is answered.  .requests: what came."""

    def __init__(self, node, one, two, ports=PORTS, delay_s=0.0, lost=0.0, seed=1):
        self.places = [(address, port) for address in (one, two) for port in ports]
        self.sockets = {p: node.socket(family_of(p[0]), UDP, bind=p) for p in self.places}
        self.by_fd = {s.fileno(): p for p, s in self.sockets.items()}
        self.delay_s, self.lost, self.silent = delay_s, lost, False
        self.random = random.Random(seed)
        self.requests, self.late, self.count = [], [], itertools.count()
        self.wake_r, self.wake_w = os.pipe()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.close(self.wake_w)
        self.thread.join()
        os.close(self.wake_r)
        for s in self.sockets.values():
            s.close()

    def serve(self):
        poll = select.poll()
        for fd in list(self.by_fd) + [self.wake_r]:
            poll.register(fd, select.POLLIN)
        while True:
            wait_s = max(0, self.late[0][0] - time.monotonic()) if self.late else None
            for fd, _ in poll.poll(None if wait_s is None else wait_s * 1000):
                if fd == self.wake_r:
                    return
                self.take(self.by_fd[fd])
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, place, peer, answer = heapq.heappop(self.late)
                try:
                    self.sockets[place].sendto(answer, peer)
                except OSError:
                    pass  # the peer is gone, or its router says so

    def take(self, place):
        try:
            data, peer = self.sockets[place].recvfrom(2048)
        except OSError:
            return
        found = attributes(data)
        if found is None or data[:2] != b"\0\1" or self.random.random() < self.lost:
            return
        change = struct.unpack("!I", found.get(CHANGE_REQUEST, bytes(4)))[0]
        port = struct.unpack("!H", found.get(RESPONSE_PORT, bytes(2))[:2])[0]
        self.requests.append(Heard(time.monotonic(), peer[:2], place, change, port, data[8:20]))
        if self.silent or self.random.random() < self.lost:
            return
        source, other = self.turned(place, change), self.turned(place, CHANGE_ADDRESS | CHANGE_PORT)
        body = (put_address(XOR_MAPPED, *peer[:2], data[8:20]) +
                put_address(MAPPED, *peer[:2]) + put_address(RESPONSE_ORIGIN, *source) +
                put_address(OTHER_ADDRESS, *other))
        answer = struct.pack("!HH", 0x0101, len(body)) + data[4:20] + body
        to = (peer[0], port) + peer[2:] if port else peer
        heapq.heappush(self.late, (time.monotonic() + self.delay_s, next(self.count), source, to,
                                   answer))

    def turned(self, place, change):
        index = self.places.index(place)
        return self.places[index ^ (2 if change & CHANGE_ADDRESS else 0) ^
                           (1 if change & CHANGE_PORT else 0)]


# ---- the prober ----

def ask(s, to, change=0, response_port=0, tries=4, wait_s=0.25, listen=None):
    """Where the answer says we are; None if there is none.  listen: the socket it comes to."""
    ident = os.urandom(12)
    body = put(CHANGE_REQUEST, struct.pack("!I", change)) if change else b""
    body += put(RESPONSE_PORT, struct.pack("!HH", response_port, 0)) if response_port else b""
    listen = listen or s
    for _ in range(tries):
        try:
            s.sendto(struct.pack("!HH", 1, len(body)) + COOKIE + ident + body, to)
        except OSError:
            pass  # of an earlier one, by ICMP
        end = time.monotonic() + wait_s
        while (left := end - time.monotonic()) > 0:
            listen.settimeout(left)
            try:
                data, source = listen.recvfrom(2048)
            except OSError:
                continue
            found = attributes(data)
            if found and data[:2] == b"\1\1" and data[8:20] == ident and \
                    get_address(found[RESPONSE_ORIGIN]) == source[:2]:
                return get_address(found[XOR_MAPPED], ident)
    return None


def fresh(node, one):
    return node.socket(family_of(one), UDP, bind=("::" if ":" in one else "0.0.0.0", 0))


def local_address(node, one):
    with node.socket(family_of(one), UDP) as s:
        s.connect((one, 9))
        return s.getsockname()[0]


def mapping(node, one, two, ports):
    with fresh(node, one) as s:
        seen = [ask(s, to) for to in ((one, ports[0]), (two, ports[0]), (two, ports[1]))]
        if None in seen:
            return "unknown", None
        if seen[0] == (local_address(node, one), s.getsockname()[1]):
            return "none", True
        preserved = all(port == s.getsockname()[1] for _, port in seen)
        if seen[0] == seen[1] == seen[2]:
            return "endpoint_independent", preserved
        return ("address_dependent" if seen[1] == seen[2] else
                "address_and_port_dependent"), preserved


def passes(node, one, ports, change):
    """Whether an answer gets in that comes from elsewhere; None if none comes at all."""
    with fresh(node, one) as s:
        if not ask(s, (one, ports[0])):
            return None
        return ask(s, (one, ports[0]), change) is not None


def filtering(pool, node, one, ports):
    both = [pool.submit(passes, node, one, ports, change) for change in
            (CHANGE_ADDRESS | CHANGE_PORT, CHANGE_PORT)]
    other_address, other_port = [f.result() for f in both]
    if other_address is None or other_port is None:
        return "unknown"
    return ("endpoint_independent" if other_address else "address_dependent" if other_port else
            "address_and_port_dependent")


def hairpinning(node, one, ports):
    with fresh(node, one) as a, fresh(node, one) as b:
        seen = ask(b, (one, ports[0]))
        if not seen or not ask(a, (one, ports[0])):
            return None
        return ask_beside(a, b, seen)


def ask_beside(a, b, to):
    word = os.urandom(16)
    b.settimeout(0.25)
    for _ in range(4):
        try:
            a.sendto(word, to)
        except OSError:
            pass
        try:
            if b.recv(64) == word:
                return True
        except OSError:
            pass
    return False


def alive_after(node, one, ports, seconds):
    """Whether a binding that is left alone for that long still lets its server in."""
    with fresh(node, one) as s, fresh(node, one) as other:
        seen = ask(s, (one, ports[0]))
        time.sleep(seconds)
        return ask(other, (one, ports[0]), response_port=seen[1], listen=s) is not None


def probe(node, one, two, ports=PORTS):
    """What a network is, in the names of NatBehavior."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        mapped = pool.submit(mapping, node, one, two, ports)
        pins = pool.submit(hairpinning, node, one, ports)
        filtered = filtering(pool, node, one, ports)
        kind, preserved = mapped.result()
        return dict(mapping=kind, portPreservation=preserved, filtering=filtered,
                    hairpinning=pins.result())
