"""What the field does to a port mapper, by number, and which tests name it.

    named.py [TOP]      what nobody names, one per line; exit status 1 if there is any

A test names a case in its comment, its docstring, its name table or its personality file:
"Quirk 22: ...", "quirks 9 and 52", "Ask 4: ...", "Fault 3: ...", "F03", "Attack 8".  What cannot happen
here is named in the same way where the code says why.
"""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

QUIRKS = {
    1: "the UPnP search is answered only when multicast, or only when unicast",
    2: "it is answered from a port other than 1900",
    3: "only the first descriptor, or only one exact target, is answered",
    4: "searches for several targets or families at once break it",
    5: "the description is said to be on another host, or lacks the zone",
    6: "the port of description and control moves at each restart",
    7: "service types of the DSL Forum",
    8: "the first description is missing",
    9: "a USN that is no UUID, odd URLBase, control URL without a slash",
    10: "several WAN connections, some of them down; \"Up\" for Connected",
    11: "two descriptors of one router",
    12: "a bridge of containers looks like this host's own interface",
    13: "the header must be SOAPAction in that case, its value quoted",
    14: "exact Content-Type, no chunks, no Expect, one write, Host with port",
    15: "a half-closed connection is dropped; chunks; no Content-Length",
    16: "white space and other prefixes in XML break it",
    17: "UDP in upper case, plain descriptions, the asker's own address",
    18: "725: permanent leases only, and rules that pile up",
    19: "402 for a lease that is not 0, or for one of 0",
    20: "-911 for a lease that is not 0",
    21: "501 while the address outside is private or lost",
    22: "718: an own old entry, another host's, or 724 in disguise",
    23: "715, 716, 726 to 729, 732: wildcards, full table, static rules",
    24: "606 and NOT_AUTHORIZED: this host may not map",
    25: "the connection is closed on AddAnyPortMapping",
    26: "402 to requests over IPv6",
    27: "entries dropped silently, purged, cleaned when idle",
    28: "listed and renewed, but nothing is forwarded",
    29: "the number outside becomes the one inside, whatever is asked",
    30: "the lease reads back as 0; one of 0 becomes a week",
    31: "the lease is ignored and the rule stays for days",
    32: "lists start at 1; CheckPinholeWorking is not implemented",
    33: "the external address is 0.0.0.0, empty, a name or private",
    34: "one of PCP and NAT-PMP is refused, ignored or answered by the other",
    35: "a suggested port of 0 is refused",
    36: "another port is granted; an error without the internal port",
    37: "a suggested address that it does not have is an error",
    38: "a renewal needs the nonce of the first request",
    39: "NO_RESOURCES to a renewal",
    40: "the address changes, the epoch does not",
    41: "the default route is in a policy table; tables larger than a buffer",
    42: "the router's own address is public or of 100.64.0.0/10",
    43: "port 5350 is taken by another program",
    44: "ports 5350 and 5351 here are taken by another program",
    45: "lifetimes in the byte order of the host",
    46: "a restart seen at every pause",
    47: "725 answered by the same lease again; renewals never or too late",
    48: "the wall clock drives the renewals",
    49: "two programs of one host ask for the same external port",
    50: "a reserved address outside ends the work",
    51: "a new nonce in each packet; granted taken for open",
    52: "requests go wherever a description or a redirect says",
}

ASKS = {
    1: "is it really open?",
    2: "survive the router's restart, without a restart of the program",
    3: "one daemon that other programs ask",
    4: "a VPN's forwarded port, held",
    5: "an honest word on carrier and double NAT",
    6: "no stale rules left on the router",
    7: "IPv6 pinholes by whatever the router has",
    8: "the right interface and router, several at once",
    9: "say why it does not work",
    10: "one number for TCP and UDP, kept; another if it is taken",
    11: "tunable timers, and looking again on demand",
    12: "containers: for another address, one natd per namespace",
    13: "JSON that stays, and a health check",
    14: "looking changes nothing",
}

