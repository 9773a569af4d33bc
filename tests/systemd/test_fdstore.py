"""What the service manager keeps while natd is restarted: the sockets of lasting bindings and
those of the STUN server."""

import contextlib
import re
import socket
import struct

import pytest
from home import home
from lab import TOP, wait_until
from machine import Machine
from stun_server import StunServer
from varlink import Connection

SOCKET = "/run/natd/org.natd.NAT"
SERVERS = [f"11.22.33.{n}" for n in (1, 2, 101, 102)]
LAN, WAN = "192.168.1.20", "11.22.33.44"
SETTINGS = {"/usr/lib/systemd/system/natd.service.d/test.conf": "[Service]\nRestartSec=1s\n"}
REQUEST = struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(range(12))
SERVER = f"[StunServer]\nListen={LAN}\nRateLimit=0\n"


@pytest.fixture(scope="module")
def place():
    with home() as made, contextlib.ExitStack() as servers:
        # Each server sees another port.
        made.router.nat("random,fully-random")
        made.internet.ip("addr add 11.22.33.101/24 dev eth0", "addr add 11.22.33.102/24 dev eth0")
        for address in SERVERS:
            servers.enter_context(StunServer(made.internet, address))
        yield made


@pytest.fixture(scope="module")
def booted(place):
    with Machine(place.client, SETTINGS) as made:
        yield made


@pytest.fixture
def machine(booted):
    configure(booted, f"[Stun]\nServers={', '.join(SERVERS)}\n")
    booted.systemctl("start", "natd.service")
    yield booted
    booted.systemctl("stop", "natd.socket", "natd.service")
    booted.systemctl("reset-failed", check=False)
    stores(booted, 0)  # a natd that was stopped leaves nothing behind


def configure(machine, text):
    machine.path("/etc/natd/natd.conf").write_text(text)


def kept(machine):
    return int(machine.show("natd.service", "NFileDescriptorStore"))


def stores(machine, count, timeout_s=10):
    """The manager lets go of them in its own time, some versions beside all else that they do."""
    wait_until(lambda: kept(machine) == count, timeout_s, f"{count} sockets, not {kept(machine)}")


def app_socket(place, port=0):
    with place.client.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", port))
    return s


def ask(machine, s, **parameters):
    """(connection, what natd says of the socket); the binding lasts as long as the connection."""
    c = Connection(machine.path(SOCKET))
    c.send("org.natd.NAT.GetReflexiveAddress", {"socketFileDescriptor": 0, **parameters},
           [s.fileno()], more=True)
    return c, c.result()


def gone(c):
    with pytest.raises((ConnectionError, TimeoutError)):
        c.receive(10)
    c.close()


def test_restart_keeps_the_port_of_a_binding(machine, place):
    with app_socket(place) as s:
        c, first = ask(machine, s)
        assert first["reflexive"]["address"] == WAN
        stores(machine, 1)
        for how in (["restart", "natd.service"], ["kill", "-s", "KILL", "natd.service"],
                    ["restart", "natd.service"], ["restart", "natd.service"]):
            machine.systemctl(*how)
            gone(c)
            c, again = ask(machine, s)
            assert again == first
        stores(machine, 1)
        # Another one is made and kept beside it; each goes when its connection does.
        with app_socket(place) as other:
            d, _ = ask(machine, other)
            stores(machine, 2)
            d.close()
            stores(machine, 1)
        # Asked once, nothing lasts.
        assert Connection(machine.path(SOCKET)).call(
            "org.natd.NAT.GetReflexiveAddress", [s.fileno()], socketFileDescriptor=0)["reflexive"]
        stores(machine, 1)
        c.close()
        stores(machine, 0)


def test_restart_with_a_socket_of_both_families(machine, place):
    with place.client.inside():
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, False)
        s.bind(("::", 0))
        c, first = ask(machine, s)
        for _ in range(2):
            stores(machine, 1)
            machine.systemctl("restart", "natd.service")
            gone(c)
            c, again = ask(machine, s)
            assert again == first
        # What the application is sent it still gets.
        with place.internet.socket(kind=socket.SOCK_DGRAM, bind=("11.22.33.1", 7777)) as peer:
            s.sendto(b"there", ("::ffff:11.22.33.1", 7777))
            peer.sendto(b"back", peer.recvfrom(10)[1])
            s.settimeout(3)
            assert s.recv(10) == b"back"
        c.close()
        stores(machine, 0)


