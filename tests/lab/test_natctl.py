"""natctl with the real daemon and a real router."""

import os
import re
import signal

import pytest

import home as h
from daemon import BUILD, Natd
from lab import TOP, wait_until

NATCTL = str(BUILD / "natctl")
SOCKET = "/run/natd/org.natd.NAT"


@pytest.fixture
def place():
    with h.home() as place:
        place.router.start()
        place.lab.path("/run/natd").mkdir()
        place.natd = Natd(place.client, socket=SOCKET)

        def natctl(*argv, code=0, **options):
            done = place.client.run(NATCTL, *argv, check=False, **options)
            assert done.returncode == code, done.stdout + done.stderr
            return done.stdout if code == 0 else done.stderr
        place.natctl = natctl
        yield place


def on_router(place, rules):
    """miniupnpd renews by deleting and adding, and for a moment the rule is not there."""
    wait_until(lambda: place.router.rules() == rules, 2, f"{rules} on the router")


def test_a_port_from_map_to_unmap(place):
    natctl = place.natctl
    assert natctl("map", "-q", "tcp", "8080", "--name", "web") == "11.22.33.44:8080\n"
    assert h.forwards(place, "tcp", ("11.22.33.44", 8080), 8080)
    fields = natctl("list", "--porcelain").rstrip("\n").split("\t")
    assert fields[1:10] == ["tcp", "active", "pcp", "11.22.33.44", "8080", "192.168.1.20", "8080",
                            "eth0", "192.168.1.1"]
    assert fields[12:] == ["0", "lease", "web"]
    assert "tcp 11.22.33.44:8080 -> 192.168.1.20:8080  PCP  renews in " in natctl("status")
    assert f"● {fields[0]}: web\n" in natctl("show", fields[0], env={"LC_ALL": "C.UTF-8"})
    assert natctl("renew") == "1 mapping renewed\n"
    assert natctl("wait", fields[0], "--timeout", "5") == ""
    assert natctl("unmap", "tcp", "8080") == f"released {fields[0]}\n"
    on_router(place, set())
    assert natctl("list") == "No mappings.\n"


def test_what_is_refused(place):
    """Attack 30 among them: who is not privileged opens nothing below 1024."""
    natctl = place.natctl
    assert "ports below 1024" in natctl("map", "tcp", "80", uid=12345, code=4)
    assert "permission denied" in natctl("reload", uid=12345, code=4)
    assert "no interface nope0" in natctl("map", "tcp", "9000", "-i", "nope0", code=1)
    assert "this host has no gateway 192.168.1.9. Try" in natctl("map", "tcp", "9000", "--gateway", "192.168.1.9", code=5)
    # A single request that failed is over, one that is to stay is not.
    assert natctl("list") == "No mappings.\n"
    error = natctl("map", "tcp", "9000", "--gateway", "192.168.1.9", "--permanent", code=5)
    assert "natd asks again" in error or "natd goes on trying" in error
    assert natctl("list", "--porcelain").split("\t")[1] == "tcp"
    assert "no mapping m99" in natctl("unmap", "m99", code=1)


def test_each_verb_understands_the_daemon(place):
    natctl = place.natctl
    natctl("wait", "--timeout", "5")
    assert natctl("-q") == "online\n"
    assert natctl("gateways", "-q", "-4") == "192.168.1.1\n"
    assert natctl("reload") == "nothing changed\n"
    assert "# TYPE natd_state gauge\n" in natctl("metrics")
    assert natctl("interface") in natctl(
        "call", "org.varlink.service.GetInterfaceDescription",
        '{"interface":"org.natd.NAT"}').encode().decode("unicode_escape")


def test_a_held_port_survives_a_restart_and_a_crash_of_natd(place):
    port, events = place.lab.path("/run/port"), place.lab.path("/run/events")
    held = place.client.spawn(
        NATCTL, "map", "udp", "7000", "--port-file", "/run/port", "--on-change",
        'echo "$NATD_EVENT $NATD_EXTERNAL_ADDRESS $NATD_EXTERNAL_PORT" >>/run/events', log="held")
    rule = h.Rule("udp", 7000, "192.168.1.20", 7000)

    def told(lines):
        wait_until(lambda: events.exists() and events.read_text().splitlines() == lines, 10,
                   f"{lines}; natctl said:\n{held.output()}")
    up, down = "up 11.22.33.44 7000", "down 11.22.33.44 7000"
    told([up])
    assert port.read_text() == "7000\n" and rule in place.router.rules()

    assert place.natd.stop() == 0
    told([up, down])
    assert not port.exists() and rule not in place.router.rules()
    place.natd.start()
    told([up, down, up])
    assert port.exists() and rule in place.router.rules()

    place.natd.process.kill()
    told([up, down, up, down])
    assert not port.exists()
    place.natd.start()
    told([up, down, up, down, up])
    assert rule in place.router.rules()

    held.stop()
    told([up, down, up, down, up, down])
    assert not port.exists()
    wait_until(lambda: rule not in place.router.rules(), 5, "the rule gone")


