#!/usr/bin/python3
"""man/natd-routers.7 from the tests: what each router personality does, what natd does; and by
number what the field does to a port mapper (named.py), with the tests that show it.

    routers_page.py [TOP] > man/natd-routers.7
"""

import pathlib
import re
import sys
import tomllib

import named

TOP = pathlib.Path(__file__).resolve().parents[2]
PERSONALITIES = "tests/lab/personalities"
GROUPS = [
    ("a", "Ordinary routers"),
    ("b", "Quirks of real routers"),
    ("f", "Faults"),
    ("h", "Hostile or broken answers"),
    ("v", "VPN gateways and IPv6"),
]
NUMBERED = [
    ("quirk", "Quirks by number"),
    ("ask", "What people ask for, by number"),
    ("fault", "Faults by number"),
    ("attack", "Attacks by number"),
]
HEAD = r""".\" Made from the tests by tests/tools/routers_page.py; do not edit.
.Dd November 20, 2026
.Dt NATD-ROUTERS 7
.Os
.Sh NAME
.Nm natd-routers
.Nd what routers do wrong, and what natd does about it
.Sh DESCRIPTION
Each entry is one way in which a router behaves, and what
.Xr natd 8
makes of it.
Each is a test: a scripted router behaves like that, and the real daemon has to end as it is
said here.
The name at the left is that of the test's file in
.Pa tests/lab/personalities .
Whoever meets a router that is not here can add a file.
.Pp
The lists at the end have every quirk, wish, fault and attack by its number, with the tests that show
what natd makes of it: a personality by its name, others by the file and the function;
or, for what cannot happen here, the source that says why.
"""
TAIL = r""".Sh SEE ALSO
.Xr natctl 1 ,
.Xr natd-vpn 7 ,
.Xr natd 8
"""


def essay(path):
    """(what the router does, what natd does) from the comment at the top of the file."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].strip())
    text = " ".join(lines).replace("NAT- PMP", "NAT-PMP")
    does, _, expected = text.partition(" Expected: ")
    if not expected:
        raise SystemExit(f"{path}: no \"Expected:\" in its comment")
    return does, expected


def outcome(path):
    """The expectation that the test checks, in the words of the interface."""
    expect = tomllib.loads(path.read_text()).get("expect", {})
    words = []
    for key, before in (("state", ""), ("method", "by "), ("error", "error ")):
        if key in expect:
            said = expect[key] if isinstance(expect[key], list) else [expect[key]]
            words.append(before + " or ".join(said))
    return " ".join(words)


def roff(text):
    text = text.replace("\\", r"\e")
    return re.sub(r"^([.'])", r"\\&\1", text)


def wrapped(text):
    """Lines of at most 78 characters."""
    out = [""]
    for word in text.split():
        if out[-1] and len(out[-1]) + 1 + len(word) > 78:
            out.append("")
        out[-1] = f"{out[-1]} {word}".strip()
    return out


def sentences(text):
    """Each on its own line, as mdoc wants it; long ones wrapped."""
    out, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > 78:
            out.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
        if re.search(r"[.!?]$", word) and not word.endswith("..."):
            out.append(line)
            line = ""
    return out + ([line] if line else [])


def entry(path):
    does, expected = essay(path)
    lines = [f".It {path.stem}"]
    lines += [roff(s) for s in sentences(does)]
    lines.append(".br")
    lines += [roff(s) for s in sentences(f"natd: {expected}")]
    ended = outcome(path)
    if ended:
        lines += [".br", f".Pq {roff(ended)}"]
    return lines


def numbered(top):
    """The cases of named.py, each with what shows it."""
    found = named.named(top)
    out = []
    for kind, title in NUMBERED:
        out += [f".Ss {title}", ".Bl -tag -width 4n"]
        for number, what in named.CASES[kind].items():
            case = found.get((kind, number), {"tests": [], "code": []})
            shown = case["tests"] or case["code"] or ["nobody"]
            out += [f".It {number}", roff(what), ".br"]
            out += [roff(line) for line in wrapped(", ".join(shown))]
        out.append(".El")
    return out


def page(top):
    directory = top / PERSONALITIES
    out = [HEAD.rstrip("\n")]
    for letter, title in GROUPS:
        paths = sorted(directory.glob(f"{letter}[0-9]*.toml"))
        out += [f".Ss {title}", ".Bl -tag -width Ds"]
        for path in paths:
            out += entry(path)
        out.append(".El")
    known = {p for letter, _ in GROUPS for p in directory.glob(f"{letter}[0-9]*.toml")}
    stray = set(directory.glob("*.toml")) - known
    if stray:
        raise SystemExit(f"in no group: {sorted(p.name for p in stray)}")
    return "\n".join(out + numbered(top)) + "\n" + TAIL


if __name__ == "__main__":
    sys.stdout.write(page(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TOP))
