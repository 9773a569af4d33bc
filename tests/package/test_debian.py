"""The Debian packages: built in clean roots, looked at by lintian, installed on a machine that
runs systemd, used, removed, purged.  `make check-package`; takes minutes and Debian's mirror."""

import pathlib
import re
import shutil
import subprocess

import pytest

import roots

TOP = pathlib.Path(__file__).resolve().parents[2]
SUITES = ["bookworm", "trixie"]
ALL = {"natd", "libnatd0", "libnatd-dev"}
OUT = "/srv/natd/build/deb"


@pytest.fixture(scope="session")
def place():
    with roots.Place() as place:
        yield place


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """A clone of this tree, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("clone") / "natd"
    git = ["git", "-c", "safe.directory=*", "-c", "user.name=test", "-c", "user.email=test@test"]
    subprocess.run([*git, "clone", "-q", TOP, folder], check=True)
    files = subprocess.run([*git, "-C", TOP, "ls-files", "-z", "-c", "-o", "--exclude-standard"],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0")
    for name in filter(None, files):
        (folder / name).unlink(missing_ok=True)
        if (TOP / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, folder / name)
    subprocess.run([*git, "-C", folder, "add", "-A"], check=True)
    subprocess.run([*git, "-C", folder, "commit", "-qm", "test", "--allow-empty"], check=True)
    return folder


def clean_root(place, name, suite, clone):
    """A root with the clone in /srv/natd."""
    root = place.debootstrap(name, suite)
    root.suite = suite
    shutil.copytree(clone, root.path / "srv/natd", symlinks=True)
    return root


@pytest.fixture(scope="session", params=SUITES)
def built(request, place, clone):
    """A root in which the README's "make deb" was made; the unit tests have passed in it."""
    root = clean_root(place, f"build-{request.param}", request.param, clone)
    root.apt("update")
    root.apt("install", "build-essential", "git", "autoconf")
    root.run("apt-get", "-qy", "--no-install-recommends", "build-dep", "./", cwd="/srv/natd")
    root.log = root.run("make", "deb", cwd="/srv/natd").stdout
    return root


def debs(root):
    return {path.name.split("_")[0]: path for path in root.path.glob(OUT[1:] + "/*.deb")
            if "-dbgsym_" not in path.name}


def test_packages_are_complete(built):
    assert debs(built).keys() == ALL
    assert re.search(r" ok +test_libnatd", built.log)
    have = {name: {line.split()[5][1:] for line in built.run(
        "dpkg-deb", "-c", f"{OUT}/{path.name}").stdout.splitlines() if not line.endswith("/")}
        for name, path in debs(built).items()}
    multiarch = built.run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").stdout.strip()
    units = "/usr/lib/systemd/system" if built.suite != "bookworm" else "/lib/systemd/system"
    assert {"/usr/sbin/natd", "/usr/bin/natctl", "/etc/natd/natd.conf", f"{units}/natd.service",
            f"{units}/natd.socket", "/usr/lib/sysusers.d/natd.conf",
            "/usr/share/man/man8/natd.8.gz", "/usr/share/man/man7/org.natd.NAT.7.gz",
            "/usr/share/bash-completion/completions/natctl", "/usr/share/zsh/vendor-completions/_natctl",
            "/usr/share/fish/vendor_completions.d/natctl.fish"} <= have["natd"]
    assert f"/usr/lib/{multiarch}/libnatd.so.0" in have["libnatd0"]
    assert {"/usr/include/natd.h", f"/usr/lib/{multiarch}/libnatd.so",
            f"/usr/lib/{multiarch}/libnatd.a", f"/usr/lib/{multiarch}/pkgconfig/libnatd.pc"} \
        <= have["libnatd-dev"]


def test_tls_of_either_mbedtls(built):
    version = built.run("dpkg-query", "-W", "-f=${Version}", "libmbedtls-dev").stdout
    assert version.startswith({"bookworm": "2.28.", "trixie": "3.6."}[built.suite])
    for test in ("test_crypto", "test_stun_auth", "test_stun_link"):
        assert re.search(rf" ok +{test}\b", built.log), test


