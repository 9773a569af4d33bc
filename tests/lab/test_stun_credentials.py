"""natd as a STUN server for those who have a password, over IPv6, and its rate limit: asked by
a client that shares nothing with natd."""

import contextlib
import os
import socket
import struct

import pytest

import home as h
import stun_message as stun
from daemon import Natd
from stun_message import Answer, Message

ONE, WAN, REALM = "11.22.33.1", "11.22.33.44", "natd.test"
LAN6, SIX, TWO = "2a10:50::20", h.INTERNET6, "2a10:60::2"
STRANGE = 0x7F01  # comprehension-required, and known to nobody


@pytest.fixture(scope="module")
def place():
    with h.home(ipv6=True) as place:
        place.internet.ip(f"addr add {TWO}/64 dev eth0 nodad")
        secrets = place.lab.path("/run/secrets")
        secrets.write_text("# people\nann secret\nböb  pass word\n")
        os.chmod(secrets, 0o600)
        yield place


@pytest.fixture(scope="module", params=["", f"Realm={REALM}\n"], ids=["short", "long"])
def server(place, request):
    natd = Natd(place.internet, f"[StunServer]\nListen={ONE} [{SIX}]\nRateLimit=0\n"
                                f"Credentials=/run/secrets\n{request.param}")
    natd.long = bool(request.param)
    yield natd
    natd.stop()


WAYS = {"udp": (socket.AF_INET, socket.SOCK_DGRAM), "tcp": (socket.AF_INET, socket.SOCK_STREAM),
        "udp6": (socket.AF_INET6, socket.SOCK_DGRAM), "tcp6": (socket.AF_INET6, socket.SOCK_STREAM)}


class Client:
    def __init__(self, place, way):
        family, kind = WAYS[way]
        self.socket = place.client.socket(family, kind)
        self.socket.connect((ONE if family == socket.AF_INET else SIX, 3478))
        self.here = (WAN if family == socket.AF_INET else LAN6, self.socket.getsockname()[1])
        self.stream = kind == socket.SOCK_STREAM

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, message, key=None):
        data = message.bytes()
        # Over TCP in parts that are no frames.
        for part in (data[:11], data[11:]) if self.stream else (data,):
            self.socket.sendall(part)
        got = self.socket.recv(2048)
        while self.stream and len(got) < 20 + struct.unpack("!H", got[2:4])[0]:
            got += self.socket.recv(2048)
        answer = Answer(got, key)
        assert answer.ident == message.ident
        return answer


class Credentials:
    """What is put in front of the signature, and what signs."""

    def __init__(self, client, long, name="ann", password="secret", algorithm=stun.SHA256):
        self.client, self.name, self.algorithm = client, name, algorithm
        self.challenge = client.ask(Message()) if long else None
        self.key = stun.long_term_key(name, REALM, password, algorithm) if long else password.encode()

    def message(self, hashed=False, strange=False):
        m = Message()
        if strange:
            m.put(STRANGE)
        if hashed:
            m.put(stun.USERHASH, stun.userhash(self.name, REALM))
        else:
            m.put(stun.USERNAME, self.name.encode())
        if self.challenge:
            told = self.challenge.attributes
            m.put(stun.REALM, told[stun.REALM]).put(stun.NONCE, told[stun.NONCE])
            if self.algorithm == stun.SHA256:
                m.put(stun.PASSWORD_ALGORITHMS, told[stun.PASSWORD_ALGORITHMS])
                m.put(stun.PASSWORD_ALGORITHM, stun.algorithms(stun.SHA256))
        return m

    def ask(self, sha256=True, **how):
        return self.client.ask(self.message(**how).sign(self.key, sha256).seal(), self.key)


@pytest.mark.parametrize("way", WAYS)
def test_without_a_password(server, place, way):
    with Client(place, way) as client:
        answer = client.ask(Message().seal())
        assert answer.error == (401 if server.long else 400) and answer.signed is None
        assert stun.FINGERPRINT in answer.attributes
        if not server.long:
            assert set(answer.attributes) == {stun.ERROR_CODE, stun.FINGERPRINT}
            return
        told = answer.attributes
        assert told[stun.REALM] == REALM.encode()
        assert told[stun.NONCE].startswith(b"obMatJos2")
        assert told[stun.PASSWORD_ALGORITHMS] == stun.algorithms(stun.SHA256, stun.MD5) or \
            told[stun.PASSWORD_ALGORITHMS] == stun.algorithms(stun.MD5, stun.SHA256)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sha256", [True, False], ids=["sha256", "sha1"])
