"""Networks on one machine: namespaces, cables, NAT, and processes in them.

A plain library: the tests, the demo and the bench stand on it.  Everything lives under
one agent process (agent.py) and is gone with it.  Sockets of a node are made in the test
process itself: a socket belongs to the namespace its thread was in when it was made.

    with Lab() as lab:
        client, router = lab.node("client"), lab.node("router")
        lab.cable(client, "eth0", router, "lan0")
        client.ip("addr add 192.168.1.20/24 dev eth0", "link set eth0 up")
        client.run("ping", "-c1", "192.168.1.1")
        s = client.socket(socket.AF_INET, socket.SOCK_DGRAM)
"""

import contextlib
import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import clock

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
CLONE_NEWNET = 0x40000000
NEEDED = ("ip", "nft", "miniupnpd")

libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something of the lab itself did not work, as opposed to what is tested."""


def why_not():
    """None if a lab can be made here, else the reason why not."""
    if os.geteuid() != 0:
        return "needs root: it makes network namespaces"
    missing = [tool for tool in NEEDED if not shutil.which(tool, path=search_path())]
    if missing:
        return "not installed: " + ", ".join(missing)
    return None


def search_path():
    return os.environ.get("PATH", "") + f":/usr/sbin:/sbin:{TOP}/peers/coturn/usr/bin"


def wait_until(condition, timeout_s=5.0, what="", interval_s=0.002):
    """The first true value of condition(); LabError when there is none in time, where the time in
    which the machine stood still is none, and a look or two are not enough on a slow one."""
    since, looks = clock.now(), 0
    while True:
        value = condition()
        if value:
            return value
        looks += 1
        if clock.lasted(since) > timeout_s and looks >= 10:
            raise LabError(f"not within {timeout_s} s: {what or condition}")
        time.sleep(interval_s)


def whole_lines(path):
    """The lines of a file that somebody is writing; it grows by the page, and its last line may
    be half there."""
    return path.read_text().rpartition("\n")[0].splitlines()


class Process:
    """A process of the lab.  pid is its number on this machine, inner in the lab."""

    def __init__(self, lab, argv, inner, pidfd, log=None):
        self.lab, self.argv, self.inner, self.pidfd, self.log = lab, argv, inner, pidfd, log
        self.returncode = None
        with open(f"/proc/self/fdinfo/{pidfd}") as f:
            lines = dict(line.split(":", 1) for line in f)
        self.pid = int(lines["Pid"])

    def send(self, number):
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)

    def running(self):
        return self.returncode is None and not select.select([self.pidfd], [], [], 0)[0]

    def wait(self, timeout_s=30.0):
        """The return code (negative: the signal); LabError when it doesn't end in time."""
        if self.returncode is None:
            if not select.select([self.pidfd], [], [], timeout_s)[0]:
                raise LabError(f"{self.argv[0]} does not end within {timeout_s} s")
            status = self.lab.ask({"do": "status", "pid": self.inner})[0]["status"]
            self.returncode = os.waitstatus_to_exitcode(status)
            os.close(self.pidfd)
        return self.returncode

    def stop(self, number=signal.SIGTERM, timeout_s=30.0):
        self.send(number)
        return self.wait(timeout_s)

    def kill(self):
        return self.stop(signal.SIGKILL)

    def output(self):
        return self.lab.path(self.log).read_text(errors="replace") if self.log else ""


