"""How fast and how small natd is, beside upnpc and natpmpc, on real miniupnpd in the lab;
and beside coturn's and Debian's clients, how fast it knows what a NAT does (bench_nat.py).

    bench.py [--runs N] [--alone]     a Markdown table on stdout, progress on stderr

Every time is taken from outside: from the request on natd's socket, or the start of the
other program, to its answer.  natd is started anew for each cold run.  --alone: natd only.
Exit code 0 only when each row meets its target.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import platform
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

import bench_nat  # noqa: E402
import daemon  # noqa: E402
import home as h  # noqa: E402
import lab as l  # noqa: E402
import scripted  # noqa: E402
import varlink  # noqa: E402

MAPPINGS = CLIENTS = 1000
MODES = {  # what the router is, and what of it is kept from answering
    "PCP": dict(start=dict(upnp=False), block=["nat_pmp"], method="pcp"),
    "NAT-PMP": dict(start=dict(upnp=False), block=["pcp"], method="nat_pmp"),
    "UPnP IGD:2": dict(start=dict(pxp=False), block=[], method="igd2"),
}


def share(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


MEASURES = {"median": statistics.median, "p95": lambda v: share(v, 0.95),
            "p99": lambda v: share(v, 0.99), "max": max}


class Row:
    """One line of the table.  target: (measure, "<=" or ">=", value)."""

    def __init__(self, what, target, natd, unit="ms", **others):
        self.what, self.target, self.natd, self.unit, self.others = what, target, natd, unit, others

    def met(self):
        measure, relation, limit = self.target
        value = MEASURES[measure](self.natd)
        return value >= limit if relation == ">=" else value <= limit

    def cells(self, *others):
        measure, relation, limit = self.target
        judged = f"{measure} {'≥' if relation == '>=' else '≤'} {limit:,g} {self.unit}"
        return [self.what, judged, f"{len(self.natd):,}", self.show(statistics.median(self.natd)),
                self.show(MEASURES["p95"](self.natd)) if len(self.natd) >= 20 else "",
                "yes" if self.met() else "**no**"] + [self.other(k) for k in others]

    def other(self, name):
        """Its median, and of how many runs if it is not of as many as natd's."""
        times = self.others.get(name)
        if not times:
            return ""
        runs = f" ({len(times)} run{'s' if len(times) > 1 else ''})"
        return self.show(statistics.median(times)) + (runs if len(times) != len(self.natd) else "")

    def show(self, value):
        digits = 0 if value >= 1000 or value == 0 else 1 if value >= 10 else 2
        return f"{value:,.{digits}f} {self.unit}"


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def timed(function):
    started = time.perf_counter()
    result = function()
    return (time.perf_counter() - started) * 1000, result


@contextlib.contextmanager
def natd(place, **options):
    process = daemon.Natd(place.client, level="info", **options)
    try:
        yield process
    finally:
        process.stop()


def request(connection, port, **more):
    return connection.call(daemon.INTERFACE + "RequestMapping", protocols=["udp"],
                           internalPort=port, **more)["mapping"]


def natpmpc(place, timeout_s=200):
    """It asks for the address and for a mapping, one after the other, as it always does."""
    return timed(lambda: place.client.run(
        "natpmpc", "-g", "192.168.1.1", "-a", "41000", "41000", "udp", "600", check=False,
        timeout_s=timeout_s))[0]


def upnpc(place, port):
    return timed(lambda: place.client.run("upnpc", "-a", "192.168.1.20", str(port), str(port),
                                          "UDP", "600", check=False, timeout_s=60))[0]


def first_and_second(place, name, runs, alone):
    mode, first, second = MODES[name], [], []
    place.router.start(**mode["start"])
    place.router.block(*mode["block"])
    for _ in range(runs):
        with natd(place) as n, n.connect() as c:
            for port, times in ((42000, first), (42001, second)):
                took, mapping = timed(lambda: request(c, port))
                runtime = mapping["runtime"]
                if (runtime["state"], runtime["method"]) != ("active", mode["method"]):
                    sys.exit(f"bench: not mapped by {name}: {mapping}")
                times.append(took)
    others = {}
    if alone:
        pass
    elif name == "NAT-PMP":
        others["natpmpc"] = [natpmpc(place) for _ in range(runs)]
    elif name != "PCP":
        # upnpc mostly waits: ten at a time disturb each other little.
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            others["upnpc"] = list(pool.map(lambda i: upnpc(place, 43000 + i), range(runs)))
    place.router.block()
    place.router.stop()
    place.router.flush()
    slow = name.startswith("UPnP")
    return [Row(f"first mapping by a cold daemon, {name}", ("p95", "<=", 300 if slow else 20),
                first, **others),
            Row(f"second mapping, {name}", ("p95", "<=", 20 if slow else 5), second)]


def refusal(connection, **more):
    """True when the request is not granted, as it should be."""
    try:
        return request(connection, 42000, **more)["runtime"]["state"] != "active"
    except varlink.VarlinkError:
        return True


