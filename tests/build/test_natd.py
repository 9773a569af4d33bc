"""What the pages say of natd's options and of its configuration, asked of natd itself."""

import os
import re

import pytest


@pytest.fixture
def natd(run, top):
    def call(*argv, check=True):
        return run(os.environ.get("NATD", top / "build/natd"), *argv, check=check)
    return call


def test_natd_8_has_the_options_of_natd(natd, top):
    told = re.findall(r"^  --([a-z-]+)", natd("--help").stdout, re.M)
    page = (top / "man/natd.8").read_text()
    assert len(told) == 8
    assert re.findall(r"^\.It Fl -([a-z-]+)", page, re.M) == told


def test_help_is_aligned_and_fits_a_terminal(natd):
    lines = [line for line in natd("--help").stdout.splitlines() if line.startswith("  --")]
    assert len({re.match(r"  --\S+ +", line).end() for line in lines}) == 1
    assert max(map(len, lines)) <= 80


def test_version_is_that_of_the_tree(natd, top):
    version = re.search(r'NATD_VERSION "(.*)"', (top / "proto/version.h").read_text())[1]
    assert natd("--version").stdout == f"natd {version}\n"


def test_exit_status_of_a_wrong_option_is_as_documented(natd, top):
    assert "and 64 for a wrong" in (top / "man/natd.8").read_text()
    assert natd("--wrong", check=False).returncode == 64
    assert natd("superfluous", check=False).returncode == 64


def examples(top):
    page = (top / "man/natd.conf.5").read_text()
    yield from re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.M | re.S)
    yield from re.findall(r"^```ini\n(.*?)^```", (top / "README.md").read_text(), re.M | re.S)


def test_examples_of_configuration_are_valid(natd, top, tmp_path):
    found = list(examples(top))
    assert len(found) == 3
    for text in found:
        (tmp_path / "natd.conf").write_text(text)
        assert natd("--check-config", f"--config={tmp_path}/natd.conf").stdout == ""


def test_a_mistake_is_shown_with_file_and_line(natd, tmp_path):
    (tmp_path / "natd.conf").write_text("[Daemon]\nLeaseSec=1\nNothing=1\n")
    done = natd("--check-config", f"--config={tmp_path}/natd.conf", check=False)
    assert done.returncode == 1
    # As a compiler says it, for editors, wherever it is read.
    assert [re.match(rf"{re.escape(str(tmp_path))}/natd\.conf:(\d+): ", line)[1]
            for line in done.stdout.splitlines()] == ["2", "3"]


@pytest.mark.parametrize("option, code", [("--check-config", 1), ("--log-level=info", 78)])
def test_every_one_of_many_mistakes_is_shown(natd, tmp_path, option, code):
    (tmp_path / "natd.conf").write_text("[Daemon]\n" + "Nothing=1\n" * 60)
    done = natd(option, f"--config={tmp_path}/natd.conf", check=False)
    assert done.returncode == code
    assert [int(line.split(":")[1]) for line in done.stdout.splitlines()] == list(range(2, 62))


def test_shipped_configuration_is_valid_and_all_comment(natd, top):
    assert natd("--check-config", f"--config={top}/etc/natd.conf").stdout == ""
    lines = (top / "etc/natd.conf").read_text().splitlines()
    assert [line for line in lines if line and line[0] not in "#["] == []
