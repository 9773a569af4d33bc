"""Traces: what a collector is told of requests, and that natd waits for none."""

import re

import pytest

import clock
import varlink
from collector import PORT, Collector
from daemon import Natd
from lab import wait_until

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{PORT}"}


def traced(place, config="", **env):
    return Natd(place.client, config, start=False).start(env={**ENDPOINT, **env})


def exported(natd):
    return natd.metric("natd_trace_spans_total")


def dropped(natd, reason):
    return natd.metric("natd_trace_spans_dropped_total", reason=reason)


def test_a_request_and_each_method_tried(place):
    """A router that speaks NAT-PMP and PCP, and a UPnP that is not there."""
    place.router.start(upnp=False)
    with Collector(place.client) as collector:
        natd = traced(place, OTEL_SERVICE_NAME="edge", OTEL_RESOURCE_ATTRIBUTES="site=home%20lab",
                      OTEL_EXPORTER_OTLP_HEADERS="x-key=se%20cret")
        mapping = natd.map(["tcp"], 8080)
        natd.call("ReleaseMapping", id=mapping["id"])
        collector.wait(lambda _: collector.calls("ReleaseMapping"))
        (root, tried), = collector.calls("RequestMapping")
        assert not root.failed and root.resource["service.name"] == "edge"
        assert root.resource["site"] == "home lab"
        assert root.attributes["rpc.system"] == "varlink" and root.attributes["natd.uid"] == 0
        assert root.attributes["rpc.method"] == "org.natd.NAT.RequestMapping"
        assert root.attributes["natd.mapping.id"] == mapping["id"]
        assert tried.keys() == {"pcp", "nat_pmp", "igd1"}
        pcp = tried["pcp"]
        assert not pcp.failed and pcp.kind == 3 and pcp.trace == root.trace
        assert root.start <= pcp.start <= pcp.end <= root.end
        assert pcp.attributes == {"natd.method": "pcp", "natd.gateway": "192.168.1.1 on eth0"}
        asked = [given["natd.question"] for given in pcp.happened("request")]
        assert asked == ["ANNOUNCE", "MAP"] and len(pcp.happened("answer")) == 2
        # It was still being looked for when PCP had answered.
        assert tried["igd1"].failed and tried["igd1"].message == "no answer yet"
        (release, deleted), = collector.calls("ReleaseMapping")
        assert not release.failed and release.trace != root.trace
        assert [given["natd.question"] for given in deleted["pcp"].happened("request")] == ["delete"]
        path, headers, _ = collector.requests[0]
        assert path == "/v1/traces" and headers["x-key"] == "se cret"
        # Known when the collector's answer has come; each look is a span, too.
        wait_until(lambda: exported(natd) >= 5, 10, "the count", 0.2)
        assert dropped(natd, "queue_full") == 0


def test_retransmissions_are_events_and_silence_is_an_error(place):
    place.router.block("pxp", "ssdp")
    with Collector(place.client) as collector:
        natd = traced(place)
        with pytest.raises(varlink.VarlinkError, match="NoMethodAvailable"):
            natd.map(["udp"], 9000)
        collector.wait(lambda _: collector.calls("RequestMapping"))
        (root, tried), = collector.calls("RequestMapping")
        assert root.failed and root.message == "org.natd.NAT.NoMethodAvailable"
        assert root.attributes["error.type"] == "org.natd.NAT.NoMethodAvailable"
        assert root.end - root.start > 2_000_000_000
        assert tried.keys() == {"pcp", "nat_pmp", "igd1"}
        for name in ("pcp", "nat_pmp"):
            again = [given["natd.sends"] for given in tried[name].happened("retransmission")]
            assert len(again) >= 5 and again == list(range(2, len(again) + 2)), name
            assert tried[name].failed and "no answer" in tried[name].message
            assert len(tried[name].happened("failure")) == 1


def test_upnp_has_its_search_and_its_actions(place):
    place.router.start(pxp=False, igd1=True)
    with Collector(place.client) as collector:
        natd = traced(place)
        natd.map(["tcp"], 8080)
        collector.wait(lambda _: collector.calls("RequestMapping"))
        (_, tried), = collector.calls("RequestMapping")
        asked = [given["natd.question"] for given in tried["igd1"].happened("request")]
        assert asked[:2] == ["M-SEARCH", "description"] and "AddPortMapping" in asked
        assert not tried["igd1"].failed
        assert tried["pcp"].failed and tried["nat_pmp"].failed


def test_a_collector_that_is_away_costs_spans_and_no_time(place):
    natd = traced(place)
    with natd.connect() as c:
        started = clock.now()
        for _ in range(700):
            c.call("org.natd.NAT.ListMappings")
        assert clock.lasted(started) < 10
    assert dropped(natd, "queue_full") >= 700 - 512
    lost = dropped(natd, "queue_full")
    assert natd.log().count("traces do not reach 127.0.0.1:4318") == 1
    with Collector(place.client) as collector:
        # It comes back, and what was kept arrives, once.
        collector.wait(lambda spans: len(spans) >= 512, 40)
        assert max(size for _, _, size in collector.requests) <= 64
        assert len({span.id for span in collector.spans}) == len(collector.spans)
        wait_until(lambda: "traces reach 127.0.0.1:4318 again" in natd.log(), 5, "the line")
    assert natd.log().count("traces do not reach") == 1 and dropped(natd, "queue_full") - lost < 100


def test_answers_of_a_collector(place):
    """503 is asked again, as late as it says; 400 is not; a part may be refused."""
    answers = [(503, {"Retry-After": "2"}, b""), (200, {}, b'{"partialSuccess":{"rejectedSpans":"1"}}'),
               (400, {}, b"no")]
    with Collector(place.client, answers=answers) as collector:
        natd = traced(place)
        natd.call("Status")
        collector.wait(lambda spans: any(span.name.endswith("Status") for span in spans))
        first, second = collector.times[:2]
        assert second - first > 1.5
        # Each look is a span, too.
        wait_until(lambda: dropped(natd, "refused") == 1, 10, "the part that was refused", 0.2)
        wait_until(lambda: dropped(natd, "refused") > 1, 20, "a batch that was refused", 0.2)
        before = exported(natd)
        wait_until(lambda: exported(natd) > before, 20, f"a batch after it: {natd.log()}", 0.2)


def test_what_is_left_is_sent_at_the_end(place):
    place.router.start(upnp=False)
    with Collector(place.client) as collector:
        natd = traced(place)
        natd.map(["tcp"], 8080)
        assert natd.stop() == 0
        assert collector.calls("RequestMapping")


@pytest.mark.parametrize("env,why", [
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:4318"}, "plain http only"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"}, "no http://HOST:PORT"),
    ({"OTEL_EXPORTER_OTLP_HEADERS": "a"}, "OTEL_EXPORTER_OTLP_HEADERS is no list"),
    ({"OTEL_RESOURCE_ATTRIBUTES": "a"}, "OTEL_RESOURCE_ATTRIBUTES is no list"),
])
def test_what_cannot_be_is_said_and_natd_works(place, env, why):
    natd = traced(place, **env)
    assert natd.call("Status")["state"] == "online"
    assert re.search(rf"no traces to .*{why}", natd.log()), natd.log()


def test_nobody_asked_for_traces(place):
    with Collector(place.client) as collector:
        natd = Natd(place.client)
        natd.call("Status")
        assert natd.stop() == 0
        assert collector.requests == []