FAULTS = {
    1: "the router restarts, its epoch starts anew",
    2: "the router restarts, its epoch does not show it",
    3: "after a restart UPnP is on another port or path",
    4: "the epoch wraps, stands still, or is a wall clock",
    5: "the router's clock drifts",
    6: "a lease much shorter or longer than asked",
    7: "success with a lease of 0 or port 0",
    8: "requests and answers are lost",
    9: "a renewal is refused while the mapping lives",
    10: "a renewal does not extend the lease",
    11: "the router purges its table",
    12: "success without an entry",
    13: "another host has the port",
    14: "permanent leases only",
    15: "the external address changes",
    16: "the router has no Internet connection",
    17: "double NAT, carrier NAT",
    18: "the router is slow or stalls",
    19: "an answer that comes too late",
    20: "packets come twice or in another order",
    21: "two gateways answer the search",
    22: "another box answers for a shared router address",
    23: "the interface flaps",
    24: "an address goes while a request is under way",
    25: "DHCP gives this host another address",
    26: "the default route moves to another uplink and back",
    27: "metrics, several hops, policy rules, a tunnel as default",
    28: "a captive portal answers everything",
    29: "suspend for hours",
    30: "the wall clock jumps",
    31: "the host is booted",
    32: "port 1900 is taken",
    33: "port 5350 is taken, or no multicast group can be joined",
    34: "control that answers a byte at a time",
    35: "connections half open, reset, closed before an answer",
    36: "endless or huge documents",
    37: "deep and expanding documents",
    38: "more news of the kernel than fit",
    39: "a storm of the kernel's news",
    40: "a table of the kernel read while it changes",
    41: "a client that never reads",
    42: "many clients, come and go",
    43: "a client dies holding mappings",
    44: "no descriptor left",
    45: "no memory left",
    46: "the disk is full or read-only",
    47: "the state file is damaged or of a newer version",
    48: "SIGKILL at any instant",
    49: "SIGTERM",
    50: "many SIGHUPs",
    51: "a second natd, a socket left behind",
    52: "two hosts want one port",
    53: "DNS fails, is slow or says too much",
    54: "a STUN server lies",
    55: "no STUN server answers",
    56: "a NAT forgets bindings sooner than thought",
    57: "every kind of NAT",
    58: "a STUN server with one address, or a false other address",
    59: "a relay loses its allocation",
    60: "a relay answers a refresh after its end",
    61: "a network with IPv6 only",
    62: "NAT64 and 464XLAT",
    63: "the IPv6 prefix changes; temporary and tentative addresses",
    64: "small MTU, unreachable ports",
    65: "forged ICMP errors",
    66: "another router behind the same address",
    67: "the host's firewall drops answers to the search",
    68: "the process is stopped for a while",
    69: "system calls are interrupted",
    70: "systemd: readiness, watchdog, sockets; and none of it",
    71: "a flood of log lines",
    72: "a router that wants a password",
}

ATTACKS = {
    1: "XML that makes a parser read or write beyond its memory",
    2: "entities that expand or name files",
    3: "XML that costs memory and time without them",
    4: "a parser called or freed by its own handler",
    5: "HTTP whose lengths lie",
    6: "numbers that are cut, signed, too large",
    7: "text longer than the room for it",
    8: "LOCATION, URLBase, control URLs and redirects to other hosts",
    9: "line ends and markup in what is sent to the router",
    10: "a callback that makes this host send to a third one",
    11: "searches whose answers hit another host",
    12: "announcements by the thousand",
    13: "forged NAT-PMP answers",
    14: "forged PCP answers, guessed nonces",
    15: "forged STUN answers",
    16: "STUN attributes whose lengths lie",
    17: "old memory in the padding of what is sent",
    18: "a STUN server that sends to another address",
    19: "authentication that is bid down",
    20: "framing over TCP that lies",
    21: "a TLS server that is not the one that was named",
    22: "JSON that is deep, huge, ambiguous",
    23: "clients that connect, hang up, never read",
    24: "checks that a release build leaves out",
    25: "descriptors beyond what select() can watch",
    26: "DNS answers that are forged, useless, endless",
    27: "addresses that go while they are in use",
    28: "control characters in names and texts",
    29: "a state file that somebody changed",
    30: "ports opened for who may not open them",
    31: "PCP options whose lengths lie",
    32: "what compilers and machines do not agree on",
}

