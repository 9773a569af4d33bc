"""Memory that is refused: natd goes on, and nothing is lost or leaked.

One allocation fails, the n-th of a mapping's life, for every n; then ten in a row.  A client
may be told so or cut off, but never left waiting; what it asks again it gets.
"""

import contextlib
import json
import os
import re
import socket

import home as h
import pytest
import scripted
from daemon import INTERFACE, Natd
from lab import LabError, wait_until, whole_lines
from meddle import Meddle
from stun_server import StunServer
from varlink import Connection, VarlinkError

PORT = 40000
PCP = "[pcp]\non = true\n[epoch]\nkept = true\nstart = 90000000\n"
NAT_PMP = PCP.replace("pcp", "nat_pmp")
IGD = "[upnp]\non = true\n[pxp]\nlisten = false\n"
IGD2 = IGD + "[description]\nversion = 2\n"
# The router, the request that it hears.
KINDS = {"pcp": (PCP, "pcp.map"), "nat_pmp": (NAT_PMP, "nat_pmp.map"), "igd": (IGD, "soap"),
         "pinhole": (IGD2, "soap")}


@pytest.fixture
def meddle(tmp_path):
    return Meddle(tmp_path)


def insist(what):
    """Do it until memory is not refused any more; every call is answered or cut off in time."""
    for _ in range(30):
        with contextlib.suppress(VarlinkError, ConnectionError):
            return what()
    raise LabError("natd refuses although there is memory")


class Life:
    """A mapping's life on a router, over and over."""

    def __init__(self, natd, gw, kind):
        self.natd, self.gw, self.epoch = natd, gw, 90000000
        self.asked, self.soap = KINDS[kind][1], KINDS[kind][1] == "soap"
        self.pinhole = kind == "pinhole"

    def call(self, method, **parameters):
        with Connection(self.natd.lab.path(self.natd.socket), timeout_s=5) as c:
            try:
                return c.call(INTERFACE + method, **parameters)
            except socket.timeout:
                raise LabError(f"{method} is never answered") from None

    def request(self):
        return self.call("RequestMapping", protocols=["udp"], internalPort=PORT,
                         family="ipv6" if self.pinhole else "ipv4",
                         persistence="permanent")["mapping"]["id"]

    def rules(self):
        return self.gw.order("table")["pinholes" if self.pinhole else "table"]

    def held(self):
        return [e["internal_port"] for e in self.rules()] == [PORT]

    def renew(self, ident):
        """Asked again where the one before is still under way, which is then the renewal."""
        since = scripted.now()
        for _ in range(15):
            insist(lambda: self.call("RenewMapping", id=ident))
            with contextlib.suppress(LabError):
                return self.gw.wait_heard(self.asked, since=since, timeout_s=0.5)
        raise LabError("never renewed")

    def released(self, ident):
        try:
            self.call("ReleaseMapping", id=ident)
        except VarlinkError as e:
            if not e.name.endswith("NoSuchMapping"):
                raise

    def run(self):
        ident = insist(self.request)
        wait_until(self.held, 5, "the mapping on the router")
        wait_until(self.saved, 2, "the mapping on the disk")
        self.renew(ident)
        self.gw.order("wipe")
        if not self.soap:
            self.epoch -= 100
            self.gw.order("change", **{"with": {"epoch": {"start": self.epoch}}})
        self.renew(ident)
        wait_until(self.held, 8, "the mapping restored")
        insist(lambda: self.released(ident))
        wait_until(lambda: not self.rules(), 5, "the mapping released")

    def saved(self):
        """With the nonce that the router knows: without it, it could never be deleted."""
        lines = whole_lines(self.natd.lab.path(self.natd.state + "/leases.json"))
        nonces = {e["nonce"] for e in self.gw.table() if e["nonce"]}
        records = [json.loads(line) for line in lines[1:]]
        return any(r["kind"] == "mapping" and nonces <= {r["data"]["nonce"]} for r in records)

    def error_names(self):
        text = insist(lambda: self.call("GetMetrics"))["text"]
        return set(re.findall(r'^natd_client_errors_total\{error="([^"]*)"\}', text, re.M))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.natd.process.pid}/fd"))


