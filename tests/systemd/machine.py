"""A machine with systemd as process 1 and natd installed by `make install DESTDIR=`.

It stands in the network namespace of a lab's node, and all its processes are the
lab's: nothing is left when the lab ends, by whatever means.

    with home() as place, Machine(place.client) as machine:
        machine.run("systemctl", "start", "natd.service")
        machine.natctl("status")

Its root is this machine's, with what was built here; or NATD_SYSTEMD_ROOT, a root of
another Debian where natd's package is installed (tests/package).
"""

import json
import os
import pathlib
import subprocess
import sys

from lab import LabError, wait_until

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = "/lib/systemd/systemd"
ROOT = os.environ.get("NATD_SYSTEMD_ROOT", "/")
NOBODY = 65534


def why_not():
    """None if a machine can be started here, else the reason why not."""
    if not os.access(ROOT + PROGRAM, os.X_OK):
        return "systemd is not installed"
    with open("/proc/filesystems") as f:
        kinds = f.read().split()
    missing = [kind for kind in ("overlay", "cgroup2") if kind not in kinds]
    return "the kernel has no " + ", ".join(missing) if missing else None


class Machine:
    def __init__(self, node, files=None):
        """files: path -> text, put below / before systemd starts."""
        self.node, self.lab = node, node.lab
        self.cgroup = f"natd-test-{os.getpid()}-{node.name}"
        self.keeper = None
        self.files = files or {}

    def __enter__(self):
        self.keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(HERE / "cgroup.py"), self.cgroup],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        if self.keeper.stdout.readline() != b"ready\n":
            raise LabError("cannot make a cgroup")
        try:
            self.install()
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Pull the plug."""
        if self.keeper:
            self.keeper.stdin.close()
            self.keeper.stdout.close()
            self.keeper.wait()
            self.keeper = None

    def install(self):
        self.lab.path("/run/dest").mkdir()
        # The flags and the job server of the make that runs the tests are not this one's.
        if ROOT == "/":
            self.lab.run(["env", "-u", "MAKEFLAGS", "-u", "MFLAGS", "make", "-s", "-o", "all", "install",
                          "DESTDIR=/run/dest", "prefix=/usr",
                          f"BUILD={os.environ.get('NATD_BUILD', 'build')}"])
        for path, text in self.files.items():
            place = self.lab.path("/run/dest" + path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def boot(self):
        outer = self.node.spawn("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc",
                                "--kill-child", str(HERE / "pid1.sh"), self.cgroup, "/run/dest", ROOT,
                                log="pid1")
        children = self.lab.path(f"/proc/{outer.inner}/task/{outer.inner}/children")

        def first():
            if not outer.running():
                raise LabError(f"systemd did not start:\n{outer.output()}")
            return children.read_text().split()
        self.inner = wait_until(first, what="process 1")[0]
        ready = self.lab.path(f"/proc/{self.inner}/root/run/systemd/private")
        wait_until(lambda: outer.running() and ready.exists(), 60,
                   f"systemd's socket; it said:\n{outer.output()}")
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        if state != "running":
            raise LabError(f"systemd is {state}:\n{self.systemctl('--failed')}\n{outer.output()}")

    def path(self, inner):
        """Where a file of the machine is seen from here."""
        return self.lab.path(f"/proc/{self.inner}/root{inner}")

    def run(self, *argv, uid=None, env=None, **options):
        user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"] if uid else []
        settings = [f"{key}={value}" for key, value in (env or {}).items()]
        return self.lab.run(["nsenter", "-t", self.inner, "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w",
                             "--", *user, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                             "LC_ALL=C.UTF-8", *settings, *argv], **options)

    def systemctl(self, *argv, **options):
        return self.run("systemctl", "--no-pager", *argv, **options).stdout

    def natctl(self, *argv, **options):
        return self.run("natctl", *argv, **options)

    def ask(self, *argv, **options):
        """natctl's JSON."""
        return json.loads(self.natctl("--json=short", *argv, **options).stdout)

    def show(self, unit, *names):
        """Properties of a unit, as texts."""
        text = self.systemctl("show", unit, *(f"--property={name}" for name in names))
        found = dict(line.split("=", 1) for line in text.splitlines())
        return [found[name] for name in names] if len(names) > 1 else found[names[0]]

    def cursor(self):
        """The end of the journal as it is now."""
        self.run("journalctl", "--sync")
        text = self.run("journalctl", "-n1", "--show-cursor").stdout
        return text.rsplit("-- cursor: ", 1)[1].strip()

    def journal(self, cursor, **match):
        """Entries behind the cursor that have these fields, oldest first."""
        self.run("journalctl", "--sync")
        # Not journalctl's own matches: with a cursor they may skip the first entry.
        text = self.run("journalctl", "-o", "json", "--all", "--after-cursor", cursor).stdout
        entries = map(json.loads, text.splitlines())
        return [entry for entry in entries if match.items() <= entry.items()]
