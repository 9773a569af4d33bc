"""What natctl makes of each error, and of a natd that is slow, absent or hostile."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest

import replies as r
from conftest import NATCTL, TOP
from fake import CLOSE, NAT, SERVICE, SILENCE, Error, Raw

sys.path.append(str(TOP / "tests/lab"))
from meddle import Meddle  # noqa: E402

GATEWAY = {"gateway": "192.168.1.1", "method": "nat_pmp"}

# Error, its parameters, exit code, the sentence.  A test below holds this list against the
# interface.
ERRORS = [
    ("NotOnline", {}, 5, "this host is offline"),
    ("NoGateway", {}, 5, "no gateway found. Is there a default route?"),
    ("NoGateway", {"interface": "eth0", "family": "ipv6"}, 5,
     "no gateway found on eth0 for ipv6. "),
    ("NoSuchInterface", {"interface": "eth7"}, 1, "there is no interface eth7. Try: ip link"),
    ("NoSuchMapping", {"id": "m9"}, 1, "there is no mapping m9. Try: natctl list"),
    ("NoMethodAvailable", {"tried": []}, 5,
     "no gateway here opens this port. Is UPnP"),
    ("NoMethodAvailable", {"tried": [
        {"method": "pcp", "gateway": "192.168.1.1", "reason": "no answer"},
        {"method": "igd1", "reason": "not found"}]}, 5,
     "no gateway here opens this port. PCP at 192.168.1.1: no answer; UPnP IGD:1: "
     "not found. Is UPnP"),
    ("GatewayTimeout", {**GATEWAY, "elapsedUSec": 3_000_000}, 7,
     "gateway 192.168.1.1 did not answer NAT-PMP within 3s. "),
    ("GatewayRefused", {**GATEWAY, "resultCode": 2, "resultName": "NOT_AUTHORIZED"}, 1,
     "gateway 192.168.1.1 refused: NAT-PMP result 2, NOT_AUTHORIZED\n"),
    ("GatewayRefused", {**GATEWAY, "resultCode": 2, "resultName": "X", "hint": "Allow it"}, 1,
     "result 2, X; Allow it\n"),
    ("ExternalPortUnavailable", {"requestedPort": 443}, 6,
     "port 443 cannot be had on the gateway: it is taken there or not allowed (use without --exact"),
    ("MappingConflict", {"id": "m4"}, 1, "as root: natctl unmap m4"),
    ("QuotaExceeded", {"limit": 16, "current": 17}, 1,
     "you hold 17 mappings, natd allows a user 16. "),
    ("InvalidSocket", {"reason": "not_udp"}, 1, "can't use the socket it was passed: not_udp"),
    ("StunFailed", {"reason": "time-out"}, 1, "STUN failed: time-out. "),
    ("StunFailed", {"server": "stun.example", "reason": "x"}, 1,
     "STUN failed with stun.example: x. Try another server, or: natctl check"),
    ("ConfigurationInvalid", {"file": "/etc/natd.conf", "line": 3, "message": "what?"}, 1,
     "/etc/natd.conf:3: what?\nnatd keeps"),
    ("ConfigurationInvalid", {"file": "/etc/natd.conf", "message": "what?"}, 1,
     "/etc/natd.conf: what?\nnatd keeps"),
    ("ShuttingDown", {}, 3, "natd is shutting down"),
    ("org.varlink.service.PermissionDenied", {}, 4,
     "permission denied: only root and members of the group natd may do this. Try with sudo\n"),
    ("org.varlink.service.InvalidParameter", {"parameter": "id"}, 2,
     "natd does not accept the value of id"),
    ("org.varlink.service.ExpectedMore", {}, 2, "Try: natctl call --more"),
    ("org.varlink.service.InterfaceNotFound", {"interface": "a.b"}, 1,
     "natd does not know the interface a.b. "),
    ("org.varlink.service.MethodNotFound", {"method": "org.natd.NAT.Status"}, 1,
     "natd does not know the method org.natd.NAT.Status. "),
    ("org.varlink.service.MethodNotImplemented", {"method": "M"}, 1,
     "this natd has no M\n"),
]


@pytest.mark.parametrize("name, parameters, code, sentence", ERRORS)
def test_each_error_has_a_sentence_and_an_exit_code(fake, natctl, name, parameters, code,
                                                    sentence):
    fake(Status=Error(name, **parameters))
    assert natctl(code=code, err=sentence) == ""


@pytest.mark.parametrize("argv, method, what", [
    (["map", "tcp", "80"], "RequestMapping", "open ports below 1024"),
    (["map", "tcp", "8080", "--permanent"], "RequestMapping", "make permanent mappings"),
    (["map", "tcp", "8080", "--internal-address", "192.168.1.9"], "RequestMapping",
     "map to other hosts"),
    (["map", "tcp", "80", "--internal-address", "192.168.1.9"], "RequestMapping",
     "open ports below 1024 or map to other hosts"),
    (["map", "--hold", "tcp", "80"], "RequestMapping", "open ports below 1024"),
    (["call", "org.natd.NAT.RequestMapping", '{"protocols":["tcp"],"internalPort":80}'],
     "RequestMapping", "open ports below 1024"),
    (["unmap", "m3"], "ReleaseMapping", "release mappings of others"),
    (["renew", "m3"], "RenewMapping", "renew mappings of others"),
    (["reload"], "Reload", "reload the configuration"),
])
def test_permission_denied_names_what_was_asked(fake, natctl, argv, method, what):
    fake(**{method: Error("org.varlink.service.PermissionDenied")})
    natctl(*argv, code=4, err="natctl: permission denied: only root and members of the group natd "
           f"may {what}. Try with sudo\n")


def test_a_gateway_that_is_not_ours(fake, natctl):
    fake(RequestMapping=Error("NoGateway", interface="eth0"))
    args = ["map", "tcp", "8080", "-i", "eth0"]
    natctl(*args, "--gateway", "1.2.3.4", code=5,
           err="natctl: this host has no gateway 1.2.3.4 on eth0. Try: natctl gateways\n")
    natctl(*args, code=5, err="no gateway found on eth0. Is there a default route?")


# The options whose values natd may refuse, and the bound as it is there.
TAKES = {
    "protocols": "PROTO (protocols): it takes tcp, udp or tcp+udp",
    "internalPort": "PORT (internalPort): it takes 1 to 65535, or auto",
    "internalAddress": "--internal-address (internalAddress): it takes the address of a host",
    "family": "-4 and -6 (family): it takes the family of --internal-address",
    "interface": "--interface (interface): it takes a name of at most 15 bytes",
    "gateway": "--gateway (gateway): it takes the address of a router",
    "suggestedExternalPort": "--external (suggestedExternalPort): it takes 1 to 65535",
    "lifetimeSeconds": "--for (lifetimeSeconds): it takes 1s to 365d",
    "description": "--name (description): it takes at most 127 bytes",
    "methods": "--method (methods): it takes pcp, nat_pmp, igd2, igd1, igd_pinhole and direct",
}


@pytest.mark.parametrize("parameter", TAKES)
def test_a_refused_value_is_that_of_an_option(fake, natctl, parameter):
    fake(RequestMapping=Error("org.varlink.service.InvalidParameter", parameter=parameter))
    natctl("map", "tcp", "8080", "--for", "1000d", code=2,
           err=f"natctl: natd does not accept {TAKES[parameter]}")


def test_bounds_of_options_are_those_of_natd():
    source = (TOP / "daemon/request.c").read_text()
    assert "LIFETIME_MAX_S (INT64_C(365) * 86400)" in source
    assert set(re.findall(r'\[P_\w+\] = \{ \.name = "(\w+)"', source)) - TAKES.keys() == {
        "preferFailure", "persistence", "timeoutUSec"}


def test_no_error_is_without_a_test():
    tested = {name.rpartition(".")[2] for name, *_ in ERRORS}
    assert tested == NAT.errors.keys() | SERVICE.errors.keys()


def test_an_error_of_a_newer_natd(fake, natctl):
    fake(Status=Error("org.natd.NAT.OutOfCheese", left=[0], why="eaten\x1b[2J\x9b"))
    natctl(code=1, err='natd answered org.natd.NAT.OutOfCheese '
           '{"left":[0],"why":"eaten\\u001b[2J\\u009b"}')


def test_an_error_without_its_parameters(fake, natctl):
    fake(Status=Raw(b'{"error":"org.natd.NAT.NoSuchMapping"}\0'))
    natctl(code=1, err="there is no mapping ?. ")


# ---- no natd ------------------------------------------------------------------------------


def test_no_socket(natctl, socket_path):
    natctl(code=3, err=f"natctl: cannot connect to {socket_path}: no such file. Is natd running? "
           "Try: systemctl status natd, systemctl start natd.socket\n")


def test_nobody_listens(natctl, socket_path):
    with socket.socket(socket.AF_UNIX) as unused:
        unused.bind(str(socket_path))
    natctl(code=3, err="nobody listens there. Is natd running?")


def test_socket_of_somebody_else(natctl, socket_path):
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(socket_path))
        closed.listen()
        os.chmod(socket_path, 0)
        # root may connect to every socket.
        user = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
        done = subprocess.run([NATCTL], env=natctl.env, capture_output=True, text=True, **user)
        assert done.returncode == 4
        assert f"cannot connect to {socket_path}: permission denied. Try as root" in done.stderr


def test_natd_that_does_not_accept(natctl, socket_path):
    """A stopped daemon: the queue of the socket is full."""
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(socket_path))
        stopped.listen(0)
        waiting = []
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(socket_path))
        except BlockingIOError:
            pass
        natctl("--timeout", "100ms", code=7, err="no answer from natd at")
        for each in waiting:
            each.close()


def test_natd_that_does_not_answer(fake, natctl):
    fake(Status=SILENCE)
    natctl("--timeout", "100ms", code=7, err="no answer from natd at")


def test_natd_that_stops_in_the_middle_of_a_reply(fake, natctl):
    fake(Status=Raw(b'{"parameters":{"sta'))
    natctl("--timeout", "100ms", code=7, err="no answer from natd at")


# ---- a natd that is none ------------------------------------------------------------------


@pytest.mark.parametrize("answer, code, sentence", [
    (CLOSE, 3, "natd closed the connection"),
    ([Raw(b'{"parameters":{"sta'), CLOSE], 3, "natd closed the connection"),
    (Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n\0"), 1, "does not speak the protocol of natd"),
    (Raw(b"\0"), 1, "does not speak the protocol"),
    (Raw(b"[]\0"), 1, "does not speak the protocol"),
    (Raw(b"{}{}\0"), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":null}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":[]}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":{},"extra":1}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":{},"parameters":{}}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"error":null}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"error":1}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":{},"continues":true}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":{},"continues":"no"}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"error":"a.B","continues":true}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":{"a":"\xff"}}\0'), 1, "does not speak the protocol"),
    (Raw(b'{"parameters":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}\0"), 1,
     "does not speak the protocol"),
    (Raw(b"x" * (17 << 20)), 1, "the reply is longer than 16777216 bytes"),
    (Raw(b'{"parameters":{}}\0'), 1, "'state' is missing or wrong"),
    (Raw(b"{}\0"), 1, "'state' is missing or wrong"),
])
def test_an_answer_that_is_no_reply(fake, natctl, answer, code, sentence):
    fake(Status=answer)
    assert natctl(code=code, err=sentence) == ""


def with_wrong(path, value):
    """The status with one member replaced."""
    status = json.loads(json.dumps({"mappings": [r.WEB]}))
    at = status["mappings"][0]
    *way, last = path.split(".")
    for name in way:
        at = at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return Raw(json.dumps({"parameters": status}).encode() + b"\0")


@pytest.mark.parametrize("path, value", [
    ("id", None), ("id", 3), ("context", None), ("context.protocols", []),
    ("context.protocols", ["sctp"]), ("context.protocols", ["tcp", "tcp"]),
    ("context.protocols", "tcp"), ("context.internalPort", 65536),
    ("context.internalPort", -1), ("context.internalPort", 1.5),
    ("context.description", ["x"]), ("runtime.state", None), ("runtime.renewals", "many"),
    ("runtime.external", 5), ("runtime.external.address", "$(reboot)"),
    ("runtime.external.port", 1e300), ("runtime.internal.port", 70000),
    ("runtime.created.realtime", 1e17), ("runtime.problem", {"code": "x"}),
])
def test_a_mapping_that_is_wrong(fake, natctl, path, value):
    fake(ListMappings=with_wrong(path, value))
    assert natctl("list", code=1, err="natd's reply cannot be understood: '") == ""


def test_text_of_natd_never_drives_the_terminal(fake, natctl):
    evil = "a\x1b[2Jb\x9bc\x7fd\ne\u202ef"
    named = r.mapping(name=evil, problem=r.finding(message=evil, hint=evil))
    answers = {"Status": {**r.STATUS, "version": evil, "gateways": [
        {**r.GATEWAY, "name": evil}]}, "ListMappings": {"mappings": [named]},
        "ListGateways": {"gateways": [{**r.GATEWAY, "name": evil}]},
        "RequestMapping": Error("GatewayRefused", gateway=evil, method="pcp", resultCode=1,
                                resultName=evil),
        "GetMetrics": {"contentType": "t", "text": "a\x1b[2J\nb\n"},
        "Reload": {"changed": [evil], "restartRequired": []}}
    fake(**answers)
    bad = set("\x1b\x9b\x7f")
    for argv in (["status"], ["list"], ["show", "m3"], ["list", "--porcelain"], ["gateways"],
                 ["reload"], ["list", "-j"], ["metrics"]):
        text = natctl(*argv)
        assert "a?[2J" in text or "a\\u001b[2J" in text
        assert not bad & set(text), argv
    assert natctl("metrics") == "a?[2J\nb\n"
    assert json.loads(natctl("list", "-j")) == answers["ListMappings"]
    natctl("map", "tcp", "1", code=1, err="gateway a?[2Jb?c?d?e")


def test_text_beyond_ascii_in_an_old_terminal(fake, natctl):
    fake(ListMappings={"mappings": [r.mapping(name="Küche")]})
    text = natctl.on_tty("show", "m3", LC_ALL="C", TERM="dumb")
    assert text.startswith("* m3: K??che\n")
    assert max(text) < "\x80"
    assert "● m3: Küche" in natctl.on_tty("show", "m3", TERM="dumb")


def test_requests_are_one_object_and_one_nul(natctl, socket_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        process = natctl.start("renew", "a\"b")
        connection, _ = listener.accept()
        data = b""
        while not data.endswith(b"\0"):
            data += connection.recv(1000)
        assert json.loads(data[:-1]) == {"method": "org.natd.NAT.RenewMapping",
                                         "parameters": {"id": 'a"b'}}
        # In two halves, and with white space around it: still one reply.
        connection.sendall(b' {"parameters" : {"ren')
        connection.sendall(b'ewed":1}} \0')
        assert process.stdout.read() == "1 mapping renewed\n"
        connection.close()


def test_an_answer_to_a_question_nobody_asked(fake, natctl):
    fake(Status=Raw(json.dumps({"parameters": r.STATUS}).encode() + b'\0{"parameters":{}}\0'),
         ListMappings=r.LIST)
    natctl(code=1, err="does not speak the protocol")


def test_what_is_wrong_is_said_without_memory(natctl, tmp_path):
    """From the n-th allocation on all are refused, for each n: the sentence is the same."""
    meddle = Meddle(tmp_path)

    def say():
        natctl("frobnicate", code=2, **meddle.env,
               err="natctl: there is no verb 'frobnicate'. Try: natctl help\n")
    meddle.refuse(0)
    say()
    total = meddle.requests
    assert total > 0
    for n in range(1, total + 1):
        meddle.refuse(n, 1000000)
        say()
        assert meddle.refused > 0
