"""natd itself: killed at any instant, a broken state, a second one, a full disk."""

import collections
import contextlib
import json
import os
import random
import re
import signal
import time
import zlib

import clock
import pytest
import scripted
from daemon import BINARY
from fixtures import shared_home
from lab import wait_until
from meddle import Meddle

COUNT = 200
MANY = "[table]\ncapacity = 5000\n"
place = shared_home()


@pytest.fixture
def gw(gateway):
    return gateway(MODES["pcp"] + MANY)


MODES = {
    "pcp": "[pcp]\non = true\n",
    "nat_pmp": "[nat_pmp]\non = true\n",
    "igd1": "[upnp]\non = true\n",
    "igd2": "[upnp]\non = true\n[description]\nversion = 2\n",
}


def held(gw):
    """Every rule that the router has, one by one."""
    return sorted((e["protocol"], e["internal_port"], e["external_port"], e["client"], e["nonce"])
                  for e in gw.table())


def by_port(gw):
    return {e["internal_port"]: e["external_port"] for e in gw.table()}


def asked(gw, since):
    """How often each rule was asked for, and each deletion."""
    lines = [line for event in ("pcp.map", "nat_pmp.map", "soap") for line in gw.heard(event, since)
             if "internal_port" in line and "Get" not in line["event"]]
    return collections.Counter((line["event"], line["protocol"], line["internal_port"],
                                line["external_port"] if "soap" in line["event"] else None,
                                line.get("delete")) for line in lines)


def kill_again_and_again(natd, gw, times, seed, count, protocols=("udp",)):
    """Killed during requests, renewals, writing and adopting: nothing is lost, nothing is left over
    of those who held a mapping by their connection, nothing is asked twice."""
    chance, patience_s = random.Random(seed), 30 + count
    with natd.connect(patience_s) as c:
        for port in range(count):
            c.call("org.natd.NAT.RequestMapping", protocols=list(protocols), internalPort=20000 + port,
                   persistence="permanent")
    before = held(gw)
    assert len(before) == count * len(protocols)
    clients = [ask(natd, "connection", 31000 + n, protocols) for n in range(3)]
    wait_until(lambda: len(held(gw)) == len(before) + 3 * len(protocols), patience_s, "three more")
    for n in range(times):
        if not natd.process.running():
            natd.start()
        with contextlib.suppress(OSError):
            for port in range(3):
                clients.append(ask(natd, "connection", 30000 + 3 * (n % 10) + port, protocols))
            clients.append(natd.connect(1))
            clients[-1].send("org.natd.NAT.RenewMapping")
        time.sleep(chance.uniform(0, 0.3))
        natd.kill()
        while clients:
            clients.pop().close()
    @clock.one_of(3)  # who answers late is asked again, and should be
    def last():
        natd.kill()
        since = scripted.now()
        natd.start()
        natd.wait_active(count, patience_s)
        wait_until(lambda: held(gw) == before, patience_s, "every rule as before, and no other")
        assert max(asked(gw, since).values(), default=1) == 1, asked(gw, since).most_common(3)
    last()


# Router, mappings, protocols of each.
KILLED = {"pcp": ("pcp", 200, ["udp"]), "nat_pmp": ("nat_pmp", 30, ["udp", "tcp"]),
          "igd": ("igd2", 5, ["udp"])}


@pytest.mark.parametrize("kind", KILLED)
def test_sigkill_loses_and_leaks_nothing(router, run, kind):
    """F48: SIGKILL at random instants."""
    mode, count, protocols = KILLED[kind]
    kill_again_and_again(run(level="info"), router(mode, MANY), 5, 1, count, protocols)


@pytest.mark.long
@pytest.mark.parametrize("protocols", [["udp"], ["udp", "tcp"]], ids="+".join)
@pytest.mark.parametrize("mode,times", [("pcp", 1000), ("nat_pmp", 200), ("igd1", 40), ("igd2", 40)])
def test_sigkill_a_thousand_times(router, run, mode, times, protocols):
    """F48: SIGKILL, a thousand times; where no nonce tells who is who; where the router takes five
    requests a second."""
    seed = int(time.time())
    print(f"seed {seed}")
    kill_again_and_again(run(level="info"), router(mode, MANY), times, seed, COUNT, protocols)


@pytest.fixture
def router(gateway):
    return lambda mode, more="": gateway(MODES[mode] + more)


