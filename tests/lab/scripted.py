"""The scripted gateway (gateway.py) as a process of the lab: start, orders, what it heard."""

import json
import socket
import sys
import time

import gateway
from lab import HERE, wait_until, whole_lines

PERSONALITIES = HERE / "personalities"


class Scripted:
    """A gateway process in a router's node.  personality: a file's name, or TOML text."""

    def __init__(self, router, personality, interface=None, wan=None, lan=None, lan6=(),
                 name="gateway"):
        self.node, self.lab = router.node, router.node.lab
        files = {ext: f"/run/{name}-{self.node.name}.{ext}" for ext in ("toml", "sock", "jsonl")}
        if "\n" not in personality and "=" not in personality:
            personality = (PERSONALITIES / f"{personality}.toml").read_text()
        self.lab.path(files["toml"]).write_text(personality)
        self.log_path = self.lab.path(files["jsonl"])
        self.log_path.write_text("")
        self.lab.path(files["sock"]).unlink(missing_ok=True)
        self.process = self.node.spawn(
            sys.executable, "-I", "-S", HERE / "gateway_main.py", "--personality", files["toml"],
            "--lan", lan or router.lan_address, "--interface", interface or router.lan,
            "--wan", wan or router.wan_address, "--control", files["sock"],
            "--log", files["jsonl"], *[f"--lan6={a}" for a in lan6], log=name)
        self.control = wait_until(lambda: self._connect(self.lab.path(files["sock"])), 20,
                                  "the scripted gateway")
        self.answers = self.control.makefile("r")

    def _connect(self, path):
        if not self.process.running():
            raise RuntimeError("the scripted gateway ended:\n" + self.process.output())
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(str(path))
            s.settimeout(10)
            return s
        except OSError:
            s.close()
            return None

    def order(self, do, **parameters):
        """See Gateway.obey(); the reply tells the table, the epoch, the HTTP port."""
        self.control.sendall(json.dumps({"do": do, **parameters}).encode() + b"\n")
        line = self.answers.readline()
        if not line:
            raise RuntimeError("the scripted gateway ended:\n" + self.process.output())
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def table(self):
        return self.order("table")["table"]

    def heard(self, event=None, since=0.0, **facts):
        """The requests it got, oldest first; event may be the part before a dot."""
        lines = [json.loads(line) for line in whole_lines(self.log_path)]
        return [line for line in lines if line["t"] >= since and
                (event is None or line["event"] == event or
                 line["event"].startswith(event + ".")) and
                all(line.get(k) == v for k, v in facts.items())]

    def wait_heard(self, event, count=1, since=0.0, timeout_s=5.0, **facts):
        """The requests, once there are that many."""
        def check():
            lines = self.heard(event, since, **facts)
            return lines if len(lines) >= count else None
        return wait_until(check, timeout_s, f"{count} × {event} {facts or ''}", 0.005)

    def stop(self):
        self.answers.close()
        self.control.close()
        return self.process.kill()


def questions(lines):
    """The requests without those of PCP and NAT-PMP that are one once more, sent before this
    gateway came to answer the first: on a slow machine they are no fault of who asks."""
    asked, answered = [], {}
    for line in lines:
        what = tuple(line.get(k) for k in ("event", "nonce", "protocol", "internal_port", "delete"))
        if not (what[0].startswith(("pcp.", "nat_pmp.")) and line["t"] < answered.get(what, 0)):
            asked.append(line)
        if line["result"] != "dropped":
            answered[what] = line["done"]
    return asked


def now():
    """The clock of the gateway's log."""
    return time.monotonic()


def load(name):
    """The tables of a personality as they are in its file."""
    with open(PERSONALITIES / f"{name}.toml", "rb") as f:
        return gateway.tomllib.load(f)


def names():
    return sorted(p.stem for p in PERSONALITIES.glob("*.toml"))
