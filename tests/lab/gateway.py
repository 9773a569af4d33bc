"""A router whose habits are data: PCP, NAT-PMP, SSDP, IGD; one process, no forwarding.

    gateway.py --personality FILE --lan 192.168.1.1 --interface lan0 --wan 11.22.33.44
               --control SOCKET --log FILE [--lan6 ADDRESS]

The personality (TOML) is laid over DEFAULTS below.  Beside those tables it has rules:

    [[rule]]
    on = "soap.AddPortMapping"    # an event, or the part before a dot
    lease = "!=0"                 # conditions, all of which must hold
    do = { error = 725 }          # what happens instead of the usual

Events: pcp.announce pcp.map pcp.peer nat_pmp.address nat_pmp.map ssdp.search http.get
http.subscribe soap.ACTION.  Conditions: see matches().  Each event is one JSON line of the
log, with its time (CLOCK_MONOTONIC; that of a datagram is when the kernel got it) and what became
of it.  The control socket takes one
JSON object per line, {"do": ...}; see Gateway.obey().
"""

import argparse
import asyncio
import copy
import dataclasses
import json
import operator
import random
import re
import socket
import struct
import time
import tomllib

from gateway_igd import Igd
from gateway_pxp import Pxp

DEFAULTS = {
    # listen false: the kernel answers with ICMP port unreachable.
    "pxp": {"listen": True},
    # absent: how a router without the protocol answers: "silent" or "version".
    "pcp": {"on": False, "absent": "version", "check_nonce": True, "third_party": False},
    "nat_pmp": {"on": False, "absent": "silent"},
    "upnp": {"on": False},
    "epoch": {"start": 5000, "rate": 1.0, "stuck": False, "kept": False},
    "lease": {"min": 0, "max": 0x7FFFFFFF, "zero": 0, "readback": True},
    # on_full: "silent" (success without an entry) or an error code.  own_replaced: a client may
    # point its external port at another internal one.
    "table": {"capacity": 1000, "on_full": 728, "purge_after_s": 0, "purge_above": 0,
              "own_replaced": False},
    "wan": {"status": "Connected", "uptime": True},
    "ssdp": {"unicast": True, "multicast": True, "targets": [".*"], "source_port": 1900,
             "answers": 0, "location": ["http://{lan}:{port}{path}"], "usn": "{uuid}::{target}",
             "source": "", "headers": {}, "bootid": True},
    # transfer: length, chunked, close; drip_ms: one byte at a time.
    "http": {"port": 0, "moves": False, "transfer": "length", "drip_ms": 0, "version": "1.1",
             "headers": {}, "extra": 0},
    "description": {"version": 1, "path": "/rootDesc.xml", "url_base": "", "name": "Scripted",
                    "control": "{path}", "file": "", "wrap": "{xml}"},
    # delete_any: any host may delete any entry, as most routers let it.
    "soap": {"pad_error": False, "prefix": "u", "events": False, "delete_any": False},
    "service": [],
    "rule": [],
    "entry": [],
}

SERVICES = {
    "igd1": [{"type": "urn:schemas-upnp-org:service:WANIPConnection:1"}],
    "igd2": [{"type": "urn:schemas-upnp-org:service:WANIPConnection:2"},
             {"type": "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"}],
}

COMPARISONS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
               "<=": operator.le, ">=": operator.ge}


@dataclasses.dataclass
class Entry:
    """One mapping of the router.  expires_s is None for a permanent one."""
    protocol: str
    external_port: int
    client: str
    internal_port: int
    lease_s: int = 0
    expires_s: float | None = None
    made_s: float = 0.0
    description: str = ""
    nonce: str = ""
    via: str = ""
    unique_id: int | None = None

    def left(self, now):
        return 0 if self.expires_s is None else max(0, round(self.expires_s - now))