def test_other_servers_are_asked_when_others_are_configured(machine, place):
    with app_socket(place) as s:
        c, first = ask(machine, s)
        others = [a for a in SERVERS if a != first["server"]["address"]]
        configure(machine, f"[Stun]\nServers={', '.join(others)}\n")
        machine.systemctl("restart", "natd.service")
        gone(c)
        c, again = ask(machine, s)
        assert again["server"]["address"] in others
        stores(machine, 1)
        c.close()
        stores(machine, 0)


def test_what_nobody_asks_for_again_is_closed(machine, place):
    with app_socket(place) as s:
        port = s.getsockname()[1]
        c, _ = ask(machine, s)
        stores(machine, 1)
        machine.systemctl("kill", "-s", "KILL", "natd.service")
        gone(c)
    # The application is gone; its port is free for it again soon after natd is back.
    wait_until(lambda: machine.natctl("status", "-q", check=False).returncode == 0, 10, "natd")
    stores(machine, 0)
    app_socket(place, port).close()


def test_a_slow_manager_takes_no_answers(machine, place):
    """It still has a copy of a socket that natd has closed: that one hears nothing."""
    def peers():
        text = machine.run("ss", "-Hnu", "state", "connected").stdout
        return sorted(int(line.split()[-1].rsplit(":", 1)[1]) for line in text.splitlines())
    with app_socket(place) as s:
        c, _ = ask(machine, s)
        stores(machine, 1)
        assert peers() == [3478]
        place.lab.run(["kill", "-STOP", machine.inner])
        try:
            # Another network: all bindings are found anew.
            place.client.ip("link add other0 type veth peer name other1", "link set other1 up",
                            "link set other0 up", "addr add 192.168.9.2/24 dev other0",
                            "route add default via 192.168.9.1 dev other0 metric 9999")
            wait_until(lambda: len(peers()) == 2, 8, "another socket")
            assert peers() == [9, 3478]
        finally:
            place.lab.run(["kill", "-CONT", machine.inner])
            place.client.ip("link del other0")
        wait_until(lambda: peers() == [3478], 8, "its end")
        stores(machine, 1)
        c.close()
        stores(machine, 0)


def sockets(machine):
    """The kernel's numbers of the STUN server's sockets."""
    text = machine.run("ss", "-Hlnute", "sport = 3478").stdout
    return sorted(re.findall(r" sk:(\w+) ", text))


def answered(s):
    s.sendto(REQUEST, (LAN, 3478))
    return s.recv(100)[:2] == b"\x01\x01"


def test_the_stun_server_keeps_its_sockets(machine, place):
    configure(machine, SERVER)
    machine.systemctl("reload", "natd.service")
    before = sockets(machine)
    assert len(before) == 2
    stores(machine, 2)
    machine.systemctl("restart", "natd.service")
    assert sockets(machine) == before
    with place.client.socket(kind=socket.SOCK_DGRAM, timeout_s=10) as s:
        assert answered(s)
        # While there is no natd nobody is turned away.
        pid = machine.show("natd.service", "MainPID")
        machine.systemctl("kill", "-s", "KILL", "natd.service")
        wait_until(lambda: machine.show("natd.service", "MainPID") != pid, 5, "its end")
        assert answered(s)
        assert sockets(machine) == before
        stores(machine, 2)
        # Other settings of the same addresses: the same sockets.
        configure(machine, SERVER + "Software=yes\n")
        machine.systemctl("reload", "natd.service")
        assert answered(s) and sockets(machine) == before
    configure(machine, "")
    machine.systemctl("reload", "natd.service")
    # At once again, whether the manager has let go of the old ones yet or not.
    configure(machine, SERVER)
    machine.systemctl("reload", "natd.service")
    wait_until(lambda: len(sockets(machine)) == 2, 5, "two sockets")
    with place.client.socket(kind=socket.SOCK_DGRAM) as s:
        assert answered(s)
    configure(machine, "")
    machine.systemctl("reload", "natd.service")
    stores(machine, 0)
    wait_until(lambda: sockets(machine) == [], 5, "no socket in anybody's hands")


def test_the_units_let_natd_keep_as_many_as_it_does():
    most = re.search(r"#define FDSTORE_MAX (\d+)", (TOP / "daemon/fdstore.h").read_text())[1]
    for unit in ("systemd/natd.service", "systemd/user/natd.service"):
        assert f"\nFileDescriptorStoreMax={most}\n" in (TOP / unit).read_text()
