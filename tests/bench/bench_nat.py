"""How long the verdict on a NAT takes: natd, coturn's turnutils_natdiscovery, Debian's stun.

All ask the same server through the same NAT of the lab, one after the other.  stun finds out
less (RFC 3489), and both ask each question once, or twice: with loss they are wrong.
"""

import shutil

import daemon
import lab as l
import nats
import stun5780

DISCOVERY = "turnutils_natdiscovery", "-m", "-f", "-H"
# what, network, how late each answer is, target in ms
NETWORKS = [
    ("no NAT", "public", 0, 100),
    ("full cone", "full_cone", 0, 100),
    ("full cone, 100 ms away", "full_cone", 0.1, 400),
    ("silent filter (port-restricted cone)", "port_restricted", 0, 3000),
    ("silent filter, symmetric", "symmetric", 0, 3000),
    ("UDP blocked", "udp_blocked", 0, 3000),
]


def program(timed, place, runs, *argv):
    """Its times; none where it isn't, or finds no end."""
    if not shutil.which(argv[0], path=l.search_path()):
        return []
    try:
        return [timed(lambda: place.client.run(*argv, nats.ONE, check=False, timeout_s=60))[0]
                for _ in range(runs)]
    except l.LabError:
        return []


def verdicts(timed, place, runs):
    n = daemon.Natd(place.client, f"[Stun]\nServers={nats.ONE}\n", level="info")
    expected, times = place.kind.expected, []
    for _ in range(runs):
        took, reply = timed(lambda: n.call("GetNatBehavior", refresh=True))
        found = reply["natBehaviors"][0]
        if any(found[key] != expected[key] for key in ("mapping", "filtering")):
            raise SystemExit(f"bench: {place.kind.name}: {found}")
        times.append(took)
    n.stop()
    return times


def measure(row, timed, progress, runs, alone):
    """row: the Row of bench.py."""
    rows = []
    for what, network, delay_s, limit in NETWORKS:
        progress(f"verdict on a NAT: {what}, {runs} runs")
        with nats.network(network) as place, \
                stun5780.Server(place.internet, *place.servers, delay_s=delay_s):
            others = {} if alone else {
                "discovery": program(timed, place, min(runs, 5), *DISCOVERY),
                "stun": program(timed, place, min(runs, 5), "stun")}
            rows.append(row(what, ("p95", "<=", limit), verdicts(timed, place, runs), **others))
    return rows
