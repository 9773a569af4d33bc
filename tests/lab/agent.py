"""The first process of a lab: makes its namespaces, starts its processes, dies with it.

Run as `agent.py FD`, FD being one end of a SOCK_SEQPACKET pair.  It moves to a new
mount, network and PID namespace, where its child is process 1: when that one ends, the
kernel kills every process of the lab, and with them go the network namespaces, which
are pinned nowhere else.  It ends when the other end of the pair is closed, by whatever
means the test ended, SIGKILL included; so a lab can leave nothing behind.

Requests and replies are JSON; descriptors ride along (SCM_RIGHTS).
    {"do": "node", "name": N}                   -> {}, the network namespace
    {"do": "spawn", "node": N, "argv": [...],
     "env": {...}, "uid": U, "cwd": D} + 3 fds  -> {"pid": P}, a pidfd
    {"do": "status", "pid": P}                  -> {"status": wait status}
    {"do": "kill", "pid": P, "signal": S}       -> {}
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result == -1:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def mount(source, target, kind, flags=0, data=None):
    check(libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags),
                     data.encode() if data else None))


class Agent:
    def __init__(self, control):
        self.control = control
        self.nodes = {}
        self.ended = {}
        os.makedirs("/run/netns")
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def node(self, request, _fds):
        check(libc.unshare(CLONE_NEWNET))
        name = request["name"]
        ns = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        # A name that `ip -n NAME` and `ip netns exec NAME` know, in this mount namespace only.
        path = "/run/netns/" + name
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o444))
        mount("/proc/self/ns/net", path, "none", MS_BIND)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        check(libc.setns(self.home, CLONE_NEWNET))
        self.nodes[name] = ns
        return {}, [ns]

    def spawn(self, request, fds):
        pid = os.fork()
        if pid == 0:
            try:
                self.become(request, fds)
            except BaseException as e:  # the child must never return into the loop
                os.write(2, f"lab: {request['argv'][0]}: {e}\n".encode())
            os._exit(127)
        return {"pid": pid}, [os.pidfd_open(pid)]

    def become(self, request, fds):
        signal.set_wakeup_fd(-1)
        for s in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
            signal.signal(s, signal.SIG_DFL)
        os.setsid()
        if request.get("node"):
            check(libc.setns(self.nodes[request["node"]], CLONE_NEWNET))
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
        os.closerange(3, 1024)
        if request.get("cwd"):
            os.chdir(request["cwd"])
        if request.get("uid"):
            os.setgroups(request.get("groups", []))
            os.setresgid(request["uid"], request["uid"], request["uid"])
            os.setresuid(request["uid"], request["uid"], request["uid"])
        environment = dict(os.environ, **request.get("env", {}))
        os.execvpe(request["argv"][0], request["argv"], environment)

    def status(self, request, _fds):
        self.reap()
        pid = request["pid"]
        if pid not in self.ended:
            self.ended[pid] = os.waitpid(pid, 0)[1]
        return {"status": self.ended.pop(pid)}, []

    def kill(self, request, _fds):
        os.kill(request["pid"], request["signal"])
        return {}, []

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.ended[pid] = status

    def serve(self):
        actions = {"node": self.node, "spawn": self.spawn, "status": self.status,
                   "kill": self.kill}
        while True:
            data, fds, _, _ = socket.recv_fds(self.control, 1 << 20, 8)
            if not data:
                return
            request = json.loads(data)
            try:
                reply, passed = actions[request["do"]](request, fds)
            except OSError as e:
                reply, passed = {"error": [e.errno, str(e)]}, []
            for fd in fds:
                os.close(fd)
            socket.send_fds(self.control, [json.dumps(reply).encode()], passed)
            if request["do"] == "spawn":
                os.close(passed[0])


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET))
    pid = os.fork()
    if pid:
        control.send(json.dumps({"pid": pid}).encode())
        control.close()
        os.waitpid(pid, 0)
        return
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C ends the test, which then ends us
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    mount("tmpfs", "/run", "tmpfs", 0, "mode=0755")
    agent = Agent(control)
    control.send(b"{}")
    try:
        agent.serve()
    except OSError:
        pass
    os._exit(0)


main()