def refused(place, **more):
    with natd(place) as n, n.connect() as c:
        took, answer = timed(lambda: refusal(c, **more))
        if not answer:
            sys.exit("bench: a mapping where no gateway is")
        return took


def nothing_there(place, runs, alone):
    """A router that is silent, then one that refuses port 5351 and has no UPnP."""
    place.router.block("pxp", "ssdp")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        slow = [] if alone else [pool.submit(natpmpc, place)]
        upnp = [] if alone else [pool.submit(upnpc, place, 43000 + i) for i in range(3)]
        took = list(pool.map(lambda _: refused(place), range(runs)))
        silent = Row("nothing there: an honest no", ("p95", "<=", 3000), took,
                     upnpc=[f.result() for f in upnp], natpmpc=[f.result() for f in slow])
    place.router.block()
    took = [refused(place, methods=["pcp", "nat_pmp"]) for _ in range(runs)]
    return [silent, Row("port 5351 refused by ICMP: PCP and NAT-PMP ruled out", ("p95", "<=", 50),
                        took, natpmpc=[] if alone else [natpmpc(place) for _ in range(runs)])]


def size_and_calls(place, runs):
    gateway = scripted.Scripted(place.router, "[pcp]\non = true\n[table]\ncapacity = 5000")
    try:
        with natd(place) as n:
            return idle(n) + loaded(n, runs)
    finally:
        gateway.stop()


def idle(n):
    with n.connect() as c:
        ident = request(c, 42000)["id"]
        c.call(daemon.INTERFACE + "ReleaseMapping", id=ident)
    time.sleep(4)  # the search for better services goes on for 3 s
    memory, (woken, _) = n.rss_kib() / 1024, n.wakeups(20)
    return [Row("idle: resident memory", ("max", "<=", 7), [memory], "MiB"),
            Row("idle: wake-ups in 20 s without news", ("max", "<=", 0), [woken], "times")]


def loaded(n, runs):
    progress(f"{MAPPINGS} mappings, {CLIENTS} clients")
    status = daemon.INTERFACE + "Status"
    with contextlib.ExitStack() as stack:
        c = stack.enter_context(n.connect(60))
        for port in range(MAPPINGS):
            request(c, 20000 + port)
        for _ in range(CLIENTS - 1):
            stack.enter_context(n.connect())
        if c.call(status)["mappingsActive"] != MAPPINGS:
            sys.exit(f"bench: {c.call(status)}")
        memory = n.rss_kib() / 1024
        latency = [timed(lambda: c.call(status))[0] for _ in range(50 * runs)]
        rates = [calls_per_second(c.socket) for _ in range(5)]
    return [Row(f"{MAPPINGS} mappings and {CLIENTS} clients: resident memory", ("max", "<=", 16),
                [memory], "MiB"),
            Row(f"Status with {MAPPINGS} mappings held", ("p99", "<=", 1), latency),
            Row("Status calls over one connection", ("median", ">=", 20000), rates, "/s")]


def calls_per_second(s, batch=100, batches=100):
    """Pipelined, so that natd's core is the limit and not the round trip."""
    call = b'{"method":"org.natd.NAT.Status","parameters":{}}\0' * batch
    s.settimeout(30)
    started, missing = time.perf_counter(), 0
    for _ in range(batches):
        s.sendall(call)
        missing += batch
        while missing > batch:
            missing -= s.recv(1 << 20).count(b"\0")
    while missing:
        missing -= s.recv(1 << 20).count(b"\0")
    return batch * batches / (time.perf_counter() - started)


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")),
                     platform.machine())
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}"


def measure(runs, alone):
    rows = []
    with h.home() as place:
        for name in MODES:
            progress(f"first and second mapping by {name}, {runs} runs")
            rows += first_and_second(place, name, runs, alone)
        progress(f"nothing there, {runs} runs" + ("" if alone else " (natpmpc takes 128 s)"))
        rows += nothing_there(place, runs, alone)
        progress("memory, wake-ups, calls")
        return rows + size_and_calls(place, runs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    runs, alone = options.runs, options.alone
    reason = l.why_not()
    if reason:
        sys.exit(f"bench: {reason}")
    rows = measure(runs, alone)
    nat_rows = bench_nat.measure(Row, timed, progress, max(3, runs // 5), alone)
    print(f"Measured {time.strftime('%Y-%m-%d')} on {machine()}; as many runs as each row says, of "
          "the other programs as many where no number is given, their median; router: miniupnpd in "
          "namespaces of the same machine.\n")
    table("what", rows, "upnpc", "natpmpc")
    print("\nThe whole verdict on a NAT: mapping, filtering, hairpinning, ports.\n")
    table("NAT", nat_rows, "discovery", "stun")
    return 0 if all(row.met() for row in rows + nat_rows) else 1


def table(what, rows, *others):
    print(f"| {what} | target | runs | natd, median | natd, p95 | met | {' | '.join(others)} |")
    print("|---|---|---:|---:|---:|---|" + "---:|" * len(others))
    for row in rows:
        print("| " + " | ".join(row.cells(*others)) + " |")


if __name__ == "__main__":
    sys.exit(main())
