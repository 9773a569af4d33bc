"""map --hold: what the world is told of a mapping, from its first verdict to its end."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import termios

import pytest

import replies as r
from conftest import NATCTL, PATIENCE_S, wait_for
from fake import CLOSE, SILENCE, Error, Last, Raw, Turns

UP = {"mapping": r.mapping(persistence="connection")}
MOVED = {"mapping": r.mapping(external="198.51.100.23", external_port=50443,
                              persistence="connection")}
REQUESTING = {"mapping": r.mapping(state="requesting", persistence="connection")}
SUSPENDED = {"mapping": r.mapping(state="suspended", persistence="connection",
                                  problem=r.finding("no_carrier", "eth0 is down"))}
HOLD = ("map", "tcp", "8080", "--hold")
LINE = "203.0.113.7:8080 -> 192.168.1.20:8080 tcp, PCP, 1h, id m3\n"


def ends(process, code):
    assert process.wait(PATIENCE_S) == code, process.stderr.read()


@pytest.fixture
def log(tmp_path):
    """A command for --on-change that notes each event, and the file with its notes."""
    path = tmp_path / "events"
    path.write_text("")
    command = ('echo "$NATD_EVENT $NATD_EXTERNAL_ADDRESS $NATD_EXTERNAL_PORT '
               f'$NATD_INTERNAL_PORT $NATD_PROTOCOL" >>{path}')
    return path, command


def noted(path):
    """How many lines the command has written: a file may be there before its first one is."""
    return path.read_text().count("\n") if path.exists() else 0


def test_hold_asks_with_more_and_gives_back_at_the_end(fake, natctl):
    natd = fake(RequestMapping=[UP])
    process = natctl.start(*HOLD, "--name", "web")
    assert process.stdout.readline() == LINE
    assert natd.requests == [("RequestMapping", {
        "protocols": ["tcp"], "internalPort": 8080, "description": "web"}, True)]
    process.terminate()
    ends(process, 0)
    # The end of the connection is what releases the mapping.
    assert natd.hangups.get(timeout=PATIENCE_S)
    assert process.stderr.read() == ""


def test_hold_prints_changes_and_nothing_twice(fake, natctl):
    natd = fake(RequestMapping=[REQUESTING, UP])
    process = natctl.start(*HOLD)
    natd.stream()
    for change in (UP, SUSPENDED, MOVED):
        natd.push(change)
    assert [process.stdout.readline() for _ in range(4)] == [
        ":8080 -> 192.168.1.20:8080 tcp, id m3: requesting\n", LINE,
        ":8080 -> 192.168.1.20:8080 tcp, id m3: suspended, eth0 is down\n",
        "198.51.100.23:50443 -> 192.168.1.20:8080 tcp, PCP, 1h, id m3\n"]
    process.send_signal(signal.SIGINT)
    ends(process, 0)


def test_hold_quiet(fake, natctl):
    natd = fake(RequestMapping=[UP])
    process = natctl.start(*HOLD, "-q")
    natd.stream()
    natd.push(SUSPENDED)
    natd.push(MOVED)
    assert [process.stdout.readline() for _ in range(3)] == [
        "203.0.113.7:8080\n", "-\n", "198.51.100.23:50443\n"]
    process.send_signal(signal.SIGHUP)
    ends(process, 0)


def test_hold_json_has_one_line_per_reply(fake, natctl):
    fake(RequestMapping=[REQUESTING, UP])
    process = natctl.start(*HOLD, "-j")
    assert [json.loads(process.stdout.readline()) for _ in range(2)] == [REQUESTING, UP]
    process.terminate()
    ends(process, 0)
    assert process.stdout.read() == ""


# ---- COMMAND ------------------------------------------------------------------------------


def test_command_runs_once_it_is_active_and_ends_the_mapping(fake, natctl):
    natd = fake(RequestMapping=[REQUESTING])
    process = natctl.start(
        *HOLD, "--", "sh", "-c", 'echo "$NATD_EXTERNAL_ADDRESS $NATD_EXTERNAL_PORT '
        '$NATD_INTERNAL_PORT $NATD_PROTOCOL $*"; exit 42', "sh", "-q", "--hold")
    natd.stream()
    natd.push(MOVED)
    ends(process, 42)
    assert process.stdout.read() == "198.51.100.23 50443 8080 tcp -q --hold\n"
    assert natd.hangups.get(timeout=PATIENCE_S)
    assert "requesting" in process.stderr.read()


def test_command_goes_on_while_the_mapping_moves(fake, natctl):
    natd = fake(RequestMapping=[UP])
    process = natctl.start(*HOLD, "--", "sh", "-c", "echo up; read -r x; exit 3", stdin=-1)
    assert process.stdout.readline() == "up\n"
    natd.stream()
    natd.push(MOVED)
    natd.push(SUSPENDED)
    wait_for(lambda: "suspended" in process.stderr.readline(), "the change on stderr")
    assert process.poll() is None
    process.stdin.close()
    ends(process, 3)
    assert len(natd.requests) == 1


def test_command_with_quiet_is_left_alone(fake, natctl):
    fake(RequestMapping=[REQUESTING, UP])
    process = natctl.start(*HOLD, "-q", "--", "true")
    ends(process, 0)
    assert process.stdout.read() == process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_for_the_command(fake, natctl, number):
    fake(RequestMapping=[UP])
    script = f"trap 'echo caught; exit 7' {int(number)}; echo ready; while read -r x; do :; done"
    process = natctl.start(*HOLD, "--", "sh", "-c", script, stdin=-1)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    ends(process, 7)
    assert process.stdout.read() == "caught\n"


def ignoring(number):
    return lambda: signal.signal(number, signal.SIG_IGN)


def test_nohup_is_respected(fake, natctl):
    """Who closes the terminal of "nohup natctl map --hold" wants to keep the mapping."""
    natd = fake(RequestMapping=[UP])
    process = natctl.start(*HOLD, preexec_fn=ignoring(signal.SIGHUP))
    natd.stream()
    process.send_signal(signal.SIGHUP)
    natd.push(MOVED)
    wait_for(lambda: "50443" in process.stdout.readline(), "the change on stdout")
    process.terminate()
    ends(process, 0)


def test_ignored_ends_of_children_are_heard_of(fake, natctl):
    fake(RequestMapping=[UP])
    ends(natctl.start(*HOLD, "--", "sh", "-c", "exit 6", preexec_fn=ignoring(signal.SIGCHLD)), 6)


def test_a_command_killed_by_a_signal(fake, natctl):
    fake(RequestMapping=[UP])
    ends(natctl.start(*HOLD, "--", "sh", "-c", "kill -9 $$"), 128 + 9)


def test_a_signal_before_the_command_ran(fake, natctl):
    natd = fake(RequestMapping=[REQUESTING])
    process = natctl.start(*HOLD, "--", "true")
    natd.stream()
    wait_for(lambda: "requesting" in process.stderr.readline(), "the verdict")
    process.terminate()
    ends(process, 128 + 15)


def test_a_command_that_is_not_there(fake, natctl, tmp_path):
    fake(RequestMapping=[UP])
    process = natctl.start(*HOLD, "--", "/nonexistent/command")
    ends(process, 127)
    assert "cannot run /nonexistent/command: No such file" in process.stderr.read()
    ends(natctl.start(*HOLD, "--", str(tmp_path)), 126)


def test_the_command_survives_the_end_of_the_mapping(fake, natctl, tmp_path):
    natd = fake(RequestMapping=[UP])
    port = tmp_path / "port"
    process = natctl.start(*HOLD, "--port-file", port, "--", "sh", "-c",
                           "echo up; read -r x; exit 5", stdin=-1)
    assert process.stdout.readline() == "up\n"
    natd.stream()
    natd.push(Last(UP))
    wait_for(lambda: not port.exists(), "the port file to go")
    process.stdin.close()
    ends(process, 5)
    assert "the mapping was released" in process.stderr.read()


# ---- the port file ------------------------------------------------------------------------


def test_port_file_follows_the_mapping(fake, natctl, tmp_path):
    port = tmp_path / "port"
    port.write_text("1\n")
    natd = fake(RequestMapping=[REQUESTING])
    process = natctl.start("map", "tcp", "8080", "--port-file", port)
    natd.stream()
    assert "requesting" in process.stdout.readline()
    assert not port.exists(), "a file of an earlier run says nothing true"
    natd.push(UP)
    assert process.stdout.readline() == LINE
    wait_for(port.exists, "the port file")
    assert port.read_text() == "8080\n"
    assert stat.S_IMODE(port.stat().st_mode) == 0o644
    natd.push(MOVED)
    wait_for(lambda: port.read_text() == "50443\n", "the new port")
    natd.push(SUSPENDED)
    wait_for(lambda: not port.exists(), "the port file to go")
    natd.push(UP)
    wait_for(port.exists, "the port file to come back")
    process.terminate()
    ends(process, 0)
    assert not port.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["natd.sock"]


def test_port_file_is_never_half_written(fake, natctl, tmp_path):
    port = tmp_path / "port"
    natd = fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--port-file", port)
    wait_for(port.exists, "the port file")
    natd.stream()
    with port.open() as before:
        natd.push(MOVED)
        wait_for(lambda: port.read_text() == "50443\n", "the new port")
        assert before.read() == "8080\n", "it was written in place"
    process.terminate()
    ends(process, 0)


def test_port_file_that_cannot_be_written(fake, natctl, tmp_path):
    fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--port-file", tmp_path / "no/port")
    ends(process, 1)
    assert "no/port: No such file" in process.stderr.read()
    process = natctl.start("map", "tcp", "8080", "--port-file", tmp_path)
    ends(process, 1)
    assert f"cannot remove {tmp_path}" in process.stderr.read()


@pytest.mark.parametrize("option", ["-q", "-j"])
def test_port_file_goes_although_nobody_reads_stdout(fake, natctl, tmp_path, option):
    port = tmp_path / "port"
    natd = fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--port-file", port, option)
    wait_for(port.exists, "the port file")
    process.stdout.close()
    natd.stream()
    natd.push(MOVED)
    ends(process, 1)
    assert not port.exists()


# ---- --on-change --------------------------------------------------------------------------


def test_on_change_is_told_each_event(fake, natctl, log):
    path, command = log
    natd = fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--on-change", command)
    natd.stream()
    wait_for(lambda: path.read_text().endswith("tcp\n"), "up")
    assert path.read_text() == "up 203.0.113.7 8080 8080 tcp\n"
    natd.push(UP)
    natd.push(MOVED)
    wait_for(lambda: path.read_text().count("\n") == 2, "changed")
    natd.push(SUSPENDED)
    wait_for(lambda: path.read_text().count("\n") == 3, "down")
    natd.push(UP)
    wait_for(lambda: path.read_text().count("\n") == 4, "up again")
    process.terminate()
    ends(process, 0)
    assert path.read_text().splitlines() == [
        "up 203.0.113.7 8080 8080 tcp",
        "changed 198.51.100.23 50443 8080 tcp",
        "down 198.51.100.23 50443 8080 tcp",
        "up 203.0.113.7 8080 8080 tcp",
        "down 203.0.113.7 8080 8080 tcp"]


@pytest.mark.parametrize("command, words", [
    ("exit 3", "failed with exit code 3"), ("kill -9 $$", "was ended by signal 9 (Killed)"),
    ("no-such-command", "failed with exit code 127"), ("true", None)])
def test_on_change_that_fails_is_told(fake, natctl, tmp_path, command, words):
    done = tmp_path / "done"
    fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--on-change",
                           f'[ $NATD_EVENT != down ] || {{ : >{done}; exit 0; }}; {command}')
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0 and done.exists()
    told = [line for line in process.stderr.read().splitlines() if line.startswith("natctl: ")]
    assert told == ([f"natctl: the command of --on-change {words}"] if words else [])


def test_on_change_never_runs_twice_at_once_and_the_latest_wins(fake, natctl, tmp_path):
    gate, path = tmp_path / "gate", tmp_path / "events"
    command = (f'echo "begin $NATD_EVENT $NATD_EXTERNAL_PORT" >>{path}; '
               f'while [ ! -e {gate} ]; do sleep 0.01; done; echo end >>{path}')
    natd = fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--on-change", command)
    natd.stream()
    assert process.stdout.readline() == LINE
    wait_for(lambda: noted(path), "the first event")
    for change in (SUSPENDED, UP, SUSPENDED, MOVED):
        natd.push(change)
        process.stdout.readline()
    assert path.read_text() == "begin up 8080\n"
    gate.touch()
    wait_for(lambda: path.read_text().count("end") == 2, "the second event")
    assert path.read_text().splitlines() == [
        "begin up 8080", "end", "begin changed 50443", "end"]
    process.terminate()
    ends(process, 0)
    assert path.read_text().splitlines()[4:] == ["begin down 50443", "end"]


def test_a_second_signal_ends_a_command_that_hangs(fake, natctl, tmp_path):
    path = tmp_path / "events"
    fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--on-change",
                           f"echo begin >>{path}; exec sleep 1000")
    wait_for(lambda: noted(path), "the first event")
    process.terminate()
    # The first signal gives the mapping back and waits, the second is impatient.
    wait_for(lambda: process.poll() is not None or process.send_signal(signal.SIGTERM),
             "the end")
    ends(process, 0)
    assert path.read_text() == "begin\n"


# ---- a natd that goes away ----------------------------------------------------------------


def test_a_restarted_natd_is_asked_again(fake, natctl, tmp_path, log):
    path, command = log
    port = tmp_path / "port"
    first = fake(RequestMapping=[UP])
    process = natctl.start("map", "tcp", "8080", "--port-file", port, "--on-change", command)
    assert process.stdout.readline() == LINE
    wait_for(port.exists, "the port file")
    first.stop()
    assert process.stdout.readline() == "- natd is not reachable, trying again\n"
    wait_for(lambda: not port.exists(), "the port file to go")
    wait_for(lambda: noted(path) == 2, "down")
    second = fake(RequestMapping=[MOVED])
    assert process.stdout.readline().startswith("198.51.100.23:50443 ")
    wait_for(port.exists, "the port file to come back")
    assert port.read_text() == "50443\n"
    assert second.requests == first.requests
    wait_for(lambda: noted(path) == 3, "up again")
    process.terminate()
    ends(process, 0)
    assert [line.split()[0] for line in path.read_text().splitlines()] == ["up", "down", "up", "down"]


@pytest.mark.parametrize("interruption", [
    Error("ShuttingDown"), Error("NoGateway"), Error("NotOnline"),
    Error("GatewayTimeout", gateway="192.168.1.1", method="pcp", elapsedUSec=3), CLOSE])
def test_what_passes_by_itself_is_waited_for(fake, natctl, interruption):
    natd = fake(RequestMapping=Turns([UP, interruption], [interruption], [MOVED]))
    process = natctl.start(*HOLD, "-q")
    assert [process.stdout.readline() for _ in range(3)] == [
        "203.0.113.7:8080\n", "-\n", "198.51.100.23:50443\n"]
    assert len(natd.requests) == 3
    process.terminate()
    ends(process, 0)


@pytest.mark.parametrize("answer, code, words", [
    (Error("NoGateway"), 5, "no gateway found"),
    (Error("org.varlink.service.PermissionDenied"), 4, "permission denied"),
    (Error("QuotaExceeded", limit=1, current=1), 1, "you hold 1 mappings"),
    (CLOSE, 3, "natd closed the connection"),
    (Raw(b"garbage\0"), 1, "does not speak the protocol"),
    (Raw(b"{}\0"), 1, "'mapping' is missing or wrong"),
])
def test_a_first_verdict_that_is_none(fake, natctl, tmp_path, answer, code, words):
    fake(RequestMapping=[answer])
    process = natctl.start(*HOLD, "--port-file", tmp_path / "port", "--", "touch",
                           tmp_path / "ran")
    ends(process, code)
    assert words in process.stderr.read()
    assert not (tmp_path / "ran").exists()


def test_no_natd_at_all(natctl):
    process = natctl.start(*HOLD)
    ends(process, 3)
    assert "Is natd running?" in process.stderr.read()


def test_what_will_not_pass_ends_it_later_too(fake, natctl):
    fake(RequestMapping=[UP, Error("org.varlink.service.PermissionDenied")])
    process = natctl.start(*HOLD)
    ends(process, 4)
    assert process.stdout.read() == LINE


@pytest.mark.parametrize("end", [Last({"mapping": r.mapping(state="releasing")}),
                                 Error("NoSuchMapping", id="m3")])
def test_a_mapping_that_was_released_by_somebody(fake, natctl, tmp_path, end):
    natd = fake(RequestMapping=[UP])
    port = tmp_path / "port"
    process = natctl.start(*HOLD, "--port-file", port)
    wait_for(port.exists, "the port file")
    natd.stream()
    natd.push(end)
    ends(process, 1)
    assert "the mapping was released" in process.stderr.read()
    assert not port.exists()


def test_hold_over_a_natd_that_is_silent(fake, natctl):
    """The first verdict is due after natd's own time-out; a signal need not wait for it."""
    natd = fake(RequestMapping=[SILENCE])
    process = natctl.start(*HOLD)
    natd.stream()
    process.terminate()
    ends(process, 0)


def test_an_interrupt_of_the_terminal_reaches_the_command_once(fake, natctl):
    """The terminal sends it to both; natctl must not pass on what is there already."""
    fake(RequestMapping=[UP])
    ours, theirs = os.openpty()
    script = ("trap 'echo caught' 2; trap 'echo end; exit 9' 15; echo ready; "
              "while :; do read -r x; done")

    def own_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    process = subprocess.Popen([NATCTL, *HOLD, "--", "sh", "-c", script], env=natctl.env,
                               stdin=theirs, stdout=subprocess.PIPE, text=True,
                               preexec_fn=own_terminal)
    natctl.started.append(process)
    assert process.stdout.readline() == "ready\n"
    os.write(ours, b"\x03")
    assert process.stdout.readline() == "caught\n"
    # natctl takes the signal with the lower number first: what it does of SIGINT it has done.
    process.terminate()
    assert process.wait(PATIENCE_S) == 9
    assert process.stdout.read() == "end\n"
    os.close(ours)
    os.close(theirs)
