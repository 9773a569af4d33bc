"""libnatd as others see it: what it exports, and that programs build with what is installed."""

import re
import shlex

import pytest

PROGRAM = """
#include <errno.h>
#include <natd.h>
/* Their names are theirs. */
int json_parse(void) { return 7; }
int main(void)
{
    struct natd *natd;
    return natd_open("/nonexistent", 100, &natd) == -ENOENT && json_parse() == 7 ? 0 : 1;
}
"""


def declared(top):
    return set(re.findall(r"\b(natd_\w+)\(", re.sub(r"/\*.*?\*/", "", (top / "lib/natd.h").read_text(),
                                                  flags=re.S)))


def test_exports_what_the_header_declares_and_nothing_else(run, top):
    shared = run("nm", "-D", "--defined-only", top / "build/libnatd.so.0").stdout
    versioned = {line.split()[-1] for line in shared.splitlines() if " T " in line}
    assert versioned == {f"{name}@@LIBNATD_0" for name in declared(top)}
    static = run("nm", "-g", "--defined-only", top / "build/libnatd.a").stdout
    assert {line.split()[-1] for line in static.splitlines() if len(line.split()) == 3} \
        == declared(top)


def test_depends_on_nothing_but_cjson(run, top):
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", top / "build/libnatd.so.0").stdout)
    assert {name.split(".")[0] for name in needed} <= {"libcjson", "libc", "libm"}
    assert "libnatd.so.0" in run("readelf", "-d", top / "build/libnatd.so.0").stdout


def test_the_numbers_of_errors_are_those_of_the_header(top):
    table = dict(re.findall(r'(?:OWN|VARLINK) "(\w+)", (E\w+) \}', (top / "lib/error.c").read_text()))
    comment = (top / "lib/natd.h").read_text().partition("Its errno, positive")[2].partition("*/")[0]
    assert dict(re.findall(r"([A-Z]\w+) (E[A-Z]+)\b", comment)) == table
    idl = (top / "etc/org.natd.NAT.varlink").read_text()
    assert set(re.findall(r"^error (\w+)", idl, flags=re.M)) <= table.keys()


@pytest.mark.parametrize("static", [False, True])
def test_a_program_builds_with_what_is_installed(run, top, tmp_path, static):
    run("make", "-o", "all", "install", f"DESTDIR={tmp_path}/dest", "prefix=/opt/natd")
    root = tmp_path / "dest/opt/natd"
    (tmp_path / "program.c").write_text(PROGRAM)
    env = {"PKG_CONFIG_PATH": f"{root}/lib/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": f"{tmp_path}/dest"}
    flags = run("pkg-config", "--cflags", "--libs", *(["--static"] if static else []), "libnatd",
                env=env).stdout
    assert "-lcjson" in flags if static else "-lcjson" not in flags
    # The sysroot goes before the folders of cJSON, too.
    flags = [flag.replace(f"{tmp_path}/dest/usr", "/usr") for flag in shlex.split(flags)]
    if static:
        flags = [f"{root}/lib/libnatd.a" if flag == "-lnatd" else flag for flag in flags]
    run("gcc", "-Wall", "-Werror", "-std=c99", "-o", tmp_path / "program", tmp_path / "program.c",
        *flags)
    run(tmp_path / "program", env={"LD_LIBRARY_PATH": f"{root}/lib"})
    loaded = run("ldd", tmp_path / "program", env={"LD_LIBRARY_PATH": f"{root}/lib"}).stdout
    assert ("libnatd.so.0" in loaded) != static
