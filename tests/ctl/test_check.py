"""natctl check and verify, -4, -6 and -i, against a scripted natd."""

import json

import pytest

import replies as r
from conftest import PATIENCE_S
from fake import CLOSE, Error, Last


def found(code, message, severity="info", hint=None):
    return {"severity": severity, "code": code, "message": message, "hint": hint}


def hops(**by_code):
    return {"step": "path", "findings": [
        found(f"hop_{name}", text) for name, texts in by_code.items() for text in texts]}


NETWORK = {"step": "network", "findings": [
    found("uplink", "192.168.1.20 on eth0, router 192.168.1.1")]}
ROUTER = {"step": "router", "findings": [
    found("method_available", "PCP 2 answers within 1.2 ms"),
    found("method_absent", "UPnP IGD: no answer to the UPnP search"),
    found("no_method", "the router 192.168.1.1 opens no ports by itself", "error",
          "switch on UPnP, NAT-PMP or PCP in its settings, or forward the ports there by hand")]}
ADDRESS = {"step": "address", "findings": [
    found("cgnat", "the router's address outside is 100.72.3.9", "warning", "ask the provider")]}
PATH = hops(host=["192.168.1.20", "eth0"], router=["192.168.1.1", "100.72.3.9"],
            carrier=["?", "198.51.100.23"], internet=["192.0.2.1"])
LAST = Last({"verdict": "mapped_behind_second_nat", "summary": "behind carrier-grade NAT"})
WHOLE = [NETWORK, ROUTER, ADDRESS, PATH, LAST]

PAGE = """\
     Network: • 192.168.1.20 on eth0, router 192.168.1.1 (uplink)
      Router: • PCP 2 answers within 1.2 ms (method_available)
              • UPnP IGD: no answer to the UPnP search (method_absent)
              ✗ the router 192.168.1.1 opens no ports by itself (no_method)
                → switch on UPnP, NAT-PMP or PCP in its settings, or forward the
                  ports there by hand
     Address: ! the router's address outside is 100.72.3.9 (cgnat)
                → ask the provider

  this host ────── router ──────── carrier ───────── internet
  192.168.1.20     192.168.1.1     ?                 192.0.2.1
  eth0             100.72.3.9      198.51.100.23

     Verdict: behind carrier-grade NAT
"""


def test_a_diagnosis_in_80_columns(fake, natctl):
    natd = fake(Diagnose=WHOLE)
    assert natctl("check", code=11, COLUMNS="80") == PAGE
    assert natd.requests == [("Diagnose", {}, True)]


def test_without_utf8_there_is_none(fake, natctl):
    fake(Diagnose=WHOLE)
    text = natctl("check", code=11, COLUMNS="80", LC_ALL="C")
    assert text.isascii()
    assert "      Router: - PCP 2" in text and "              x the router" in text
    assert "                > switch on" in text
    assert "  this host ------ router -------- carrier --------- internet\n" in text


def test_colours_mark_what_is_bad(fake, natctl):
    fake(Diagnose=WHOLE)
    text = natctl("check", "--color=always", code=11)
    assert "\x1b[31m✗\x1b[0m the router" in text and "\x1b[33m!\x1b[0m the router's" in text
    assert "\x1b[33mcarrier\x1b[0m" in text
    assert text.endswith("Verdict: \x1b[31mbehind carrier-grade NAT\x1b[0m\n")
    assert "\x1b" not in natctl("check", code=11)


@pytest.mark.parametrize("verdict, code", [
    ("direct", 0), ("mapped", 0), ("punchable", 10), ("mapped_behind_second_nat", 11),
    ("unreachable", 12), ("unknown", 13)])
def test_the_exit_code_is_the_verdict(fake, natctl, verdict, code):
    fake(Diagnose=[NETWORK, Last({"verdict": verdict, "summary": "in a word"})])
    assert natctl("check", code=code).endswith("     Verdict: in a word\n")
    assert natctl("check", "-q", code=code) == verdict + "\n"


def test_steps_are_shown_as_they_come(fake, natctl):
    natd = fake(Diagnose=[NETWORK])
    process = natctl.start("check")
    assert process.stdout.readline().startswith("     Network: •")
    natd.stream()
    natd.push(ROUTER)
    assert process.stdout.readline().startswith("      Router: • PCP 2")
    natd.push(LAST)
    assert process.wait(PATIENCE_S) == 11


def test_on_a_terminal_it_says_that_it_looks(fake, natctl):
    fake(Diagnose=WHOLE)
    text = natctl.on_tty("check", code=11)
    looking = "              \x1b[2mlooking ...\x1b[0m\r\x1b[K"
    assert text.count(looking) == len(WHOLE) - 1
    plain = natctl.on_tty("check", code=11, TERM="dumb")
    assert plain.splitlines() == natctl("check", code=11, COLUMNS="80").splitlines()
    assert "looking" not in natctl.on_tty("check", "-q", code=11)


def test_a_step_of_a_newer_natd_keeps_its_name(fake, natctl):
    fake(Diagnose=[{"step": "weather", "findings": [found("rain", "it rains", "error")]}, LAST])
    assert "     weather: ✗ it rains (rain)\n" in natctl("check", code=11)


def test_a_path_that_is_too_wide_goes_down(fake, natctl):
    long = "2001:db8:1234:5678:9abc:def0:1234:5678"
    fake(Diagnose=[hops(host=[long, "eth0"], router=["fe80::1"], internet=[long]), LAST])
    assert natctl("check", code=11, COLUMNS="80") == f"""
  this host   {long}
   │          eth0
  router      fe80::1
   │
  internet    {long}

     Verdict: behind carrier-grade NAT
"""


