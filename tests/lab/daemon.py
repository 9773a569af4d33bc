"""natd as a process of the lab, and what a test asks it."""

import itertools
import json
import os
import pathlib
import re
import signal
import subprocess

import varlink
from lab import HERE, TOP, wait_until

INTERFACE = "org.natd.NAT."
BINARY = os.environ.get("NATD", str(TOP / "build/natd"))
BUILD = pathlib.Path(BINARY).parent


class Natd:
    """natd in a node.  Its files in the lab are /run/NAME/conf, sock and state/, NAME being
    another one for each."""

    count = itertools.count(1)

    def __init__(self, node, config="", uid=0, start=True, wrap=(), socket=None, level="debug"):
        self.node, self.lab, self.uid, self.wrap = node, node.lab, uid, list(wrap)
        self.name = f"natd{next(self.count)}"
        self.conf, self.state = f"/run/{self.name}/conf", f"/run/{self.name}/state"
        self.socket, self.level = socket or f"/run/{self.name}/sock", level
        self.lab.path(self.state).mkdir(parents=True)
        for path in (f"/run/{self.name}", self.state):
            os.chown(self.lab.path(path), uid, uid)
        self.configure(config)
        self.process = None
        if start:
            self.start()

    def configure(self, text):
        self.lab.path(self.conf).write_text(text)

    def start(self, ready=True, env=None):
        self.process = self.node.spawn(
            *self.wrap, BINARY, f"--config={self.conf}", f"--socket={self.socket}",
            f"--state-dir={self.state}", f"--log-level={self.level}", uid=self.uid, log=self.name,
            env=env or {})
        if ready:
            wait_until(self.ready, 20, f"an answer of natd; it said:\n{self.process.output()}")
        return self

    def ready(self):
        if not self.process.running():
            raise RuntimeError(f"natd ended ({self.process.wait()}):\n{self.log()}")
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self, timeout_s=15.0):
        return varlink.Connection(self.lab.path(self.socket), timeout_s)

    def call(self, method, fds=(), **parameters):
        with self.connect() as c:
            return c.call(INTERFACE + method, fds, **parameters)

    def map(self, protocols=("udp",), port=None, **parameters):
        """RequestMapping; the mapping."""
        return self.call("RequestMapping", protocols=list(protocols), internalPort=port,
                         **parameters)["mapping"]

    def mapping(self, ident):
        """The mapping; an error of Varlink, NoSuchMapping, when there is none."""
        return self.call("ListMappings", id=ident)["mappings"][0]

    def mappings(self):
        return self.call("ListMappings")["mappings"]

    def metric(self, name, **labels):
        """The sum of the samples of this name with these labels."""
        samples = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", self.call("GetMetrics")["text"], re.M)
        assert samples, f"no metric {name}"
        return sum(float(value) for has, value in samples
                   if labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', has)).items())

    def as_user(self, uid, method, **parameters):
        """A call by another user of the node: (reply, None) or (None, error name)."""
        # The module's text, for the user may not be able to read the file.
        script = (HERE / "varlink.py").read_text() + (
            "\nimport sys\n"
            "try: print(json.dumps([Connection(sys.argv[1]).call(sys.argv[2],"
            " **json.loads(sys.argv[3])), None]))\n"
            "except VarlinkError as e: print(json.dumps([None, e.name]))\n")
        out = self.node.run("/usr/bin/python3", "-c", script, self.socket, INTERFACE + method,
                            json.dumps(parameters), uid=uid).stdout
        return json.loads(out)

    def wait_state(self, ident, state, timeout_s=5.0):
        """The mapping once it is in that state."""
        def check():
            m = self.mapping(ident)
            return m if m["runtime"]["state"] == state else None
        return wait_until(check, timeout_s, f"mapping {ident} {state}; natd said:\n{self.log()}",
                          interval_s=0.01)

    def wait_active(self, count, timeout_s=15.0):
        """The mappings, once they are that many and all active."""
        def check():
            mappings = self.mappings()
            states = [m["runtime"]["state"] for m in mappings]
            return mappings if states.count("active") == count == len(states) else None
        return wait_until(check, timeout_s, f"{count} active mappings", 0.05)

    def log(self):
        return self.process.output() if self.process else ""

    def stop(self, number=signal.SIGTERM):
        return self.process.stop(number)

    def kill(self):
        return self.process.kill()

    def _status(self, name):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(name))

    def rss_kib(self):
        return self._status("VmRSS")

    def anonymous_kib(self):
        """Without the pages of files, which a kernel maps and drops as it likes."""
        return self._status("RssAnon")

    def forget_peak(self):
        """The most memory it took is what it takes now; that."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as f:
            f.write("5")
        return self.peak_kib()

    def peak_kib(self):
        """The most memory it took, for however short a time, since forget_peak()."""
        return self._status("VmHWM")

    def wakeups(self, seconds):
        """How often natd wakes in that time though the kernel has no news for it; how often
        with news (a neighbour entry that gets stale, say)."""
        trace = subprocess.run(
            ["timeout", "--signal=INT", str(seconds), "strace", "-y", "-e", "trace=epoll_wait,recvmsg",
             "-p", str(self.process.pid)], capture_output=True, text=True).stderr
        if "attached" not in trace:
            raise RuntimeError(trace)
        # What stands before the first epoll_wait ended before strace came.
        turns = trace.split("epoll_wait(")[1:]
        woken = [turn for turn in turns if re.search(r"\) += \d+$", turn.splitlines()[0])]
        news = [turn for turn in woken if re.search(r"^recvmsg\(.*NETLINK.*\) += [1-9]", turn, re.M)]
        return len(woken) - len(news), len(news)


def external(mapping):
    """(address, port) of an active mapping."""
    e = mapping["runtime"]["external"]
    return e["address"], e["port"]