def test_with_a_password(server, place, way, sha256):
    """The answer is signed as the request was, and so is an error once we know who it is."""
    want = stun.INTEGRITY_SHA256 if sha256 else stun.INTEGRITY
    for name, password in (("ann", "secret"), ("böb", "pass word")):
        with Client(place, way) as client:
            # A key of MD5 goes with both, RFC 8489 section 9.2.
            algorithm = stun.SHA256 if sha256 else stun.MD5
            mine = Credentials(client, server.long, name, password, algorithm)
            answer = mine.ask(sha256)
            assert (answer.kind, answer.mapped, answer.signed) == (0x0101, client.here, want)
            answer = mine.ask(sha256, strange=True)
            assert (answer.error, answer.signed) == (420, want)
            assert answer.attributes[stun.UNKNOWN] == struct.pack("!H", STRANGE)


def test_with_a_wrong_password(server, place):
    with Client(place, "udp") as client:
        for name, password in (("ann", "Secret"), ("eve", "secret")):
            mine = Credentials(client, server.long, name, password)
            for sha256 in (True, False):
                answer = mine.ask(sha256)
                assert (answer.error, answer.signed) == (401, None)
        mine = Credentials(client, server.long)
        # Signed, and changed on the way.
        signed = mine.message().sign(mine.key, True)
        signed.body = signed.body.replace(b"ann", b"anm")
        assert client.ask(signed, mine.key).error == 401
        # A signature of nobody.
        assert client.ask(Message().sign(mine.key, True)).error == 400


@pytest.mark.parametrize("server", [f"Realm={REALM}\n"], indirect=True, ids=["long"])
def test_name_as_a_hash_and_a_nonce_of_another(server, place):
    with Client(place, "udp") as client, Client(place, "udp") as other:
        mine = Credentials(client, True)
        assert mine.ask(hashed=True).mapped == client.here
        # A nonce is good for the address it was given to.
        mine.client = other
        stale = mine.ask()
        assert (stale.error, stale.signed) == (438, None)
        assert stale.attributes[stun.REALM] == REALM.encode()
        mine.challenge = stale
        assert mine.ask().mapped == other.here


def test_behaviour_over_ipv6(place):
    """RFC 5780 at two IPv6 addresses: from where it is asked for, and what it says of itself."""
    natd = Natd(place.internet,
                f"[StunServer]\nListen=[{SIX}]:3500\nAlternateListen=[{TWO}]:3501\nRateLimit=0\n")
    with place.internet.socket(socket.AF_INET6, socket.SOCK_DGRAM, bind=("::", 0)) as s:
        for flags, source in ((0, (SIX, 3500)), (2, (SIX, 3501)), (4, (TWO, 3500)), (6, (TWO, 3501))):
            change = struct.pack("!I", flags)
            s.sendto(Message().put(stun.CHANGE_REQUEST, change).bytes(), (SIX, 3500))
            data, came_from = s.recvfrom(2048)
            answer = Answer(data)
            assert came_from[:2] == answer.address(stun.RESPONSE_ORIGIN) == source
            assert answer.address(stun.OTHER_ADDRESS) == (TWO, 3501)
            assert answer.mapped[1] == s.getsockname()[1]
    natd.stop()


def test_as_shipped_ten_a_second_for_each_network(place):
    """A bucket of ten each; an IPv6 network of 64 bits has one."""
    neighbour, elsewhere = "2a10:50::21", "2a10:50:0:1::20"
    place.client.ip(f"addr add {neighbour}/64 dev eth0 nodad", f"addr add {elsewhere}/64 dev eth0 nodad")
    place.router.node.ip("route add 2a10:50:0:1::/64 dev lan0")
    natd = Natd(place.internet, f"[StunServer]\nListen={ONE}:3500 [{SIX}]:3500\n")
    sources = ["192.168.1.20", LAN6, neighbour, elsewhere]
    counts = dict.fromkeys(sources, 0)
    with contextlib.ExitStack() as stack:
        clients = {a: stack.enter_context(place.client.socket(
            socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM,
            bind=(a, 0), timeout_s=1.0))
            for a in sources}
        for _ in range(200):
            for address, s in clients.items():
                s.sendto(Message().bytes(), (SIX if ":" in address else ONE, 3500))
        for address, s in clients.items():
            with contextlib.suppress(TimeoutError):
                while s.recv(2048):
                    counts[address] += 1
    natd.stop()
    # More than ten only where the machine was so slow that a second went by.
    assert 10 <= counts["192.168.1.20"] <= 50 and 10 <= counts[elsewhere] <= 50, counts
    assert 10 <= counts[LAN6] + counts[neighbour] <= 50, counts