def test_a_port_lasts_as_long_as_its_command(place):
    done = place.client.run(
        NATCTL, "map", "tcp+udp", "auto", "--hold", "--", "sh", "-c",
        'echo "$NATD_EXTERNAL_ADDRESS $NATD_EXTERNAL_PORT $NATD_INTERNAL_PORT $NATD_PROTOCOL"; '
        f'{NATCTL} list -q | wc -l; exit 7', check=False)
    assert done.returncode == 7
    first, second = done.stdout.splitlines()
    address, external, internal, protocol = first.split()
    assert (address, protocol, second.strip()) == ("11.22.33.44", "tcp+udp", "1")
    assert external == internal
    wait_until(lambda: place.router.rules() == set(), 5, "the rules gone")


def test_a_port_released_by_somebody_else_ends_the_hold(place):
    held = place.client.spawn(NATCTL, "map", "udp", "7000", "--hold", log="held")
    found = wait_until(lambda: place.natctl("list", "-q"), 5, "the mapping")
    place.natctl("unmap", found.strip())
    assert held.wait() == 1
    assert "the mapping was released" in held.output()


def test_a_mapping_that_is_asked_for_differently_moves(place):
    natctl = place.natctl
    rules = {h.Rule("tcp", 9090, "192.168.1.20", 8080)}
    natctl("map", "tcp", "8080", "--name", "web")
    ident = natctl("list", "-q")
    assert natctl("map", "-q", "tcp", "8080", "--external", "9090") == "11.22.33.44:9090\n"
    on_router(place, rules)
    assert natctl("map", "-q", "tcp", "8080", "--external", "9090") == "11.22.33.44:9090\n"
    assert natctl("list", "-q") == ident
    on_router(place, rules)
    assert ", NAT-PMP, " in natctl("map", "tcp", "8080", "--method", "nat-pmp")
    on_router(place, rules)


def test_another_lifetime_is_told_as_the_router_gave_it(place):
    for words, told in [("1h", "1h"), ("10min", "10min"), ("20min", "20min")]:
        assert f", PCP, {told}, " in place.natctl("map", "tcp", "9200", "--for", words)
    # No router grants as little.
    assert ", PCP, 1s (the router grants 2min), " in place.natctl(
        "map", "tcp", "9201", "--for", "1s")


def test_a_port_that_the_router_keeps_is_named(place):
    # It lets 1024 and above through; the other services deny the host as such.
    error = place.natctl("map", "tcp", "443", "--exact", code=6)
    assert "port 443 cannot be had on the gateway: it is taken there or not allowed" in error


@pytest.mark.parametrize("method, reason", [
    ("igd1", "UPnP IGD:1 at 192.168.1.1: not offered by this router"),
    ("direct", "direct at 192.168.1.1: this host's address is not a global one"),
    ("igd-pinhole", "UPnP pinhole at 192.168.1.1: not on IPv4")])
def test_each_method_that_was_asked_for_is_named(place, method, reason):
    error = place.natctl("map", "tcp", "9300", "--method", method, code=5)
    assert f"opens this port. {reason}. Is " in error
    lines = [line for line in place.natd.log().splitlines() if "9300" in line and "failed" in line]
    assert len(lines) == 1 and f"tcp 192.168.1.20:9300 failed: no router opens the port; " in lines[0]
    assert reason.split(": ")[1] in lines[0]


def test_a_configured_mapping_that_was_released_comes_back(place):
    place.natd.configure("[Mapping web]\nProtocols=tcp\nInternalPort=8085\n")
    assert place.natctl("reload") == "changed: Mapping web\n"
    on_router(place, {h.Rule("tcp", 8085, "192.168.1.20", 8085)})
    done = place.client.run(NATCTL, "unmap", "tcp", "8085")
    assert "is configured as [Mapping web]: it comes back at the next reload or start" in done.stderr
    on_router(place, set())
    assert "until the next start or reload: it is configured as [Mapping web]" in place.natd.log()
    assert place.natctl("reload") == "changed: Mapping web\n"
    on_router(place, {h.Rule("tcp", 8085, "192.168.1.20", 8085)})
    assert place.natctl("reload") == "nothing changed\n"


