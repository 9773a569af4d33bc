"""README.md says what is the case: commands, targets, folders, packages."""

import ast
import re

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def blocks(top, language):
    return [text for name, text in BLOCK.findall((top / "README.md").read_text())
            if name == language]


def test_ci_runs_the_test_command_of_the_readme(top):
    ours = [line for block in blocks(top, "sh") for line in block.splitlines()
            if line.endswith("make deps check")]
    assert len(ours) == 1
    assert ours[0] in [line.strip() for line in (top / ".ci/run").read_text().splitlines()]


def test_every_target_named_is_a_target(top):
    makefile = (top / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z_.-]*):", makefile, re.M))
    named = set()
    for block in blocks(top, "sh"):
        for line in re.split(r"\n|&&", block):
            match = re.match(r"\s*(?:sudo )?make((?: \S+)*)\s*$", line)
            if match:
                named |= {word for word in match[1].split() if "=" not in word}
    named |= {words.split()[-1] for words in
              re.findall(r"`make ([^`]*)`", (top / "README.md").read_text()) if "=" not in words.split()[-1]}
    assert {"deps", "demo", "check", "run", "install"} <= named
    assert named <= targets


def test_every_path_named_is_there(top):
    text = (top / "README.md").read_text()
    paths = set(re.findall(r"`((?:proto|netmon|daemon|ctl|etc|systemd|man|tests)/[\w./]*)`", text))
    paths |= set(re.findall(r"\]\(([\w./]+)\)", text))
    assert len(paths) > 10
    assert [path for path in sorted(paths) if "NAME" not in path and not (top / path).exists()] == []


def test_the_lean_apt_line_is_the_one_of_the_makefile(run, top):
    said = next(block for block in blocks(top, "sh") if "apt-get install -y gcc" in block)
    said = set(re.search(r"install -y ([^&]*?)\nmake$", said.replace("\\\n", " ").strip())[1].split())
    told = run("make", "all", "BUILD=build/none", env={"PKG_CONFIG_LIBDIR": "/nonexistent"},
               check=False).stdout
    assert said == set(re.search(r"apt-get install (.*?)\.\s+Stop", told)[1].split())


def test_python_example_is_ten_lines_of_python(top):
    (example,) = blocks(top, "python")
    ast.parse(example)
    assert len(example.strip().splitlines()) <= 12


def test_every_package_that_is_installed_earns_its_line(top):
    makefile = (top / "Makefile").read_text().replace("\\\n", " ")
    wanted = set(re.search(r"^APT_TEST = .*?\)\)(.*)$", makefile, re.M)[1].split())
    wanted |= set(re.search(r"^APT_LINT = (.*)$", makefile, re.M)[1].split())
    wanted |= {word.split(":")[0] for word in
               re.search(r"^UNPACKED = (.*)$", makefile, re.M)[1].split()}
    text = (top / "README.md").read_text().split("## What it stands on")[1].split("\n## ")[0]
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|"))

    def named(package):
        short = re.sub(r"^python3-(pytest-)?|^libclang-rt-dev$|-nftables$", "", package)
        return re.search(rf"\b{re.escape(short)}\b", rows)
    assert [package for package in sorted(wanted) if package != "python3" and not named(package)] == []


def test_every_module_is_in_the_index(top):
    """A header that only the files of one part share is no module."""
    text = (top / "README.md").read_text().split("### What is in which file")[1].split("\n## ")[0]
    parts = re.findall(r"`(\w+)/`:\n(.*?)(?=\n`\w+/`:|\Z)", text, re.S)
    assert [folder for folder, _ in parts] == ["daemon", "proto"]
    for folder, part in parts:
        there = {path.stem for path in (top / folder).glob("*.[ch]")
                 if not path.stem.endswith(("_private", "_internal"))}
        table = "\n".join(line for line in part.splitlines() if line.startswith("|"))
        assert sorted(re.findall(r"`(\w+)`", table)) == sorted(there)