def ask(natd, persistence, port, protocols=("udp",)):
    """A request on a connection of its own; the connection."""
    c = natd.connect()
    c.send("org.natd.NAT.RequestMapping", {"protocols": list(protocols), "internalPort": port,
                                           "persistence": persistence}, more=True)
    return c


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("persistence", ["connection", "lease", "permanent"])
def test_sigkill_at_the_moment_of_the_grant(router, run, mode, persistence):
    """F48: what was told a moment ago is known to the next start: given back, or held on."""
    gw, natd = router(mode), run()
    for port in range(40000, 40002 if "igd" in mode else 40005):
        with ask(natd, persistence, port) as c:
            assert c.result()["mapping"]["runtime"]["state"] == "active"
            natd.kill()
        before = held(gw)
        assert port in by_port(gw)
        natd.start()
        if persistence == "connection":
            wait_until(lambda: gw.table() == [], 5, "the rule deleted")
        else:
            natd.wait_active(port - 39999)
            assert held(gw) == before


def kill_before_the_answer(router, run, mode, persistence, port):
    """The router has granted it, and nobody is there to hear that.  The router, the next natd,
    and what was granted."""
    event = f"{mode}.map" if "igd" not in mode else "soap"
    gw = router(mode, f'[[rule]]\non = ["{event}"]\ndo = {{ delay_ms = 400 }}\n')
    natd = run()
    with ask(natd, persistence, port):
        wait_until(lambda: gw.table(), 5, "the rule")
        natd.kill()
    before = held(gw)
    gw.order("change", **{"with": {"rule": []}})
    natd.start()
    return gw, natd, before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("port", [40000, None], ids=["a port", "of the router's choice"])
def test_sigkill_between_the_request_and_the_answer(router, run, mode, port):
    """F48: what nobody holds any more is deleted."""
    gw, natd, _ = kill_before_the_answer(router, run, mode, "connection", port)
    wait_until(lambda: gw.table() == [], 8, "the rule deleted")
    assert natd.mappings() == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("port", [40000, None], ids=["a port", "of the router's choice"])
def test_sigkill_before_the_answer_to_what_is_wanted_for_good(router, run, mode, port):
    """F48: it is asked again, and there is one rule for it, the same one where a port is named."""
    gw, natd, before = kill_before_the_answer(router, run, mode, "permanent", port)
    natd.wait_active(1)
    mapping = natd.mappings()[0]["runtime"]
    wait_until(lambda: len(gw.table()) == 1, 5, "one rule")
    assert gw.table()[0]["external_port"] == mapping["external"]["port"]
    assert port is None or held(gw) == before
    natd.call("ReleaseMapping", id=natd.mappings()[0]["id"])
    wait_until(lambda: gw.table() == [], 5, "nothing")


