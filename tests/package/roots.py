"""Clean Debian roots, and machines that boot them: all in memory, gone with their holder.

A Place is one mount namespace with a tmpfs in it.  debootstrap makes a root there, an
overlay on it is another one; a command runs in a root with the network of this machine
(apt needs it), a Machine boots a root under systemd with no network at all.
With DEBIAN_ROOTS=DIR what debootstrap made stays there for the next time.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ["debootstrap", "unshare", "nsenter"]
SYSTEMD = pathlib.Path(__file__).resolve().parents[1] / "systemd"


@functools.lru_cache
def why_not():
    """None if roots can be made here, else the reason why not."""
    if os.geteuid() != 0:
        return "needs root: it makes Debian roots"
    missing = [tool for tool in NEEDED if not shutil.which(tool, path=PATH)]
    if missing:
        return "not installed: " + ", ".join(missing)
    try:
        urllib.request.urlopen(f"{MIRROR}/dists/bookworm/InRelease", timeout=10).close()
    except (OSError, urllib.error.URLError) as error:
        return f"{MIRROR} is not reachable: {error}"
    return None


def child_of(process):
    """unshare forks: what it runs is its child."""
    pid, end = process.pid, time.monotonic() + 60
    while time.monotonic() < end:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    raise RuntimeError("unshare started nothing")


class Place:
    def __init__(self):
        script = """mount -t tmpfs -o mode=755,size=90% place /mnt && mount -t tmpfs run /run &&
            echo ready && exec sleep infinity"""
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"
        self.pid = child_of(self.holder)
        self.machines = []

    def close(self):
        for machine in self.machines:
            machine.close()
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def enter(self, *argv, check=True, timeout_s=1800, in_pid_namespace=True, **options):
        """Runs a command of this machine in the place."""
        namespaces = ["-m", "-p"] if in_pid_namespace else ["-m"]
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), *namespaces, "--", *map(str, argv)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=timeout_s, **options)
        if check and done.returncode:
            raise RuntimeError(f"{argv} ended with {done.returncode}:\n{done.stdout[-8000:]}")
        return done

    def debootstrap(self, name, suite):
        """A new root, as debootstrap made it."""
        made = f"{os.environ.get('DEBIAN_ROOTS', '/mnt')}/{suite}"
        if not os.path.exists(f"/proc/{self.pid}/root{made}/etc/debian_version"):
            self.enter("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus",
                       suite, made, MIRROR)
        return self.overlay(name, made)

    def overlay(self, name, below):
        """A root on top of a folder, which must not change any more."""
        self.enter("sh", "-ec", f"""
            cd /mnt && mkdir {name} {name}.up {name}.work
            mount -t overlay -o lowerdir={below},upperdir={name}.up,workdir={name}.work overlay {name}""")
        root = Root(self, name)
        # Services are the business of Machine; nothing starts in a chroot.
        (root.path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (root.path / "usr/sbin/policy-rc.d").chmod(0o755)
        root.mount()
        return root

    def boot(self, root):
        self.machines.append(Machine(self, root))
        return self.machines[-1]


class Root:
    def __init__(self, place, name):
        self.place, self.name = place, name
        self.path = pathlib.Path(f"/proc/{place.pid}/root/mnt/{name}")

    def mount(self):
        self.place.enter("sh", "-ec", f"""
            cd /mnt/{self.name}
            mount -t proc proc proc
            mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666,mode=620""")
        (self.path / "etc/resolv.conf").write_text(pathlib.Path("/etc/resolv.conf").read_text())

    def run(self, *argv, cwd="/", check=True, env=None, timeout_s=1800):
        base = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        settings = [f"{name}={value}" for name, value in {**base, **(env or {})}.items()]
        return self.place.enter("chroot", f"/mnt/{self.name}", "env", "-i", *settings, "sh", "-c",
                                'cd "$1" && shift && exec "$@"', "sh", cwd, *argv, check=check,
                                timeout_s=timeout_s)

    def apt(self, *argv):
        return self.run("apt-get", "-qy", "--no-install-recommends", *argv)


NOT_OURS = {"/proc", "/sys", "/dev", "/run", "/tmp", "/srv", "/mnt", "/var/cache", "/var/log",
            "/var/lib/apt", "/var/lib/dpkg", "/var/tmp"}


class Machine:
    """A copy of a root that runs under its own systemd, with a network of its own: none."""

    def __init__(self, place, root):
        cgroup = f"natd-test-{os.getpid()}-{root.name}"
        self.keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SYSTEMD / "cgroup.py"), cgroup], start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"ready\n"
        (root.path / "usr/sbin/policy-rc.d").unlink()
        place.enter("mkdir", f"/mnt/{root.name}.dest")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["nsenter", "-t", str(place.pid), "-m", "--", "unshare", "--mount", "--pid", "--fork",
             "--uts", "--ipc", "--net", "--kill-child", str(SYSTEMD / "pid1.sh"), cgroup,
             f"/mnt/{root.name}.dest", f"/mnt/{root.name}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        self.pid = child_of(self.process)
        self.path = pathlib.Path(f"/proc/{self.pid}/root")
        self.wait_for(lambda: (self.path / "run/systemd/private").exists())
        self.wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout
                      == "running\n")

    def wait_for(self, condition):
        end = time.monotonic() + 60
        while not condition():
            if time.monotonic() > end or self.process.poll() is not None:
                self.log.seek(0)
                raise RuntimeError(f"systemd is not running:\n{self.log.read().decode()[-4000:]}")
            time.sleep(0.1)

    def run(self, *argv, check=True, timeout_s=300):
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", "--",
             "env", "-i", f"PATH={PATH}", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=timeout_s)
        if check and done.returncode:
            raise RuntimeError(f"{argv} ended with {done.returncode}:\n{done.stdout[-8000:]}")
        return done

    def files(self):
        """All that is there, without what belongs to no package."""
        found = set()
        for folder, folders, names in os.walk(self.path):
            inner = pathlib.Path("/") / os.path.relpath(folder, self.path)
            folders[:] = [name for name in folders if str(inner / name) not in NOT_OURS]
            found |= {str(inner / name) for name in folders + names}
        return found

    def close(self):
        """Pull the plug."""
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait()
        self.process.kill()
        self.process.wait()
        self.log.close()