def overlay(base, over):
    result = copy.deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = overlay(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def load(path):
    with open(path, "rb") as f:
        given = tomllib.load(f)
    for known in given:
        if known not in DEFAULTS and known not in ("expect", "request", "then", "natd", "lab"):
            raise SystemExit(f"{path}: unknown table [{known}]")
    conf = overlay(DEFAULTS, given)
    if not conf["service"]:
        conf["service"] = SERVICES[f"igd{conf['description']['version']}"]
    return conf


def compare(condition, value, facts):
    """Whether value fulfils "==443", "!=internal", "<1024", or equals a plain value."""
    if not isinstance(condition, str):
        return value == condition
    found = re.fullmatch(r"(==|!=|<=|>=|<|>)(.+)", condition)
    if not found:
        return re.fullmatch(condition, str(value)) is not None
    other = facts.get("internal_port") if found[2] == "internal" else int(found[2])
    return value is not None and COMPARISONS[found[1]](value, other)


class Gateway:
    def __init__(self, conf, options):
        self.conf, self.options = conf, options
        self.wan = options.wan
        self.table, self.pinholes, self.next_id = {}, {}, 1
        self.boot, self.silent, self.counts = time.monotonic(), False, {}
        self.boots = 1
        self.started = self.boot
        self.random = random.Random(1)
        self.log_file = open(options.log, "a", buffering=1)
        for given in conf["entry"]:
            self.insert(Entry(**given))
        self.pxp, self.igd = Pxp(self), Igd(self)

    # ---- clock, log, table

    def now(self):
        return time.monotonic()

    def epoch(self):
        e = self.conf["epoch"]
        if e["stuck"]:
            return e["start"]
        start = e["start"] if self.boots == 1 or e["kept"] else 0
        since = self.started if e["kept"] else self.boot
        return (start + int((self.now() - since) * e["rate"])) & 0xFFFFFFFF

    def log(self, event, facts, result):
        line = {"t": self.now(), "done": self.now(), "event": event, **facts, "result": result}
        self.log_file.write(json.dumps(line, default=sorted) + "\n")

    def insert(self, entry):
        entry.made_s = self.now()
        self.table[(entry.protocol, entry.external_port)] = entry

    def expire(self):
        now, t = self.now(), self.conf["table"]
        self.table = {k: e for k, e in self.table.items()
                      if e.expires_s is None or e.expires_s > now}
        if t["purge_after_s"] and len(self.table) > t["purge_above"]:
            self.table = {k: e for k, e in self.table.items()
                          if e.made_s + t["purge_after_s"] > now}
        self.pinholes = {k: e for k, e in self.pinholes.items() if e.expires_s > now}

    def grant(self, asked_s):
        """The lease this router gives for the one asked."""
        lease = self.conf["lease"]
        if asked_s == 0:
            return lease["zero"]
        return max(lease["min"], min(lease["max"], asked_s))

    def free_port(self, protocol, start):
        for offset in range(64512):
            port = 1024 + (max(start, 1024) - 1024 + offset) % 64512
            if (protocol, port) not in self.table:
                return port
        return None

    def choose_port(self, do, protocol, asked, internal):
        """The external port that a grant_port of the rule in force stands for."""
        chosen = do.get("grant_port", asked)
        if chosen == "internal":
            return internal
        if chosen == "random":
            return self.free_port(protocol, self.random.randrange(20000, 60000))
        if isinstance(chosen, str):
            return asked + int(chosen)
        return chosen

    # ---- rules

    def rule(self, event, facts):
        """What the first rule that matches says to do, or {}."""
        if self.silent:
            return {"drop": True}
        self.counts[event] = self.counts.get(event, 0) + 1
        for rule in self.conf["rule"]:
            if self.matches(rule, event, facts):
                rule["used"] = rule.get("used", 0) + 1
                if "nth" in rule:
                    first, _, last = str(rule["nth"]).partition("-")
                    if not int(first) <= rule["used"] <= int(last or first):
                        continue
                return rule["do"]
        return {}

    def matches(self, rule, event, facts):
        for key, condition in rule.items():
            if key in ("do", "nth", "used"):
                continue
            if key == "on":
                names = [condition] if isinstance(condition, str) else condition
                if not any(event == n or event.startswith(n + ".") for n in names):
                    return False
            elif key == "chance":
                if self.random.random() >= condition:
                    return False
            elif key == "after_s":
                if self.now() - self.boot < condition:
                    return False
            elif key == "boots":
                if not compare(condition, self.boots, facts):
                    return False
            elif key == "flaw":
                if not set(condition if isinstance(condition, list) else [condition]) & \
                        set(facts.get("flaws", ())):
                    return False
            elif not compare(condition, facts.get(key), facts):
                return False
        return True

    # ---- run-time control

    async def obey(self, order):
        do = order["do"]
        if do == "restart":  # a power cut: no table, a new epoch, perhaps a new port
            await self.restart(order)
        elif do == "wipe":  # the table is lost and nothing else tells so
            self.table, self.pinholes = {}, {}
        elif do == "wan":
            self.wan = order["address"]
            if order.get("tell"):
                self.pxp.announce()
            await self.igd.notify_address()
        elif do == "announce":
            self.pxp.announce()
        elif do in ("alive", "byebye"):
            self.igd.ssdp.notify(do)
        elif do == "silent":
            self.silent = order["on"]
        elif do == "change":  # lay more personality over the present one
            self.conf = overlay(self.conf, order["with"])
        elif do == "insert":
            self.insert(Entry(**order["entry"]))
        elif do == "insert_pinhole":
            self.pinholes[self.next_id] = Entry(**order["entry"], unique_id=self.next_id,
                                                expires_s=self.now() + 3600)
            self.next_id += 1
        elif do == "delete":
            self.table.pop((order["protocol"], order["external_port"]), None)
        elif do != "table":
            return {"error": f"unknown order {do}"}
        self.expire()
        return {"table": [vars(e) for e in self.table.values()],
                "pinholes": [vars(e) for e in self.pinholes.values()],
                "epoch": self.epoch(), "port": self.igd.port, "boots": self.boots}

    async def restart(self, order):
        self.table, self.pinholes, self.next_id = {}, {}, 1
        if order.get("down_s"):
            self.silent = True
            await self.igd.close()
            await asyncio.sleep(order["down_s"])
            self.silent = False
        self.boots += 1
        self.boot = self.now()
        await self.igd.reopen()
        if order.get("announce"):
            self.pxp.announce()
        if order.get("alive"):
            self.igd.ssdp.notify("alive")

    async def control(self, reader, writer):
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self.obey(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async def run(self):
        self.pxp.open()
        await self.igd.open()
        # Last: whoever can connect here knows that all else is open.
        server = await asyncio.start_unix_server(self.control, self.options.control)
        async with server:
            await server.serve_forever()


SO_TIMESTAMPNS = 35  # of <asm/socket.h>; the socket module has no name for it


def udp_socket(address, port, interface, reuse=False, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        scope = socket.if_nametoindex(interface) if address.startswith(("fe80", "ff02")) else 0
        s.bind((address, port, 0, scope))
    else:
        s.bind((address, port))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                     struct.pack("4s4si", b"\0" * 4, b"\0" * 4, socket.if_nametoindex(interface)))
    return s


def receive(s):
    """(datagram, source, when it came): not when this process, one of many, had its turn."""
    data, ancillary, _, source = s.recvmsg(4096, 64)
    now = time.monotonic()
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", value)
            return data, source, now - max(0.0, time.time() - seconds - nanoseconds / 1e9)
    return data, source, now


def main():
    parser = argparse.ArgumentParser()
    for name in ("personality", "lan", "interface", "wan", "control", "log"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--lan6", action="append", default=[])
    options = parser.parse_args()
    asyncio.run(Gateway(load(options.personality), options).run())


