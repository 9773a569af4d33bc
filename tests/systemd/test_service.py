"""natd as a service of a real systemd, with a real router (miniupnpd) to open ports on."""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest
from lab import TOP, wait_until
from machine import NOBODY, Machine

UNITS = ("natd.socket", "natd-metrics.socket", "natd-textfile.timer", "natd.service",
         "natd-wait-online.service")
SETTINGS = {"/usr/lib/systemd/system/natd.service.d/test.conf": "[Service]\nRestartSec=100ms\n"}
METRICS_PORT = 9851
TEXTFILE = "/var/lib/prometheus/node-exporter/natd.prom"


@pytest.fixture(scope="module")
def booted(place):
    with Machine(place.client, SETTINGS) as made:
        made.run("journalctl", "--update-catalog")
        yield made


@pytest.fixture
def machine(booted, place):
    """natd installed, not started, with nothing behind it."""
    yield booted
    booted.systemctl("stop", *UNITS)
    booted.systemctl("reset-failed", check=False)
    booted.run("rm", "-rf", "/var/lib/private/natd", "/var/lib/natd")
    booted.path("/etc/natd/natd.conf").write_text("")
    place.router.flush()


@pytest.fixture
def impatient(machine):
    """A hang is to be seen within a test; the others are on a machine that may itself hang a while."""
    drop_in = machine.path("/etc/systemd/system/natd.service.d/impatient.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nWatchdogSec=3s\n")
    machine.systemctl("daemon-reload")
    yield
    drop_in.unlink()
    machine.systemctl("daemon-reload")


@pytest.fixture
def natd(machine):
    machine.systemctl("start", "natd.service")
    return machine


def external(machine, ident):
    end = machine.ask("show", ident)["mappings"][0]["runtime"]["external"]
    return end["address"], end["port"]


def rules(place):
    return {(rule.protocol, rule.external_port, rule.port) for rule in place.router.rules()}


def mapped(machine, *argv, **options):
    """natctl map; the id."""
    done = machine.natctl("map", *argv, **options)
    return re.search(r" id (\w+)$", done.stdout.strip())[1]


def told(machine, cursor):
    """What natd itself has told the journal after that cursor."""
    return [entry["MESSAGE"] for entry in machine.journal(cursor, SYSLOG_IDENTIFIER="natd")]


def ident(name):
    return re.search(rf'MESSAGE_{name} "(\w+)"', (TOP / "daemon/message.h").read_text())[1]


def test_starts_answers_and_tells_its_status(natd):
    assert natd.show("natd.service", "ActiveState", "SubState", "NRestarts") == \
        ["active", "running", "0"]
    assert natd.show("natd.service", "StatusText") == "online, 0 of 0 mappings active"
    mapped(natd, "udp", "40000")
    wait_until(lambda: natd.show("natd.service", "StatusText") ==
               "online, external 11.22.33.44, 1 of 1 mappings active", 10, "the status")