def test_stopping_for_good_closes_what_a_stop_leaves(place):
    """The line of natd(8); without it the rules are there for the next start."""
    line = re.search(r"^\.Dl (natctl list .*)$", (TOP / "man/natd.8").read_text(), re.M)[1]
    static = h.Rule("tcp", 8085, "192.168.1.20", 8085)
    permanent = h.Rule("udp", 9400, "192.168.1.20", 9400)
    place.natd.configure("[Mapping web]\nProtocols=tcp\nInternalPort=8085\n")
    place.natctl("reload")
    place.natctl("map", "udp", "9400", "--permanent")
    place.natctl("map", "udp", "9401")
    on_router(place, {static, permanent, h.Rule("udp", 9401, "192.168.1.20", 9401)})
    place.natd.stop()
    on_router(place, {static, permanent})
    place.natd.start()
    on_router(place, {static, permanent, h.Rule("udp", 9401, "192.168.1.20", 9401)})
    done = place.client.run("sh", "-c", line, env={"PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    on_router(place, set())
    place.natd.stop()
    place.natd.start()
    on_router(place, {static})


def test_reload_names_every_mistake(place):
    place.natd.configure("[Daemon]\nLeaseSec=1\nNothing=1\n[Mapping x]\nProtocols=sctp\n")
    lines = place.natctl("reload", code=1).splitlines()
    assert [line.split(": ")[0] for line in [lines[0].removeprefix("natctl: ")] + lines[1:3]] == [
        f"{place.natd.conf}:{n}" for n in (2, 3, 5)]
    assert lines[-1] == "natd keeps the configuration it has"


def test_of_many_mistakes_a_reload_says_how_many_do_not_fit(place):
    """Whole lines, and the count of the others; the log has them all, after a signal too."""
    place.natd.configure("[Daemon]\n" + "Nothing=1\n" * 60)
    lines = place.natctl("reload", code=1).removeprefix("natctl: ").splitlines()
    mistakes = [f"{place.natd.conf}:{n}: Nothing: unknown key in [Daemon]" for n in range(2, 62)]
    told = len(lines) - 2
    assert 20 < told < 60 and lines[:told] == mistakes[:told]
    assert lines[told:] == [f"and {60 - told} more", "natd keeps the configuration it has"]

    def logged():
        return [line for line in place.natd.log().splitlines() if "Nothing: unknown" in line]
    assert [line[line.index(place.natd.conf):] for line in logged()] == mistakes
    place.natd.process.send(signal.SIGHUP)
    wait_until(lambda: len(logged()) == 120, 5, "the mistakes once more")


def test_failures_are_counted_by_their_reason(place):
    natctl = place.natctl
    natctl("map", "tcp", "443", "--exact", code=6)
    natctl("map", "tcp", "9300", "--method", "igd1", code=5)
    counts = dict(line.rsplit(" ", 1) for line in natctl("metrics").splitlines() if line[0] != "#")
    failed = {k: v for k, v in counts.items()
              if k.startswith("natd_mapping_request_failures_total{") and v != "0"}
    assert [v for k, v in failed.items() if 'reason="no_method"' in k] == ["1"]
    assert len(failed) == 2
    # That it was learnt is no change.
    assert counts['natd_external_address_changes_total{family="ipv4"}'] == "0"
    assert int(counts['natd_gateway_soap_requests_total{interface="eth0",family="ipv4"}']) >= 1


def test_a_request_that_failed_says_nothing_of_this_host(place):
    natctl = place.natctl
    with place.natd.connect() as c:
        events = c.more("org.natd.NAT.Monitor")
        assert next(events)["state"] == "online"
        natctl("map", "tcp", "443", "--exact", code=6)
        natctl("map", "-q", "tcp", "9000")
        natctl("unmap", "tcp", "9000")
        seen = []
        while "mapping_removed" not in [e["event"] for e in seen[-1:]] or len(
                [e for e in seen if e["event"] == "mapping_removed"]) < 2:
            seen.append(next(events))
    assert "state_changed" not in [e["event"] for e in seen]
    last = [e["mapping"]["runtime"]["state"] for e in seen
            if e["event"].startswith("mapping_") and e["mapping"]["id"] == seen[-1]["mapping"]["id"]]
    assert last[-2:] == ["releasing", "releasing"] and last[-3] == "active"


def test_too_many_connections_of_one_user(place):
    place.natd.stop()
    place.natd.configure("[Daemon]\nConnectionsPerUser=1\n")
    place.natd.start()
    one = place.client.spawn(NATCTL, "monitor", uid=4003, log="one")
    wait_until(one.output, 10, "its first event")
    error = place.natctl("status", uid=4003, code=3)
    assert "or has this user too many open (ConnectionsPerUser in natd.conf)? Try: " in error
    assert place.natd.metric("natd_connections_refused_total") == 1
    lines = [line for line in place.natd.log().splitlines() if "refused a connection" in line]
    assert len(lines) == 1 and "of user 4003: too many are open (ConnectionsPerUser in" in lines[0]
    one.stop()


def test_waiting_offline(place):
    place.client.ip("link set eth0 down")
    wait_until(lambda: place.natctl("-q") == "offline\n", 5, "offline")
    assert place.natctl("wait", "--timeout", "1", code=7) == "natctl: natd is offline\n"
