"""natctl.1 knows what natctl knows, and nothing else."""

import re

import pytest

import replies as r
from conftest import TOP

MANUAL = (TOP / "man/natctl.1").read_text()


@pytest.fixture
def tables(natctl):
    rows = [line.split("\t") for line in natctl("help", "--porcelain").splitlines()]
    return lambda kind: [row for row in rows if row[0] == kind]


def section(name):
    """From one heading to the next."""
    text = re.split(rf"^\.S[hs] {name}$", MANUAL, flags=re.M)[1]
    return re.split(r"^\.S[hs] ", text, flags=re.M)[0]


def items(text):
    """What follows each .It, as words."""
    return [line.split() for line in re.findall(r"^\.It (.*)$", text, re.M)]


def documented_options(text):
    found = set()
    for words in items(text):
        for i, word in enumerate(words):
            if word == "Fl" and words[i + 1] != "-":
                name = words[i + 1]
                found.add("-" + name if name.startswith("-") or len(name) == 1 else name)
    return found


def test_the_manual_has_every_verb(tables):
    documented = {w[1] for w in items(section("Verbs")) if w[0] == "Cm"}
    assert documented == {row[1] for row in tables("verb")}


def test_the_manual_has_every_option_and_no_other(tables):
    # What belongs to every verb stands in its own section, the rest with its verb.
    for text, everywhere in ((section("Options"), True), (section("Verbs"), False)):
        wanted = {name for row in tables("option") if (row[4] == "*") == everywhere
                  for name in row[1:3] if name != "-"}
        assert documented_options(text) == wanted


def test_the_manual_has_the_options_of_a_verb_where_the_verb_is(tables):
    verbs = re.split(r"^\.It Cm (\w+)", section("Verbs"), flags=re.M)[1:]
    texts = {}
    for verb, text in zip(verbs[::2], verbs[1::2]):
        texts[verb] = texts.get(verb, "") + text
    for row in tables("option"):
        for verb in row[4].split() if row[4] != "*" else []:
            assert any(f".It Fl {name}" in texts[verb] or f"Fl {name}" in texts[verb]
                       for name in (row[1][1:], row[2][1:]) if name), (verb, row[1])


def test_the_manual_has_every_exit_code(tables):
    documented = [w[0] for w in items(section("EXIT STATUS"))]
    assert documented == [row[1] for row in tables("exit")]


def test_the_manual_counts_the_columns_of_porcelain(fake, natctl):
    fake(ListMappings=r.LIST)
    columns = {len(line.split("\t")) for line in natctl("list", "--porcelain").splitlines()}
    assert columns == {len(re.findall(r"^\.It$", section("PORCELAIN"), re.M))}


def test_the_manual_has_the_environment():
    sources = " ".join(path.read_text() for path in (TOP / "ctl").glob("*.c"))
    used = set(re.findall(r'(?:getenv|env_set|env_number|setenv)\("(\w+)"', sources))
    documented = {w for words in items(section("ENVIRONMENT")) for w in words} - {"Ev", ","}
    assert documented == used - {"LESSSECURE"}
