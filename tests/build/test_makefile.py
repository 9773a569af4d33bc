"""Promises of the Makefile that nobody would notice to be broken."""

import os
import re
import shutil
import subprocess
import time

import pytest


def test_missing_libraries_give_one_message_with_the_apt_line(run, tmp_path):
    done = run("make", "all", f"BUILD={tmp_path}/b", env={"PKG_CONFIG_LIBDIR": "/nonexistent"},
               check=False)
    assert done.returncode == 2
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 1
    assert "libevent-dev" in lines[0] and "apt-get install" in lines[0]


def test_help_needs_no_library_and_names_every_target_for_people(run, top):
    done = run("make", "help", env={"PKG_CONFIG_LIBDIR": "/nonexistent"})
    named = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"all", "deps", "demo", "run", "check", "check-unit", "check-lab", "check-long", "lint",
            "fuzz", "bench", "install", "uninstall", "dist", "help", "clean",
            "compile_commands.json"} <= named


def test_other_flags_rebuild(run, tmp_path):
    goal = f"{tmp_path}/b/proto/text.o"
    run("make", goal, f"BUILD={tmp_path}/b")
    assert "up to date" in run("make", goal, f"BUILD={tmp_path}/b").stdout
    assert "CC " in run("make", goal, f"BUILD={tmp_path}/b", "CFLAGS=-O1").stdout


def test_sysconfdir_reaches_natd(run, tmp_path):
    goal = tmp_path / "b/daemon/options.o"
    run("make", goal, f"BUILD={tmp_path}/b", "sysconfdir=/opt/etc")
    assert b" /opt/etc/natd/natd.conf\0" in goal.read_bytes()


def test_changed_header_rebuilds_what_includes_it(run, top, tmp_path):
    tree = copy_of_tree(top, tmp_path / "t")
    goals = ["build/proto/text.o", "build/proto/addr.o"]
    run("make", *goals, cwd=tree)
    later = time.time() + 2  # the clock of files is coarse
    os.utime(tree / "proto/addr.h", (later, later))
    assert re.findall(r"CC +(\S+)", run("make", *goals, cwd=tree).stdout) == [goals[1]]


def test_programs_are_hardened(run, top, tmp_path):
    run("make", f"BUILD={tmp_path}/b", f"{tmp_path}/b/tests/unit/test_idl")
    elf = run("readelf", "-hldW", f"{tmp_path}/b/tests/unit/test_idl").stdout
    assert re.search(r"Type:\s+DYN", elf), "position independent"
    assert "GNU_RELRO" in elf and re.search(r"BIND_NOW|FLAGS.*NOW", elf), "read-only relocations"
    assert re.search(r"GNU_STACK .* RW ", elf), "stack not executable"


def test_same_source_gives_the_same_bytes_in_another_folder(run, top, tmp_path):
    archives = []
    for name in ("one", "another-folder"):
        tree = copy_of_tree(top, tmp_path / name)
        run("make", "build/libproto.a", cwd=tree)
        archives.append((tree / "build/libproto.a").read_bytes())
    assert archives[0] == archives[1]


def test_configure_writes_what_the_makefile_reads(run, top, tmp_path):
    tree = copy_of_tree(top, tmp_path / "t")
    run("make", "configure", cwd=tree)
    run("sh", "./configure", "--prefix=/opt/natd", "CFLAGS=-O1", cwd=tree)
    config = (tree / "config.mk").read_text()
    assert "prefix = /opt/natd" in config and "sysconfdir = /etc" in config
    shown = run("make", "-n", "install", cwd=tree).stdout
    assert " /opt/natd/sbin/natd" in shown and "-O1" in shown


@pytest.mark.skipif(not shutil.which("git") or subprocess.run(
    ["git", "rev-parse", "HEAD"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0,
    reason="not a git clone")
def test_dist_is_the_same_from_every_clone(run, top, tmp_path):
    tarballs = []
    for name in ("one", "another-folder"):
        run("git", "clone", "-q", top, tmp_path / name)
        run("make", "dist", cwd=tmp_path / name)
        tarballs += (tmp_path / name).glob("natd-*.tar.gz")
    assert len(tarballs) == 2
    assert tarballs[0].read_bytes() == tarballs[1].read_bytes()
    listing = run("tar", "-tzf", tarballs[0]).stdout.splitlines()
    root = tarballs[0].name[: -len(".tar.gz")]
    assert {f"{root}/configure", f"{root}/Makefile", f"{root}/README.md"} <= set(listing)


def test_objects_are_the_same_in_every_folder(run, top, tmp_path):
    built = []
    for name in ("one", "another-folder"):
        tree = copy_of_tree(top, tmp_path / name)
        run("make", "CC=gcc", "build/proto/text.o", cwd=tree)
        built.append((tree / "build/proto/text.o").read_bytes())
    assert built[0] == built[1]


def test_clean_keeps_what_natd_was_told(run, top, tmp_path):
    """The state of "make run": permanent mappings, and what is held on a router."""
    tree = copy_of_tree(top, tmp_path / "t")
    state, built = tree / "run/state/leases.json", tree / "build/natd"
    for file in (state, built, tree / "config.mk"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    run("make", "clean", cwd=tree)
    assert state.exists() and not built.exists() and (tree / "config.mk").exists()
    run("make", "distclean", cwd=tree)
    assert not (tree / "run").exists() and not (tree / "config.mk").exists()


def copy_of_tree(top, target):
    shutil.copytree(top, target, ignore=shutil.ignore_patterns(".git", "build", "run", "peers", "config.mk",
                                                               "__pycache__"))
    return target
