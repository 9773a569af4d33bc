"""The manual pages are clean, and say of the configuration what its table says."""

import re
import shutil

import pytest

SECTIONS = {"DAEMON": "[Daemon]", "STUN": "[Stun]", "STUNSERVER": "[StunServer]",
            "UPLINK": "[Uplink IFNAME]", "MAPPING": "[Mapping NAME]"}
# { SECTION("Name", type, field), "default", min, max, unit, flags,
ROW = re.compile(r'\{\s*(DAEMON|STUN|STUNSERVER|UPLINK|MAPPING)\("(\w+)",\s*(\w+),\s*\w+\),\s*"([^"]*)",\s*'
                 r'(\w+)[^,]*,\s*([^,]+),\s*([^,]+),\s*([^,]+),', re.S)
ENTRY = re.compile(r"^\.It Cm (\w+) Ns = Ns Ar .*\n((?:(?!\.It|\.El).*\n)*)", re.M)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not here")
def test_manual_pages_are_clean(run, top):
    pages = sorted((top / "man").glob("*.[1-8]"))
    assert pages
    done = run("mandoc", "-Tlint", "-Wwarning", *pages, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def rows(top):
    source = (top / "daemon/conf_table.c").read_text()
    numbers = dict(re.findall(r"^#define (\w+) (\d+)$", source, re.M))

    def number(text):
        return int(numbers.get(text, text)) if re.fullmatch(r"\w+", text) else None

    for section, name, kind, default, low, high, unit, flags in ROW.findall(source):
        yield section, name, default, number(low), number(high), kind, flags


def page(top):
    """section -> list of (key, text), in order."""
    text = (top / "man/natd.conf.5").read_text()
    return {title: ENTRY.findall(re.split(r"^\.Sh ", text.split(f".Sh {title}\n")[1], flags=re.M)[0])
            for title in SECTIONS.values()}


def test_keys_are_those_of_the_table(top):
    written = {title: [key for key, _ in entries] for title, entries in page(top).items()}
    table = {title: [name for section, name, *_ in rows(top) if SECTIONS[section] == title]
             for title in SECTIONS.values()}
    assert sum(len(keys) for keys in table.values()) > 20
    assert written == table


def test_defaults_bounds_and_restarts_are_those_of_the_table(top):
    texts = {(title, key): text for title, entries in page(top).items() for key, text in entries}
    for section, name, default, low, high, kind, flags in rows(top):
        text = texts[SECTIONS[section], name]
        if default:
            assert f"Default: {default}" in text, name
        else:
            assert "Default:" not in text, name
        if kind in ("u32", "port", "seconds"):
            assert f"{low} to {high}" in text, name
        assert ("needs a restart" in text) == ("CONF_RESTART" in flags), name
        assert ("is required" in text) == ("CONF_REQUIRED" in flags), name


def sources(top, *names):
    return "\n".join(path.read_text() for name in names for path in sorted(top.glob(name)))


def section(top, title):
    """Of natd(8)."""
    text = re.split(rf"^\.S[hs] {title}$", (top / "man/natd.8").read_text(), flags=re.M)[1]
    return re.split(r"^\.S[hs] ", text, flags=re.M)[0]


def test_metrics_and_their_labels_are_those_of_the_code(top):
    code = re.sub(r'"\s+"', "", sources(top, "daemon/metrics*.c"))
    named = set(re.findall(r'"((?:natd|process)_[a-z0-9_]+)["{ ]', code))
    told = re.findall(r"^\.It Va (\w+)(?: Pq (.*))?$", section(top, "Metrics"), re.M)
    assert len(named) > 25 and {name for name, _ in told} == named
    assert len(told) == len(named)
    labels = set(re.findall(r'[{,"](\w+)=\\"', code)) | {"method", "error"}
    assert {label for _, them in told for label in them.split(", ") if label} == labels


def test_environment_is_that_of_the_code(top):
    code = sources(top, "daemon/*.c")
    used = {one or other for one, other in re.findall(
        r'\b(?:getenv|env|absolute)\("(\w+)"\)|\bjoin\(\s*[\w.]+,\s*"(\w+)"', code)}
    # Of sd_notify(), sd_watchdog_enabled(), sd_listen_fds_with_names().
    used |= {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_FDNAMES"}
    told = re.findall(r"^\.It Ev (.*)$", section(top, "ENVIRONMENT"), re.M)
    assert {name for line in told for name in line.split(" , ")} == used


def test_fields_of_the_journal_are_those_of_the_code(top):
    used = set(re.findall(r'^#define LOG_\w+ "(\w+)"$', (top / "daemon/log.h").read_text(), re.M))
    text = section(top, "Messages").split("has the fields")[1].split("follows one")[0]
    assert used and set(re.findall(r"\b(NATD_\w+|MESSAGE_ID)\b", text)) == used


def test_the_page_of_routers_is_that_of_the_tests(run, top):
    """After a change: tests/tools/routers_page.py >man/natd-routers.7"""
    made = run("python3", top / "tests/tools/routers_page.py").stdout
    assert (top / "man/natd-routers.7").read_text() == made


def test_the_page_of_the_interface_is_that_of_its_comments(run, top):
    """After a change: tests/tools/interface_page.py >man/org.natd.NAT.7"""
    made = run("python3", top / "tests/tools/interface_page.py").stdout
    assert (top / "man/org.natd.NAT.7").read_text() == made
    # Nothing was left out on the way.
    text = (top / "etc/org.natd.NAT.varlink").read_text()
    names = re.findall(r"^(?:method|type|error) (\w+)", text, re.M)
    assert len(names) > 50 and re.findall(r"^\.It (\w+)$", made, re.M) == \
        [name for kind in ("method", "error", "type")
         for name in re.findall(rf"^{kind} (\w+)", text, re.M)]
    words = set(re.findall(r"\w+", " ".join(re.findall(r"^#(.*)$", text, re.M))))
    assert words <= set(re.findall(r"\w+", made)), words - set(re.findall(r"\w+", made))