CASES = {"quirk": QUIRKS, "ask": ASKS, "fault": FAULTS, "attack": ATTACKS}

# Between the words of a comment: white space, and the start of its next line.
GAP = r"(?:\s|\n[ \t]*(?:\*|#|//)[ \t])+"
SEVERAL = re.compile(rf"\b(quirk|ask|fault|attack)s?{GAP}(\d+(?:(?:,|{GAP}and|{GAP}to)?{GAP}\d+(?!\w))*)\b", re.I)
SHORT = re.compile(r"\bF(\d\d)\b")
TEST = {".c": re.compile(r"^(\w+)\(void \*\*state\)", re.M),
        ".py": re.compile(r"^def (test_\w+)", re.M)}


def numbers(text):
    """9, "9 and 52", "9, 10 and 11", "9 to 11"."""
    found, previous, through = [], 0, False
    for word in re.findall(r"\d+|to\b", text):
        if word == "to":
            through = True
            continue
        found += range(previous + 1, int(word) + 1) if through else [int(word)]
        previous, through = int(word), False
    return found


def mentions(text):
    """(kind, number, where in the text) of each case that is named."""
    for m in SEVERAL.finditer(text):
        for number in numbers(m[2]):
            yield m[1].lower(), number, m.start()
    for m in SHORT.finditer(text):
        yield "fault", int(m[1]), m.start()


def place(path, text, offset):
    """The test at that place: the one around it, or below a comment that stands outside."""
    if path.suffix not in TEST:
        return path.stem
    inside = text[text.rfind("\n", 0, offset) + 1:offset + 1][:1].isspace()
    tests = [(m.start(), m[1]) for m in TEST[path.suffix].finditer(text)]
    before = [name for at, name in tests if at <= offset]
    after = [name for at, name in tests if at > offset]
    if text[text.rfind("\n", 0, offset) + 1:].startswith(" *"):
        inside = False  # a further line of a comment
    name = (before[-1] if inside and before else after[0] if after else None)
    return f"{path.stem}: {name}" if name else path.stem


def named(top):
    """{(kind, number): {"tests": [...], "code": [...]}}."""
    found = {}
    tests = [p for p in sorted((top / "tests").rglob("*"))
             if p.suffix in (".c", ".h", ".py", ".toml") and
             p.relative_to(top / "tests").parts[0] not in ("tools", "data")]
    code = [p for where in ("proto", "daemon", "netmon", "ctl", "lib")
            for p in sorted((top / where).glob("*.[ch]"))]
    for kind_of_place, paths in (("tests", tests), ("code", code)):
        for path in paths:
            text = path.read_text()
            for kind, number, offset in mentions(text):
                case = found.setdefault((kind, number), {"tests": [], "code": []})
                name = place(path, text, offset) if kind_of_place == "tests" else \
                    str(path.relative_to(top))
                if name not in case[kind_of_place]:
                    case[kind_of_place].append(name)
    return found


def unnamed(top):
    found = named(top)
    return [(kind, number) for kind, titles in CASES.items() for number in titles
            if (kind, number) not in found]


def unknown(top):
    """Names of cases that are none."""
    return [(kind, number, case) for (kind, number), case in named(top).items()
            if number not in CASES[kind]]


if __name__ == "__main__":
    missing = unnamed(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TOP)
    for kind, number in missing:
        print(f"{kind} {number}: {CASES[kind][number]}")
    sys.exit(bool(missing))
