"""What status and monitor say of things that stay as they are."""

import replies as r
from fake import Last


def test_monitor_says_nothing_twice(fake, natctl):
    """natd tells of changes that no line has room for."""
    failed = r.mapping(state="failed", problem=r.finding())
    fake(Monitor=[
        r.snapshot(),
        r.event(1, "mapping_changed", mapping=failed), r.event(2, "mapping_changed", mapping=failed),
        r.event(3, "gateway_changed", gateway=r.GATEWAY), r.event(4, "gateway_changed", gateway=r.GATEWAY),
        r.event(5, "mapping_changed", mapping=r.mapping(state="failed", problem=r.finding(message="other"))),
        r.event(6, "gateway_changed", gateway={**r.GATEWAY, "services": [r.service("pcp")]}),
        Last(r.event(7, "gateway_changed", gateway=r.GATEWAY))])
    assert [line.split()[1:3] for line in natctl("monitor", "-q").splitlines()] == [
        ["m3", "failed"], ["--", "gateway"], ["m3", "changed"], ["--", "gateway"], ["--", "gateway"]]


def test_status_says_how_long_what_cannot_be_renewed_is_held(fake, natctl):
    lost = r.mapping(state="degraded", problem=r.finding(message="no answer"))
    fake(Status=r.STATUS, ListMappings={"mappings": [lost]})
    assert "! tcp 203.0.113.7:8080 -> 192.168.1.20:8080  web: no answer, held for 58min\n" in natctl()


def test_monitor_does_not_say_no_while_a_router_is_still_asked(fake, natctl):
    silent = r.service("pcp", False, problem=r.finding("method_absent", message="no answer"))
    asked = r.service("nat_pmp", False)
    fake(Monitor=[
        r.snapshot(),
        r.event(1, "gateway_changed", gateway={**r.GATEWAY, "services": [asked, r.service("igd2", False)]}),
        r.event(2, "gateway_changed", gateway={**r.GATEWAY, "services": [silent, asked]}),
        Last(r.event(3, "gateway_changed", gateway={**r.GATEWAY, "services": [r.service("pcp"), asked]}))])
    assert [line.split("eth0: ")[1] for line in natctl("monitor").splitlines()[1:]] == [
        "not known yet", "PCP no (no answer)", "PCP yes"]