def test_runs_without_any_privilege(natd):
    pid = natd.show("natd.service", "MainPID")
    status = dict(line.split(":\t", 1) for line in
                  natd.path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert {status[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert "0" not in status["Uid"].split()


def test_first_connection_starts_natd(machine):
    """F70: socket activation."""
    machine.systemctl("start", "natd.socket")
    assert machine.show("natd.service", "ActiveState") == "inactive"
    # A user who may nothing: the socket is for everybody.
    assert machine.natctl("status", "--quiet", uid=NOBODY).stdout == "online\n"
    assert machine.show("natd.service", "ActiveState") == "active"
    assert machine.path("/run/varlink/registry/org.natd.NAT").is_socket() or \
        machine.run("test", "-S", "/run/varlink/registry/org.natd.NAT").returncode == 0


def test_everybody_may_map_and_nobody_may_reload(natd, place):
    mapped(natd, "tcp", "40001", uid=NOBODY)
    assert rules(place) == {("tcp", 40001, 40001)}
    assert natd.natctl("reload", uid=NOBODY, check=False).returncode == 4
    assert natd.natctl("map", "tcp", "443", uid=NOBODY, check=False).returncode == 4


def test_hang_is_killed_and_restarted_by_the_watchdog(impatient, natd, place):
    """F70: the watchdog of systemd."""
    kept = [mapped(natd, "tcp", "40002", "--external", "41002", "--permanent"),
            mapped(natd, "udp", "40003", "--external", "41003")]
    before = [external(natd, each) for each in kept]
    # Alive for longer than the watchdog's patience: it is served from the loop.
    time.sleep(3.5)
    pid = natd.show("natd.service", "MainPID")
    assert natd.show("natd.service", "NRestarts") == "0"
    natd.run("kill", "-STOP", pid)
    wait_until(lambda: natd.show("natd.service", "NRestarts", "ActiveState", "SubState") ==
               ["1", "active", "running"], 20, "the restart")
    assert natd.show("natd.service", "MainPID") != pid
    assert [external(natd, each) for each in kept] == before
    assert rules(place) == {("tcp", 41002, 40002), ("udp", 41003, 40003)}


def test_restart_keeps_every_mapping(natd, place):
    natd.path("/etc/natd/natd.conf").write_text(
        "[Mapping web]\nProtocols=tcp\nInternalPort=8080\nExternalPort=48080\n")
    natd.systemctl("reload", "natd.service")
    kept = [mapped(natd, "tcp", "40004", "--external", "41004", "--permanent"),
            mapped(natd, "tcp+udp", "40005", "--external", "41005")]
    wanted = {("tcp", 48080, 8080), ("tcp", 41004, 40004), ("tcp", 41005, 40005),
              ("udp", 41005, 40005)}
    wait_until(lambda: rules(place) == wanted, 10, "all mappings")
    before, pid = [external(natd, each) for each in kept], natd.show("natd.service", "MainPID")
    natd.systemctl("restart", "natd.service")
    assert natd.show("natd.service", "MainPID") != pid
    natd.natctl("wait", "--timeout", "30", kept[1])
    natd.natctl("wait", "--timeout", "30", kept[0])
    assert [external(natd, each) for each in kept] == before
    wait_until(lambda: rules(place) == wanted, 10, f"the same mappings: {rules(place)}")


def test_stop_releases(natd, place):
    mapped(natd, "tcp", "40006")
    mapped(natd, "udp", "40007")
    mapped(natd, "udp", "40008", "--permanent")
    natd.systemctl("stop", "natd.socket", "natd.service")
    assert rules(place) == {("udp", 40008, 40008)}, "what is permanent outlives natd"
    assert natd.show("natd.service", "Result") == "success"
    assert not natd.path("/run/natd/org.natd.NAT").exists()


def test_reload_and_a_mistake(natd, place):
    conf = natd.path("/etc/natd/natd.conf")
    pid = natd.show("natd.service", "MainPID")
    conf.write_text("[Mapping game]\nProtocols=udp\nInternalPort=40009\n")
    natd.systemctl("reload", "natd.service")
    wait_until(lambda: rules(place) == {("udp", 40009, 40009)}, 10, "the mapping")
    conf.write_text("[Mapping game]\nProtocols=udp\nInternalPort=x\n")
    start = natd.cursor()
    done = natd.run("systemctl", "reload", "natd.service", check=False)
    assert done.returncode == 1
    entries = natd.journal(start, _SYSTEMD_UNIT="natd.service")
    assert any("natd.conf:3" in entry["MESSAGE"] and entry["SYSLOG_IDENTIFIER"] == "natctl"
               for entry in entries), entries
    (mistake,) = natd.journal(start, MESSAGE_ID=ident("CONFIGURATION"))
    assert mistake["MESSAGE"].startswith("/etc/natd/natd.conf:3: ")
    assert natd.show("natd.service", "ActiveState", "MainPID") == ["active", pid]
    assert rules(place) == {("udp", 40009, 40009)}, "nothing changed"


def test_a_mistake_is_not_tried_again(machine):
    """What only the administrator can mend is said once, and natctl does not wait for it."""
    conf = machine.path("/etc/natd/natd.conf")
    conf.write_text("[Daemon]\nLeaseSec=x\n")
    start = machine.cursor()
    assert machine.run("systemctl", "start", "natd.service", check=False).returncode == 1
    assert machine.show("natd.service", "ActiveState", "ExecMainStatus") == ["failed", "78"]
    time.sleep(0.5)  # longer than RestartSec
    assert [line.split(" ")[0] for line in told(machine, start)] == ["/etc/natd/natd.conf:2:"]
    assert machine.show("natd.service", "NRestarts") == "0"
    # Who connects would be let wait for as long as systemd tries.
    done = machine.natctl("--timeout", "20s", "status", check=False)
    assert done.returncode == 3 and "Try: systemctl" in done.stderr
    conf.write_text("")
    machine.systemctl("reset-failed")
    machine.systemctl("start", "natd.service")
    assert machine.natctl("status", "-q").stdout == "online\n"


def test_journal_has_fields_and_explains(natd, place):
    start = natd.cursor()
    name = mapped(natd, "tcp", "40010", "--external", "41010", uid=NOBODY)
    (entry,) = natd.journal(start, MESSAGE_ID=ident("MAPPING_ACTIVE"))
    assert {key: value for key, value in entry.items() if key.startswith("NATD_")} == {
        "NATD_MAPPING_ID": name, "NATD_PROTOCOL": "tcp", "NATD_INTERNAL": "192.168.1.20:40010",
        "NATD_EXTERNAL": "11.22.33.44:41010", "NATD_METHOD": "pcp",
        "NATD_GATEWAY": "192.168.1.1 on eth0", "NATD_OWNER_UID": str(NOBODY)}
    assert entry["PRIORITY"] == "6" and entry["SYSLOG_IDENTIFIER"] == "natd"
    text = natd.run("journalctl", "-x", "-n", "20", "--no-pager", "-u", "natd.service").stdout
    assert "Subject: Port open: tcp 11.22.33.44:41010" in text
    assert f'"natctl unmap {name}" closes the port.' in text


def test_restart_of_the_router_is_told(natd, place):
    name = mapped(natd, "tcp", "40011")
    start = natd.cursor()
    place.router.restart()
    natd.natctl("renew")
    wait_until(lambda: rules(place) == {("tcp", 40011, 40011)}, 5, "the mapping")
    wait_until(lambda: len(told(natd, start)) >= 2, 5, "two lines")
    time.sleep(0.3)
    assert told(natd, start) == [
        "192.168.1.1 on eth0 restarted; mappings are asked again",
        f"mapping {name}: tcp 11.22.33.44:40011 -> 192.168.1.20:40011 by PCP, again"]


def test_quiet_day_says_nothing(natd, place):
    """Renewals that succeed, looks at the router, callers who look: no line."""
    natd.path("/etc/natd/natd.conf").write_text("[Daemon]\nProbeSec=10\n")
    natd.systemctl("reload", "natd.service")
    name = mapped(natd, "tcp+udp", "40012")
    time.sleep(0.3)
    start = natd.cursor()
    for _ in range(8):
        natd.natctl("renew")
        natd.natctl("gateways")
        time.sleep(0.25)
    assert natd.ask("show", name)["mappings"][0]["runtime"]["renewals"] >= 3
    assert told(natd, start) == []


def test_log_level_by_varlink(natd):
    start = natd.cursor()
    argv = ("call", "io.systemd.service.SetLogLevel")
    assert natd.natctl(*argv, '{"level":7}', uid=NOBODY, check=False).returncode == 4
    natd.natctl(*argv, '{"level":3}')
    mapped(natd, "udp", "40013")
    assert told(natd, start) == [], "errors only"
    natd.natctl(*argv, '{"level":6}')
    mapped(natd, "udp", "40014")
    assert len(told(natd, start)) == 1


def test_secrets_are_credentials(machine, place):
    """A file that only root can read; natd's user is made when it starts."""
    secret = machine.path("/etc/natd/stun-users")
    secret.write_text("ann a-secret\n")
    secret.chmod(0o600)
    drop_in = machine.path("/etc/systemd/system/natd.service.d/secret.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    machine.path("/etc/natd/natd.conf").write_text("[StunServer]\nListen=127.0.0.1\nCredentials=stun-users\n")
    start = machine.cursor()
    machine.systemctl("start", "natd.service")
    assert "no STUN server: systemd passed no credential stun-users: LoadCredential= is missing" in \
        told(machine, start)
    drop_in.write_text("[Service]\nLoadCredential=stun-users:/etc/natd/stun-users\n")
    machine.systemctl("daemon-reload")
    try:
        machine.systemctl("restart", "natd.service")
        with place.client.socket(kind=socket.SOCK_DGRAM) as s:
            # A request without a name: 400 of RFC 8489, section 9.1.3.
            s.sendto(bytes.fromhex("000100002112a442") + bytes(range(12)), ("127.0.0.1", 3478))
            answer = s.recv(2048)
        assert answer[:2] == b"\x01\x11" and answer[20:28] == bytes.fromhex("0009") + answer[22:24] + b"\0\0\x04\0"
    finally:
        drop_in.unlink()
        machine.systemctl("daemon-reload")


def test_wait_online(machine, place):
    place.client.ip("link set eth0 down")
    machine.systemctl("start", "--no-block", "natd-wait-online.service")
    wait_until(lambda: machine.show("natd-wait-online.service", "SubState") == "start", 10, "its start")
    assert machine.natctl("status", "-q").stdout == "offline\n"
    time.sleep(0.3)
    assert machine.show("natd-wait-online.service", "SubState") == "start"
    place.client.ip("link set eth0 up", "route add default via 192.168.1.1")
    wait_until(lambda: machine.show("natd-wait-online.service", "ActiveState") == "active", 10, "its end")
    assert machine.natctl("status", "-q").stdout == "online\n"


# ---- metrics ----

PROMETHEUS = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
              "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")


def ask(place, path="/metrics", method="GET", **headers):
    """(status, Content-Type, body)"""
    client = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=20)
    with place.client.inside():
        client.connect()
    client.request(method, path, headers=headers)
    answer = client.getresponse()
    body = answer.read().decode()
    client.close()
    return answer.status, answer.headers["Content-Type"], body


def raw(place, data):
    with place.client.socket() as s:
        s.connect(("127.0.0.1", METRICS_PORT))
        s.sendall(data)
        got = b""
        while part := s.recv(65536):
            got += part
    return got.decode()


@pytest.fixture
def scraped(machine):
    assert "metrics" not in machine.run("ls", "/run/natd", check=False).stdout
    machine.systemctl("start", "natd-metrics.socket")
    return machine


def test_metrics_over_http(scraped, place):
    """The first scrape starts natd; as shipped nothing listens."""
    status, kind, text = ask(place)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "# TYPE natd_mapping_requests_total counter\n" in text and "# EOF" not in text
    assert ask(place, "/metrics?x=1", Accept="text/html,*/*;q=0.8")[1].startswith("text/plain;")
    status, kind, text = ask(place, Accept=PROMETHEUS)
    assert (status, kind) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert "# TYPE natd_mapping_requests counter\n" in text and text.endswith("\n# EOF\n")
    assert 'natd_mapping_requests_total{method="pcp"} 0\n' in text
    (listening,) = re.findall(rf"LISTEN .* (\S+):{METRICS_PORT} ", scraped.run("ss", "-tln").stdout)
    assert listening == "127.0.0.1"


PROMTOOL = shutil.which("promtool", path=f"{os.environ['PATH']}:{TOP}/peers/prometheus/usr/bin")


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not here: make deps")
def test_promtool_finds_nothing_wrong(scraped, place):
    scraped.systemctl("start", "natd.service")
    mapped(scraped, "tcp", "40017")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=ask(place)[2], text=True,
                          capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


def test_open_metrics_are_read_by_a_strict_reader(scraped, place):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    scraped.systemctl("start", "natd.service")
    mapped(scraped, "tcp", "40018")
    text = ask(place, Accept=PROMETHEUS)[2]
    kinds = {family.name: family.type for family in parser.text_string_to_metric_families(text)}
    assert kinds["natd_mapping_requests"] == "counter" and kinds["natd_clients"] == "gauge"


def test_metrics_over_http_refuses_the_rest(scraped, place):
    assert ask(place, "/")[0] == 404
    assert ask(place, method="POST")[0] == 405
    assert raw(place, b"nonsense\r\n\r\n").startswith("HTTP/1.1 400 ")
    assert raw(place, b"GET /metrics HTTP/1.1\r\nA: " + 5000 * b"x").startswith("HTTP/1.1 431 ")


def test_slow_readers_of_metrics_take_no_place_for_good(scraped, place):
    """All places are taken by peers who say nothing; natctl is served, and so is the next
    scrape when one of them leaves."""
    scraped.systemctl("start", "natd.service")
    peers = [place.client.socket() for _ in range(12)]
    for peer in peers:
        peer.connect(("127.0.0.1", METRICS_PORT))
    assert scraped.natctl("status", "-q").stdout == "online\n"
    for peer in peers:
        peer.close()
    assert ask(place)[0] == 200


def test_metrics_for_the_textfile_collector(natd):
    folder = natd.path(str(pathlib.Path(TEXTFILE).parent))
    natd.systemctl("start", "natd-textfile.service")
    assert not folder.exists(), "node_exporter is not here"
    folder.mkdir(parents=True)
    natd.systemctl("start", "natd-textfile.timer")
    wait_until(lambda: natd.path(TEXTFILE).exists(), 8, "the file")
    text = natd.path(TEXTFILE).read_text()
    assert text.startswith("# HELP natd_build_info") and text.endswith("\n")
    assert natd.path(TEXTFILE).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir()] == ["natd.prom"]
    # It starts no natd that was stopped, and that is no failure.
    natd.systemctl("stop", "natd-textfile.timer", "natd.service")
    assert natd.show("natd.socket", "ActiveState") == "active"
    natd.systemctl("start", "natd-textfile.service")
    assert natd.show("natd.service", "ActiveState") == "inactive"
    assert natd.show("natd-textfile.service", "ActiveState") == "inactive"


def test_everything_of_the_dashboard_is_measured(natd, top=TOP):
    mapped(natd, "udp", "40015")
    text = natd.natctl("metrics").stdout
    known = set(re.findall(r"^# TYPE (\w+) ", text, re.M))
    board = json.loads((top / "etc/grafana-natd.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(asked) >= 8
    named = {name.removesuffix("_bucket") for expr in asked
             for name in re.findall(r"\b(?:natd|process)_\w+", expr)}
    assert named <= known, named - known


def test_a_fixed_user(natd, place):
    """The drop-in of natd(8); what natd knows goes along."""
    mapped(natd, "tcp", "40020", "--permanent")
    natd.systemctl("stop", "natd.socket", "natd.service")
    accounts = {path: natd.path(path).read_text() for path in ("/etc/passwd", "/etc/group")}
    drop_in = natd.path("/etc/systemd/system/natd.service.d/user.conf")
    page = (TOP / "man/natd.8").read_text()
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(re.search(r"^(\[Service\]\nDynamicUser=no\n.*?)^\.Ed", page, re.M | re.S)[1])
    natd.path("/etc/passwd").write_text(accounts["/etc/passwd"] + "_natd:x:777:777::/:/bin/false\n")
    natd.path("/etc/group").write_text(accounts["/etc/group"] + "_natd:x:777:\n")
    natd.systemctl("daemon-reload")
    try:
        natd.systemctl("start", "natd.service")
        assert natd.path(f"/proc/{natd.show('natd.service', 'MainPID')}").stat().st_uid == 777
        assert [each["context"]["internalPort"] for each in natd.ask("list")["mappings"]] == [40020]
    finally:
        natd.systemctl("stop", "natd.socket", "natd.service")
        drop_in.unlink()
        for path, text in accounts.items():
            natd.path(path).write_text(text)
        natd.systemctl("daemon-reload")


# ---- natd of one user ----

def test_natd_of_a_user(machine, place):
    run = "/run/user/1000"
    machine.run("sh", "-c", "echo joe:x:1000:1000::/home/joe:/bin/sh >>/etc/passwd && "
                            "echo joe:x:1000: >>/etc/group")  # systemd 257 asks for both
    machine.run("mkdir", "-p", run, "/home/joe")
    machine.run("chown", "1000:1000", run, "/home/joe")
    env = {"XDG_RUNTIME_DIR": run, "HOME": "/home/joe"}
    settings = [f"--setenv={key}={value}" for key, value in env.items()]
    machine.run("systemd-run", "--quiet", "--unit=joes-natd", "--uid=1000", "--gid=1000",
                "--property=Type=notify", *settings, "/usr/sbin/natd", "--user")
    try:
        joe = dict(uid=1000, env=env)
        assert machine.natctl("--user", "status", "-q", **joe).stdout == "online\n"
        # There is no natd of the system: his own is found.
        mapped(machine, "tcp", "40016", "--permanent", **joe)
        assert rules(place) == {("tcp", 40016, 40016)}
        assert machine.run("stat", "-c", "%a %U", f"{run}/natd").stdout.split()[0] == "700"
        assert "40016" in machine.run("sh", "-c", "cat /home/joe/.local/state/natd/*").stdout
        machine.systemctl("start", "natd.service")
        assert machine.ask("list", **joe)["mappings"] == [], "the system's comes first"
        assert len(machine.ask("--user", "list", **joe)["mappings"]) == 1
    finally:
        machine.systemctl("stop", "joes-natd.service")
    done = machine.natctl("--user", "status", check=False, **joe)
    assert done.returncode == 3 and "systemctl --user start natd.socket" in done.stderr
