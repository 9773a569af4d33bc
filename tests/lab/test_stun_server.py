"""natd as a STUN server, asked by other people's clients and by natd."""

import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

import clock
from daemon import BINARY, Natd
from lab import TOP, search_path, wait_until

ONE, TWO = "11.22.33.1", "11.22.33.2"
WAN = "11.22.33.44"
BOTH = f"[StunServer]\nListen={ONE}\nAlternateListen={TWO}:3479\nRateLimit=0\n"
ID = bytes(range(12))
REQUEST = struct.pack("!HHI", 1, 0, 0x2112A442) + ID


def needs(program):
    return pytest.mark.skipif(not shutil.which(program, path=search_path()), reason=f"{program} is not here")


def seen(answer):
    """Address and port in XOR-MAPPED-ADDRESS, which is the first attribute."""
    kind, _, _, family, port = struct.unpack("!HHBBH", answer[20:28])
    assert (kind, family, answer[8:20]) == (0x0020, 1, ID)
    raw = bytes(a ^ b for a, b in zip(answer[28:32], answer[4:8]))
    return socket.inet_ntoa(raw), port ^ 0x2112


def udp(place, timeout_s=5.0):
    return place.client.socket(kind=socket.SOCK_DGRAM, timeout_s=timeout_s)


def ask(s, request=REQUEST, to=(ONE, 3478)):
    s.sendto(request, to)
    return s.recvfrom(2048)


def error_code(answer):
    assert answer[:2] == b"\x01\x11"
    kind, _, _, hundreds, rest = struct.unpack("!HHHBB", answer[20:28])
    assert kind == 0x0009
    return hundreds * 100 + rest


def test_off_as_shipped(place):
    Natd(place.internet)
    assert not place.internet.run("ss", "-Hlnut", "sport = 3478").stdout


def test_udp_and_tcp(place):
    Natd(place.internet, f"[StunServer]\nListen={ONE}\n")
    with udp(place) as s:
        answer, source = ask(s)
        assert (seen(answer), source) == ((WAN, s.getsockname()[1]), (ONE, 3478))
        assert len(answer) == 32
    with place.client.socket() as s:
        s.connect((ONE, 3478))
        # Two requests, cut where no frame ends.
        for part in (REQUEST[:7], REQUEST[7:] + REQUEST[:15], REQUEST[15:]):
            s.sendall(part)
        answer = b""
        while len(answer) < 64:
            part = s.recv(64)
            assert part
            answer += part
        assert seen(answer[:32]) == seen(answer[32:]) == (WAN, s.getsockname()[1])
        s.sendall(b"\xff" * 20)
        assert s.recv(64) == b""


def test_connections_are_bounded_and_the_newest_is_served(place):
    Natd(place.internet, f"[StunServer]\nListen={ONE}\n")
    idle = []
    for _ in range(80):
        s = place.client.socket()
        s.connect((ONE, 3478))
        idle.append(s)
    idle[-1].sendall(REQUEST)
    assert seen(idle[-1].recv(64))[0] == WAN
    assert idle[0].recv(64) == b""
    for s in idle:
        s.close()


@pytest.mark.long
def test_who_is_silent_or_slow_is_hung_up_on(place):
    """Ten seconds after the last whole request, also where a byte comes now and then."""
    Natd(place.internet, f"[StunServer]\nListen={ONE}\nRateLimit=0\n")
    silent, slow, busy = (place.client.socket(timeout_s=0.5) for _ in range(3))
    began, ended = time.monotonic(), {}
    for s in (silent, slow, busy):
        s.connect((ONE, 3478))
    for i in range(19):
        busy.sendall(REQUEST)
        assert seen(busy.recv(64))[0] == WAN
        for s in {silent, slow} - set(ended):
            with contextlib.suppress(TimeoutError, ConnectionError, BrokenPipeError):
                if s is slow:
                    s.sendall(REQUEST[i:i + 1])
                assert s.recv(64) == b""
                ended[s] = time.monotonic() - began
    assert set(ended) == {silent, slow}
    assert all(9 < after < 15 for after in ended.values()), ended
    for s in (silent, slow, busy):
        s.close()


def test_another_address_and_port_answer(place):
    Natd(place.internet, BOTH)
    with place.internet.socket(kind=socket.SOCK_DGRAM, timeout_s=5.0) as s:
        for to, flags, want in [((ONE, 3478), 2, (ONE, 3479)), ((ONE, 3478), 4, (TWO, 3478)),
                                ((ONE, 3478), 6, (TWO, 3479)), ((TWO, 3479), 6, (ONE, 3478))]:
            change = struct.pack("!HHI", 3, 4, flags)
            _, source = ask(s, REQUEST[:2] + b"\x00\x08" + REQUEST[4:] + change, to)
            assert source == want


def test_a_batch_is_answered_whole(place):
    Natd(place.internet, BOTH)
    with udp(place) as s:
        for _ in range(100):
            s.sendto(REQUEST, (ONE, 3478))
        for _ in range(100):
            assert seen(s.recv(2048)) == (WAN, s.getsockname()[1])


