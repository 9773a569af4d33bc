"""The examples are short and correct as far as their compilers can tell; tests/lab runs them."""

import shutil

import pytest

MOST_LINES = 40
CHECKS = {
    "hold.c": ["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Wconversion",
               "-Wno-sign-conversion", "-Werror", "-Ilib", "-fsyntax-only"],
    "hold.py": ["/usr/bin/python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"],
    "hold.js": ["node", "--check"],
    "hold.go": ["gofmt", "-e"],
    "hold.sh": ["sh", "-n"],
}


def test_every_example_is_known_and_short(top):
    examples = {path.name: len(path.read_text().splitlines()) for path in top.glob("examples/*.*")}
    assert examples.keys() == CHECKS.keys()
    assert {name for name, lines in examples.items() if lines > MOST_LINES} == set()


@pytest.mark.parametrize("name", CHECKS)
def test_example_compiles(run, top, name):
    if not shutil.which(CHECKS[name][0]):
        pytest.skip(f"{CHECKS[name][0]} is not installed")
    run(*CHECKS[name], top / "examples" / name)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shell_example_is_clean(run, top):
    assert run("shellcheck", top / "examples/hold.sh").stdout == ""
