"""The command line: what is refused, where the socket comes from, how a wish is told."""

import os

import pytest

import replies as r

ONE = {"mapping": r.WEB}


@pytest.mark.parametrize("argv, words", [
    (["frobnicate"], "there is no verb 'frobnicate'"),
    (["--frobnicate"], "there is no option '--frobnicate'"),
    (["-x"], "there is no option '-x'"),
    (["--socket"], "--socket needs a path or ssh:HOST"),
    (["-H"], "--socket needs a path or ssh:HOST"),
    (["--json=xml"], "--json: 'xml' is not pretty, short or off"),
    (["--color=blue"], "--color: 'blue' is not auto, always or never"),
    (["--quiet=1"], "--quiet takes no value"),
    (["--timeout=soon"], "--timeout: 'soon' is not a span of time"),
    (["--timeout=0"], "--timeout: '0' is not a span of time"),
    (["--exact"], "--exact is not for 'status' but for: map"),
    (["reload", "-4"], "--ipv4 is not for 'reload' but for: status list map gateways check nat"),
    (["list", "-4", "-j"], "--json prints natd's reply as it is: not with -4, -6 or -i"),
    (["-i", "eth0", "--json=short"], "--json prints natd's reply as it is"),
    (["check", "--interface", 300 * "x"], "is not the name of an interface"),
    (["verify"], "usage: natctl verify ID"),
    (["verify", 300 * "x"], "is not the id of a mapping"),
    (["list", "a", "b", "c"], "usage: natctl list [PROTO [PORT]]"),
    (["list", "sctp"], "'sctp' is not a protocol: tcp or udp"),
    (["list", "m1"], "'m1' is not a protocol but a mapping. Try: natctl show m1\n"),
    (["unmap", "m1", "m2"], "natctl unmap takes one mapping at a time: natctl unmap m1\n"),
    (["unmap", "m1x", "80"], "'m1x' is not a protocol: tcp, udp or tcp+udp"),
    (["list", "tcp", "x"], "'x' is not a port number"),
    (["show"], "usage: natctl show ID"),
    (["map", "tcp"], "usage: natctl map PROTO[+PROTO] PORT"),
    (["map", "sctp", "80"], "'sctp' is not a protocol: tcp, udp or tcp+udp"),
    (["map", "tcp+tcp", "80"], "'tcp+tcp' is not a protocol"),
    (["map", "tcp+", "80"], "'tcp+' is not a protocol"),
    (["map", "", "80"], "'' is not a protocol"),
    (["map", "tcp", "65536"], "'65536' is not a port number, 1 to 65535, or auto (or 0: "),
    (["map", "tcp", "-1"], "there is no option '-1'"),
    (["map", "tcp", "80", "--external", "0"], "--external: '0' is not a port number"),
    (["map", "tcp", "80", "--for", "0"], "--for: '0' is not a span of time"),
    (["map", "tcp", "80", "--for", "5 parsecs"], "--for: '5 parsecs' is not a span of time"),
    (["map", "tcp", "80", "--name", "a\nb"],
     "is not at most 127 bytes of text without control characters"),
    (["map", "tcp", "80", "--name", 128 * "x"], "is not at most 127 bytes of text"),
    (["map", "tcp", "80", "--gateway", "router"], "--gateway: 'router' is not an IP address"),
    (["map", "tcp", "80", "--internal-address", ""], "is not an IP address"),
    (["map", "tcp", "80", "--method", "pcp,smoke"], "'pcp,smoke' is not a list of pcp"),
    (["map", "tcp", "80", "--method", "pcp,"], "is not a list of pcp"),
    (["map", "tcp", "80", "--permanent", "--for", "1h"], "exclude each other"),
    (["map", "tcp", "80", "--permanent", "--hold"], "exclude each other"),
    (["map", "tcp", "auto", "--exact"], "--exact needs --external"),
    (["map", "tcp", "80", "--", "true"], "a command needs --hold"),
    (["map", "tcp", "80", "--hold", "-j", "--", "true"], "--json and a command exclude"),
    (["list", "--", "true"], "only 'map' takes a command"),
    (["monitor", "noise"], "there is no event 'noise'"),
    (["list"] + ["x"] * 20, "too many arguments"),
    (["-H", "ssh:-oProxyCommand=x"], "is not a socket"),
    (["-H", "ssh:"], "is not a socket"),
    (["-H", "/" + "x" * 200], "is too long for the path of a socket"),
])
def test_wrong_usage(fake, natctl, argv, words):
    natd = fake()
    assert natctl(*argv, code=2, err=words) == ""
    assert natd.requests == []


def test_socket_comes_from_option_environment_or_default(fake, natctl, tmp_path):
    fake(tmp_path / "other", Status=r.STATUS)
    natctl("-q", code=3)
    assert natctl("-q", "-H", tmp_path / "other") == "online\n"
    assert natctl("-q", "--socket", tmp_path / "other") == "online\n"
    assert natctl("-q", NATD_SOCKET=str(tmp_path / "other")) == "online\n"
    if not os.path.exists("/run/natd/org.natd.NAT"):
        natctl(code=3, err="/run/natd/org.natd.NAT: no such file", NATD_SOCKET="")


def test_options_may_follow_the_arguments(fake, natctl):
    natd = fake(RequestMapping=ONE)
    natctl("map", "tcp", "--name", "--", "80", "-q")
    assert natd.requests[-1][1] == {
        "protocols": ["tcp"], "internalPort": 80, "description": "--"}


def test_natd_of_the_user(natctl, fake, tmp_path):
    """--user asks it only; without any option it is found when the system has no natd."""
    own = tmp_path / "natd/org.natd.NAT"
    own.parent.mkdir()
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    natctl("--user", "-q", code=3, err=f"{own}: no such file. Is natd running? Try: "
           "systemctl --user status natd, systemctl --user start natd.socket", **runtime)
    fake(own, Status=r.STATUS)
    assert natctl("--user", "-q", **runtime) == "online\n"
    # What was asked for by name is not replaced by another.
    natctl("-q", code=3, err="natd.sock: no such file", **runtime)
    natctl("--user", "-H", tmp_path / "other", code=3, err="other: no such file", **runtime)
    assert natctl("-H", tmp_path / "other", "--user", "-q", **runtime) == "online\n"
    if not os.path.exists("/run/natd/org.natd.NAT"):
        assert natctl("-q", NATD_SOCKET="", **runtime) == "online\n"
        natctl("-q", code=3, err="/run/natd/org.natd.NAT: no such file", NATD_SOCKET="",
               XDG_RUNTIME_DIR=str(tmp_path / "nowhere"))


def test_user_needs_a_runtime_directory(natctl):
    for value in ("", "relative"):
        natctl("--user", code=2, err="natctl: --user needs $XDG_RUNTIME_DIR, an absolute path\n",
               XDG_RUNTIME_DIR=value)


@pytest.mark.parametrize("persistence, lifetime_s, shown", [
    ("lease", 60, "1min (the router grants 1h)"), ("lease", 3600, "1h"), ("permanent", 60, "1h")])
def test_a_wish_that_is_shorter_than_what_is_granted(fake, natctl, persistence, lifetime_s, shown):
    mapping = r.mapping(persistence=persistence)
    mapping["context"]["lifetimeSeconds"] = lifetime_s
    fake(RequestMapping={"mapping": mapping})
    assert natctl("map", "tcp", "8080").endswith(f", PCP, {shown}, id m3\n")
