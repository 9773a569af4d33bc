"""natd of one user: with the user's own systemd, and without; and who finds it."""

import subprocess

import pytest
from daemon import BUILD
from lab import TOP, wait_until
from machine import Machine

RUN, HOME, UID = "/run/user/1000", "/home/joe", 1000
ENV = {"XDG_RUNTIME_DIR": RUN, "HOME": HOME}
SOCKET = f"{RUN}/natd/org.natd.NAT"
JOE = {"uid": UID, "env": ENV}


@pytest.fixture(scope="module")
def machine(place):
    with Machine(place.client) as made:
        made.run("sh", "-c", f"echo 'joe:x:{UID}:{UID}::{HOME}:/bin/sh' >>/etc/passwd &&"
                             f"echo 'joe:x:{UID}:' >>/etc/group &&"
                             f"mkdir -p {RUN} {HOME} && chown {UID}:{UID} {RUN} {HOME} && chmod 700 {RUN}")
        yield made


@pytest.fixture
def session(machine, place):
    """systemd --user, as user@.service starts it."""
    machine.run("systemd-run", "--quiet", "--unit=joe", f"--uid={UID}", f"--gid={UID}",
                "--property=Type=notify", "--property=Delegate=yes", "--property=KillMode=mixed",
                "--property=WorkingDirectory=/", *(f"--setenv={key}={value}" for key, value in ENV.items()),
                "/lib/systemd/systemd", "--user", "--log-target=journal")
    yield lambda *argv, **options: machine.run("systemctl", "--user", "--no-pager", *argv, **JOE, **options)
    machine.systemctl("stop", "joe.service")
    machine.run("rm", "-rf", f"{HOME}/.config", f"{HOME}/.local")
    place.router.flush()


def shown(session, unit, name):
    return session("show", unit, f"--property={name}").stdout.strip().split("=", 1)[1]


def test_units_of_a_user(session, machine, place):
    session("enable", "--now", "natd.socket", "natd.service")
    assert session("is-active", "natd.socket", "natd.service").stdout.split() == ["active"] * 2
    assert shown(session, "natd.service", "StatusText").startswith("online, ")
    assert machine.run("stat", "-c", "%a %u", SOCKET).stdout.split() == ["600", str(UID)]
    # His own natd: he may what root may with the system's.
    assert machine.natctl("map", "-q", "tcp", "40100", "--permanent", **JOE).stdout == "11.22.33.44:40100\n"
    session("reload", "natd.service")
    session("restart", "natd.service")
    wait_until(lambda: machine.natctl("list", "-q", **JOE).stdout and place.router.ports() == {("tcp", 40100)}, 10,
               "the mapping, after a restart")
    session("stop", "natd.socket", "natd.service")
    assert shown(session, "natd.service", "Result") == "success"
    assert machine.natctl("list", check=False, **JOE).returncode == 3


def test_first_connection_of_the_user_starts_it(session, machine):
    session("start", "natd.socket")
    assert shown(session, "natd.service", "ActiveState") == "inactive"
    assert machine.natctl("--user", "status", "-q", **JOE).stdout == "online\n"
    assert shown(session, "natd.service", "ActiveState") == "active"
    # Nobody else is let in, but root.
    other = machine.natctl("-H", SOCKET, "status", uid=1001, check=False)
    assert other.returncode in (3, 4), other.stderr


def test_a_hang_of_the_users_natd_is_restarted(session, machine, place):
    folder = machine.path(f"{HOME}/.config/systemd/user/natd.service.d")
    folder.mkdir(parents=True)
    (folder / "test.conf").write_text("[Service]\nWatchdogSec=3s\nRestartSec=100ms\n")
    session("daemon-reload")
    session("start", "natd.socket", "natd.service")
    machine.run("kill", "-STOP", shown(session, "natd.service", "MainPID"))
    wait_until(lambda: (shown(session, "natd.service", "NRestarts"),
                        shown(session, "natd.service", "ActiveState")) == ("1", "active"), 20, "the restart")


def test_libnatd_finds_it(session, machine, place, tmp_path):
    """natd_open(NULL): the system's first, then the user's."""
    session("start", "natd.service")
    program = tmp_path / "hold"
    subprocess.run(["gcc", "-I", str(TOP / "lib"), "-o", program, TOP / "examples/hold.c",
                    BUILD / "libnatd.a", "-lcjson", "-lm"], check=True)
    target = machine.path("/usr/local/bin/hold")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(program.read_bytes())
    target.chmod(0o755)
    machine.run("systemd-run", "--quiet", "--unit=hold", f"--uid={UID}",
                *(f"--setenv={key}={value}" for key, value in ENV.items()), "/usr/local/bin/hold", "40101")
    try:
        wait_until(lambda: ("tcp", 40101) in place.router.ports(), 10, "the port of the example")
        assert "40101" in machine.natctl("--user", "list", **JOE).stdout
    finally:
        machine.systemctl("stop", "hold.service", check=False)
