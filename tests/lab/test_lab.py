"""The lab itself: what the other tests stand on is what it claims to be."""

import os
import signal
import socket
import struct
import subprocess
import sys

import clock
import home as h
import lab as l
import pytest
from fixtures import shared_home

place = shared_home(ipv6=True)


@clock.one_of(5)
def test_comes_up_in_less_than_a_second():
    started = clock.now()
    with h.home() as p:
        p.router.start()
        assert clock.lasted(started) < 1


@pytest.mark.parametrize("mode", [dict(), dict(upnp=False), dict(pxp=False), dict(igd1=True)],
                         ids=["all", "pxp", "upnp", "igd1"])
def test_modes_of_the_router(place, mode):
    place.router.start(**mode)
    try:
        answer = mode.get("pxp", True) and h.nat_pmp(place.client, "192.168.1.1", 0)
        assert bool(answer) == mode.get("pxp", True)
        if answer:
            assert answer[8:12] == bytes([11, 22, 33, 44])
        if mode.get("upnp", True):
            with place.client.socket() as s:
                s.connect(("192.168.1.1", 5000))
                s.sendall(b"GET /rootDesc.xml HTTP/1.0\r\n\r\n")
                text = b"".join(iter(lambda: s.recv(65536), b""))
            version = b"1" if mode.get("igd1") else b"2"
            assert b"InternetGatewayDevice:" + version in text
    finally:
        place.router.stop()


@pytest.mark.parametrize("protocol,op", [("udp", 1), ("tcp", 2)])
def test_a_mapping_forwards_until_the_router_restarts(place, protocol, op):
    place.router.start()
    try:
        assert not h.forwards(place, protocol, ("11.22.33.44", 8080), 8080, timeout_s=0.2)
        answer = h.nat_pmp(place.client, "192.168.1.1", op, 8080, 8080, 3600)
        assert struct.unpack("!BBH", answer[:4]) == (0, 128 + op, 0)
        assert place.router.rules() == {h.Rule(protocol, 8080, "192.168.1.20", 8080)}
        assert h.forwards(place, protocol, ("11.22.33.44", 8080), 8080)
        place.router.restart()
        assert place.router.rules() == set()
        assert not h.forwards(place, protocol, ("11.22.33.44", 8080), 8080, timeout_s=0.2)
    finally:
        place.router.stop()
        place.router.flush()


def test_ipv6_is_closed_from_outside_and_open_from_inside(place):
    with place.internet.socket(socket.AF_INET6, bind=("::", 80)), \
            place.client.socket(socket.AF_INET6) as s:
        s.connect((h.INTERNET6, 80))
    assert not h.forwards(place, "tcp", ("2a10:50::20", 8080), 8080, timeout_s=0.2)


def test_upnpc_and_natpmpc_work_here(place):
    place.router.start()
    try:
        out = place.client.run("upnpc", "-u", "http://192.168.1.1:5000/rootDesc.xml",
                               "-a", "192.168.1.20", "7001", "7001", "TCP").stdout
        assert "is redirected" in out
        place.client.run("natpmpc", "-g", "192.168.1.1", "-a", "7002", "7002", "udp", "600")
        assert place.router.rules() == {h.Rule("tcp", 7001, "192.168.1.20", 7001),
                                        h.Rule("udp", 7002, "192.168.1.20", 7002)}
    finally:
        place.router.stop()
        place.router.flush()


def test_loss_and_unplugging(place):
    place.router.start()
    try:
        place.router.node.lossy("lan0", 100)
        assert h.nat_pmp(place.client, "192.168.1.1", 0, waits_s=(0.25, 0.5)) is None
        place.router.node.lossy("lan0", 0)
        assert h.nat_pmp(place.client, "192.168.1.1", 0)
        place.unplug()
        l.wait_until(lambda: "NO-CARRIER" in place.client.run("ip", "link", "show", "eth0").stdout)
        place.replug()
        l.wait_until(lambda: "NO-CARRIER" not in place.client.run("ip", "link", "show", "eth0").stdout)
        place.router.block("nat_pmp")
        assert h.nat_pmp(place.client, "192.168.1.1", 0, waits_s=(0.25, 0.5)) is None
        place.router.block()
        assert h.nat_pmp(place.client, "192.168.1.1", 0)
    finally:
        place.router.stop()


def test_second_uplink():
    with h.home() as p:
        second = h.add_uplink(p)
        p.router.start()
        second.start()
        assert h.nat_pmp(p.client, "192.168.1.1", 1, 5000, 5000, 600)
        assert h.nat_pmp(p.client, "192.168.2.1", 1, 5000, 5000, 600)
        assert p.router.rules() == {h.Rule("udp", 5000, "192.168.1.20", 5000)}
        assert second.rules() == {h.Rule("udp", 5000, "192.168.2.20", 5000)}


def test_carrier_nat():
    with h.carrier_home() as (p, carrier):
        with p.internet.socket(bind=("0.0.0.0", 80)) as server, p.client.socket() as s:
            s.connect((h.INTERNET, 80))
            accepted, peer = server.accept()
            accepted.close()
        assert peer[0] == "11.22.33.99"
        carrier.start()
        answer = h.nat_pmp(p.router.node, "100.64.7.1", 0)
        assert answer[8:12] == bytes([11, 22, 33, 99])


def test_tunnel_has_no_route_in_the_main_table():
    with h.home() as p:
        vpn = h.add_tunnel(p)
        with vpn.socket(kind=socket.SOCK_DGRAM, bind=None) as server, \
                p.client.socket(kind=socket.SOCK_DGRAM) as s:
            server.bind(("10.2.0.1", 5351))
            s.sendto(b"x", ("10.2.0.1", 5351))
            assert server.recvfrom(10)[1][0] == "10.2.0.2"
        assert "10.2.0" not in p.client.run("ip", "route").stdout


def test_nothing_is_left_after_sigkill(tmp_path):
    script = ("import sys, os; sys.path.insert(0, sys.argv[1])\n"
              "import home\n"
              "with home.home() as p:\n"
              "    p.router.start()\n"
              "    q = p.client.spawn('sleep', '600')\n"
              "    print(q.pid, p.lab.pid, os.stat(p.client.ns).st_ino, flush=True)\n"
              "    os.kill(os.getpid(), 9)\n")
    result = subprocess.run([sys.executable, "-c", script, str(l.HERE)], stdout=subprocess.PIPE,
                            text=True, timeout=60)
    assert result.returncode == -signal.SIGKILL
    sleeper, agent, _ = map(int, result.stdout.split())
    l.wait_until(lambda: not os.path.exists(f"/proc/{sleeper}")
                 and not os.path.exists(f"/proc/{agent}"), what="the lab's end")
