"""The installers of packages: ask apt-get for what is missing only, by sudo if need be."""

import os
import shutil

import pytest

SCRIPT = "tests/tools/install_packages.sh"


@pytest.fixture
def host(run, top, tmp_path):
    """A host of stubs: have.txt lists what is installed, log.txt what was run."""
    def stub(name, text):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        path.chmod(0o755)

    for tool in ("sh", "env", "grep", "rm"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        os.symlink(next(p for p in (f"/bin/{tool}", f"/usr/bin/{tool}") if os.path.exists(p)),
                   tmp_path / "bin" / tool)
    stub("id", "echo 1000")
    stub("dpkg-query", 'for last; do :; done; grep -qx "$last" have.txt && printf installed')
    stub("sudo", 'echo "sudo $*" >>log.txt; exec "$@"')
    stub("apt-get", 'echo "apt-get $*" >>log.txt; case "$*" in *install*) [ ! -e broken ];; '
                    '*update*) rm -f broken;; esac')
    (tmp_path / "have.txt").write_text("gcc\nmake\n")
    (tmp_path / "log.txt").write_text("")

    def call(*packages, check=True):
        done = run("sh", top / SCRIPT, *packages, env={"PATH": str(tmp_path / "bin")}, check=check)
        return done, [line for line in (tmp_path / "log.txt").read_text().splitlines()
                      if line.startswith("apt-get")]
    call.path = tmp_path
    return call


def test_nothing_is_run_when_all_is_there(host):
    assert host("gcc", "make")[1] == []


def test_only_what_is_missing_is_installed_and_no_question_asked(host):
    _, ran = host("gcc", "clang", "make", "mandoc")
    assert ran == ["apt-get -q install -y --no-install-recommends clang mandoc"]
    assert "DEBIAN_FRONTEND=noninteractive" in (host.path / "log.txt").read_text()


def test_old_package_lists_are_refreshed_once(host):
    (host.path / "broken").touch()
    _, ran = host("clang")
    assert [line.split()[2] for line in ran] == ["install", "update", "install"]


def test_neither_root_nor_sudo_says_what_to_do(host):
    (host.path / "bin/sudo").unlink()
    done, ran = host("clang", check=False)
    assert done.returncode == 1 and ran == []
    assert "apt-get install clang" in done.stdout


# ---- what is unpacked, not installed ----

UNPACK = "tests/tools/unpack_packages.sh"


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not here")
def test_a_server_is_unpacked_and_only_its_libraries_are_installed(run, top, tmp_path):
    made = tmp_path / "made"
    (made / "DEBIAN").mkdir(parents=True)
    (made / "usr/bin").mkdir(parents=True)
    for name in ("served", "other"):
        (made / "usr/bin" / name).write_text("#!/bin/sh\n")
    (made / "DEBIAN/control").write_text(
        "Package: served\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
        "Depends: adduser, libone (>= 2), libjs-page, telnet | telnet-client, libtwo | libthree, libgot\n")
    (made / "DEBIAN/postinst").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (made / "DEBIAN/postinst").chmod(0o755)
    run("dpkg-deb", "--build", "--root-owner-group", made, tmp_path / "served_1_all.deb")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (tmp_path / "lists").mkdir()
    for name, text in {"id": "echo 0",
                       "dpkg-query": 'for l; do :; done; [ "$l" != libgot ] || printf installed',
                       "apt-get": f'echo "$*" >>{tmp_path}/log.txt\n'
                                  f'case "$*" in *download*) cp {tmp_path}/lists/*.deb .;;\n'
                                  f'*update*) cp {tmp_path}/*.deb {tmp_path}/lists;; esac'}.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin_ / name).chmod(0o755)
    where = tmp_path / "peers"
    env = {"PATH": f"{bin_}:/usr/bin:/bin"}
    for _ in range(2):
        run("sh", top / UNPACK, where, "served", env=env)
    assert (where / "served/usr/bin/served").exists()
    assert not (tmp_path / "started").exists()
    # The second time there is nothing to do.
    assert (tmp_path / "log.txt").read_text().splitlines() == [
        "-q download served", "-q update", "-q download served",
        "-q install -y --no-install-recommends libone libtwo"]
    # A tool out of a large package, alone.
    run("sh", top / UNPACK, tmp_path / "tools", "served:usr/bin/served", env=env)
    assert [p.name for p in tmp_path.glob("tools/**/*") if p.is_file()] == ["served"]
    assert {p.name for p in where.glob("**/*") if p.is_file()} == {"served", "other"}