def test_lintian_finds_no_error(built):
    built.apt("install", "lintian")
    done = built.run("lintian", "--allow-root", "--fail-on", "error",
                     *[f"{OUT}/{path.name}" for path in built.path.glob(OUT[1:] + "/*.changes")],
                     check=False)
    assert done.returncode == 0, done.stdout


def test_library_package_serves_programs(built, place):
    root = place.debootstrap(f"library-{built.suite}", built.suite)
    for name in ("libnatd0", "libnatd-dev"):
        shutil.copy(debs(built)[name], root.path / "srv")
    root.apt("update")
    root.apt("install", "gcc", "libc6-dev", "pkg-config",
             *[f"/srv/{path.name}" for path in root.path.glob("srv/*.deb")])
    shutil.copy(TOP / "debian/tests/library", root.path / "srv")
    root.run("sh", "/srv/library")


def test_installed_used_removed_and_purged(built, place):
    root = place.debootstrap(f"host-{built.suite}", built.suite)
    for path in [debs(built)["natd"], TOP / "debian/tests/daemon"]:
        shutil.copy(path, root.path / "srv")
    package = f"/srv/{debs(built)['natd'].name}"
    root.apt("update")
    root.apt("install", "--download-only", package)  # the machine has no network

    host = place.boot(root)
    host.run("journalctl", "--update-catalog")  # systemd's own file, which a trigger of it makes
    host.run("mkdir", "-p", "/var/lib/prometheus/node-exporter")
    before, groups = host.files(), (host.path / "etc/group").read_text()
    host.run("apt-get", "-qy", "--no-install-recommends", "install", package)
    assert host.run("systemctl", "is-enabled", "natd.socket", "natd.service").stdout.split() == \
        ["enabled", "enabled"]
    assert host.run("getent", "group", "natd").stdout.startswith("natd:")
    assert host.run("runuser", "-u", "nobody", "--", "natctl", "-q", "status").stdout == "offline\n"
    host.run("natctl", "map", "tcp", "8080", "--permanent", check=False)  # there is no router
    host.run("sh", "/srv/daemon")  # what autopkgtest runs; stops natd
    optional = ["natd-metrics.socket", "natd-textfile.timer"]
    host.run("systemctl", "enable", *optional)
    host.run("systemctl", "start", *optional, "natd.service", "natd-textfile.service")
    assert (host.path / "var/lib/prometheus/node-exporter/natd.prom").exists()
    # An upgrade restarts it, and what was asked for is still asked for.
    host.run("apt-get", "-qy", "install", "--reinstall", package)
    assert host.run("natctl", "list", "-q").stdout != ""
    assert host.run("systemctl", "is-active", *optional).stdout.split() == ["active"] * 2

    host.run("apt-get", "-qy", "remove", "natd")
    assert host.run("sh", "-c", "ls -d /run/natd /usr/sbin/natd /run/varlink/registry/org.natd.NAT",
                    check=False).stdout.count("No such file") == 3
    assert (host.path / "etc/natd/natd.conf").exists(), "what the admin may have written stays"
    assert (host.path / "var/lib/private/natd").exists()
    host.run("apt-get", "-qy", "purge", "natd")
    host.run("apt-get", "-qy", "autoremove", "--purge")
    assert host.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "natd*").stdout == ""
    assert host.files() - before == set()
    assert before - host.files() == set()
    assert (host.path / "etc/group").read_text() == groups


def test_cross_compiles_for_arm64(place, clone):
    """Debian's cross compiler, in a root of its own: no foreign architecture on this machine."""
    root = clean_root(place, "cross", "bookworm", clone)
    root.run("dpkg", "--add-architecture", "arm64")
    root.apt("update")
    root.apt("install", "crossbuild-essential-arm64")
    profiles = {"DEB_BUILD_PROFILES": "cross nocheck", "DEB_BUILD_OPTIONS": "nocheck"}
    root.run("apt-get", "-qy", "--no-install-recommends", "-a", "arm64", "build-dep", "./",
             cwd="/srv/natd", env=profiles)
    root.run("dpkg-buildpackage", "-a", "arm64", "-us", "-uc", "-b", cwd="/srv/natd", env=profiles)
    assert {path.name.rsplit("_", 1)[1] for path in root.path.glob("srv/*.deb")} == {"arm64.deb"}
    assert "AArch64" in root.run("readelf", "-h", "/srv/natd/build/natd").stdout
