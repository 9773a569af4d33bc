"""Every quirk, wish, fault and attack of the field is named by a test, or the code says why it cannot be."""

import importlib.util

import pytest


@pytest.fixture
def named(top):
    spec = importlib.util.spec_from_file_location("named", top / "tests/tools/named.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_numbers_are_without_gaps(named):
    for kind, last in (("quirk", 52), ("ask", 14), ("fault", 72), ("attack", 32)):
        assert list(named.CASES[kind]) == list(range(1, last + 1))


def test_every_case_is_named(named, top):
    """What cannot happen here is named where the code says why."""
    assert named.unnamed(top) == []


def test_no_name_is_of_nothing(named, top):
    assert named.unknown(top) == []


@pytest.mark.parametrize("words,cases", [
    ("/* {0}uirk 6: restarted */", [("quirk", 6)]),
    ("{1}aults 32 and 33, {0}uirk 43: ports", [("fault", 32), ("fault", 33), ("quirk", 43)]),
    ("{0}uirks 1, 2 and 9 to 11", [("quirk", n) for n in (1, 2, 9, 10, 11)]),
    ("/* ... by {0}uirk\n\t * 12 */", [("quirk", 12)]),
    ("# {2}sk\n# 4: a VPN", [("ask", 4)]),
    ("{3}03, and /* {3}72 */", [("fault", 3), ("fault", 72)]),
    ("att{4}s 13 and 14", [("attack", 13), ("attack", 14)]),
    ("t{2}sks 3, SIM_{1}AULTS 8, {0}uirk 4x, 0x{3}03, {3}123", []),
])
def test_names_are_found(named, words, cases):
    text = words.format("q", "F", "a", "F", "ack")
    assert [(kind, number) for kind, number, _ in named.mentions(text)] == cases


def test_the_test_that_names_it_is_found(named, tmp_path):
    word = "Quirk"  # not followed by a number here
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "tests/unit/test_a.c").write_text(
        f"/* {word} 1: before. */\nstatic void\ntest_one(void **state)\n{{\n\t/* {word} 2 */\n}}\n\n"
        f"/* So it is with\n * {word} 3, too. */\nstatic void\ntest_two(void **state)\n{{\n}}\n")
    (tmp_path / "tests/unit/test_b.py").write_text(
        f"# {word} 4\ndef test_three():\n    '''{word} 5'''\n")
    found = named.named(tmp_path)
    assert {number: case["tests"] for (_, number), case in found.items()} == {
        1: ["test_a: test_one"], 2: ["test_a: test_one"], 3: ["test_a: test_two"],
        4: ["test_b: test_three"], 5: ["test_b: test_three"]}
    assert ("ask", 1) in named.unnamed(tmp_path) and ("quirk", 1) not in named.unnamed(tmp_path)