def kill_while_it_is_asked(router, run, mode, times, seed):
    """Killed at any instant of many requests: the next natd leaves nothing of them."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    igd = "igd" in mode
    gw, natd = router(mode, "[soap]\ndelete_any = true\n"), run()
    for _ in range(times):
        connections = [ask(natd, "connection", chance.choice((None, 40000 + n)))
                       for n in range(3 if igd else 10)]
        time.sleep(chance.uniform(0, 1 if igd else 0.02))
        natd.kill()
        for c in connections:
            c.close()
        natd.start()
        with ask(natd, "connection", 50000) as c:  # behind the deletions
            assert c.result()["mapping"]["runtime"]["state"] in ("active", "requesting")
            wait_until(lambda: list(by_port(gw)) == [50000], 15, "only the new one")
        wait_until(lambda: gw.table() == [], 5, "nothing")


def test_sigkill_when_what_lapsed_is_asked_for_again(router, run):
    """F48: what was noted of it is over; that it was asked for since is noted, too."""
    gw, natd = router("nat_pmp", "[lease]\nmax = 2\n"), run()
    with ask(natd, "connection", 40000) as c:
        assert c.result()["mapping"]["runtime"]["state"] == "active"
        natd.process.send(signal.SIGSTOP)
        wait_until(lambda: gw.table() == [], 5, "the lease run out")
        gw.order("change", **{"with": {"lease": {"max": 7200},
                                       "rule": [{"on": "nat_pmp.map", "do": {"delay_ms": 400}}]}})
        natd.process.send(signal.SIGCONT)
        wait_until(gw.table, 5, "the rule")
        natd.kill()
    gw.order("change", **{"with": {"rule": []}})
    natd.start()
    wait_until(lambda: gw.table() == [], 8, "the rule deleted")


@pytest.mark.parametrize("mode", MODES)
def test_sigkill_while_it_is_asked(router, run, mode):
    """F48: SIGKILL at random instants of requests."""
    kill_while_it_is_asked(router, run, mode, 2 if "igd" in mode else 10, 7)


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_sigkill_while_it_is_asked_again_and_again(router, run, mode):
    """F48: the same, for a while."""
    kill_while_it_is_asked(router, run, mode, 50 if "igd" in mode else 300, int(time.time()))


ANOTHER = ('[[rule]]\non = "soap.AddAnyPortMapping"\nnth = 1\n'
           'do = { grant_port = "+7", delay_ms = 400 }\n')


def killed_when_another_number_was_given(router, run, persistence):
    """(router, natd), killed when the router has given 40007 for 40000 and not said so yet.
    There are entries of others, one for the same port of this host among them."""
    gw, natd = router("igd2", ANOTHER), run()
    for number in range(6):
        gw.order("insert", entry={"protocol": "udp", "external_port": 30000 + number,
                                  "client": f"192.168.1.2{number}", "internal_port": 40000,
                                  "description": "somebody" if number == 0 else "natd"})
    with ask(natd, persistence, 40000):
        wait_until(lambda: len(gw.table()) == 7, 5, "the rule")
        natd.kill()
    assert ours(gw) == {40007}
    return gw, natd


def ours(gw):
    return {e["external_port"] for e in gw.table()
            if (e["client"], e["description"]) == ("192.168.1.20", "natd")}


def test_a_number_that_nobody_was_told_is_found_in_the_table(router, run):
    """F48: AddAnyPortMapping gives what it likes; the entry says whose it is, and of what."""
    gw, natd = killed_when_another_number_was_given(router, run, "connection")
    natd.start()
    wait_until(lambda: ours(gw) == set(), 8, "the rule deleted")
    assert len(gw.table()) == 6
    assert len(gw.heard("soap.GetGenericPortMappingEntry")) == 7


def test_who_asks_again_does_not_wait_for_the_search(router, run):
    """F48: meanwhile the same port is asked for once more, and gets one rule."""
    gw, natd = killed_when_another_number_was_given(router, run, "lease")
    natd.start()
    wait_until(lambda: ours(gw) >= {40000}, 3, "the wish again")
    assert natd.map(port=40000)["runtime"]["external"]["port"] == 40000
    wait_until(lambda: ours(gw) == {40000}, 8, "the rule left over deleted")
    assert len(gw.table()) == 7


def test_an_entry_of_somebody_else_is_not_deleted_on_a_guess(router, run):
    """The number asked for when natd was killed belongs to another host."""
    gw, natd = router("igd1"), run()
    other = {"protocol": "udp", "external_port": 40000, "client": "192.168.1.30",
             "internal_port": 40000, "description": "natd"}
    gw.order("insert", entry=other)
    gw.order("change", **{"with": {"rule": [{"on": "soap.AddPortMapping", "do": {"drop": True}}]}})
    with ask(natd, "connection", 40000):
        gw.wait_heard("soap.AddPortMapping")
        natd.kill()
    gw.order("change", **{"with": {"rule": []}})
    since = scripted.now()
    natd.start()
    gw.wait_heard("soap.GetSpecificPortMappingEntry", since=since)
    assert natd.map(port=40001)["runtime"]["state"] == "active"
    assert {(e["client"], e["external_port"]) for e in gw.table()} == {
        ("192.168.1.30", 40000), ("192.168.1.20", 40001)}


def broken(data, harm):
    """The state file with a harm, which hits the record of 40001 where it hits only one."""
    lines = data.splitlines(keepends=True)
    hit = next(n for n, line in enumerate(lines) if b'"internalPort":40001' in line)
    before, line, behind = b"".join(lines[:hit]), lines[hit], b"".join(lines[hit + 1:])
    middle = len(line) // 2
    header = lines[0].replace(b'"natd":1,', b'"natd":99,').rstrip().split(b",", 1)[1]
    return {"truncated": before + line[:middle], "empty": b"", "garbage": b"\0\xff{" * 1000,
            "without its head": b"".join(lines[1:]),
            "newer": b'{"crc":"%08x",%s\n' % (zlib.crc32(header), header) + b"".join(lines[1:]),
            "flipped": before + line[:middle] + bytes([line[middle] ^ 0x40]) + line[middle + 1:] +
            behind}[harm]


# What is said of the harm, which mappings are there at the next start.
HARMS = {
    "truncated": (r"is damaged, 1 of 3 records were read", {40000}),
    "flipped": (r"is damaged, 2 of 3 records were read", {40000}),
    "without its head": (r"has lost its first line, 3 records were read", {40000, 40001}),
    "empty": (r"has lost its first line, 0 records were read", set()),
    "garbage": (r"has lost its first line, 0 records were read", set()),
    "newer": (r"is of version 99, natd knows 1", set()),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_broken_state_file_does_not_keep_natd_from_starting(gw, run, harm):
    """F47: a damaged or newer state file.  It is said, what can be read is held as before, and the
    file is put aside."""
    said, left = HARMS[harm]
    natd = run()
    for port in (40000, 40001):
        natd.map(port=port, persistence="permanent")
    state = natd.lab.path(natd.state + "/leases.json")

    def saved():
        text = state.read_bytes()
        return (text.count(b'"kind":"mapping"'), text.count(b"\n")) == (2, 4) and b'"records":3}' in text
    wait_until(saved, 3, "nothing but both mappings and the last id in the file")
    natd.kill()
    before, data = held(gw), broken(state.read_bytes(), harm)
    state.write_bytes(data)
    natd.start()
    assert re.search(rf"what was held before: leases.json {said}, kept as leases.json.bad", natd.log())
    assert {m["context"]["internalPort"] for m in natd.mappings()} == left
    assert not left or natd.wait_active(len(left))
    assert held(gw) == before
    assert natd.lab.path(natd.state + "/leases.json.bad").read_bytes() == data
    assert natd.map(port=40002)["runtime"]["state"] == "active"


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_state_directory_that_cannot_be_written(gw, run, tmp_path, trouble):
    """F46: the disk is full or read-only: natd works on, says so, and saves when it is well."""
    meddle = Meddle(tmp_path)
    natd = run(start=False)
    options = "size=4k" if trouble == "full" else "ro"
    natd.lab.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", natd.state])
    if trouble == "full":
        natd.lab.path(natd.state + "/filler").write_bytes(b"x" * 4096)
    natd.start(env=meddle.env)
    ident = natd.map(port=40000, persistence="permanent")["id"]
    natd.wait_state(ident, "active")
    assert natd.call("Status")["mappingsActive"] == 1
    meddle.order(asleep_s=10)  # what is saved a moment after a change was, in vain
    for _ in range(3):
        natd.call("Status")
    assert natd.log().count("cannot save what is held") == 1
    if trouble == "full":
        natd.lab.path(natd.state + "/filler").unlink()
    else:
        natd.lab.run(["mount", "-o", "remount,rw", natd.state])
    gw.order("silent", on=True)  # no news of the router makes it write anything
    meddle.order(asleep_s=71)
    natd.call("Status")
    wait_until(lambda: "is saved again" in natd.log(), 2, "saved")
    natd.kill()
    natd.start()
    assert [m["id"] for m in natd.mappings()] == [ident]


def disk_of(natd, kib):
    natd.lab.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", natd.state])


def fill_disk(natd):
    with contextlib.suppress(OSError), open(natd.lab.path(natd.state + "/filler"), "ab") as f:
        while True:
            f.write(b"x" * 512)
            f.flush()


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_what_was_saved_survives_a_disk_that_takes_no_more(gw, run, trouble):
    """F46, F48: the disk fills or turns read-only, natd is killed and starts again: what was in the
    file is held as before, however often that happens."""
    natd = run(start=False)
    disk_of(natd, 12)
    natd.start()
    for port in (40000, 40001):
        natd.map(port=port, persistence="permanent")
    state = natd.lab.path(natd.state + "/leases.json")
    wait_until(lambda: state.read_bytes().count(b"\n") == 4, 3, "both mappings and the last id saved")
    before = held(gw)
    if trouble == "full":
        fill_disk(natd)
    else:
        natd.lab.run(["mount", "-o", "remount,ro", natd.state])
    for _ in range(2):
        # More than the last page of the file takes: half of it may be written.
        natd.call("RequestMapping", protocols=["udp"], internalPort=41000, persistence="permanent",
                  description="x" * 63)
        wait_until(lambda: "cannot save what is held" in natd.log(), 5, "a word of it")
        natd.kill()
        natd.start()
        natd.wait_active(len(natd.mappings()))
        assert {m["context"]["internalPort"] for m in natd.mappings()} >= {40000, 40001}
        assert [rule for rule in held(gw) if rule[1] < 41000] == before


def test_a_second_natd_says_so_and_leaves(gw, run):
    """F51: natd started twice."""
    first = run()
    second = run(start=False)
    second.socket = first.socket
    second.start(ready=False)
    assert second.process.wait(5) == 1
    assert first.socket in second.log()
    assert first.call("Status")["version"]


def test_a_socket_file_left_behind_is_replaced(gw, run):
    """F51: the socket of a dead natd."""
    natd = run()
    natd.kill()
    assert natd.lab.path(natd.socket).exists()
    natd.start()
    assert natd.map(port=40000)["runtime"]["state"] == "active"
    assert natd.stop() == 0
    assert not natd.lab.path(natd.socket).exists()


def test_a_socket_directory_that_is_missing(gw, run):
    natd = run(start=False, socket="/run/nowhere/natd.sock")
    natd.start(ready=False)
    assert natd.process.wait(10) == 1
    assert "/run/nowhere/natd.sock: no such directory" in natd.log()


def test_few_descriptors(gw, run):
    """F44: no descriptors are left.  Connections are refused before renewals suffer."""
    natd = run(wrap=["prlimit", "--nofile=64"])
    natd.map(port=40000)
    connections = []

    def exhausted():
        try:
            connections.append(natd.connect(0.5))
        except OSError:
            pass  # its queue is full
        return len(os.listdir(f"/proc/{natd.process.pid}/fd")) == 64
    wait_until(exhausted, 10, "no descriptor left", 0.01)
    with contextlib.suppress(OSError):
        connections.extend(natd.connect(0.5) for _ in range(3))
    assert sum(natd.wakeups(2)) < 300, "connections wait all the time, and so should natd"
    gw.order("restart", announce=True)
    wait_until(lambda: len(gw.table()) == 1, 5, "the mapping, with no descriptor to spare")
    for c in connections:
        c.close()
    wait_until(natd.ready, 3, "natd answering again")
    assert natd.call("Status")["mappingsActive"] == 1
    assert "cannot" not in natd.log(), natd.log()


def test_stopped_for_a_while(gw, run):
    """F29, F68: a loop that stood still longer than the lease is as suspend: asked again at once."""
    gw.order("change", **{"with": {"lease": {"max": 2}}})
    natd = run()
    ident = natd.map(port=40000)["id"]
    natd.process.send(signal.SIGSTOP)
    wait_until(lambda: gw.table() == [], 5, "the lease run out")
    since = scripted.now()
    natd.process.send(signal.SIGCONT)
    heard = gw.wait_heard("pcp.map", since=since, timeout_s=2)
    assert clock.lasted(since, heard[0]["t"]) < 1
    natd.wait_state(ident, "active", 2)
    assert len(gw.heard("pcp", since)) <= 10


def test_hup_storm(gw, run):
    """F50: a SIGHUP storm.  Many SIGHUPs are one reload; a broken configuration keeps the old one."""
    natd = run("[Mapping web]\nProtocols=tcp\nInternalPort=8080\n")
    natd.wait_active(1)
    natd.configure("[Mapping web]\nProtocols=tcp\nInternalPort=99999\n")
    for _ in range(500):
        natd.process.send(signal.SIGHUP)
    assert natd.wait_active(1)[0]["context"]["internalPort"] == 8080
    natd.configure("[Mapping web]\nProtocols=tcp\nInternalPort=8081\n")
    natd.process.send(signal.SIGHUP)
    wait_until(lambda: [m["context"]["internalPort"] for m in natd.mappings()] == [8081], 3,
               "the new configuration")
    wait_until(lambda: list(by_port(gw)) == [8081], 3, "only the new mapping on the router")


def test_configuration_mistakes_are_all_named(place, run):
    natd = run(start=False)
    natd.configure("[Daemon]\nLeaseSec=7\nNonsense=1\n[Mapping x]\nProtocols=sctp\n")
    result = place.client.run(BINARY, f"--config={natd.conf}", "--check-config",
                              check=False)
    assert result.returncode == 1
    said = result.stdout + result.stderr
    for line in (2, 3, 5):
        assert f"{natd.conf}:{line}:" in said, json.dumps(said)