def test_rate_limit_and_reload(place):
    natd = Natd(place.internet, f"[StunServer]\nListen={ONE}\nRateLimit=1\n")
    with udp(place, 5) as s:
        for _ in range(50):
            s.sendto(REQUEST, (ONE, 3478))
        answers = 0
        try:
            while s.recv(2048):
                answers += 1
                s.settimeout(0.5)
        except TimeoutError:
            pass
        # More than one only where the machine was so slow that a second went by.
        assert 1 <= answers <= 10
    natd.configure("")
    natd.call("Reload")
    assert not place.internet.run("ss", "-Hlnut", "sport = 3478").stdout
    natd.configure(f"[StunServer]\nListen={ONE}:3500\n")
    natd.call("Reload")
    with udp(place) as s:
        assert seen(ask(s, to=(ONE, 3500))[0])[0] == WAN


def test_a_flood_delays_nobody(place):
    """Requests as fast as they can be sent, most of them within nobody's rate: people who ask
    natd itself, a client over TCP and one from another address are answered."""
    natd = Natd(place.internet, f"[StunServer]\nListen={ONE}\n")
    stop = threading.Event()

    def flood(s):
        while not stop.is_set():
            with contextlib.suppress(BlockingIOError):
                s.sendto(REQUEST, (ONE, 3478))
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            s = stack.enter_context(udp(place))
            s.setblocking(False)
            thread = threading.Thread(target=flood, args=(s,))
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        wait_until(lambda: natd_has_work(natd), 20, what="the flood")
        for _ in range(10):
            began = clock.now()
            natd.call("Status")
            assert clock.lasted(began) < 1
        with place.internet.socket(kind=socket.SOCK_DGRAM, timeout_s=0.2) as s:
            # Datagrams may be lost where so many come.
            assert wait_until(lambda: answered(s), 10, "an answer")
        with place.internet.socket() as s:
            s.connect((ONE, 3478))
            s.sendall(REQUEST)
            assert seen(s.recv(64))[0] == ONE
        assert natd.rss_kib() < 20000


def natd_has_work(natd):
    with open(f"/proc/{natd.process.pid}/schedstat") as f:
        return int(f.read().split()[0]) > 2e8


def answered(s):
    try:
        return ask(s)
    except TimeoutError:
        return None


@pytest.mark.parametrize("mode, realm, code", [
    (0o600, "", 400), (0o600, "Realm=natd.test\n", 401), (0o644, "", None)])
def test_credentials(place, mode, realm, code):
    secrets = place.lab.path("/run/secrets")
    secrets.write_text("# people\nann secret\n")
    os.chmod(secrets, mode)
    natd = Natd(place.internet, f"[StunServer]\nListen={ONE}\nCredentials=/run/secrets\n{realm}")
    with udp(place, 5 if code else 0.5) as s:
        if code:
            assert error_code(ask(s)[0]) == code
        else:
            assert "others cannot read" in natd.log()
            with pytest.raises((TimeoutError, ConnectionRefusedError)):
                ask(s)


# ---- clients ----

@needs("turnutils_stunclient")
def test_turnutils_stunclient(place):
    Natd(place.internet, f"[StunServer]\nListen={ONE}\n")
    said = place.client.run("turnutils_stunclient", ONE)
    text = said.stdout + said.stderr
    assert re.search(rf"reflexive addr(ess)?: {re.escape(WAN)}:\d+", text), text


@needs("turnutils_stunclient")
def test_turnutils_stunclient_rfc5780(place):
    """It waits for ever for what a NAT filters: beside the server."""
    Natd(place.internet, BOTH)
    said = place.internet.run("turnutils_stunclient", ONE)
    text = said.stdout + said.stderr
    assert re.search(rf"reflexive addr(ess)?: {re.escape(ONE)}:\d+", text), text
    assert f"{TWO}:3479" in text, text


@needs("turnutils_natdiscovery")
def test_turnutils_natdiscovery(place):
    Natd(place.internet, BOTH)
    said = place.client.run("turnutils_natdiscovery", "-m", "-f", ONE, timeout_s=40)
    text = said.stdout + said.stderr
    assert "NAT with Endpoint Independent Mapping" in text, text
    assert "NAT with Address and Port Dependent Filtering" in text, text


@needs("stun")
def test_stun_client_of_rfc3489(place):
    Natd(place.internet, BOTH)
    said = place.client.run("stun", ONE, check=False, timeout_s=40)
    text = said.stdout + said.stderr
    assert "Independent Mapping, Port Dependent Filter" in text, text


def test_natd_itself(place):
    Natd(place.internet, f"[StunServer]\nListen={ONE}\n")
    client = Natd(place.client, f"[Stun]\nServers={ONE}\n")
    with udp(place) as s:
        s.bind(("0.0.0.0", 0))
        found = client.call("GetReflexiveAddress", [s.fileno()], socketFileDescriptor=0)
        assert found["reflexive"] == {"address": WAN, "port": s.getsockname()[1]}


# ---- speed ----

BENCH = TOP / os.environ.get("NATD_BUILD", "build") / "tests/bench/bench_stun_server"


@pytest.mark.long
@pytest.mark.skipif(not BENCH.exists(), reason="`make check-long` builds it")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it needs two processors")
def test_next_to_nothing_above_an_echo():
    """In a namespace of its own.  Others on the machine may spoil a measurement, not all."""
    for _ in range(4):
        done = subprocess.run([BENCH, "--quick"], capture_output=True, text=True, timeout=120,
                              env=os.environ | {"NATD": BINARY})
        if done.returncode == 0:
            break
    if done.returncode == 77:
        pytest.skip("others use the processor: even the echo does not get its core")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" yes ") == 2, done.stdout
