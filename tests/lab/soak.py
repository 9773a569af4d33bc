"""Random faults and clients from a seed, and a model of what is wanted meanwhile.

    soak = Soak(place, "pcp", seed)
    soak.run(10 * 60)    # then everything is healed, compared, released and compared again

By hand, for one seed again and again:  soak.py KIND SEED SECONDS [steady]
"""

import contextlib
import dataclasses
import os
import random
import signal
import socket
import sys
import time

import home as h
import scripted
from daemon import INTERFACE, Natd
from lab import LabError, wait_until
from varlink import VarlinkError

COMMON = "[table]\ncapacity = 500\n[soap]\ndelete_any = true\n[lease]\nmax = {lease}\n"
# The lease is short, so that what nothing else tells is found out by renewing.
KINDS = {
    "pcp": ("[pcp]\non = true\n", 8, 40),
    "nat_pmp": ("[nat_pmp]\non = true\n", 8, 40),
    "pxp": ("[pcp]\non = true\n[nat_pmp]\non = true\n", 8, 40),
    "igd1": ("[upnp]\non = true\n", 60, 8),
    "igd2": ("[upnp]\non = true\n[description]\nversion = 2\n", 60, 8),
    "two": ("[pcp]\non = true\n[nat_pmp]\non = true\n", 8, 20),  # uplinks
    "all": ("[pcp]\non = true\n[nat_pmp]\non = true\n[upnp]\non = true\n", 8, 12),
    "miniupnpd": (None, 120, 20),
}
# What nobody tells is found out by looking, each minute, and a circuit is closed again after one; by
# UPnP each rule is read back after five at the latest.  The rest is pace, and two busy cores.
PATIENCE_S = {"pcp": 85, "nat_pmp": 85, "pxp": 85, "two": 85}
LONGEST_PATIENCE_S = 340


class Miniupnpd:
    """The real router behind the orders that a scripted one takes."""

    def __init__(self, router):
        self.router = router
        router.start()

    def order(self, do, **more):
        node = self.router.node
        if do in ("restart", "wipe"):
            self.router.restart()
        elif do == "silent":
            node.lossy(self.router.lan, 100 if more["on"] else 0)
        elif do == "wan":
            node.ip("addr flush dev wan0", f"addr add {more['address']}/24 dev wan0",
                    "route replace default via 11.22.33.1")

    def table(self):
        return [{"protocol": rule.protocol, "internal_port": rule.port,
                 "external_port": rule.external_port} for rule in self.router.rules()]

    def heard(self):
        return []

    def stop(self):
        self.router.stop()


@dataclasses.dataclass
class Wish:
    ident: str
    protocols: tuple
    port: int
    persistence: str
    stream: object = None  # the connection that holds it
    ends: float = 0        # of a short lease


