"""natd's main job, shown on a home network made of namespaces; each step is proved.

Nothing leaves the machine and nothing stays on it.  Exit code 0 only when every step did
what it says: run by `make demo`.
"""

import os
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import home as h  # noqa: E402
import lab as l  # noqa: E402
from daemon import BUILD, Natd  # noqa: E402

PORT, EXTERNAL = 8080, ("11.22.33.44", 8080)
GREETING = b"hello from behind the NAT"
TTY = sys.stdout.isatty()
COLOUR = TTY and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
UNICODE = "utf" in (sys.stdout.encoding or "").lower()
CHECK, CROSS, ARROW = ("✓", "✗", "→") if UNICODE else ("ok", "FAILED", "->")

PICTURE = """
      192.168.1.20      192.168.1.1     11.22.33.44      11.22.33.1
    ┌──────────────┐   ┌──────────────────────────┐   ┌──────────────┐
    │   your PC    │───│ home router: kernel NAT, │───│ the internet │
    │ natd, natctl │   │ miniupnpd (PCP, UPnP)    │   │ another host │
    └──────────────┘   └──────────────────────────┘   └──────────────┘
"""
if not UNICODE:
    PICTURE = PICTURE.translate(dict(zip(map(ord, "┌┐└┘─│"), "++++-|")))


class NotProved(Exception):
    pass


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def say(text=""):
    print(text, flush=True)


def pause(seconds=1.0):
    """Time to read, on a terminal only."""
    if TTY:
        time.sleep(seconds)


class Demo:
    def __init__(self, place):
        self.place, self.router, self.steps = place, place.router, 0

    def step(self, title):
        pause()
        self.steps += 1
        say(f"\n{paint('1', f'{self.steps}. {title}')}")

    def proved(self, true, text):
        if not true:
            say(f"   {paint('31', CROSS)} {text}")
            raise NotProved(text)
        say(f"   {paint('32', CHECK)} {text}")

    def command(self, *argv):
        """What a person would type on the PC, and what it prints."""
        say(f"   {paint('36', '$ ' + ' '.join(argv))}")
        pause(0.5)
        program = str(BUILD / argv[0])
        env = {"CLICOLOR_FORCE": "1"} if COLOUR else {}
        result = self.place.client.run(program, *argv[1:], env=env, check=False)
        for line in (result.stdout + result.stderr).rstrip().splitlines():
            say("     " + line)
        self.proved(result.returncode == 0, f"{argv[0]} {argv[1]} ends with exit code "
                    f"{result.returncode}") if result.returncode else None
        return result.stdout

    def table(self):
        rules = self.router.rules()
        shown = ", ".join(f"{r.protocol} {r.external_port} {ARROW} {r.address}:{r.port}"
                          for r in sorted(rules, key=str)) or "empty"
        say(f"     the router's NAT table (nft): {paint('33', shown)}")
        return rules

    def connect(self):
        """Connect from the internet; what came through, None if nothing did."""
        with self.place.internet.socket(timeout_s=1.0) as s:
            try:
                s.connect(EXTERNAL)
                s.sendall(b"anybody home?")
                return s.recv(1024)
            except OSError:
                return None

    def reached(self):
        got = self.connect()
        self.proved(got == GREETING, f"the internet connects to {EXTERNAL[0]}:{PORT} and reads: "
                    f"{paint('33', (got or b'nothing').decode())!s}")

    def closed(self):
        self.proved(self.connect() is None, f"the internet gets no answer from "
                    f"{EXTERNAL[0]}:{PORT}")

    def run(self):
        say(PICTURE)
        rule = h.Rule("tcp", PORT, "192.168.1.20", PORT)
        self.step(f"A program on the PC listens on TCP port {PORT}; nobody outside can reach it")
        serve(self.place.client.socket(bind=("0.0.0.0", PORT)))
        self.proved(self.table() == set(), "no mapping")
        self.closed()

        self.step("natd starts")
        self.place.lab.path("/run/natd").mkdir()
        natd = Natd(self.place.client, socket="/run/natd/org.natd.NAT")
        self.proved(natd.process.running(), "natd answers on its socket")

        self.step("The port is asked for")
        asked = time.monotonic()
        self.command("natctl", "map", "tcp", str(PORT), "--name", "web", "--for", "1h")
        took = time.monotonic() - asked - (0.5 if TTY else 0)
        self.proved(rule in self.table(), f"the router forwards it ({took * 1000:.0f} ms)")
        self.reached()

        self.step("natd knows what it holds")
        listed = self.command("natctl", "list")
        self.proved(f"{EXTERNAL[0]}:{PORT}" in listed, "the mapping is listed")
        self.command("natctl", "status")

        self.step("The router loses power and forgets everything")
        self.router.stop(9)
        self.router.flush()
        self.proved(self.table() == set(), "the mapping is gone")
        self.closed()
        say("     the router starts again ...")
        self.router.start()
        back = time.monotonic()
        l.wait_until(lambda: rule in self.router.rules(), 65, "the mapping restored")
        took = time.monotonic() - back
        self.proved(rule in self.table(), f"natd has restored it, {took:.1f} s after the start")
        self.reached()

        self.step("The port is given back")
        self.command("natctl", "unmap", "tcp", str(PORT))
        l.wait_until(lambda: rule not in self.router.rules(), 3, "the rule gone")
        self.proved(self.table() == set(), "the rule is gone from the router")
        self.closed()

        self.step("natd stops")
        self.proved(natd.stop() == 0, "natd ended cleanly")


def serve(listener):
    """Answer every connection with the greeting, as long as the demo runs."""
    listener.settimeout(None)

    def loop():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(1024)
                peer.sendall(GREETING)
    threading.Thread(target=loop, daemon=True).start()


def main():
    reason = l.why_not()
    if reason:
        say(f"demo: {reason}")
        return 1
    started = time.monotonic()
    with h.home() as place:
        place.router.start()
        demo = Demo(place)
        try:
            demo.run()
        except (NotProved, l.LabError, RuntimeError, socket.error) as e:
            say(f"\n{paint('31', 'demo: ' + str(e))}")
            logs = sorted(place.lab.path("/run").glob("natd.*.log"))
            for line in logs[-1].read_text().splitlines()[-20:] if logs else []:
                say("   natd: " + line)
            return 1
    say(f"\n{paint('1;32', f'All {demo.steps} steps proved')} in "
        f"{time.monotonic() - started:.0f} s; the network is removed again.")
    return 0


sys.exit(main())
