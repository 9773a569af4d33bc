#!/usr/bin/python3
"""man/org.natd.NAT.7 from the interface: every method, type and error with its comment.

    interface_page.py [FILE] > man/org.natd.NAT.7
"""

import pathlib
import re
import sys

from routers_page import roff, sentences

TOP = pathlib.Path(__file__).resolve().parents[2]
WIDTH = 72
HEAD = r""".\" Made from etc/org.natd.NAT.varlink by tests/tools/interface_page.py; do not edit.
.Dd November 20, 2026
.Dt ORG.NATD.NAT 7
.Os
.Sh NAME
.Nm org.natd.NAT
.Nd the control interface of natd
.Sh DESCRIPTION
%(description)s
.Pp
This is the interface that
.Xr natd 8
serves on
.Pa /run/natd/org.natd.NAT
to programs in any language;
.Xr natctl 1
is one of them.
It speaks Varlink: a message is one JSON object and one NUL byte.
A call names the
.Va method ,
with its name behind that of the interface, and has its
.Va parameters ;
the reply has
.Va parameters ,
and
.Va error
with the full name of one of the errors below if it is none of the good ones.
.Bd -literal -offset indent
{"method":"org.natd.NAT.RequestMapping",
 "parameters":{"protocols":["tcp"],"internalPort":8080}}
.Ed
.Pp
A call with
.Ql \(dqmore\(dq:true
gets several replies; each but the last has
.Ql \(dqcontinues\(dq:true .
.Pp
In what follows
.Ql \&?
is in front of what may be null or missing,
.Ql []
in front of arrays.
What is asked has no other members than these;
replies may get more of them in later versions.
Who may do what, and how long things last, is in
.Xr natd 8 .
.Ql natctl interface
prints the definition as it is served, and
.Ql natctl call
makes any of these calls.
"""
TAIL = r""".Sh SEE ALSO
.Xr natctl 1 ,
.Xr natd 8
.Pp
.Lk https://varlink.org/ "Varlink"
"""


def declarations(text):
    """(comment, kind, name, rest) of each, in order; rest is on one line."""
    found, comment, lines = [], [], iter(text.splitlines())
    for line in lines:
        if line.startswith("#"):
            comment.append(line[1:].strip())
            continue
        if not line.strip():
            comment = []
            continue
        declared = line
        # Goes on while a bracket is open, or what it returns is to come.
        while declared.count("(") > declared.count(")") or declared.rstrip().endswith("->"):
            declared += " " + next(lines).strip()
        kind, name, rest = re.match(r"(\w+) ([\w.]+) ?(.*)", declared).groups()
        found.append((" ".join(comment), kind, name, rest))
        comment = []
    return found


def split(text):
    """"(a, b) -> (c)" as [["a", "b"], ["c"]]"""
    return [[field.strip() for field in group.split(",") if field.strip()]
            for group in re.findall(r"\(([^)]*)\)", text)]


def group(before, fields, after):
    """In one line if that fits, else a field per line."""
    line = f"{before}({', '.join(fields)}){after}"
    if len(line) <= WIDTH:
        return [line]
    if all(":" not in field for field in fields):  # an enumeration
        out, line = [], "    "
        for field in fields:
            if len(line) + len(field) > WIDTH:
                out.append(line.rstrip())
                line = "    "
            line += f"{field}, "
        return [f"{before}(", *out, f"{line.rstrip(' ,')}){after}"]
    return [f"{before}(", *(f"    {field}," for field in fields[:-1]),
            f"    {fields[-1]}){after}"]


def definition(kind, name, rest):
    groups = split(rest)
    if kind != "method":
        return group(f"{name} " if groups[0] else name, groups[0], "")
    lines = group(name, groups[0], " ->")
    after = group("", groups[1], "")
    if len(lines[-1]) + 1 + len(after[0]) <= WIDTH:
        return [*lines[:-1], f"{lines[-1]} {after[0]}", *after[1:]]
    return [*lines, *after]


def entry(comment, kind, name, rest):
    out = [f".It {name}", ".Bd -literal -compact",
           *map(roff, definition(kind, name, rest)), ".Ed"]
    if comment and comment[-1] not in ".]":
        comment += "."
    return out + [roff(line) for line in sentences(comment)]


def page(text):
    found = declarations(text)
    description, kind, name, _ = found.pop(0)
    if (kind, name) != ("interface", "org.natd.NAT"):
        raise SystemExit("this is another interface")
    out = [HEAD.rstrip("\n") % {"description": "\n".join(map(roff, sentences(description + ".")))}]
    for kind, title in (("method", "METHODS"), ("error", "ERROR REPLIES"), ("type", "TYPES")):
        out += [f".Sh {title}", ".Bl -tag -width Ds"]
        for item in found:
            if item[1] == kind:
                out += entry(*item)
        out.append(".El")
    return "\n".join(out) + "\n" + TAIL


if __name__ == "__main__":
    source = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TOP / "etc/org.natd.NAT.varlink"
    sys.stdout.write(page(source.read_text()))
