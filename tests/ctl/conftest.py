"""Fixtures: a fake natd on a socket of its own, and natctl that talks to it."""

import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import fcntl
import termios
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import fake as fakes  # noqa: E402
import replies  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
NATCTL = os.environ.get("NATCTL", str(TOP / "build/natctl"))
PATIENCE_S = 30

# Tests that were started under nohup, or behind a script's "&", still send these.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for(condition, what):
    """Until it is true; the time is only for what never happens."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def clocks():
    """What natctl calls "2min ago" is that for another half a minute."""
    replies.set_clocks()


@pytest.fixture
def socket_path(tmp_path):
    return tmp_path / "natd.sock"


@pytest.fixture
def fake(socket_path):
    """fake(Status=..., ...) starts a natd that answers so."""
    started = []

    def start(path=socket_path, **answers):
        started.append(fakes.Fake(path, answers))
        return started[-1]
    yield start
    for each in started:
        each.stop()
    assert [fault for each in started for fault in each.faults] == []


class Natctl:
    def __init__(self, path):
        self.env = {"PATH": os.environ["PATH"], "NATD_SOCKET": str(path),
                    "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}
        self.started = []

    def __call__(self, *argv, code=0, err=None, **env):
        """Runs it to its end; the exit code and what stderr has must be these."""
        done = subprocess.run([NATCTL, *map(str, argv)], env={**self.env, **env},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
        assert (done.returncode, done.stderr) == (code, done.stderr), done.stderr
        if err is None:
            assert done.stderr == "" or code != 0, done.stderr
        else:
            assert err in done.stderr
        return done.stdout

    def start(self, *argv, stdin=subprocess.DEVNULL, preexec_fn=None, **env):
        process = subprocess.Popen([NATCTL, *map(str, argv)], env={**self.env, **env},
                                   stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   preexec_fn=preexec_fn)
        self.started.append(process)
        return process

    def on_tty(self, *argv, columns=80, lines=24, code=0, stderr=False, **env):
        """What it writes to a terminal of this size, messages only if they are wanted."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        process = subprocess.Popen([NATCTL, *map(str, argv)],
                                   env={"TERM": "xterm", **self.env, **env},
                                   stdin=subprocess.DEVNULL, stdout=theirs,
                                   stderr=theirs if stderr else subprocess.DEVNULL)
        self.started.append(process)
        os.close(theirs)
        text = b""
        while select.select([ours], [], [], PATIENCE_S)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            text += data
        os.close(ours)
        assert process.wait(PATIENCE_S) == code
        return text.decode().replace("\r\n", "\n")


@pytest.fixture
def natctl(socket_path):
    runner = Natctl(socket_path)
    yield runner
    for process in runner.started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for end in (process.stdin, process.stdout, process.stderr):
            if end:
                end.close()