class Binding(Life):
    """A look at an application's address, then a binding that is kept."""

    def __init__(self, natd, gw, place, server):
        super().__init__(natd, gw, "pcp")
        self.place, self.server = place, server

    def ask(self, c, more):
        with self.place.client.inside():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", 0))
        with s:
            c.send(INTERFACE + "GetReflexiveAddress",
                   {"socketFileDescriptor": 0, "keepAliveUSec": 1000000}, [s.fileno()], more=more)
            try:
                first = c.result()
                assert first["reflexive"]["address"] == "11.22.33.44"
                peer = "11.22.33.44", first["reflexive"]["port"]
                if more:  # one keepalive
                    wait_until(lambda: [p for _, p in self.server.requests].count(peer) > 1, 5,
                               "a keepalive")
            except socket.timeout:
                raise LabError("GetReflexiveAddress is never answered") from None

    def run(self):
        for more in (False, True):
            def once():
                with Connection(self.natd.lab.path(self.natd.socket), timeout_s=8) as c:
                    self.ask(c, more)
            insist(once)
        wait_until(lambda: "natd_stun_bindings 0\n" in insist(
            lambda: self.call("GetMetrics"))["text"], 5, "the binding ended")


def live(place, meddle, kind, numbers, more=0, config="", make=None):
    gw = scripted.Scripted(place.router, KINDS[kind][0],
                           lan6=["fe80::1", "2a10:50::1"] if place.ipv6 else [])
    natd = Natd(place.client, config, start=False, level="info")
    natd.start(env=meddle.env)
    life, n = make(natd, gw) if make else Life(natd, gw, kind), 0
    # libevent keeps a block for each descriptor that ever was: for all that there may be.
    with contextlib.ExitStack() as many:
        for c in [many.enter_context(natd.connect()) for _ in range(12)]:
            c.call(INTERFACE + "Status")
    try:
        for _ in range(1 if life.soap else 3):
            life.run()
        meddle.refuse(0)
        life.run()
        total = meddle.requests
        names, living, descriptors = life.error_names(), meddle.living, life.descriptors()
        tried = numbers(total)
        for n in tried:
            meddle.refuse(n, more)
            life.run()
            meddle.refuse(0)
            assert natd.process.running()
        life.run()
        print(f"{len(tried)} of {total} allocations refused")
        # The name of each error that was counted since stays, too.
        living += len(life.error_names() - names)
        wait_until(lambda: meddle.living <= living, 3, "all memory given back "
                   f"({meddle.living - living} blocks more than before)")
        wait_until(lambda: life.descriptors() <= descriptors, 3, "all descriptors closed")
        assert natd.stop() == 0
    except BaseException:
        print(f"allocation {n} (+{more})\n{natd.log()[-6000:]}", *gw.heard()[-20:], sep="\n")
        raise
    finally:
        if natd.process.running():
            natd.kill()
        gw.stop()