class Node:
    """One network namespace: a host."""

    def __init__(self, lab, name, ns):
        self.lab, self.name, self.ns = lab, name, ns

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in this namespace for the length of the block."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter(self.ns)
            yield
        finally:
            self._enter(home)
            os.close(home)

    @staticmethod
    def _enter(ns):
        if libc.setns(ns, CLONE_NEWNET) == -1:
            errno = ctypes.get_errno()
            raise OSError(errno, os.strerror(errno))

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, bind=None, timeout_s=10.0):
        with self.inside():
            s = socket.socket(family, kind)
        s.settimeout(timeout_s)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if bind:
            s.bind(bind)
        if bind and kind == socket.SOCK_STREAM:
            s.listen(16)
        return s

    def sysctl(self, **values):
        """net__ipv4__ip_forward=1: dots are written as two underscores."""
        with self.inside():
            for key, value in values.items():
                pathlib.Path("/proc/sys/" + key.replace("__", "/")).write_text(str(value))

    def spawn(self, *argv, **options):
        return self.lab.spawn(argv, node=self.name, **options)

    def run(self, *argv, **options):
        return self.lab.run(argv, node=self.name, **options)

    def ip(self, *lines):
        """Several `ip` commands in one go."""
        self.lab.run(["ip", "-n", self.name, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def nft(self, text):
        return self.run("nft", "-f", "-", stdin=text)

    def listening(self, port, kind="tcp"):
        """Whether any socket of this node has the port (no packet is sent)."""
        with self.inside():
            for name in (kind, kind + "6"):
                with open(f"/proc/thread-self/net/{name}") as f:
                    for line in list(f)[1:]:
                        fields = line.split()
                        if int(fields[1].rsplit(":", 1)[1], 16) == port and (
                                kind == "udp" or fields[3] == "0A"):
                            return True
        return False

    def lossy(self, interface, percent):
        """Drop this share of the packets that arrive at interface; 0: none, 100: all."""
        some = f"numgen random mod 1000 < {round(percent * 10)}" if percent < 100 else ""
        self.nft("add table inet loss\ndelete table inet loss\n" + (f"""
            table inet loss {{ chain in {{
                type filter hook prerouting priority -400;
                iifname "{interface}" {some} drop
            }}
            }}""" if percent else ""))


class Lab:
    def __init__(self):
        self.nodes, self.lock, self.processes = {}, threading.RLock(), []
        self.started = 0

    def __enter__(self):
        clock.pulse()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = ours
        with theirs:
            self.agent = subprocess.Popen(
                [sys.executable, "-I", "-S", str(HERE / "agent.py"), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                env={"PATH": search_path(), "LC_ALL": "C.UTF-8"})
        # One message from the process that waits, one from process 1, in any order.
        ready = json.loads(ours.recv(4096)), json.loads(ours.recv(4096))
        self.pid = next(message["pid"] for message in ready if message)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End every process of the lab; returns when they are gone."""
        self.control.close()
        self.agent.wait()
        for node in self.nodes.values():
            os.close(node.ns)
        self.nodes = {}

    def path(self, inner):
        """Where a file of the lab (say /run/natd.sock) is seen from here."""
        return pathlib.Path(f"/proc/{self.pid}/root{inner}")

    def ask(self, request, fds=()):
        with self.lock:
            socket.send_fds(self.control, [json.dumps(request).encode()], list(fds))
            data, passed, _, _ = socket.recv_fds(self.control, 1 << 16, 4)
        reply = json.loads(data) if data else {"error": [0, "the agent has ended"]}
        if "error" in reply:
            raise LabError(f"{request['do']}: {reply['error'][1]}")
        return reply, passed

    def node(self, name):
        _, (ns,) = self.ask({"do": "node", "name": name})
        node = self.nodes[name] = Node(self, name, ns)
        # Addresses are usable at once: nobody else is on these cables.
        node.sysctl(net__ipv6__conf__default__accept_dad=0, net__ipv6__conf__all__accept_dad=0)
        # What a test binds by its number no other socket has by chance.
        node.sysctl(net__ipv4__ip_local_port_range="53000 60999")
        return node

    def cable(self, a, if_a, b, if_b):
        """A veth pair between two nodes, both ends down."""
        self.run(["ip", "-n", a.name, "link", "add", if_a, "type", "veth",
                  "peer", "name", if_b, "netns", b.name])

    def spawn(self, argv, node=None, env=None, uid=0, cwd=None, stdin=None, stdout=None,
              stderr=None, log=None):
        """Start a process.  log: its output goes to /run/LOG.log in the lab."""
        opened = []
        try:
            def of(given, mode):
                if given is not None:
                    return given if isinstance(given, int) else given.fileno()
                opened.append(os.open(os.devnull, mode))
                return opened[-1]
            if log:
                self.started += 1
                log = f"/run/{log}.{self.started}.log"
                opened.append(os.open(self.path(log), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644))
                stdout = stdout if stdout is not None else opened[-1]
                stderr = stderr if stderr is not None else opened[-1]
            fds = [of(stdin, os.O_RDONLY), of(stdout, os.O_WRONLY), of(stderr, os.O_WRONLY)]
            reply, (pidfd,) = self.ask({"do": "spawn", "node": node, "argv": [str(a) for a in argv],
                                        "env": env or {}, "uid": uid, "cwd": cwd or str(TOP)}, fds)
        finally:
            for fd in opened:
                os.close(fd)
        return Process(self, [str(a) for a in argv], reply["pid"], pidfd, log)

    def run(self, argv, node=None, stdin="", check=True, timeout_s=60.0, **options):
        """Run to the end; the result has returncode, stdout and stderr."""
        in_r, in_w = os.pipe()
        out_r, out_w = os.pipe()
        err_r, err_w = os.pipe()
        try:
            process = self.spawn(argv, node=node, stdin=in_r, stdout=out_w, stderr=err_w, **options)
        finally:
            for fd in (in_r, out_w, err_w):
                os.close(fd)
        feeder = threading.Thread(target=_feed, args=(in_w, stdin.encode()))
        feeder.start()
        got = _drain({out_r: b"", err_r: b""}, timeout_s)
        feeder.join()
        try:
            process.wait(0 if got is None else timeout_s)
        except LabError:
            process.kill()
            raise LabError(f"{' '.join(process.argv)}: no end within {timeout_s} s") from None
        result = subprocess.CompletedProcess(process.argv, process.returncode,
                                             got[out_r].decode(errors="replace"),
                                             got[err_r].decode(errors="replace"))
        if check and result.returncode:
            raise LabError(f"{' '.join(process.argv)}: exit {result.returncode}\n"
                           f"{result.stdout}{result.stderr}")
        return result


def _feed(fd, data):
    with contextlib.suppress(BrokenPipeError):
        with os.fdopen(fd, "wb", buffering=0) as f:
            f.write(data)


def _drain(got, timeout_s):
    """Read all descriptors to their ends; None if that takes too long."""
    end, open_fds = time.monotonic() + timeout_s, set(got)
    try:
        while open_fds:
            ready = select.select(list(open_fds), [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                return None
            for fd in ready:
                data = os.read(fd, 65536)
                got[fd] += data
                if not data:
                    open_fds.discard(fd)
        return got
    finally:
        for fd in got:
            os.close(fd)
