"""An OpenTelemetry collector: OTLP/HTTP in JSON, read as strictly as its specification allows.

    with Collector(node) as collector:
        collector.wait(lambda spans: len(spans) == 3)
"""

import http.server
import json
import re
import threading
import time

from lab import wait_until

PORT = 4318


def exactly(item, required, optional=()):
    """An object with these members and no others."""
    assert isinstance(item, dict), item
    assert set(required) <= item.keys() <= {*required, *optional}, item.keys()


def decimal(item):
    assert isinstance(item, str) and re.fullmatch(r"-?\d+", item), item
    assert -2**63 <= int(item) < 2**64
    return int(item)


def identifier(item, length):
    assert isinstance(item, str) and re.fullmatch(rf"[0-9a-f]{{{2 * length}}}", item), item
    assert item.strip("0"), "all zero is no id"
    return item


def attributes(items):
    found = {}
    for item in items:
        exactly(item, {"key", "value"})
        (kind, value), = item["value"].items()
        assert item["key"] and item["key"] not in found
        if kind == "intValue":
            found[item["key"]] = decimal(value)
        else:
            assert kind == "stringValue" and isinstance(value, str), item
            found[item["key"]] = value
    return found


class Span:
    def __init__(self, item, resource):
        exactly(item, {"traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
                       "attributes", "events", "status"}, {"parentSpanId", "droppedEventsCount"})
        self.resource = resource
        self.trace, self.id = identifier(item["traceId"], 16), identifier(item["spanId"], 8)
        self.parent = identifier(item["parentSpanId"], 8) if "parentSpanId" in item else None
        self.name, self.kind = item["name"], item["kind"]
        assert self.name and isinstance(self.name, str) and self.kind in (1, 2, 3, 4, 5)
        self.start, self.end = decimal(item["startTimeUnixNano"]), decimal(item["endTimeUnixNano"])
        assert 0 < self.start <= self.end
        self.attributes = attributes(item["attributes"])
        exactly(item["status"], (), {"code", "message"})
        self.failed = item["status"].get("code", 0) == 2
        self.message = item["status"].get("message", "")
        assert item["status"].get("code", 0) in (0, 2) and (self.failed or not self.message)
        self.events, before = [], self.start
        for event in item["events"]:
            exactly(event, {"timeUnixNano", "name", "attributes"})
            at = decimal(event["timeUnixNano"])
            assert before <= at <= self.end
            before = at
            self.events.append((event["name"], attributes(event["attributes"])))
        self.dropped = item.get("droppedEventsCount", 0)
        assert isinstance(self.dropped, int)

    def happened(self, name):
        return [given for what, given in self.events if what == name]


def batch(text):
    """The spans of one POST."""
    body = json.loads(text)
    exactly(body, {"resourceSpans"})
    spans = []
    for of_resource in body["resourceSpans"]:
        exactly(of_resource, {"resource", "scopeSpans"})
        exactly(of_resource["resource"], {"attributes"})
        resource = attributes(of_resource["resource"]["attributes"])
        for of_scope in of_resource["scopeSpans"]:
            exactly(of_scope, {"scope", "spans"})
            exactly(of_scope["scope"], {"name", "version"})
            spans += [Span(item, resource) for item in of_scope["spans"]]
    assert spans, "a batch of nothing"
    return spans


class Collector:
    def __init__(self, node, port=PORT, answers=()):
        """answers: (status, headers, body) of the first ones; then all is taken."""
        self.spans, self.requests, self.times, self.faults = [], [], [], []
        self.answers = list(answers)
        self.listener = node.socket(bind=("127.0.0.1", port))
        self.listener.listen(16)
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, body = collector.take(self.path, self.headers, text)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers,
                                    "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler,
                                                      bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = self.listener
        self.listener.settimeout(None)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def take(self, path, headers, text):
        try:
            spans = batch(text)
            assert headers["Content-Type"] == "application/json"
        except (AssertionError, ValueError, KeyError, TypeError) as fault:
            self.faults.append(f"{fault!r}: {text[:2000]}")
            return 400, {}, b""
        self.requests.append((path, dict(headers), len(spans)))
        self.times.append(time.monotonic())
        answer = self.answers.pop(0) if self.answers else (200, {}, b"{}")
        if answer[0] == 200:
            self.spans += spans
        return answer

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        if kind is None:
            assert self.faults == []

    def wait(self, condition, timeout_s=15.0, what="spans"):
        """The spans once they are those."""
        wait_until(lambda: self.faults or condition(self.spans), timeout_s,
                   f"{what}; there are {[span.name for span in self.spans]}", interval_s=0.02)
        assert self.faults == []
        return self.spans

    def calls(self, method):
        """(root, {name: child}) of each call of that method."""
        roots = [span for span in self.spans if span.name.endswith("." + method)]
        assert all(root.parent is None and root.kind == 2 for root in roots)
        return [(root, {span.name: span for span in self.spans if span.parent == root.id})
                for root in roots]
