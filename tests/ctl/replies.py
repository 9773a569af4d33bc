"""Replies of natd, written by hand in the shape of the interface."""

import time

HOUR = 3600
STAMPS = []  # each with the seconds that it is from the start of the test


def stamp(seconds=0.0):
    """A time that many seconds from when the test started, however many were before it."""
    STAMPS.append(({}, seconds))
    set_clocks(STAMPS[-1:])
    return STAMPS[-1][0]


def set_clocks(stamps=STAMPS):
    """Now is the start of a test."""
    now, uptime = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    for stamp, seconds in stamps:
        stamp.update(realtime=int((now + seconds) * 1e6), boottime=int((uptime + seconds) * 1e6))


def clock(text):
    """A time of day on 2026-11-20, UTC."""
    hours, minutes, seconds = map(int, text.split(":"))
    return {"realtime": (1795132800 + hours * 3600 + minutes * 60 + seconds) * 1_000_000}


def finding(code="gateway_refused", message="refused by gateway (NO_RESOURCES)", hint=None,
            severity="error"):
    return {"severity": severity, "code": code, "message": message, "hint": hint}


def mapping(id="m3", protocols=("tcp",), port=8080, external="203.0.113.7", external_port=None,
            name="web", state="active", method="pcp", problem=None, internal="192.168.1.20",
            owner=0, is_global=True, renewals=2, expires=58.5 * 60, renews=29.5 * 60,
            reachability="unknown", persistence="lease"):
    held = state in ("active", "renewing", "degraded")
    return {
        "id": id,
        "context": {"protocols": list(protocols), "internalPort": port, "description": name,
                    "lifetimeSeconds": HOUR, "persistence": persistence},
        "runtime": {
            "state": state, "method": method if held else None,
            "gateway": "192.168.1.1" if held else None, "interface": "eth0",
            "internal": {"address": internal, "port": port},
            "external": {"address": external, "port": external_port or port} if held else None,
            "externalIsGlobal": is_global if held else None, "reachability": reachability,
            "grantedLifetimeSeconds": HOUR if held else None, "created": stamp(-2 * HOUR),
            "expires": stamp(expires) if held else None, "nextRenewal": stamp(renews),
            "renewals": renewals, "ownerUserId": owner, "ownerProcessId": 4711,
            "problem": problem},
    }


WEB = mapping()
WIREGUARD = mapping(id="m4", protocols=("udp",), port=51820, name="wireguard",
                    expires=24.5 * 60, renews=12.5 * 60)
SIP = mapping(id="m5", protocols=("udp",), port=5060, name="sip", state="failed",
              problem=finding(), renews=4.5 * 60, owner=65534)
V6 = mapping(id="m6", port=22, external="2001:db8::7", internal="2001:db8::7", name=None,
             method="direct")


def service(method, available=True, rtt=1200, circuit="closed", problem=None, version=None):
    return {"method": method, "available": available, "version": version,
            "controlAddress": None, "roundTripUSec": rtt if available else None,
            "circuit": circuit, "problem": problem}


GATEWAY = {
    "address": "192.168.1.1", "interface": "eth0", "interfaceIndex": 2, "family": "ipv4",
    "isDefaultRoute": True, "name": "FRITZ!Box 7590", "externalAddress": "203.0.113.7",
    "services": [service("pcp", version="2"), service("nat_pmp", rtt=1900),
                 service("igd2", rtt=8100)],
    "requestsUnderWay": 2, "soapRequests": 17,
}
GATEWAY6 = {
    "address": "fe80::1", "interface": "wlan0", "interfaceIndex": 3, "family": "ipv6",
    "isDefaultRoute": False, "services": [
        service("pcp", circuit="open"),
        service("igd_pinhole", available=False,
                problem=finding("not_authorized", "not authorized",
                                "Allow it in the router's settings"))],
}
BEHAVIOR = {"family": "ipv4", "interface": "eth0", "mapping": "endpoint_independent",
            "filtering": "address_dependent", "hairpinning": True, "measured": stamp(-150)}
STATUS = {
    "state": "online", "version": "0.1.0", "started": stamp(-3.2 * HOUR - 30),
    "externalAddresses": [
        {"family": "ipv4", "address": "203.0.113.7", "isGlobal": True, "interface": "eth0",
         "source": "pcp"},
        {"family": "ipv6", "address": "2001:db8::7", "isGlobal": True, "interface": "eth0",
         "source": "direct"}],
    "gateways": [GATEWAY], "natBehaviors": [BEHAVIOR], "stunServers": [],
    "mappingsTotal": 3, "mappingsActive": 2, "mappingsFailed": 1,
}
LIST = {"mappings": [WEB, WIREGUARD, SIP]}


def event(sequence, word, at="08:31:07", **parts):
    return {"sequence": sequence, "event": word, "timestamp": clock(at), **parts}


def snapshot(sequence=0, state="online", mappings=(WEB, WIREGUARD), **more):
    return event(sequence, "snapshot", state=state, mappings=list(mappings),
                 gateways=[GATEWAY], **more)
