"""Colours, widths and the pager: what natctl does on a terminal, and only there."""

import re

import pytest

import replies as r
from conftest import PATIENCE_S
from fake import Error, Last

ESCAPE = "\x1b["


@pytest.mark.parametrize("tty, argv, env, colour", [
    (True, [], {}, True),
    (False, [], {}, False),
    (True, ["--color=never"], {}, False),
    (False, ["--color=always"], {}, True),
    (True, [], {"NO_COLOR": "1"}, False),
    (True, [], {"NO_COLOR": ""}, True),
    (True, ["--color=always"], {"NO_COLOR": "1"}, True),
    (True, [], {"TERM": "dumb"}, False),
    (False, [], {"CLICOLOR_FORCE": "1"}, True),
    (False, [], {"CLICOLOR_FORCE": "0"}, False),
    (False, [], {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
    (True, ["--color=never"], {"CLICOLOR_FORCE": "1"}, False),
])
@pytest.mark.parametrize("verb", ["status", "list", "show m3", "monitor"])
def test_colour(fake, natctl, verb, tty, argv, env, colour):
    fake(Status=r.STATUS, ListMappings={"mappings": [r.WEB]},
         Monitor=[r.snapshot(), r.event(1, "mapping_changed", mapping=r.SIP),
                  Last(r.event(2, "state_changed", state="online"))])
    run = natctl.on_tty if tty else natctl
    assert (ESCAPE in run(*verb.split(), *argv, **env)) == colour


def test_colour_marks_what_is_good_and_bad(fake, natctl):
    fake(ListMappings={"mappings": [r.WEB, r.SIP]}, Status=r.STATUS)
    text = natctl("list", "--color=always")
    assert "\x1b[32mactive\x1b[0m" in text and "\x1b[31mfailed\x1b[0m" in text
    assert natctl("--color=always").startswith("\x1b[32m●\x1b[0m natd")


def test_text_is_the_same_without_colour(fake, natctl):
    fake(ListMappings={"mappings": [r.WEB, r.SIP]}, Status=r.STATUS)
    for verb in ("status", "list"):
        painted = natctl(verb, "--color=always")
        assert [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", painted).splitlines()] == \
            [line.rstrip() for line in natctl(verb).splitlines()]


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_table_fits_the_terminal(fake, natctl, columns):
    long = r.mapping(name="a description that goes on and on " * 4)
    fake(ListMappings={"mappings": [long, r.WIREGUARD]})
    lines = natctl.on_tty("list", "-n", columns=columns, TERM="dumb").splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= columns
    assert "203.0.113.7:51820" in lines[2]


@pytest.mark.parametrize("columns, gone", [
    (140, []), (86, []), (81, ["OWNER"]), (72, ["METHOD", "OWNER"]),
    (64, ["EXPIRES", "METHOD", "OWNER"])])
def test_a_narrow_terminal_spares_columns(fake, natctl, columns, gone):
    fake(ListMappings={"mappings": [r.mapping(name="a description that goes on")]})
    head, line, *_ = natctl.on_tty("list", columns=columns, TERM="dumb").splitlines()
    assert [name for name in ("EXPIRES", "METHOD", "OWNER") if name not in head] == gone
    assert "203.0.113.7:8080" in line and "192.168.1.20:8080" in line and " a descrip" in line


BLOCK = """
          ID: m3
       PROTO: tcp
    EXTERNAL: 203.0.113.7:8080
    INTERNAL: 192.168.1.20:8080
      METHOD: pcp
       STATE: active
     EXPIRES: 59min
       OWNER: root
        NAME: a long description that
                goes on
""".lstrip("\n")


def test_a_terminal_too_narrow_for_a_table(fake, natctl):
    fake(ListMappings={"mappings": [r.mapping(name="a long description that goes on"),
                                    r.mapping(id="m4", name="b")]},
         ListGateways={"gateways": [r.GATEWAY]})
    first, second = natctl.on_tty("list", columns=40, TERM="dumb").split("\n\n")
    assert re.sub(r"\d+min", "59min", first) + "\n" == BLOCK
    assert "          ID: m4\n" in second
    assert second.endswith("        NAME: b\n2 mappings listed.\n")
    assert "STATE: \x1b[32mactive\x1b[0m\n" in natctl.on_tty("list", columns=40)
    lines = natctl.on_tty("gateways", columns=40, TERM="dumb", lines=100).splitlines()
    assert lines[0] == "     GATEWAY: 192.168.1.1" and max(map(len, lines)) <= 40


def test_a_table_of_ipv6_leaves_out_the_inner_address(fake, natctl):
    address = "2001:db8:1234:5678:9abc:def0:1234:5678"
    wide = r.mapping(name="six")
    for key in ("external", "internal"):
        wide["runtime"][key] = {"address": address, "port": 51820}
    fake(ListMappings={"mappings": [wide]})
    head, line, *_ = natctl.on_tty("list", columns=80, TERM="dumb").splitlines()
    assert head.split() == ["ID", "PROTO", "EXTERNAL", "STATE", "NAME"]
    assert line.split() == ["m3", "tcp", f"[{address}]:51820", "active", "six"]


def test_the_width_is_that_of_COLUMNS(fake, natctl):
    long = r.mapping(name="x" * 200)
    fake(ListMappings={"mappings": [long]})
    width = max(map(len, natctl("list", "-n", COLUMNS="90").splitlines()))
    assert 80 < width <= 90
    assert max(map(len, natctl.on_tty("list", columns=140, COLUMNS="90",
                                      TERM="dumb").splitlines())) <= 90
    assert "x" * 200 in natctl("list", "-n")
    assert "x" * 200 in natctl("list", "-n", COLUMNS="many")


@pytest.fixture
def pager(natctl, tmp_path):
    """A pager that notes that it ran and passes on what it reads."""
    mark = tmp_path / "pager.ran"
    natctl.env["PAGER"] = f"echo \"$LESS $LESSSECURE\" >{mark}; cat"
    return mark


MANY = {"mappings": [r.mapping(id=f"m{i}", port=1000 + i) for i in range(40)]}


def test_the_pager_runs_when_the_screen_is_too_small(fake, natctl, pager):
    fake(ListMappings=MANY)
    text = natctl.on_tty("list", lines=24)
    assert pager.read_text() == "FRSX 1\n"
    assert "40 mappings listed." in text and "m39" in text


@pytest.mark.parametrize("tty, argv, env", [
    (False, [], {}), (True, ["--no-pager"], {}), (True, [], {"PAGER": "cat"}),
    (True, [], {"PAGER": ""}), (True, ["-j", "--json=short"], {}),
])
def test_the_pager_does_not_run(fake, natctl, pager, tty, argv, env):
    fake(ListMappings=MANY)
    run = natctl.on_tty if tty else natctl
    assert "m39" in run("list", *argv, **env)
    assert not pager.exists()


def test_the_pager_does_not_run_for_what_fits(fake, natctl, pager):
    fake(ListMappings=MANY)
    assert "m39" in natctl.on_tty("list", lines=60)
    assert not pager.exists()


def test_without_a_pager_the_text_still_comes(fake, natctl):
    fake(ListMappings=MANY)
    assert "40 mappings listed." in natctl.on_tty("list", PAGER="/nonexistent/pager")


def test_a_reader_that_has_seen_enough_ends_it_quietly(fake, natctl):
    fake(ListMappings={"mappings": [r.mapping(name="x" * 2000)] * 200})
    process = natctl.start("list")
    process.stdout.read(10)
    process.stdout.close()
    process.wait(PATIENCE_S)
    assert process.stderr.read() == ""


@pytest.mark.parametrize("columns", [40, *range(44, 60, 2), 80])
def test_pages_break_between_words(fake, natctl, columns):
    fake(Status=r.STATUS, ListMappings=r.LIST)
    wide = natctl()
    lines = natctl.on_tty(columns=columns, TERM="dumb", lines=100).splitlines()
    assert max(map(len, lines)) <= columns
    assert " ".join(" ".join(lines).split()) == " ".join(wide.split())
    further = [line for line in lines if line.startswith(" " * 16)]
    assert further and not any(line[16] == " " for line in further)
    # Colours take no columns.
    painted = re.sub(r"\x1b\[\d*m", "", natctl.on_tty(columns=columns, lines=100))
    assert painted.splitlines() == lines


def test_a_word_wider_than_the_terminal_stays_whole(fake, natctl):
    fake(Status={**r.STATUS, "version": "x" * 100}, ListMappings={"mappings": []})
    assert "x" * 100 in natctl(COLUMNS="40")


# Each of them is one value, at which nothing is broken.
TWO_HOURS = r.mapping(renews=67.5 * 60, expires=7199)
DUE = r.mapping(id="m9", port=5060, name="sip", state="failed", problem=r.finding(), renews=-1)
VALUES = ["PCP yes", "UPnP IGD:2 yes", "hairpinning yes", "(2min ago)", "renews in 1h7min",
          "next try in 4min", "trying again now", "3h12min ago"]


@pytest.mark.parametrize("columns", [*range(40, 60), *range(60, 141, 10)])
def test_no_line_breaks_within_a_value(fake, natctl, columns):
    fake(Status=r.STATUS, ListMappings={"mappings": [TWO_HOURS, r.SIP, DUE]})
    lines = natctl.on_tty(columns=columns, TERM="dumb", lines=100).splitlines()
    assert max(map(len, lines)) <= columns
    for value in VALUES:
        assert any(value in line for line in lines), value
    # Broken all the same, it begins where there is room.
    assert any(re.search(r"Since: \w", line) for line in lines)
    if columns >= 16 + len("filtering address-dependent,"):  # behind the margin
        assert "filtering address-dependent" in "\n".join(lines)


def test_no_value_is_glued_in_a_pipe(fake, natctl):
    fake(Status=r.STATUS, ListMappings={"mappings": [TWO_HOURS]})
    assert "PCP  renews in 1h7min  web\n" in natctl()
    assert "UPnP IGD:2 yes" in natctl(COLUMNS="30")


@pytest.mark.parametrize("locale, mark", [("C.UTF-8", "…"), ("C", "~")])
def test_what_is_cut_is_marked(fake, natctl, locale, mark):
    name = "a very long name of a program"
    fake(ListMappings={"mappings": [r.mapping(name=name), r.mapping(name="fits")]})
    for columns in range(64, 120):
        _, line, short, *_ = natctl.on_tty("list", columns=columns, TERM="dumb",
                                           LC_ALL=locale).splitlines()
        assert len(line) <= columns and short.endswith(" fits")
        at = short.index("fits")
        cut = line[at:]
        assert (cut == name) == (at + len(name) <= columns)
        if cut != name:
            assert cut.endswith(mark) and name.startswith(cut.removesuffix(mark))
            assert len(line) == columns
    assert cut == name


@pytest.mark.parametrize("renewals, words", [(0, "0 renewals"), (1, "1 renewal"), (2, "2 renewals")])
def test_renewals_are_counted_in_english(fake, natctl, renewals, words):
    fake(ListMappings={"mappings": [r.mapping(renewals=renewals)]})
    assert f", {words}\n" in natctl("show", "m3")


def test_messages_are_folded_on_a_terminal_only(fake, natctl):
    fake(Status=Error("NoMethodAvailable", tried=[]))
    lines = natctl.on_tty(columns=40, stderr=True, code=5).splitlines()
    assert len(lines) > 2 and max(map(len, lines)) <= 40
    assert all(line.startswith("        ") and line[8] != " " for line in lines[1:])
    whole = " ".join(" ".join(lines).split()) + "\n"
    natctl(code=5, err=whole)
    natctl(code=5, err=whole, COLUMNS="40")
    assert natctl.on_tty(columns=200, stderr=True, code=5) == whole
