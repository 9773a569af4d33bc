"""The real daemon against every personality of the scripted gateway.

Each file says in its first comment which quirk or fault it stands for, and in [expect]
what an application must see; [[then]] steps go on from there.

[expect]: state, not_state, error (name without the interface), code, method, port ("same" as
asked, "other", "internal", a number), address, global, problem, within_s, table and
pinholes (entries), heard {event = "<=2"}, path (of AddPortMapping), dropped (searches), lease_max,
renewal_max_s, rss_kib.
[[then]]: order (to the gateway), map (another port: any answer of the gateway), call (a
method of natd with the mapping's id), natd
("sigkill": killed and started again), release; quiet_s; then within within_s: heard (with
heard_at_least, heard_at_most), and the keys of [expect].  slow: in `make check-long` only.
best_of_three: what is measured is natd; a machine with other things to do may take five times
within_s, twice.
[request]: parameters of RequestMapping, "null" for none.  [natd]: config, its text.
[lab]: ipv6, whether the home has it.
"""

import concurrent.futures
import contextlib
import threading
import time

import clock
import daemon
import gateway
import home as h
import pytest
import scripted
import varlink

PORT = 40000


class Outcome:
    """What the application got: a mapping or an error; kept up to date by refresh()."""

    def __init__(self, natd, request):
        self.natd, self.request = natd, request
        self.mapping = self.error = None
        started = clock.now()
        try:
            self.mapping = natd.call("RequestMapping", **request)["mapping"]
        except varlink.VarlinkError as e:
            self.error = e
        self.took_s = clock.lasted(started)

    def refresh(self):
        if self.mapping:
            self.mapping = self.natd.mapping(self.mapping["id"])
        else:
            found = self.natd.mappings()
            self.mapping = found[0] if found else None

    def facts(self):
        if self.error and not self.mapping:
            name = self.error.name.rsplit(".", 1)[1]
            return {"state": "error", "error": name, "code": self.error.parameters.get("resultCode")}
        r = self.mapping["runtime"]
        external = r.get("external") or {}
        return {"state": r["state"], "error": None, "method": r.get("method"),
                "port": external.get("port"), "address": external.get("address", "absent"),
                "global": r.get("externalIsGlobal"), "problem": (r.get("problem") or {}).get("code"),
                "lease": r.get("grantedLifetimeSeconds"),
                "renewal_s": (r.get("nextRenewal") or {}).get("realtime", 0) / 1e6 - time.time()}


def wanted_port(word, request):
    suggested = request.get("suggestedExternalPort") or request.get("internalPort")
    return {"same": suggested, "internal": request.get("internalPort")}.get(word, word)


def problems(expect, outcome, gw, since=0.0):
    """Everything that is not as expected, as text; nothing if all is."""
    facts, wrong = outcome.facts(), []

    def differs(key, value, wanted):
        if value not in (wanted if isinstance(wanted, list) else [wanted]):
            wrong.append(f"{key} is {value!r}, not {wanted!r}")

    for key in ("state", "error", "code", "method", "address", "global", "problem"):
        if key in expect:
            differs(key, facts.get(key), expect[key])
    if "not_state" in expect and facts["state"] == expect["not_state"]:
        wrong.append(f"state is {facts['state']}")
    if expect.get("port") == "other":
        if facts.get("port") in (None, 0, wanted_port("same", outcome.request)):
            wrong.append(f"port is {facts.get('port')}")
    elif "port" in expect:
        differs("port", facts.get("port"), wanted_port(expect["port"], outcome.request))
    if "renewal_max_s" in expect and facts["renewal_s"] > expect["renewal_max_s"]:
        wrong.append(f"renewed in {facts['renewal_s']} s")
    if "lease_max" in expect and facts["lease"] > expect["lease_max"]:
        wrong.append(f"lease is {facts['lease']}")
    for key in ("table", "pinholes"):
        held = gw.order("table")[key] if key in expect else []
        if key in expect and len(held) != expect[key]:
            wrong.append(f"the router holds {held}")
    for event, condition in (expect["heard"] if isinstance(expect.get("heard"), dict) else {}).items():
        count = len(scripted.questions(gw.heard(event, since)))
        if not gateway.compare(condition, count, {}):
            wrong.append(f"{count} × {event}, not {condition}")
    if "path" in expect:
        paths = {line["path"] for line in gw.heard("soap.AddPortMapping")}
        differs("path", paths, {expect["path"]})
    if "dropped" in expect:
        differs("dropped searches", len(gw.heard("ssdp.search", result="dropped")), expect["dropped"])
    if "rss_kib" in expect and outcome.natd.rss_kib() > expect["rss_kib"]:
        wrong.append(f"natd takes {outcome.natd.rss_kib()} KiB")
    return wrong


def ill_mannered(gw):
    """Requests that no router should ever get from natd."""
    wrong = [f"{line['event']} with {line['flaws']}" for line in gw.heard() if line.get("flaws")]
    wrong += [f"{line['event']} from port {line['source_port']}" for line in gw.heard()
              if line.get("source_port") in (1900, 5350, 5351)]
    wrong += [f"{line['event']} for external port 0" for line in gw.heard("soap")
              if "Add" in line["event"] and line.get("external_port") == 0]
    return wrong


class Late(AssertionError):
    """What was expected came, but late; or nobody can know whether it would have."""


