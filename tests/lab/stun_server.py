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
    raw = socket.inet_pton(family, address.partition("%")[0])
    if kind == 0x0020:
        port ^= COOKIE >> 16
        raw = bytes(a ^ b for a, b in zip(raw, header[4:20]))
    value = struct.pack("!BBH", 0, 2 if len(raw) == 16 else 1, port) + raw
    return struct.pack("!HH", kind, len(value)) + value


class Served:
    """A UDP socket of a node and a thread that answers what comes."""

    kind = socket.SOCK_DGRAM

    def __init__(self, node, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        literal, _, zone = address.partition("%")
        where = (literal, port, 0, int(zone)) if zone else (address, port)
        self.socket = node.socket(family, self.kind, bind=where)
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
    """manner: "answers", "silent", "lies" (it says that we are .lie) or "redirects" (to
    .alternate, of .domain).  late_s: how far away it is.

    .requests has (when, peer) of each request, .answers the same of each answer.
    """

    def __init__(self, node, address, port=3478):
        super().__init__(node, address, port)
        self.manner, self.lie = "answers", ("11.22.99.99", 1)
        self.answers, self.domain, self.late_s = [], None, 0

    def answer(self, data, peer):
        if len(data) < 20 or data[:2] != b"\0\1" or data[4:8] != struct.pack("!I", COOKIE):
            return
        self.requests.append((time.monotonic(), peer[:2]))
        if self.manner == "silent":
            return
        if self.late_s:
            threading.Timer(self.late_s, self.say, (data, peer)).start()
        else:
            self.say(data, peer)

    def say(self, data, peer):
        self.answers.append((time.monotonic(), peer[:2]))
        with contextlib.suppress(OSError):  # the end of the test came first
            self.socket.sendto(self.success(data, peer), peer)

    def success(self, data, peer):
        if self.manner == "redirects":
            body = struct.pack("!HHI", 0x0009, 4, 0x0300) + address_attribute(0x8023, *self.alternate, data)
            if self.domain:
                body += struct.pack("!HH", 0x8003, len(self.domain)) + self.domain.encode() + \
                    b"\0" * (-len(self.domain) % 4)
            return struct.pack("!HH", 0x0111, len(body)) + data[4:20] + body
        seen = self.lie if self.manner == "lies" else peer[:2]
        body = address_attribute(0x0020, *seen, data)
        return struct.pack("!HH", 0x0101, len(body)) + data[4:20] + body


class StreamServer(StunServer):
    """The same over TCP, with a context over TLS, of an address and port that may have a StunServer,
    too.  Each connection is one request.  .hellos: when somebody connected."""

    kind = socket.SOCK_STREAM

    def __init__(self, node, address, port=3478, context=None):
        super().__init__(node, address, port)
        self.context, self.hellos, self.patience_s = context, [], 5

    def serve(self):
        while not self.ending:
            with contextlib.suppress(OSError):
                connection, peer = self.socket.accept()
                self.hellos.append((time.monotonic(), peer[:2]))
                connection.settimeout(self.patience_s)
                with connection:
                    self.converse(connection, peer)

    def converse(self, s, peer):
        if self.context:
            s = self.context.wrap_socket(s, server_side=True)
        data = s.recv(2048)
        if not data:
            return
        self.requests.append((time.monotonic(), peer[:2]))
        if self.manner != "silent":
            answer = self.success(data, peer)
            self.answers.append((time.monotonic(), peer[:2]))
            for part in (answer[:7], answer[7:]):  # a stream has no borders
                s.sendall(part)
        s.recv(1)


class Resolver(Served):
    """.names: name -> [addresses, or (port, name) of SRV]; .delay_s: how late it answers, None: never;
    .swallows: questions of this type (28: AAAA) are not answered."""

    def __init__(self, node, address, names):
        super().__init__(node, address, 53)
        self.names, self.delay_s, self.swallows = names, 0, None

    def answer(self, data, peer):
        self.requests.append((time.monotonic(), peer[:2]))
        if self.delay_s is None:
            return
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += data[at] + 1
        kind = struct.unpack("!H", data[at + 1:at + 3])[0]
        if kind == self.swallows:
            return
        name = ".".join(labels)
        found = [raw for number, raw in map(resource, self.names.get(name, ())) if number == kind]
        answers = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(raw)) + raw for raw in found)
        reply = data[:2] + struct.pack("!HHHHH", 0x8180 if name in self.names else 0x8183, 1,
                                       len(found), 0, 0) + data[12:at + 5] + answers
        send = threading.Timer(self.delay_s, self.send_late, (reply, peer))
        send.daemon = True
        send.start()

    def send_late(self, reply, peer):
        with contextlib.suppress(OSError):  # the lab may be gone
            self.socket.sendto(reply, peer)


def resource(what):
    """(type, data) of one of Resolver.names."""
    if isinstance(what, tuple):
        port, target = what
        labels = b"".join(bytes([len(label)]) + label.encode() for label in target.split("."))
        return 33, struct.pack("!HHH", 0, 0, port) + labels + b"\0"
    if ":" in what:
        return 28, socket.inet_pton(socket.AF_INET6, what)
    return 1, socket.inet_aton(what)


def use_resolver(lab, address):
    """What runs in the lab asks this one; nobody else's resolv.conf changes."""
    lab.path("/run/resolv.conf").write_text(f"nameserver {address}\n")
    lab.run(["mount", "--bind", "/run/resolv.conf", "/etc/resolv.conf"])
