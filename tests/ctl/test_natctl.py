"""Each verb and option of natctl against a scripted natd."""

import json
import os
import stat
import time

import pytest

import replies as r
from conftest import NATCTL, PATIENCE_S, TOP
from fake import CLOSE, Error, Last, Raw, Turns

ONE = {"mapping": r.WEB}


def last_request(fake):
    method, parameters, _ = fake.requests[-1]
    return method, parameters


# ---- status, list, show, gateways ---------------------------------------------------------


def test_status_is_the_default_and_reads_as_a_page(fake, natctl):
    fake(Status=r.STATUS, ListMappings=r.LIST)
    text = natctl()
    assert text == natctl("status")
    since = time.strftime("%a %Y-%m-%d %H:%M:%S UTC",
                          time.gmtime(r.STATUS["started"]["realtime"] // 1_000_000))
    assert text == f"""\
● natd 0.1.0: online
       Since: {since}; 3h12min ago
    External: 203.0.113.7 via PCP on eth0
              2001:db8::7 direct on eth0
     Gateway: 192.168.1.1 on eth0 (FRITZ!Box 7590)  PCP yes, NAT-PMP yes, UPnP IGD:2 yes, 1.2ms
         NAT: mapping endpoint-independent, filtering address-dependent, hairpinning yes (2min ago)
    Mappings: 2 active, 1 failed
              tcp 203.0.113.7:8080 -> 192.168.1.20:8080  PCP  renews in 29min  web
              udp 203.0.113.7:51820 -> 192.168.1.20:51820  PCP  renews in 12min  wireguard
            ! udp :5060 -> 192.168.1.20:5060  sip: refused by gateway (NO_RESOURCES), next try in 4min
"""


@pytest.mark.parametrize("mappings, words", [
    ([], "online\n"),
    ([r.WEB], "online\n"),
    ([r.mapping(reachability="open")], "online, reachable through mappings\n"),
    ([r.mapping(is_global=False)], "online, but no mapping has a global address\n"),
    ([r.SIP], "online\n"),
])
def test_status_claims_only_what_is_proven(fake, natctl, mappings, words):
    fake(Status=r.STATUS, ListMappings={"mappings": mappings})
    assert natctl().splitlines(True)[0] == "● natd 0.1.0: " + words


def test_status_of_a_host_that_is_offline(fake, natctl):
    empty = {"externalAddresses": [], "gateways": [], "natBehaviors": [], "mappingsTotal": 0,
             "mappingsActive": 0, "mappingsFailed": 0}
    fake(Status={**r.STATUS, **empty, "state": "offline"}, ListMappings={"mappings": []})
    lines = natctl().splitlines()
    assert lines[0] == "● natd 0.1.0: offline"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["Since", "Mappings"]


def test_a_mapping_on_a_private_address_is_marked_as_useless(fake, natctl):
    useless = r.mapping(external="100.72.3.9", is_global=False)
    fake(Status=r.STATUS, ListMappings={"mappings": [useless]})
    assert ("            ! tcp 100.72.3.9:8080 -> 192.168.1.20:8080  web: "
            "100.72.3.9 cannot be reached from the internet\n") in natctl()


@pytest.mark.parametrize("source, doubt", [
    ("stun", ""), ("stun_uncertain", " (uncertain: no two STUN servers say so)")])
def test_an_address_by_stun_is_as_certain_as_its_servers(fake, natctl, source, doubt):
    address = {"family": "ipv4", "address": "198.51.100.23", "isGlobal": True,
               "interface": "eth0", "source": source}
    fake(Status={**r.STATUS, "externalAddresses": [address]}, ListMappings={"mappings": []},
         Monitor=[r.snapshot(), Last(r.event(1, "external_address_changed", externalAddress=address))])
    assert f"External: 198.51.100.23 via STUN on eth0{doubt}\n" in natctl()
    assert f"198.51.100.23 on eth0{doubt}\n" in natctl("monitor")


def test_status_quiet_is_one_word(fake, natctl):
    """Ask 13: a health check for scripts."""
    fake(Status=r.STATUS)
    assert natctl("-q") == "online\n"


def test_a_gateway_that_was_not_asked_is_not_said_to_lack_anything(fake, natctl):
    silent = {**r.GATEWAY, "services": [r.service("pcp", available=False)]}
    partly = {**r.GATEWAY6, "services": [
        r.service("pcp", available=False), r.service(
            "igd_pinhole", available=False, problem=r.finding("x", "no answer", severity="info"))]}
    fake(Status={**r.STATUS, "gateways": [silent, partly]}, ListMappings=r.LIST,
         ListGateways={"gateways": [silent, partly]})
    text = natctl()
    assert "192.168.1.1 on eth0 (FRITZ!Box 7590)  not asked yet\n" in text
    assert "fe80::1 on wlan0  UPnP pinhole no\n" in text
    assert natctl("gateways").endswith("- fe80::1 UPnP pinhole: no answer\n")


def test_list(fake, natctl):
    natd = fake(ListMappings={"mappings": [r.WEB, r.WIREGUARD, r.SIP, r.V6]})
    assert natctl("list", "-n") == """\
ID PROTO EXTERNAL          INTERNAL           METHOD STATE  EXPIRES OWNER NAME
m3 tcp   203.0.113.7:8080  192.168.1.20:8080  pcp    active 58min   0     web
m4 udp   203.0.113.7:51820 192.168.1.20:51820 pcp    active 24min   0     wireguard
m5 udp   -                 192.168.1.20:5060  -      failed -       65534 sip
m6 tcp   [2001:db8::7]:22  [2001:db8::7]:22   direct active 58min   0     -
4 mappings listed.
"""
    assert last_request(natd) == ("ListMappings", {})
    assert " root " in natctl("list")
    natctl("list", "udp", "5060")
    assert last_request(natd)[1] == {"protocol": "udp", "internalPort": 5060}


def test_list_without_legend_quiet_and_empty(fake, natctl):
    fake(ListMappings=Turns(r.LIST, r.LIST, {"mappings": []}, {"mappings": []}))
    assert natctl("list", "--no-legend").splitlines()[0].startswith("m3 ")
    assert natctl("list", "-q") == "m3\nm4\nm5\n"
    assert natctl("list") == "No mappings.\n"
    assert natctl("list", "--no-legend") == ""


def test_list_porcelain_has_the_columns_of_the_manual(fake, natctl):
    odd = r.mapping(id="m9", protocols=("udp", "tcp"), name="tab\there", port=9)
    fake(ListMappings={"mappings": [r.SIP, odd]})
    expires = odd["runtime"]["expires"]["realtime"] // 1_000_000
    assert [line.split("\t") for line in natctl("list", "--porcelain").splitlines()] == [
        ["m5", "udp", "failed", "-", "-", "0", "192.168.1.20", "5060", "eth0", "-", "unknown",
         "-", "65534", "lease", "sip"],
        ["m9", "tcp+udp", "active", "pcp", "203.0.113.7", "9", "192.168.1.20", "9", "eth0",
         "192.168.1.1", "unknown", str(expires), "0", "lease", "tab?here"],
    ]


def test_show(fake, natctl):
    natd = fake(ListMappings=lambda p: {"mappings": [r.SIP if p["id"] == "m5" else r.WEB]})
    text = natctl("show", "m3", "-n")
    assert last_request(natd) == ("ListMappings", {"id": "m3"})
    assert text.startswith("● m3: web\n       State: active, reachability unknown\n")
    for line in ("    External: 203.0.113.7:8080\n", "    Internal: 192.168.1.20:8080\n",
                 "      Method: PCP, gateway 192.168.1.1 on eth0\n",
                 "    Lifetime: 1h, expires in 58min, renews in 29min, 2 renewals\n",
                 "       Owner: 0, process 4711\n", " Persistence: lease, asked for 1h\n",
                 "UTC; 2h ago\n"):
        assert line in text
    assert natctl("show", "m3", "-q") == "203.0.113.7:8080\n"
    text = natctl("show", "m5")
    assert "     Problem: refused by gateway (NO_RESOURCES) (gateway_refused)\n" in text
    assert "    Lifetime: none granted, next try in 4min" in text


def test_show_of_a_mapping_that_is_not_there(fake, natctl):
    fake(ListMappings=Turns({"mappings": []}, Error("NoSuchMapping", id="m7")))
    natctl("show", "m7", code=1, err="there is no mapping m7. Try: natctl list")
    natctl("show", "m7", code=1, err="there is no mapping m7. Try: natctl list")


def test_gateways(fake, natctl):
    natd = fake(ListGateways={"gateways": [r.GATEWAY, r.GATEWAY6]})
    assert natctl("gateways") == """\
GATEWAY     IF    DEFAULT EXTERNAL    SERVICES                   RTT NAME
192.168.1.1 eth0  yes     203.0.113.7 PCP, NAT-PMP, UPnP IGD:2 1.2ms FRITZ!Box 7590
fe80::1     wlan0 no      -           PCP (paused)             1.2ms -
2 gateways listed.
! fe80::1 UPnP pinhole: not authorized; Allow it in the router's settings
"""
    assert last_request(natd) == ("ListGateways", {})
    assert natctl("gateways", "-q", "-6", "-i", "wlan0") == "192.168.1.1\nfe80::1\n"
    assert last_request(natd)[1] == {"interface": "wlan0", "family": "ipv6"}
    natctl("gateways", "-4")
    assert last_request(natd)[1] == {"family": "ipv4"}


# ---- map, unmap, renew --------------------------------------------------------------------


def test_map(fake, natctl):
    natd = fake(RequestMapping=ONE)
    assert natctl("map", "tcp", "8080") == \
        "203.0.113.7:8080 -> 192.168.1.20:8080 tcp, PCP, 1h, id m3\n"
    assert natd.requests == [
        ("RequestMapping", {"protocols": ["tcp"], "internalPort": 8080}, False)]
    assert natctl("map", "-q", "tcp", "8080") == "203.0.113.7:8080\n"


def test_map_quiet_of_ipv6_has_brackets(fake, natctl):
    fake(RequestMapping={"mapping": r.V6})
    assert natctl("map", "tcp", "22", "-q") == "[2001:db8::7]:22\n"


@pytest.mark.parametrize("argv, parameters", [
    (["udp", "0"], {"protocols": ["udp"]}),
    (["udp", "auto"], {"protocols": ["udp"]}),
    (["tcp+udp", "80"], {"protocols": ["tcp", "udp"], "internalPort": 80}),
    (["--external", "443", "--exact"], {"suggestedExternalPort": 443, "preferFailure": True}),
    (["--external=443"], {"suggestedExternalPort": 443}),
    (["--for", "1h"], {"lifetimeSeconds": 3600}),
    (["--for", "1h30min"], {"lifetimeSeconds": 5400}),
    (["--for", "90"], {"lifetimeSeconds": 90}),
    (["--permanent"], {"persistence": "permanent"}),
    (["--name", "a \"quoted\" näme"], {"description": "a \"quoted\" näme"}),
    (["--internal-address", "192.168.1.30"], {"internalAddress": "192.168.1.30"}),
    (["--gateway", "fe80::1%eth0"], {"gateway": "fe80::1%eth0"}),
    (["-i", "eth0", "--gateway", "192.168.1.1"],
     {"interface": "eth0", "gateway": "192.168.1.1"}),
    (["--interface=eth0"], {"interface": "eth0"}),
    (["--method", "nat-pmp,pcp,igd_pinhole"], {"methods": ["nat_pmp", "pcp", "igd_pinhole"]}),
    (["-4"], {"family": "ipv4"}),
    (["--ipv6"], {"family": "ipv6"}),
    (["--timeout", "1500ms"], {"timeoutUSec": 1_500_000}),
])
def test_options_of_map(fake, natctl, argv, parameters):
    natd = fake(RequestMapping=ONE)
    base = {} if argv[0] in ("udp", "tcp+udp") else {"protocols": ["tcp"], "internalPort": 80}
    natctl("map", *argv, *([] if not base else ["tcp", "80"]))
    assert natd.requests == [("RequestMapping", {**base, **parameters}, False)]


@pytest.mark.parametrize("state, code, words", [
    ("requesting", 7, "no gateway has answered yet. natd goes on trying, see: natctl show m3\n"),
    ("suspended", 5, "the interface or gateway is away"),
    ("failed", 1, "the mapping failed: refused by gateway (NO_RESOURCES). natd goes on trying, "),
    ("releasing", 1, "the mapping is being released"),
    ("dreaming", 1, "dreaming. natd may be newer than natctl, see"),
])
def test_map_that_is_not_active_says_so(fake, natctl, state, code, words):
    problem = r.finding() if state == "failed" else None
    body = json.dumps({"parameters": {"mapping": r.mapping(state=state, problem=problem)}})
    fake(RequestMapping=Raw(body.encode() + b"\0"))
    assert natctl("map", "-q", "tcp", "8080", code=code, err=words) == ""


@pytest.mark.parametrize("problem, code", [
    ("gateway_timeout", 7), ("no_method", 5), ("no_uplink", 5),
    ("external_port_unavailable", 6), ("not_authorized", 1)])
def test_map_that_failed_has_the_exit_code_of_its_problem(fake, natctl, problem, code):
    failed = r.mapping(state="failed", problem=r.finding(problem, "so it is", "do this"))
    fake(RequestMapping={"mapping": failed})
    natctl("map", "tcp", "8080", code=code, err="the mapping failed: so it is; do this. natd goes on")


def test_map_that_found_no_gateway_says_that_nothing_is_kept(fake, natctl):
    fake(RequestMapping=Error("NoMethodAvailable", tried=[]))
    natctl("map", "tcp", "8080", code=5, err="natctl: natd keeps nothing of this request. "
           "With --hold or --permanent it goes on trying\n")


@pytest.mark.parametrize("state", ["renewing", "degraded"])
def test_map_that_is_still_held_is_good(fake, natctl, state):
    fake(RequestMapping={"mapping": r.mapping(state=state)})
    assert natctl("map", "-q", "tcp", "8080") == "203.0.113.7:8080\n"


def test_map_that_is_useless_warns(fake, natctl):
    fake(RequestMapping={"mapping": r.mapping(external="100.72.3.9", is_global=False)})
    assert natctl("map", "-q", "tcp", "8080", err="mapped, but: 100.72.3.9 cannot be") == \
        "100.72.3.9:8080\n"


def test_exact_port_that_is_taken(fake, natctl):
    fake(RequestMapping=Turns(
        Error("ExternalPortUnavailable", requestedPort=443, offeredPort=50443),
        Error("ExternalPortUnavailable", requestedPort=443)))
    args = ("map", "tcp", "443", "--external", "443", "--exact")
    natctl(*args, code=6, err="natctl: port 443 cannot be had on the gateway: it is taken there "
           "or not allowed, it offers 50443 (use without --exact to accept another)\n")
    natctl(*args, code=6, err="natctl: port 443 cannot be had on the gateway: it is taken there "
           "or not allowed (use without")


def test_unmap_by_id(fake, natctl):
    natd = fake(ReleaseMapping={})
    assert natctl("unmap", "m3") == "released m3\n"
    assert last_request(natd) == ("ReleaseMapping", {"id": "m3"})
    assert natctl("unmap", "m3", "-q") == ""
    assert natctl("unmap", "m3", "-j") == "{}\n"


def test_unmap_tells_what_comes_back(fake, natctl):
    fake(ReleaseMapping={"configured": "web"})
    note = ("natctl: m3 is configured as [Mapping web]: it comes back at the next reload or start of natd. "
            "To be rid of it, take it out of natd.conf\n")
    assert natctl("unmap", "m3", err=note) == "released m3\n"
    assert natctl("unmap", "m3", "-q", err=note) == ""
    assert natctl("unmap", "m3", "-j") == '{"configured":"web"}\n'


def test_unmap_by_port_takes_only_what_fits(fake, natctl):
    both = r.mapping(id="m8", protocols=("udp", "tcp"), port=53)
    natd = fake(ReleaseMapping={}, ListMappings={"mappings": [r.WEB, both, r.V6]})
    assert natctl("unmap", "tcp", "8080") == "released m3\n"
    assert natd.requests[0][1] == {
        "protocol": "tcp", "internalPort": 8080, "ownerUserId": os.getuid()}
    assert natctl("unmap", "udp+tcp", "53") == "released m8\n"
    assert [p["id"] for m, p, _ in natd.requests if m == "ReleaseMapping"] == ["m3", "m8"]


def test_unmap_by_port_of_nothing(fake, natctl):
    both = r.mapping(id="m8", protocols=("udp", "tcp"), port=53)
    natd = fake(ListMappings=Turns({"mappings": []}, {"mappings": [both]}))
    natctl("unmap", "udp", "53", code=1, err="you hold no mapping of udp 53")
    natctl("unmap", "udp", "53", code=1, err="m8 maps tcp+udp together. Try: natctl unmap m8")
    assert {m for m, _, _ in natd.requests} == {"ListMappings"}


def test_renew(fake, natctl):
    natd = fake(RenewMapping=Turns({"renewed": 2}, {"renewed": 1}, {"renewed": 1}))
    assert natctl("renew") == "2 mappings renewed\n"
    assert last_request(natd) == ("RenewMapping", {})
    assert natctl("renew", "m3") == "1 mapping renewed\n"
    assert last_request(natd) == ("RenewMapping", {"id": "m3"})
    assert natctl("renew", "-q") == ""


# ---- monitor, wait ------------------------------------------------------------------------


def test_monitor(fake, natctl):
    moved = r.mapping(external="198.51.100.23", renewals=3)
    natd = fake(Monitor=[
        r.snapshot(),
        r.event(1, "mapping_changed", mapping=r.mapping(renewals=3)),
        r.event(2, "gateway_changed", "08:33:12", gateway=r.GATEWAY),
        r.event(3, "external_address_changed", "08:33:13", externalAddress={
            "family": "ipv4", "address": "198.51.100.23", "isGlobal": True,
            "interface": "eth0", "source": "pcp"}),
        r.event(4, "mapping_changed", "08:33:13", mapping=moved),
        r.event(5, "mapping_changed", mapping=r.mapping(state="degraded", renewals=3,
                                                        external="198.51.100.23")),
        r.event(6, "mapping_changed", mapping=r.mapping(state="failed", renewals=3,
                                                        problem=r.finding())),
        r.event(7, "mapping_changed", mapping=r.mapping(renewals=3)),
        r.event(8, "mapping_added", mapping=r.V6),
        r.event(9, "mapping_removed", mapping=r.V6),
        r.event(10, "state_changed", state="degraded"),
        r.event(11, "nat_behavior_changed", natBehavior=r.BEHAVIOR),
        r.event(12, "external_address_changed"),
        Last(r.event(13, "overrun", lost=7))])
    assert natctl("monitor").splitlines() == [
        "08:31:07 --  snapshot   online, mappings: 2, gateways: 1",
        "08:31:07 m3  renewed    tcp 203.0.113.7:8080 (PCP, 1h) web",
        "08:33:12 --  gateway    192.168.1.1 on eth0: PCP yes, NAT-PMP yes, UPnP IGD:2 yes",
        "08:33:13 --  address    203.0.113.7 -> 198.51.100.23 on eth0",
        "08:33:13 m3  changed    tcp 198.51.100.23:8080 (PCP, 1h) web",
        "08:31:07 m3  degraded   tcp 198.51.100.23:8080 (PCP, 1h) web",
        "08:31:07 m3  failed     tcp :8080 -> 192.168.1.20:8080 web: refused by gateway "
        "(NO_RESOURCES)",
        "08:31:07 m3  active     tcp 203.0.113.7:8080 (PCP, 1h) web",
        "08:31:07 m6  added      tcp [2001:db8::7]:22 (direct, 1h)",
        "08:31:07 m6  removed    tcp [2001:db8::7]:22 (direct, 1h)",
        "08:31:07 --  state      degraded",
        "08:31:07 --  nat        eth0: mapping endpoint-independent, filtering "
        "address-dependent, hairpinning yes (2min ago)",
        "08:31:07 --  address    gone",
        "08:31:07 --  overrun    7 events were lost",
    ]
    assert natd.requests == [("Monitor", {}, True)]


def test_monitor_of_some_events_as_json_lines(fake, natctl):
    replies = [r.snapshot(), r.event(1, "state_changed", state="offline")]
    natd = fake(Monitor=[replies[0], Last(replies[1])])
    lines = natctl("monitor", "-j", "state-changed", "mapping_added").splitlines()
    assert [json.loads(line) for line in lines] == replies
    assert natd.requests[0][1] == {"events": ["state_changed", "mapping_added"]}
    assert natctl("monitor", "-q") == "08:31:07 --  state      offline\n"


def test_monitor_complains_about_a_gap(fake, natctl):
    fake(Monitor=[r.snapshot(), Last(r.event(2, "state_changed", state="offline"))])
    natctl("monitor", err="natctl: expected event 1, got 2")


def test_monitor_ends_when_natd_does(fake, natctl):
    fake(Monitor=Turns([r.snapshot(), CLOSE], [r.snapshot(), Error("ShuttingDown")]))
    natctl("monitor", code=3, err="natd closed the connection")
    natctl("monitor", code=3, err="natd is shutting down")


def test_wait(fake, natctl):
    natd = fake(Monitor=Turns(
        [r.snapshot()],
        [r.snapshot(state="starting"), r.event(1, "state_changed", state="offline"),
         r.event(2, "state_changed", state="online")],
        [r.snapshot(state="degraded")],
        [r.snapshot(state="offline")]))
    assert natctl("wait") == ""
    assert natctl("wait") == ""
    assert natctl("wait") == ""
    assert natd.requests[0][1] == {"events": ["snapshot", "state_changed"]}
    natctl("wait", "--timeout", "200ms", code=7, err="natctl: natd is offline\n")


def test_wait_for_a_mapping(fake, natctl):
    wanted = r.mapping(state="requesting")
    natd = fake(Monitor=Turns(
        [r.snapshot(mappings=[wanted]), r.event(1, "mapping_added", mapping=r.WIREGUARD),
         r.event(2, "mapping_changed", mapping=r.WEB)],
        [r.snapshot(mappings=[wanted]), r.event(1, "mapping_removed", mapping=r.WEB)],
        [r.snapshot(mappings=[])]))
    assert natctl("wait", "m3") == ""
    assert "mapping_removed" in natd.requests[0][1]["events"]
    natctl("wait", "m3", code=1, err="there is no mapping m3")
    natctl("wait", "m3", code=1, err="there is no mapping m3")


# ---- metrics, reload, call, interface, bridge, help ---------------------------------------

METRICS = {"contentType": "text/plain; version=0.0.4",
           "text": "# TYPE natd_mappings gauge\nnatd_mappings{state=\"active\"} 1\n"}


def test_metrics(fake, natctl, tmp_path):
    fake(GetMetrics=METRICS)
    assert natctl("metrics") == METRICS["text"]
    assert json.loads(natctl("metrics", "-j")) == METRICS
    target = tmp_path / "natd.prom"
    target.write_text("old")
    assert natctl("metrics", "--write", target) == ""
    assert target.read_text() == METRICS["text"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert sorted(p.name for p in tmp_path.iterdir()) == ["natd.prom", "natd.sock"]
    natctl("metrics", "--write", tmp_path / "no/file", code=1, err="No such file")


def test_reload(fake, natctl):
    fake(Reload=Turns({"changed": ["log-level", "lifetime"], "restartRequired": ["socket"]},
                      {"changed": [], "restartRequired": []},
                      Error("ConfigurationInvalid", file="/etc/natd/natd.conf", line=7,
                            message="unknown key 'prot'"),
                      Error("ConfigurationInvalid", file="/etc/natd", message="no such file")))
    assert natctl("reload") == ("changed: log-level, lifetime\n"
                                "in effect after a restart of natd only: socket\n")
    assert natctl("reload") == "nothing changed\n"
    natctl("reload", code=1, err="natctl: /etc/natd/natd.conf:7: unknown key 'prot'\nnatd keeps")
    natctl("reload", code=1, err="natctl: /etc/natd: no such file\nnatd keeps")


def test_call(fake, natctl):
    natd = fake(Status=r.STATUS, RenewMapping={"renewed": 1}, GetInfo={
        "vendor": "v", "product": "natd", "version": "1", "url": "u", "interfaces": []})
    assert json.loads(natctl("call", "Status")) == r.STATUS
    assert natctl("call", "RenewMapping", '{"id":"m3"}') == '{"renewed":1}\n'
    assert last_request(natd) == ("RenewMapping", {"id": "m3"})
    natctl("call", "org.varlink.service.GetInfo")
    assert last_request(natd)[0] == "GetInfo"
    assert natctl("call", "RenewMapping", "--json=pretty") == '{\n  "renewed": 1\n}\n'


def test_call_more_prints_each_reply(fake, natctl):
    fake(RequestMapping=[ONE, Last({"mapping": r.SIP})])
    lines = natctl("call", "--more", "RequestMapping", '{"protocols":["tcp"]}').splitlines()
    assert [json.loads(line)["mapping"]["id"] for line in lines] == ["m3", "m5"]


def test_call_prints_numbers_and_escapes_as_they_came(fake, natctl):
    body = rb'{"a":9223372036854775807, "b":"\u20ac\n", "c":1e3, "d":[], "e":{ }, "f":[{}]}'
    fake(Status=Raw(b'{"parameters":' + body + b"}\0"))
    assert natctl("call", "Status").encode() == body.replace(b" ", b"") + b"\n"


@pytest.mark.parametrize("argv", [
    ["call", 'x","y'], ["call", ""], ["call", "Status", "[]"], ["call", "Status", "{"],
    ["call", "Status", "{}{}"], ["call", "Status", '{"a":1,"a":2}'],
])
def test_call_refuses_what_is_no_call(fake, natctl, argv):
    natd = fake()
    natctl(*argv, code=2, err="natctl: ")
    assert natd.requests == []


def test_interface_works_without_natd(natctl):
    text = (TOP / "etc/org.natd.NAT.varlink").read_text()
    assert natctl("interface") == text
    assert natctl("interface", "-H", "/nonexistent") == text


def test_bridge_passes_bytes_both_ways(fake, natctl):
    fake(RenewMapping={"renewed": 5})
    process = natctl.start("bridge", stdin=-1)
    process.stdin.write('{"method":"org.natd.NAT.RenewMapping","parameters":{}}\0')
    process.stdin.flush()
    answer = ""
    while not answer.endswith("\0"):
        answer += process.stdout.read(1)
    assert json.loads(answer[:-1]) == {"parameters": {"renewed": 5}}
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0


def test_bridge_is_local(natctl):
    natctl("bridge", "-H", "ssh:host", code=2, err="bridge connects to a socket of this host")


def test_help(natctl):
    text = natctl("help")
    assert text == natctl("--help") == natctl("-h")
    rows = [line.split("\t") for line in natctl("help", "--porcelain").splitlines()]
    for row in rows:
        if row[0] in ("verb", "exit"):
            assert f" {row[1]} " in text and row[-1] in text
        elif row[0] == "words":
            assert row[1] in {other[3] for other in rows if other[0] == "option"} | {"PROTO", "EVENT"}
        elif row[4] == "*":
            assert f"{row[2]}" in text and row[1] in text
        else:
            for verb in row[4].split():
                assert row[1] in natctl("help", verb) == natctl(verb, "--help")
    natctl("help", "frobnicate", code=2, err="there is no verb 'frobnicate'")


def test_version(natctl):
    header = (TOP / "proto/version.h").read_text()
    version = natctl("--version").split()
    assert version[0] == "natctl" and f'"{version[1]}"' in header


# ---- over ssh -----------------------------------------------------------------------------


@pytest.fixture
def ssh(natctl, tmp_path, socket_path):
    """An ssh that runs the remote command here, and notes how it was called."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/ssh"
    script.write_text(f"""#!/bin/sh
echo "$*" >{tmp_path}/ssh.log
[ "$1 $2 $4 $5" = "-T -- natctl bridge" ] || exit 255
case $3 in
down) exit 255;;
bare) exit 127;;
esac
NATD_SOCKET={socket_path} exec {NATCTL} bridge
""")
    script.chmod(0o755)
    natctl.env["PATH"] = f"{tmp_path}/bin:{natctl.env['PATH']}"
    return tmp_path / "ssh.log"


def test_ssh(fake, natctl, ssh):
    fake(ListMappings=r.LIST, Status=r.STATUS)
    assert natctl("-q", "-H", "ssh:me@host") == "online\n"
    assert ssh.read_text() == "-T -- me@host natctl bridge\n"
    # The user ids are those of another machine.
    assert " root " not in natctl("list", "-H", "ssh:host")


def test_ssh_failures(natctl, ssh):
    natctl("-H", "ssh:down", code=3, err="ssh to down failed. Try: ssh down true")
    natctl("-H", "ssh:bare", code=3, err="ssh or, at bare, natctl is not installed")
    natctl("-H", "ssh:host", code=3, err="no such file. Is natd running?")


# ---- JSON ---------------------------------------------------------------------------------


@pytest.mark.parametrize("argv, answers", [
    (["status"], {"Status": r.STATUS}), (["list"], {"ListMappings": r.LIST}),
    (["show", "m3"], {"ListMappings": {"mappings": [r.WEB]}}),
    (["gateways"], {"ListGateways": {"gateways": [r.GATEWAY6]}}),
    (["map", "tcp", "80"], {"RequestMapping": ONE}), (["unmap", "m3"], {"ReleaseMapping": {}}),
    (["renew"], {"RenewMapping": {"renewed": 3}}),
    (["reload"], {"Reload": {"changed": [], "restartRequired": ["a"]}}),
    (["wait"], {"Monitor": [r.snapshot()]}), (["metrics"], {"GetMetrics": METRICS}),
])
def test_json_is_the_reply_as_it_is(fake, natctl, argv, answers):
    """Ask 13: JSON that stays: it is the interface, which only grows."""
    fake(**answers)
    reply, = answers.values()
    reply = reply[0] if isinstance(reply, list) else reply
    short = natctl(*argv, "-j")
    assert json.loads(short) == reply and short.count("\n") == 1
    assert natctl(*argv, "--json=short") == short
    pretty = natctl(*argv, "--json=pretty")
    assert json.loads(pretty) == reply
    assert pretty == json.dumps(reply, indent=2, ensure_ascii=False) + "\n"


def test_json_off_is_text(fake, natctl):
    fake(RenewMapping={"renewed": 3})
    assert natctl("renew", "-j", "--json=off") == "3 mappings renewed\n"


def test_json_of_an_error_is_the_whole_reply(fake, natctl):
    fake(RequestMapping=Error("ExternalPortUnavailable", requestedPort=443, offeredPort=5))
    text = natctl("map", "tcp", "443", "-j", code=6, err="port 443 cannot be had")
    assert json.loads(text) == {"error": "org.natd.NAT.ExternalPortUnavailable",
                                "parameters": {"requestedPort": 443, "offeredPort": 5}}


def test_j_is_pretty_on_a_terminal(fake, natctl):
    fake(RenewMapping={"renewed": 3})
    assert natctl.on_tty("renew", "-j") == '{\n  "renewed": 3\n}\n'