class Soak:
    """steady: natd itself is not restarted or killed, so that it is one process to the end."""

    def __init__(self, place, kind, seed, level="info", steady=False):
        text, self.lease, self.most = KINDS[kind]
        self.place, self.seed, self.step, self.steady = place, seed, 0, steady
        self.next_chance()
        routers = [place.router, h.add_uplink(place)] if kind == "two" else [place.router]
        self.gws = {r.lan_address: scripted.Scripted(r, text + COMMON.format(lease=self.lease))
                    if text else Miniupnpd(r) for r in routers}
        self.samples, self.patience_s = [], PATIENCE_S.get(kind, LONGEST_PATIENCE_S)
        self.natd = Natd(place.client, level=level)
        self.wishes, self.left, self.port, self.done, self.heal_at = {}, {}, 20000, {}, 0
        self.address = "192.168.1.20"
        self.descriptors = self.count_descriptors()

    def next_chance(self):
        """The choices of a step depend on the seed and its number only, not on how the ones before
        went: as far as the time goes, a seed is the same faults in the same order."""
        self.step += 1
        self.chance = random.Random(f"{self.seed}/{self.step}")

    def count_descriptors(self):
        return len(os.listdir(f"/proc/{self.natd.process.pid}/fd"))

    @property
    def gw(self):
        """The gateway that something happens to."""
        return self.chance.choice(list(self.gws.values()))

    def close(self):
        for gw in self.gws.values():
            gw.stop()

    # ---- clients

    def request(self, persistence, **parameters):
        if len(self.wishes) >= self.most:
            return
        self.port += 1
        protocols = self.chance.choice((("tcp",), ("udp",), ("udp", "tcp")))
        parameters.update(protocols=list(protocols), internalPort=self.port,
                          persistence=persistence, timeoutUSec=self.chance.choice((0, 300000)))
        asked, stream = time.monotonic(), None
        try:
            if persistence == "connection":
                stream = self.natd.connect()
                stream.send(INTERFACE + "RequestMapping", parameters, more=True)
                reply = stream.result()
            else:
                reply = self.natd.call("RequestMapping", **parameters)
        except VarlinkError as e:
            # An honest verdict ends the wish; who held a connection closes it.
            assert e.name.rsplit(".", 1)[1] in ("GatewayTimeout", "NoMethodAvailable", "NotOnline",
                                                "NoGateway", "GatewayRefused"), e
            if persistence == "permanent":
                raise
            if stream:
                stream.close()
            self.left[self.port] = time.monotonic() + 0.5
            return
        ends = asked + parameters["lifetimeSeconds"] if "lifetimeSeconds" in parameters else 0
        ident = reply["mapping"]["id"]
        self.wishes[ident] = Wish(ident, protocols, self.port, persistence, stream, ends)

    def client_connection(self):
        self.request("connection")

    def client_lease(self):
        self.request("lease")

    def client_short_lease(self):
        self.request("lease", lifetimeSeconds=self.chance.randrange(3, 9))

    def client_permanent(self):
        self.request("permanent")

    def client_leaves(self):
        if not self.wishes:
            return
        wish = self.wishes.pop(self.chance.choice(sorted(self.wishes)))
        if wish.stream:
            wish.stream.close()
        elif self.chance.random() < 0.3:
            asked = time.monotonic()
            self.natd.call("ReleaseMapping", id=wish.ident)
            assert time.monotonic() - asked < 4, "a release that waits"
        else:
            with self.natd.connect() as c:  # who does not wait is promised nothing
                c.send(INTERFACE + "ReleaseMapping", {"id": wish.ident}, oneway=True)
            self.left[wish.port] = time.monotonic() + 5

    def client_renews(self):
        self.natd.call("RenewMapping")

    def client_looks(self):
        for method in ("Status", "ListMappings", "ListGateways", "GetMetrics"):
            self.natd.call(method)

    # ---- faults

    def router_restarts(self):
        self.gw.order("restart", announce=self.chance.random() < 0.5,
                      alive=self.chance.random() < 0.5, down_s=self.chance.choice((0, 0, 0.5, 2)))

    def router_forgets(self):
        self.gw.order("wipe")

    def router_is_silent(self):
        self.gw.order("silent", on=True)
        self.heal_at = time.monotonic() + self.chance.uniform(0.1, 4)

    def packets_are_lost(self):
        percent = self.chance.choice((5, 30, 60))
        self.place.client.lossy("eth0", percent)
        self.place.router.node.lossy("lan0", percent)
        self.heal_at = time.monotonic() + self.chance.uniform(0.5, 4)

    def link_flaps(self):
        for _ in range(self.chance.randrange(1, 4)):
            self.place.unplug()
            time.sleep(self.chance.choice((0, 0.02, 0.4, 1)))
            self.place.replug()

    def address_changes(self):
        self.gw.order("wan", address=f"11.22.33.{self.chance.randrange(50, 200)}",
                      tell=self.chance.random() < 0.5)

    def host_is_renumbered(self):
        if isinstance(self.gw, Miniupnpd):
            return  # which lets nobody delete what another address asked for
        was, self.address = self.address, self.chance.choice(("192.168.1.20", "192.168.1.77"))
        if self.address != was:
            self.place.client.ip(f"addr del {was}/24 dev eth0", f"addr add {self.address}/24 dev eth0",
                                 "route replace default via 192.168.1.1")

    def route_moves(self):
        if len(self.gws) > 1:
            gateway = self.chance.choice(("192.168.1.1 dev eth0", "192.168.2.1 dev eth1"))
            self.place.client.ip(f"route replace default via {gateway}")

    def natd_is_killed(self):
        now = time.monotonic()
        self.natd.kill()  # the wish was noted before its answer
        time.sleep(self.chance.choice((0, 0.1, 1)))
        self.natd.start()
        listed = {m["id"]: m["context"]["internalPort"] for m in self.natd.mappings()}
        for wish in list(self.wishes.values()):
            if wish.stream:
                del self.wishes[wish.ident]
                wish.stream.close()
        self.expire()
        for ident, port in listed.items():
            if ident not in self.wishes:
                assert self.left.get(port, 0) > now, f"{ident} came back"
                self.natd.call("ReleaseMapping", id=ident)
        missing = set(self.wishes) - set(listed)
        assert not missing, f"forgotten by SIGKILL: {[self.wishes[i] for i in missing]}"

    def natd_is_restarted(self):
        # Who left without waiting is gone by now.
        time.sleep(0.05)
        assert self.natd.stop() == 0, self.natd.log()[-3000:]
        for wish in list(self.wishes.values()):
            if wish.stream:
                wish.stream.close()
                del self.wishes[wish.ident]
        self.natd.start()

    def natd_is_reloaded(self):
        self.natd.process.send(signal.SIGHUP)

    def heal(self):
        self.heal_at = 0
        for gw in self.gws.values():
            gw.order("silent", on=False)
        self.place.client.lossy("eth0", 0)
        self.place.router.node.lossy("lan0", 0)

    # ---- the run

    WEIGHTS = {
        client_connection: 14, client_lease: 10, client_short_lease: 6, client_permanent: 12,
        client_leaves: 12, client_renews: 3, client_looks: 4, router_restarts: 3,
        router_forgets: 2, router_is_silent: 2, packets_are_lost: 3, link_flaps: 2,
        address_changes: 3, host_is_renumbered: 2, route_moves: 3, natd_is_killed: 2,
        natd_is_restarted: 1, natd_is_reloaded: 1,
    }
    ENDS_OF_NATD = (natd_is_killed, natd_is_restarted)

    def expire(self):
        for wish in list(self.wishes.values()):
            if wish.ends and wish.ends <= time.monotonic() + 1:
                self.left[wish.port] = wish.ends + 1
                del self.wishes[wish.ident]

    def next_action(self):
        self.next_chance()
        weights = {action: weight for action, weight in self.WEIGHTS.items()
                   if not self.steady or action not in self.ENDS_OF_NATD}
        action, = self.chance.choices(list(weights), weights.values())
        return action

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            action = self.next_action()
            self.samples.append((time.monotonic(), self.natd.rss_kib()))
            if self.heal_at and time.monotonic() > self.heal_at:
                self.heal()
            self.expire()
            self.done[action.__name__] = self.done.get(action.__name__, 0) + 1
            action(self)
            time.sleep(self.chance.choice((0, 0, 0.01, 0.1, 0.3)))
            assert self.natd.process.running(), "natd ended"
        self.settle()

    def differences(self):
        """Wanted, held and the router's table, where they are not the same; None if they are."""
        self.expire()
        mappings = {m["id"]: m for m in self.natd.mappings()}
        wanted = {(w.ident, w.port, tuple(sorted(w.protocols))) for w in self.wishes.values()}
        held = {(m["id"], m["context"].get("internalPort"), tuple(sorted(m["context"]["protocols"])))
                for m in mappings.values()}
        idle = {m["id"]: m["runtime"]["state"] for m in mappings.values()
                if m["runtime"]["state"] not in ("active", "renewing") or
                "external" not in m["runtime"]}
        table = {(address, e["protocol"], e["internal_port"], e["external_port"])
                 for address, gw in self.gws.items() for e in gw.table()}
        ours = {(m["runtime"].get("gateway"), p, m["context"]["internalPort"],
                 m["runtime"]["external"]["port"])
                for m in mappings.values() if m["id"] not in idle
                for p in m["context"]["protocols"]}
        if wanted == held and not idle and table == ours:
            return None
        return (f"wanted, not held: {wanted - held}; held, not wanted: {held - wanted}; "
                f"not active: {idle}; on the router only: {table - ours}; "
                f"not on the router: {ours - table}")

    def untold(self):
        """Streams whose last reply is not how the mapping is."""
        wrong = []
        for wish in self.wishes.values():
            if wish.stream:
                last = None
                with contextlib.suppress(socket.timeout, BlockingIOError):
                    while True:
                        last = wish.stream.receive(0.02)
                wish.told = last["parameters"]["mapping"] if last else getattr(wish, "told", None)
                now = self.natd.mapping(wish.ident)
                if wish.told and wish.told["runtime"].get("external") != \
                        now["runtime"].get("external"):
                    wrong.append((wish, wish.told["runtime"], now["runtime"]))
        return wrong

    def agree(self, what):
        last = None

        def check():
            nonlocal last
            last = self.differences()
            return last is None
        try:
            wait_until(check, self.patience_s, what, 0.1)
        except LabError:
            raise AssertionError(f"{what}: {last}") from None

    def settle(self):
        self.heal()
        self.place.replug()
        self.agree("wanted = held = the router's table")
        wait_until(lambda: not self.untold(), 5, "every application told the truth")
        for wish in self.wishes.values():
            if wish.stream:
                wish.stream.close()
            else:
                with contextlib.suppress(VarlinkError):
                    self.natd.call("ReleaseMapping", id=wish.ident)
        self.wishes = {}
        self.agree("all released")
        # The sockets to the router and the listeners go a moment later.
        wait_until(lambda: self.count_descriptors() <= self.descriptors, 5, "descriptors closed")

    def stop(self):
        """natd's exit code and all that it said."""
        code = self.natd.stop()
        logs = sorted(self.natd.lab.path("/run").glob(f"{self.natd.name}.*.log"),
                      key=lambda p: p.stat().st_mtime)
        return code, "".join(p.read_text(errors="replace") for p in logs)

    def report(self):
        done = ", ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        return f"{done}\n{self.natd.log()[-8000:]}\n" + \
            "\n".join(str(line) for gw in self.gws.values() for line in gw.heard()[-30:])


def main():
    kind, seed, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with h.home() as place:
        soak = Soak(place, kind, seed, "debug", steady=sys.argv[4:] == ["steady"])
        try:
            soak.run(seconds)
        except BaseException:
            print(soak.report())
            raise
        print(kind, seed, soak.stop()[0], soak.done)


if __name__ == "__main__":
    main()
