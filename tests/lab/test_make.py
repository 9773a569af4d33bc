"""What `make demo` and `make run` start, as they start it."""

import os
import re
import shutil
import subprocess
import sys

import home as h
from daemon import BINARY, BUILD
from lab import TOP, wait_until


def test_the_demo_proves_all_its_steps():
    shown = subprocess.run([sys.executable, "-B", TOP / "tests/lab/demo.py"], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=150)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.fullmatch(r"All 7 steps proved in \d+ s; the network is removed again\.",
                        shown.stdout.splitlines()[-1])


def test_the_demo_says_which_step_failed(tmp_path):
    """Beside a natctl that does nothing."""
    for name, does in (("natd", f'exec {BINARY} "$@"'), ("natctl", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    tmp_path.chmod(0o755)
    shown = subprocess.run([sys.executable, "-B", TOP / "tests/lab/demo.py"], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=150,
                           env=dict(os.environ, NATD=str(tmp_path / "natd")))
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "demo: the router forwards it" in shown.stdout


def test_run_needs_no_privilege_and_no_set_up():
    """The last two commands of `make run`, in an empty directory of a user's own."""
    recipe = re.search(r"^run: all.*\n((?:\t.*\n)+)", (TOP / "Makefile").read_text(), re.M)[1]
    script = "".join(line.strip().lstrip("@") + "\n" for line in recipe.splitlines()
                     if "echo" not in line).replace("$(BUILD)", str(BUILD))
    assert "$" not in script
    with h.home() as place:
        place.router.start()
        own = place.lab.path("/run/own")
        (own / "etc").mkdir(parents=True)
        shutil.copy(TOP / "etc/natd.conf", own / "etc")
        os.chown(own, 4003, 4003)
        running = place.client.spawn("sh", "-c", script, uid=4003, cwd="/run/own", log="run")

        def status():
            assert running.running(), running.output()
            return place.client.run(BUILD / "natctl", "-H", "/run/own/run/org.natd.NAT", "status",
                                    uid=4003, check=False).returncode == 0
        wait_until(status, 10, "an answer of natd", 0.1)
        place.client.run(BUILD / "natctl", "-H", "/run/own/run/org.natd.NAT", "map", "tcp", "8080",
                         uid=4003)
        assert place.router.rules() == {h.Rule("tcp", 8080, "192.168.1.20", 8080)}
        wait_until(lambda: list((own / "run/state").iterdir()), 5, "the state on disk")
        assert running.stop() == 0, running.output()
        assert place.router.rules() == set()