def test_what_is_asked_for(fake, natctl):
    natd = fake(Diagnose=WHOLE)
    natctl("check", "-6", "-i", "eth1", code=11)
    assert natd.requests[-1] == ("Diagnose", {"family": "ipv6", "interface": "eth1"}, True)


def test_json_is_one_reply_and_the_code_the_same(fake, natctl):
    whole = {"findings": NETWORK["findings"], "verdict": "punchable", "summary": "words"}
    natd = fake(Diagnose=whole)
    assert json.loads(natctl("check", "-j", code=10)) == whole
    assert natd.requests[-1] == ("Diagnose", {}, False)


def test_a_diagnosis_that_breaks_off(fake, natctl, socket_path):
    fake(Diagnose=[NETWORK, CLOSE])
    natctl("check", code=3, err="natd closed the connection. Was it stopped")
    fake(socket_path.with_name("b"), Diagnose=Error("NoSuchInterface", interface="eth7"))
    natctl("check", "-H", socket_path.with_name("b"), code=1, err="no interface eth7")


def test_a_daemon_that_is_dead(natctl):
    for argv in (["check"], ["verify", "m1"], []):
        natctl(*argv, code=3, err="Is natd running? Try: systemctl status natd, systemctl start natd.socket")


def test_a_daemon_that_stopped_talking(fake, natctl):
    fake(Diagnose=[NETWORK])
    natctl("check", "--timeout=50ms", code=7, err="no answer from natd")


# ---- verify -------------------------------------------------------------------------------


@pytest.mark.parametrize("word, code", [("open", 0), ("closed", 12), ("unknown", 13)])
def test_verify(fake, natctl, word, code):
    natd = fake(ListMappings={"mappings": [r.mapping()]}, VerifyMapping={
        "reachability": word,
        "findings": [found("proven_closed", "nothing arrives", "warning", "look there")]})
    assert natctl("verify", "m3", code=code) == f"""\
          m3: {word}
              ! nothing arrives (proven_closed)
                → look there
"""
    assert natctl("verify", "m3", "-q", code=code) == word + "\n"
    assert json.loads(natctl("verify", "m3", "-j", code=code))["reachability"] == word
    assert natd.requests[:2] == [("ListMappings", {"id": "m3"}, False),
                                 ("VerifyMapping", {"id": "m3"}, False)]
    natctl("verify", "m3", "--timeout=2s", code=code)
    assert natd.requests[-1][1] == {"id": "m3", "timeoutUSec": 2_000_000}


def test_verify_of_nothing(fake, natctl):
    fake(ListMappings={"mappings": []}, VerifyMapping=Error("NoSuchMapping", id="m9"))
    natctl("verify", "m9", code=1, err="there is no mapping m9")


def test_monitor_tells_what_is_proven(fake, natctl):
    proven = [r.mapping(reachability=word) for word in ("open", "open", "closed", "unknown")]
    fake(Monitor=[r.snapshot()] + [r.event(1 + i, "mapping_changed", mapping=m)
                                   for i, m in enumerate(proven)] +
         [Last(r.event(5, "state_changed", state="online"))])
    assert [line.split(None, 2)[1:] for line in natctl("monitor").splitlines()
            if " m3 " in line and "snapshot" not in line] == [
        ["m3", "open       tcp 203.0.113.7:8080 (PCP, 1h) web"],
        ["m3", "closed     tcp 203.0.113.7:8080 (PCP, 1h) web: proven closed from outside: "
               "natctl verify m3"],
        ["m3", "changed    tcp 203.0.113.7:8080 (PCP, 1h) web"]]


def test_status_marks_what_is_proven_closed(fake, natctl):
    fake(Status=r.STATUS, ListMappings={"mappings": [r.mapping(reachability="closed")]})
    assert "            ! tcp 203.0.113.7:8080 -> 192.168.1.20:8080  web: proven closed from " \
        "outside: natctl verify m3\n" in natctl()


# ---- -4, -6, -i ---------------------------------------------------------------------------


OTHER = r.mapping(id="m7", port=7777, name="other")
OTHER["runtime"].update(interface="eth1")
ASKED = r.mapping(id="m8", state="failed", name="asked", internal=None)
ASKED["runtime"].update(internal=None, interface=None, gateway=None)
ASKED["context"].update(family="ipv6", interface="eth1")
ALL = {"mappings": [r.WEB, r.SIP, r.V6, OTHER, ASKED]}


@pytest.mark.parametrize("argv, ids", [
    ([], "m3 m5 m6 m7 m8"), (["-4"], "m3 m5 m7"), (["-6"], "m6 m8"), (["-i", "eth1"], "m7 m8"),
    (["-6", "-i", "eth0"], "m6"), (["-i", "eth9"], "")])
def test_list_of_one_family_or_interface(fake, natctl, argv, ids):
    fake(ListMappings=ALL)
    assert natctl("list", "-q", *argv).split() == ids.split()


@pytest.mark.parametrize("argv, present, absent", [
    (["-4"], ["203.0.113.7 via PCP", "192.168.1.1 on eth0", "2 active, 1 failed", "NAT: mapping"],
     ["2001:db8::7", "fe80::1"]),
    (["-6"], ["2001:db8::7 direct", "Gateway: fe80::1 on wlan0", "1 active, 1 failed"],
     ["203.0.113.7", "192.168.1.1", "NAT:"]),
    (["-i", "wlan0"], ["Gateway: fe80::1 on wlan0", "Mappings: 0 active\n"],
     ["External", "192.168.1.1", "NAT:"]),
])
def test_status_of_one_family_or_interface(fake, natctl, argv, present, absent):
    fake(Status={**r.STATUS, "gateways": [r.GATEWAY, r.GATEWAY6]}, ListMappings=ALL)
    text = natctl(*argv)
    assert [p for p in present if p not in text] == []
    assert [a for a in absent if a in text] == []
