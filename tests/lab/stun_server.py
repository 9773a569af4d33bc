"""STUN servers of the lab that do as they are told, and a resolver for their names.

    with StunServer(place.internet, "11.22.33.1") as server:
        server.manner = "silent"
"""

import contextlib
import socket
import struct
import threading
import time

COOKIE = 0x2112A442


def address_attribute(kind, address, port, header):
    """XOR-MAPPED-ADDRESS (0x0020), or another one in clear."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    if kind == 0x0020:
        port ^= COOKIE >> 16
        raw = bytes(a ^ b for a, b in zip(raw, header[4:20]))
    value = struct.pack("!BBH", 0, 2 if len(raw) == 16 else 1, port) + raw
    return struct.pack("!HH", kind, len(value)) + value


class Served:
    """A UDP socket of a node and a thread that answers what comes."""

    def __init__(self, node, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = node.socket(family, socket.SOCK_DGRAM, bind=(address, port))
        self.socket.settimeout(0.1)
        self.address, self.port = address, self.socket.getsockname()[1]
        self.requests = []
        self.ending = False
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.thread.join()
        self.socket.close()

    def serve(self):
        while not self.ending:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                data, peer = self.socket.recvfrom(2048)
                self.answer(data, peer)

    def answer(self, data, peer):
        raise NotImplementedError


class StunServer(Served):
    """manner: "answers", "silent", or "lies" (it says that we are .lie).

    .requests has (when, peer) of each request, .answers the same of each answer.
    """

    def __init__(self, node, address, port=3478):
        super().__init__(node, address, port)
        self.manner, self.lie = "answers", ("11.22.99.99", 1)
        self.answers = []

    def answer(self, data, peer):
        if len(data) < 20 or data[:2] != b"\0\1" or data[4:8] != struct.pack("!I", COOKIE):
            return
        self.requests.append((time.monotonic(), peer[:2]))
        if self.manner == "silent":
            return
        seen = self.lie if self.manner == "lies" else peer[:2]
        body = address_attribute(0x0020, *seen, data)
        self.socket.sendto(struct.pack("!HH", 0x0101, len(body)) + data[4:20] + body, peer)
        self.answers.append((time.monotonic(), peer[:2]))


class Resolver(Served):
    """.names: name -> [addresses]; .delay_s: how late it answers, None: never."""

    def __init__(self, node, address, names):
        super().__init__(node, address, 53)
        self.names, self.delay_s = names, 0

    def answer(self, data, peer):
        self.requests.append((time.monotonic(), peer[:2]))
        if self.delay_s is None:
            return
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += data[at] + 1
        kind = struct.unpack("!H", data[at + 1:at + 3])[0]
        name = ".".join(labels)
        found = [a for a in self.names.get(name, ()) if kind == (28 if ":" in a else 1)]
        answers = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(raw)) + raw
            for raw in (socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)
                        for a in found))
        reply = data[:2] + struct.pack("!HHHHH", 0x8180 if name in self.names else 0x8183, 1,
                                       len(found), 0, 0) + data[12:at + 5] + answers
        send = threading.Timer(self.delay_s, self.socket.sendto, (reply, peer))
        send.daemon = True
        send.start()


def use_resolver(lab, address):
    """What runs in the lab asks this one; nobody else's resolv.conf changes."""
    lab.path("/run/resolv.conf").write_text(f"nameserver {address}\n")
    lab.run(["mount", "--bind", "/run/resolv.conf", "/etc/resolv.conf"])
