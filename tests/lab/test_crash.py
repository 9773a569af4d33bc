"""natd itself: killed at any instant, a broken state, a second one, a full disk."""

import json
import os
import random
import signal
import time

import pytest
import scripted
from daemon import BINARY
from fixtures import shared_home
from lab import wait_until
from meddle import Meddle

COUNT = 200
place = shared_home()


@pytest.fixture
def gw(gateway):
    return gateway("[pcp]\non = true\n[table]\ncapacity = 5000")


def held(gw):
    return {e["internal_port"]: (e["external_port"], e["nonce"]) for e in gw.table()}


def kill_again_and_again(natd, gw, times, seed):
    """Killed during requests, renewals, writing and adopting: nothing lost, nothing left over."""
    chance = random.Random(seed)
    with natd.connect(30) as c:
        for port in range(COUNT):
            c.call("org.natd.NAT.RequestMapping", protocols=["udp"], internalPort=20000 + port,
                   persistence="permanent")
    before = held(gw)
    assert len(before) == COUNT
    for _ in range(times):
        if not natd.process.running():
            natd.start()
        try:
            with natd.connect(1) as c:
                c.send("org.natd.NAT.RenewMapping")
        except OSError:
            pass
        time.sleep(chance.uniform(0, 0.3))
        natd.kill()
    since = scripted.now()
    natd.start()
    natd.wait_active(COUNT)
    assert held(gw) == before
    asked = [line["internal_port"] for event in ("pcp.map", "nat_pmp.map")
             for line in gw.heard(event, since)]
    assert len(asked) <= COUNT, "something was asked twice"


def test_sigkill_loses_and_leaks_nothing(gw, run):
    """F48: SIGKILL at random instants."""
    kill_again_and_again(run(), gw, 5, 1)


@pytest.mark.long
def test_sigkill_a_thousand_times(gw, run):
    """F48: SIGKILL, a thousand times."""
    seed = int(time.time())
    print(f"seed {seed}")
    kill_again_and_again(run(), gw, 1000, seed)


@pytest.mark.long
def test_sigkill_with_nat_pmp(router, run):
    """F48: the same where no nonce tells who is who."""
    kill_again_and_again(run(), router("nat_pmp", "[table]\ncapacity = 5000\n"), 200, int(time.time()))


MODES = {
    "pcp": "[pcp]\non = true\n",
    "nat_pmp": "[nat_pmp]\non = true\n",
    "igd1": "[upnp]\non = true\n",
    "igd2": "[upnp]\non = true\n[description]\nversion = 2\n",
}


@pytest.fixture
def router(gateway):
    return lambda mode, more="": gateway(MODES[mode] + more)


def ask(natd, persistence, port):
    """A request on a connection of its own; the connection."""
    c = natd.connect()
    c.send("org.natd.NAT.RequestMapping", {"protocols": ["udp"], "internalPort": port,
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
        assert port in before
        natd.start()
        if persistence == "connection":
            wait_until(lambda: gw.table() == [], 5, "the rule deleted")
        else:
            natd.wait_active(port - 39999)
            assert held(gw) == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("port", [40000, None], ids=["a port", "of the router's choice"])
def test_sigkill_between_the_request_and_the_answer(router, run, mode, port):
    """F48: the router has granted it, and nobody is there to hear that."""
    event = f"{mode}.map" if "igd" not in mode else "soap"
    gw = router(mode, f'[[rule]]\non = ["{event}"]\ndo = {{ delay_ms = 400 }}\n')
    natd = run()
    with ask(natd, "connection", port):
        wait_until(lambda: gw.table(), 5, "the rule")
        natd.kill()
    gw.order("change", **{"with": {"rule": []}})
    natd.start()
    wait_until(lambda: gw.table() == [], 8, "the rule deleted")
    assert natd.mappings() == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("port", [40000, None], ids=["a port", "of the router's choice"])
def test_sigkill_before_the_answer_to_what_is_wanted_for_good(router, run, mode, port):
    """F48: it is asked again, and there is one rule for it, the same one where a port is named."""
    event = f"{mode}.map" if "igd" not in mode else "soap"
    gw = router(mode, f'[[rule]]\non = ["{event}"]\ndo = {{ delay_ms = 400 }}\n')
    natd = run()
    with ask(natd, "permanent", port):
        wait_until(lambda: gw.table(), 5, "the rule")
        natd.kill()
    before = held(gw)
    gw.order("change", **{"with": {"rule": []}})
    natd.start()
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
            wait_until(lambda: list(held(gw)) == [50000], 15, "only the new one")
        wait_until(lambda: gw.table() == [], 5, "nothing")


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


def state_files(natd):
    return [p for p in natd.lab.path(natd.state).iterdir() if p.is_file()]


@pytest.mark.parametrize("harm", ["truncated", "empty", "garbage", "newer", "flipped"])
def test_a_broken_state_file_does_not_keep_natd_from_starting(gw, run, harm):
    """F47: a damaged or newer state file."""
    natd = run()
    natd.map(port=40000, persistence="permanent")
    natd.map(port=40001, persistence="permanent")
    natd.kill()
    for path in state_files(natd):
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes({"truncated": data[:middle], "empty": b"", "garbage": b"\0\xff{" * 1000,
                          "newer": data.replace(b'"natd":1', b'"natd":99'),
                          "flipped": data[:middle] + bytes([data[middle] ^ 0x40]) +
                          data[middle + 1:]}[harm])
    natd.start()
    mapping = natd.map(port=40002)
    assert mapping["runtime"]["state"] == "active"
    log = natd.log()
    assert harm in ("flipped",) or "state" in log.lower()


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
    assert natd.log().count("cannot save what is held") == 1
    if trouble == "full":
        natd.lab.path(natd.state + "/filler").unlink()
    else:
        natd.lab.run(["mount", "-o", "remount,rw", natd.state])
    meddle.order(asleep_s=61)
    natd.call("Status")
    wait_until(lambda: "is saved again" in natd.log(), 5, "saved")
    natd.kill()
    natd.start()
    assert [m["id"] for m in natd.mappings()] == [ident]


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


def processor_s(natd):
    with open(f"/proc/{natd.process.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    used = processor_s(natd)
    gw.order("restart", announce=True)
    wait_until(lambda: len(gw.table()) == 1, 5, "the mapping, with no descriptor to spare")
    for c in connections:
        c.close()
    wait_until(natd.ready, 3, "natd answering again")
    assert natd.call("Status")["mappingsActive"] == 1
    assert processor_s(natd) - used < 2
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
    assert heard[0]["t"] - since < 1
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
    wait_until(lambda: list(held(gw)) == [8081], 3, "only the new mapping on the router")


def test_configuration_mistakes_are_all_named(place, run):
    natd = run(start=False)
    natd.configure("[Daemon]\nLeaseSec=7\nNonsense=1\n[Mapping x]\nProtocols=sctp\n")
    result = place.client.run(BINARY, f"--config={natd.conf}", "--check-config",
                              check=False)
    assert result.returncode == 1
    said = result.stdout + result.stderr
    for line in (2, 3, 5):
        assert f"{natd.conf}:{line}:" in said, json.dumps(said)
