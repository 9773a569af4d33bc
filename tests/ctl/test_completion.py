"""What bash, zsh and fish offer after natctl: all that its tables say, and mappings."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

import idl
import replies as r
from conftest import NATCTL, PATIENCE_S, TOP

FOLDER = TOP / "etc/completion"


@pytest.fixture
def tables(natctl):
    rows = [line.split("\t") for line in natctl("help", "--porcelain").splitlines()]
    return lambda kind: [row for row in rows if row[0] == kind]


def in_bash(env, words):
    script = (f". {FOLDER}/natctl.bash; COMP_WORDS=(natctl \"$@\"); "
              'COMP_CWORD=$#; _natctl; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "--norc", "-uc", script, "bash", *words], text=True,
                          capture_output=True, env=env, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def in_fish(env, words):
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {FOLDER}/natctl.fish; complete -C (string join -- ' ' $argv)",
         "natctl", *words], text=True, capture_output=True, timeout=30,
        env={**env, "HOME": str(env["HOME"]), "TERM": "dumb"})
    assert (done.returncode, done.stderr) == (0, "")
    # Completion of nothing offers options only to who types a dash.
    return [line.split("\t")[0] for line in done.stdout.splitlines() if line]


# Everything that would be added to the line is written down.
ZSH = r"""
PS1= PS2= HISTFILE=
fpath=($FUNCTIONS $fpath)
autoload -U compinit
compinit -u -d $DUMP
compadd() {
	local -a got
	if [[ ${@[(I)-[OAD]]} -eq 0 ]]; then
		builtin compadd -A got "$@"
		print -rl -- $got >>$OUT
	fi
	builtin compadd "$@"
}
finish() { zle kill-whole-line; print -r END >>$OUT }
zle -N finish
bindkey '^I' complete-word '^T' finish
print READY >>$OUT
"""


class Zsh:
    """zsh completes only for who sits at a terminal; starting it takes a while."""

    def __init__(self, env):
        place = pathlib.Path(env["HOME"])
        self.out = place / "offered"
        self.out.write_text("")
        shutil.copy(FOLDER / "natctl.zsh", place / "_natctl")
        (place / ".zshrc").write_text(ZSH)
        self.ours, theirs = pty.openpty()
        self.shell = subprocess.Popen(
            ["zsh", "-d", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**env, "ZDOTDIR": str(place), "FUNCTIONS": str(place), "OUT": str(self.out),
                 "DUMP": str(place.parents[1] / "zcompdump"), "TERM": "vt100", "COLUMNS": "200"})
        os.close(theirs)
        self.said = b""
        self.until("READY")

    def until(self, word):
        """What was written down before this word; the terminal is read all the while."""
        end = time.monotonic() + PATIENCE_S
        while self.out.read_text().splitlines()[-1:] != [word]:
            assert time.monotonic() < end and self.shell.poll() is None, self.said
            if select.select([self.ours], [], [], 0.005)[0]:
                self.said += os.read(self.ours, 65536)
        found = self.out.read_text().splitlines()[:-1]
        self.out.write_text("")
        return found

    def __call__(self, _, words):
        os.write(self.ours, " ".join(["natctl", *words]).encode() + b"\t\x14")
        return self.until("END")

    def close(self):
        self.shell.kill()
        self.shell.wait()
        os.close(self.ours)


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture
def complete(shell, natctl, tmp_path):
    """What the shell offers for the last of these words."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "bin/natctl").symlink_to(pathlib.Path(NATCTL).resolve())
    env = {**natctl.env, "HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    ask = {"bash": lambda _: in_bash, "zsh": Zsh, "fish": lambda _: in_fish}[shell](env)

    def run(*words):
        found = ask(env, words)
        assert len(set(found)) == len(found)
        return set(found)
    yield run
    if shell == "zsh":
        ask.close()


def test_verbs(complete, tables):
    verbs = {row[1] for row in tables("verb")}
    assert complete("") == verbs
    assert complete("m") == {"map", "monitor", "metrics"}
    assert complete("-q", "") == verbs
    assert complete("-H", "x", "") == verbs
    assert complete("help", "") == verbs
    assert complete("--socket=x", "li") == {"list"}


def test_options_of_each_verb(complete, tables):
    for verb in ("map", "status", "stun", "list"):
        assert complete(verb, "--") == {
            row[1] for row in tables("option")
            if row[1] != "-" and (row[4] == "*" or verb in row[4].split())}
    assert complete("--js") == {"--json"}


def test_values(fake, complete):
    fake(ListMappings=r.LIST)
    ids, protocols = {"m3", "m4", "m5"}, {"tcp", "udp", "tcp+udp"}
    assert complete("show", "") == ids
    assert complete("unmap", "") == ids | protocols
    assert complete("map", "t") == {"tcp", "tcp+udp"}
    assert complete("list", "--json", "s") == {"short"}
    assert complete("--color", "") == {"auto", "always", "never"}
    assert complete("stun", "--transport", "t") == {"tcp", "tls"}
    assert complete("map", "--method", "i") == {"igd2", "igd1", "igd_pinhole"}
    assert complete("monitor", "st") == {"state_changed"}
    assert "lo" in complete("gateways", "-i", "")
    assert complete("metrics", "--write", "/et") <= {"/etc", "/etc/", "etc", "etc/"} != set()
    assert complete("status", "x") == set()


def test_words_are_those_of_the_interface(tables):
    words = {row[1]: set(row[2].split()) for row in tables("words")}
    types = idl.Interface((TOP / "etc/org.natd.NAT.varlink").read_text()).types
    assert words["METHOD,..."] == set(types["MappingMethod"][1])
    assert words["EVENT"] == set(types["EventType"][1]) - {"overrun"}
    assert {word for word in words["PROTO"] if "+" not in word} == set(types["TransportProtocol"][1])


def test_every_argument_has_words_or_is_free(tables):
    """An argument that somebody adds is thought of."""
    named = {row[3] for row in tables("option") if row[3] != "-"}
    named |= {name for row in tables("verb") for name in re.findall(r"[A-Z]+", row[2])}
    words = {row[1] for row in tables("words")}
    assert named - words == {"PATH|ssh:HOST", "TIME", "IF", "PORT", "TEXT", "ADDRESS", "FILE", "COMMAND",
                             "ID", "SERVER", "METHOD", "JSON", "VERB"}