def some(count):
    return lambda total: sorted({1 + i * total // count for i in range(count)})


@contextlib.contextmanager
def home_of(kind):
    with h.home(ipv6=kind == "pinhole") as place:
        yield place


# How many n in `make check`: a life by SOAP, five requests a second, takes seconds.
@pytest.mark.parametrize("kind,count", [("pcp", 40), ("nat_pmp", 20), ("igd", 4), ("pinhole", 3)])
def test_memory_refused_now_and_then(meddle, kind, count):
    """F45: the n-th malloc of a mapping's life fails."""
    with home_of(kind) as place:
        live(place, meddle, kind, some(count))


def bindings(place, meddle, numbers, more=0):
    with StunServer(place.internet, h.INTERNET) as server:
        live(place, meddle, "pcp", numbers, more, f"[Stun]\nServers={h.INTERNET}\n",
             lambda natd, gw: Binding(natd, gw, place, server))


def test_memory_refused_to_bindings(place, meddle):
    """F45: the n-th malloc of a STUN binding's life fails."""
    bindings(place, meddle, some(3))


@pytest.mark.long
@pytest.mark.parametrize("more", [0, 9])
def test_memory_refused_to_bindings_at_every_call(place, meddle, more):
    bindings(place, meddle, lambda total: range(1, total + 1), more)


@pytest.mark.long
@pytest.mark.parametrize("more", [0, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_memory_refused_at_every_call(meddle, kind, more):
    with home_of(kind) as place:
        live(place, meddle, kind, lambda total: range(1, total + 1), more)


def held(gw):
    return sorted((e["internal_port"], e["external_port"], e["nonce"]) for e in gw.table())


def start(natd, meddle, gw, nth, more=0):
    """With the nth allocation refused natd starts and does its work, or ends and says why; what
    it held it holds, now or after the next start."""
    before = held(gw)
    meddle.refuse(nth, more)
    natd.start(ready=False, env=meddle.env)
    wait_until(lambda: not natd.process.running() or natd.process.output().count("is ready"), 5,
               "the start or its failure", 0.005)
    meddle.order(refuse_in=0)
    started = natd.process.running()
    if not started:
        assert natd.process.wait() == 1
        assert "emory" in natd.log()
        natd.start(env=meddle.env)
    wait_until(lambda: [m["runtime"]["state"] for m in natd.mappings()] == ["active"] * 2, 5,
               "both mappings active again", 0.01)
    assert held(gw) == before
    assert natd.stop() == 0
    return started


def starts(place, meddle, numbers, more=0):
    """A start from a state file with a configured and a permanent mapping."""
    gw = scripted.Scripted(place.router, PCP)
    natd = Natd(place.client, "[Mapping web]\nProtocols=tcp\nInternalPort=8080\n", level="info")
    natd.map(port=PORT, persistence="permanent")
    wait_until(lambda: len(gw.table()) == 2, 3, "both mappings")
    natd.stop()
    n = 0
    try:
        start(natd, meddle, gw, 0)
        total, outcomes = meddle.requests, []
        for n in numbers(total):
            outcomes.append(start(natd, meddle, gw, n, more))
        print(f"{len(outcomes)} starts, {outcomes.count(False)} refused, {total} allocations")
    except BaseException:
        print(f"allocation {n} (+{more})\n{natd.log()[-3000:]}", *gw.heard()[-10:], sep="\n")
        raise
    finally:
        gw.stop()


def test_starts_without_memory(place, meddle):
    """F45: the n-th malloc of a start fails."""
    starts(place, meddle, some(120))


@pytest.mark.parametrize("more", [0, 9])
def test_reload_without_memory(place, meddle, more):
    """F45: the n-th malloc of a reload fails: that is said, or what is in the file is done soon,
    without another word; nothing is taken for a mistake in it, and the next one does it."""
    natd = Natd(place.client, "", start=False)
    place.unplug()  # no router whose answers wake natd
    natd.start(env=meddle.env)
    wrong, refused = [], 0

    def ports():
        with contextlib.suppress(VarlinkError, ConnectionError):
            return [m["context"]["internalPort"] for m in natd.mappings()]

    def times_taken():
        log = natd.log()
        return log.count("configuration read") + log.count("out of memory, trying again")
    for n in range(1, 2000):
        port, before = 8080 + n % 2, times_taken()
        natd.configure(f"[Mapping web]\nProtocols=tcp\nInternalPort={port}\n")
        meddle.refuse(n, more)
        with contextlib.suppress(ConnectionError):
            try:
                natd.call("Reload")
            except VarlinkError as e:
                if e.name.endswith("ConfigurationInvalid"):
                    refused += e.parameters["message"] == "there is not enough memory"
                    wrong += [e.parameters] if "memory" not in e.parameters["message"] else []
        done = not meddle.refused
        meddle.refuse(0)
        if times_taken() > before:
            wait_until(lambda: ports() == [port], 3, f"the mapping, {n} refused")
        insist(lambda: natd.call("Reload"))
        if done:
            break
    assert done and (refused or more) and not wrong, wrong
    assert natd.stop() == 0
    place.replug()


@pytest.mark.long
@pytest.mark.parametrize("more", [0, 9])
def test_every_start_without_memory(place, meddle, more):
    starts(place, meddle, lambda total: range(1, total + 1), more)
