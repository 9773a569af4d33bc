"""natctl stun: one question to a server on the loopback interface, without natd."""

import contextlib
import json
import socket
import ssl
import struct
import threading

import pytest

from conftest import TOP

TLS = TOP / "tests/data/tls"
COOKIE = 0x2112A442
SEEN = ("203.0.113.7", 40000)


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def address(kind, seen):
    return attribute(kind, struct.pack("!BBH", 0, 1, seen[1]) + socket.inet_aton(seen[0]))


def xor_address(seen):
    raw = int.from_bytes(socket.inet_aton(seen[0]), "big") ^ COOKIE
    return attribute(0x0020, struct.pack("!BBHI", 0, 1, seen[1] ^ COOKIE >> 16, raw))


def error(code, reason):
    return attribute(0x0009, struct.pack("!HBB", 0, code // 100, code % 100) + reason)


class Server:
    """Answers each request with what reply(request) gives; None: nothing."""

    def __init__(self, reply, kind=socket.SOCK_DGRAM, family=socket.AF_INET, context=None):
        self.reply, self.context, self.requests = reply, context, []
        self.socket = socket.socket(family, kind)
        self.socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.stream, self.ending = kind == socket.SOCK_STREAM, False
        if self.stream:
            self.socket.listen()
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending:
            with contextlib.suppress(OSError):
                if self.stream:
                    self.serve(self.socket.accept()[0])
                else:
                    data, self.peer = self.socket.recvfrom(2048)
                    for answer in self.answers(data):
                        self.socket.sendto(answer, self.peer)

    def serve(self, s):
        s.settimeout(20)
        with s:
            if self.context:
                s = self.context.wrap_socket(s, server_side=True)
            for answer in self.answers(s.recv(2048)):
                for byte in answer:  # a stream has no borders
                    s.send(bytes([byte]))
            s.recv(1)

    def answers(self, data):
        self.requests.append(data)
        answer = self.reply(data)
        return answer if isinstance(answer, list) else [answer] if answer else []

    def stop(self):
        self.ending = True
        self.thread.join()
        self.socket.close()


def message(request, kind, body):
    return struct.pack("!HH", kind, len(body)) + request[4:20] + body


def success(request, body=xor_address(SEEN)):
    return message(request, 0x0101, body)


@pytest.fixture
def server():
    started = []

    def start(reply=success, **options):
        started.append(Server(reply, **options))
        return started[-1]
    yield start
    for each in started:
        each.stop()


def test_udp(server, natctl):
    body = address(0x0001, ("1.2.3.4", 5)) + xor_address(SEEN) + attribute(
        0x8022, b"test\x1b[31m 1.0") + address(0x802C, ("203.0.113.9", 3479))
    s = server(lambda request: success(request, body))
    text = natctl("stun", f"127.0.0.1:{s.port}")
    assert "  Reflexive: 203.0.113.7:40000\n" in text
    assert f"     Server: 127.0.0.1:{s.port} by udp\n" in text
    assert "      Local: 127.0.0.1:" in text and " Round trip: " in text
    assert "    Also at: 203.0.113.9:3479\n" in text
    assert "   Software: test?[31m 1.0\n" in text
    assert "rewrites addresses" in text
    # Repeated, perhaps, where this thread was slow.
    assert len(set(s.requests)) == 1 and len(s.requests[0]) == 20
    assert natctl("stun", "-q", f"stun:127.0.0.1:{s.port}") == "203.0.113.7:40000\n"
    found = json.loads(natctl("stun", "--json=short", f"127.0.0.1:{s.port}"))
    assert found["reflexive"] == {"address": "203.0.113.7", "port": 40000}
    assert found["server"] == {"address": "127.0.0.1", "port": s.port}
    assert found["transport"] == "udp" and found["rewritten"] is True
    assert found["otherAddress"]["port"] == 3479
    # Two requests never have one id.
    assert len({request[8:] for request in s.requests}) == 3


def test_no_nat(server, natctl):
    s = server(lambda request: success(request, xor_address(s.peer)))
    assert "no NAT on the way" in natctl("stun", f"127.0.0.1:{s.port}")


def test_lost_and_wrong_answers(server, natctl):
    def reply(request):
        if len(s.requests) == 1:
            return None
        other = bytes([request[8] ^ 1]) + request[9:20]
        return [b"noise", struct.pack("!HH", 0x0101, 12) + request[4:8] + other + xor_address(
            ("6.6.6.6", 6)), success(request)]
    s = server(reply)
    assert natctl("stun", "-q", f"127.0.0.1:{s.port}") == "203.0.113.7:40000\n"
    assert len(s.requests) >= 2 and len(set(s.requests)) == 1


def test_tcp(server, natctl):
    s = server(kind=socket.SOCK_STREAM)
    text = natctl("stun", "--transport", "tcp", f"127.0.0.1:{s.port}")
    assert "  Reflexive: 203.0.113.7:40000\n" in text and " by tcp\n" in text
    s = server(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", kind=socket.SOCK_STREAM)
    natctl("stun", "--transport=tcp", f"127.0.0.1:{s.port}", code=1,
           err="what answers there does not speak STUN")


def test_names_and_families(server, natctl):
    four = server()
    assert natctl("stun", "-q", f"localhost:{four.port}") == "203.0.113.7:40000\n"
    assert natctl("stun", "-q", "-4", f"stun:localhost:{four.port}") == "203.0.113.7:40000\n"
    six = server(family=socket.AF_INET6)
    assert natctl("stun", "-q", f"[::1]:{six.port}") == "203.0.113.7:40000\n"
    natctl("stun", "-4", f"[::1]:{six.port}", code=1)


@pytest.mark.parametrize("argv, code, words", [
    (["http://example.org"], 2, "is not a server"),
    (["stuns:localhost", "--transport", "udp"], 2, "has no protection"),
    (["localhost", "--transport", "sctp"], 2, "'sctp' is not udp, tcp, tls or dtls"),
    ([], 2, "usage: natctl stun SERVER"),
])
def test_wrong_usage(natctl, argv, code, words):
    natctl("stun", *argv, code=code, err=words)


def test_failures(server, natctl):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        natctl("stun", "--timeout=300ms", f"127.0.0.1:{port}", code=7, err="no answer in time")
    natctl("stun", f"127.0.0.1:{port}", code=1, err="nobody listens there")
    natctl("stun", "--transport=tcp", f"127.0.0.1:{port}", code=1, err="nobody listens there")
    s = server(lambda request: message(request, 0x0111, error(500, b"Server \x07Error")))
    natctl("stun", f"127.0.0.1:{s.port}", code=1, err="it answered with error 500 Server ?Error")
    # Never sent to a door of our own.
    s = server(lambda request: message(request, 0x0111, error(300, b"Try Alternate") + address(
        0x8023, ("127.0.0.1", 9))))
    natctl("stun", f"127.0.0.1:{s.port}", code=1, err="it answered with error 300 Try Alternate")


# ---- TLS ----

def tls(name, least=None, most=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem", TLS / "server.key")
    if most:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = most
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def ask_tls(natctl, s, code=0, err=None, **env):
    env.setdefault("SSL_CERT_FILE", str(TLS / "authority.pem"))
    return natctl("stun", f"stuns:localhost:{s.port}", "-4", "-q", code=code, err=err, **env)


def test_tls(server, natctl):
    s = server(kind=socket.SOCK_STREAM, context=tls("right"))
    assert ask_tls(natctl, s) == "203.0.113.7:40000\n"


@pytest.mark.parametrize("certificate, words", [
    ("wrong-name", "its certificate is for another name"),
    ("expired", "its certificate has expired"),
    ("self-signed", "not signed by an authority that is trusted here"),
])
def test_tls_with_a_wrong_certificate(server, natctl, certificate, words):
    s = server(kind=socket.SOCK_STREAM, context=tls(certificate))
    ask_tls(natctl, s, code=1, err=words)
    assert s.requests == []


def test_tls_checks_with_what_it_has(server, natctl, tmp_path):
    s = server(kind=socket.SOCK_STREAM, context=tls("right"))
    ask_tls(natctl, s, code=1, err="there are no authorities",
            SSL_CERT_FILE=str(tmp_path / "none"))
    # The name counts, not that it leads to the right address.
    natctl("stun", f"stuns:127.0.0.1:{s.port}", code=1, err="is for another name",
           SSL_CERT_FILE=str(TLS / "authority.pem"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_tls_below_1_2(server, natctl):
    s = server(kind=socket.SOCK_STREAM, context=tls("right", most=ssl.TLSVersion.TLSv1_1))
    ask_tls(natctl, s, code=1, err="no agreement on a protected connection")
    assert s.requests == []