def step(then, outcome, gw):
    since = clock.now()
    if "order" in then:
        order = dict(then["order"])
        gw.order(order.pop("do"), **order)
    if then.get("natd") == "sigkill":
        outcome.natd.kill()
        outcome.natd.start()
    if "map" in then:
        outcome.natd.map(["udp"], then["map"])
    if "call" in then:
        try:
            outcome.natd.call(then["call"], id=outcome.mapping["id"])
        except varlink.VarlinkError:
            pass  # a renewal may be refused: what counts is what comes of it
    if then.get("release"):
        outcome.natd.call("ReleaseMapping", id=outcome.mapping["id"])
    time.sleep(then.get("quiet_s", 0))

    def wrong():
        if not then.get("release"):
            outcome.refresh()
        found = problems(then, outcome, gw, since)
        if isinstance(then.get("heard"), str):
            count = len(scripted.questions(gw.heard(then["heard"], since)))
            least = then.get("heard_at_least", 0 if "heard_at_most" in then else 1)
            if not least <= count <= then.get("heard_at_most", 1000):
                found.append(f"{count} × {then['heard']}")
        return found

    within_s = then.get("within_s", 1.0)
    most_s = within_s * (5 if then.get("best_of_three") else 1) + then.get("quiet_s", 0)
    found, looked_s = wrong(), clock.lasted(since)
    while found and looked_s < most_s:
        time.sleep(0.02)
        found, looked_s = wrong(), clock.lasted(since)
    assert not found, f"after {then}: {found}"
    took_s = looked_s - then.get("quiet_s", 0)
    if then.get("best_of_three") and took_s > within_s:
        raise Late(f"after {then}: as expected after {took_s:.3f} s")


def cases():
    """Each personality, and once more the whole way if some of its steps are slow."""
    for name in scripted.names():
        yield pytest.param(name, False, id=name)
        if any(then.get("slow") for then in scripted.load(name).get("then", [])):
            yield pytest.param(name, True, id=name + "-slow", marks=pytest.mark.long)


class Verdicts:
    """Runs what was selected, a few at a time: most of it is waiting.  A worker has a home
    without and one with IPv6 for itself, made when first needed."""

    WORKERS = 3

    def __init__(self, wanted):
        self.homes, self.lock, self.local = contextlib.ExitStack(), threading.Lock(), threading.local()
        self.pool = concurrent.futures.ThreadPoolExecutor(self.WORKERS)
        self.futures = {which: self.pool.submit(self.run, *which) for which in wanted}

    def close(self):
        self.pool.shutdown(cancel_futures=True)
        self.homes.close()

    def home(self, ipv6):
        mine = self.local.__dict__.setdefault("homes", {})
        if ipv6 not in mine:
            place = h.home(ipv6=ipv6)
            with self.lock:
                mine[ipv6] = self.homes.enter_context(place)
        return mine[ipv6]

    def run(self, name, slow):
        """None, or what was wrong."""
        for _ in range(2):
            try:
                return self.once(name, slow, True)
            except Late as e:
                print(f"{name}: {e}; again")
        return self.once(name, slow, False)

    def once(self, name, slow, again):
        conf = scripted.load(name)
        ipv6 = conf.get("lab", {}).get("ipv6", False)
        place = self.home(ipv6)
        gw = scripted.Scripted(place.router, name, lan6=["fe80::1", "2a10:50::1"] if ipv6 else [])
        natd = daemon.Natd(place.client, conf.get("natd", {}).get("config", ""))
        since = clock.now()
        try:
            judge(conf, natd, gw, slow)
            return None
        except Late:
            raise
        except Exception as e:
            if clock.stood_still(since) and again:
                raise Late("everything stood still meanwhile") from e
            heard = "\n".join(map(str, gw.heard()))
            return (f"{type(e).__name__}: {e}\nnatd said:\n{natd.log()}\nthe gateway heard:\n{heard}"
                    f"\nthe gateway said:\n{gw.process.output()}")
        finally:
            if natd.process.running():
                natd.kill()
            gw.stop()


def judge(conf, natd, gw, slow):
    request = {"protocols": ["udp"], "internalPort": PORT, **conf.get("request", {})}
    request = {key: value for key, value in request.items() if value != "null"}
    expect = conf["expect"]
    outcome = Outcome(natd, request)
    found = problems(expect, outcome, gw)
    assert not found, f"{found}\n{outcome.facts()}"
    assert outcome.took_s <= expect.get("within_s", 3.2), f"it took {outcome.took_s} s"
    for then in conf.get("then", []):
        if slow or not then.get("slow"):
            step(then, outcome, gw)
    assert not ill_mannered(gw), ill_mannered(gw)


@pytest.fixture(scope="module")
def verdicts(request):
    wanted = [(item.callspec.params["name"], item.callspec.params["slow"])
              for item in request.session.items if item.module is request.module and
              hasattr(item, "callspec")]
    v = Verdicts(wanted)
    yield v
    v.close()


@pytest.mark.parametrize("name,slow", cases())
def test_personality(verdicts, name, slow):
    wrong = verdicts.futures[name, slow].result()
    assert wrong is None, wrong


def test_every_personality_names_its_quirk():
    assert len(scripted.names()) >= 40
    for name in scripted.names():
        text = (scripted.PERSONALITIES / f"{name}.toml").read_text()
        comment = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
        assert "Expected: " in comment, name
        gateway.overlay(gateway.DEFAULTS, scripted.load(name))
