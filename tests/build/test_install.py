"""What "make install" puts where, and that "make uninstall" leaves nothing behind."""

import shutil
import stat

import pytest

EXPECTED = {
    "etc/natd/natd.conf": 0o644,
    "usr/bin/natctl": 0o755,
    "usr/sbin/natd": 0o755,
    "usr/lib/systemd/system/natd.service": 0o644,
    "usr/lib/systemd/system/natd.socket": 0o644,
    "usr/lib/sysusers.d/natd.conf": 0o644,
    "usr/share/natd/org.natd.NAT.varlink": 0o644,
    "usr/share/bash-completion/completions/natctl": 0o644,
    "usr/include/natd.h": 0o644,
    "usr/lib/libnatd.so.0": 0o644,
    "usr/lib/libnatd.so": 0o644,
    "usr/lib/libnatd.a": 0o644,
    "usr/lib/pkgconfig/libnatd.pc": 0o644,
}


@pytest.fixture
def make(run, top, tmp_path):
    """make with programs of no content: what matters is where they go."""
    for name in ("natd", "natctl", "libnatd.a", "libnatd.so.0"):
        (tmp_path / "build" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "build" / name).write_text("#!/bin/sh\n")
    (tmp_path / "dest").mkdir()

    def make_goal(goal, prefix="/usr"):
        return run("make", "-o", "all", goal, f"BUILD={tmp_path}/build",
                   f"DESTDIR={tmp_path}/dest", f"prefix={prefix}").stdout
    return make_goal


def files(root):
    return {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode)
            for p in root.rglob("*") if not p.is_dir()}


def test_install_and_uninstall(make, top, tmp_path):
    dest = tmp_path / "dest"
    pages = {f"usr/share/man/man{page.suffix[1:]}/{page.name}": 0o644
             for page in top.glob("man/*")}
    assert "usr/share/man/man8/natd.8" in pages
    make("install")
    assert files(dest) == {**EXPECTED, **pages}
    assert (dest / "etc/natd/natd.conf.d").is_dir()
    make("uninstall")
    assert files(dest) == {}
    assert not (dest / "etc/natd").exists()
    assert not (dest / "usr/share/natd").exists()


def test_prefix_reaches_the_units(make, tmp_path):
    dest = tmp_path / "dest"
    make("install", prefix="/opt/natd")
    unit = (dest / "opt/natd/lib/systemd/system/natd.service").read_text()
    assert "ExecStart=/opt/natd/sbin/natd\n" in unit
    assert "ExecReload=/opt/natd/bin/natctl reload\n" in unit


def test_configuration_of_the_admin_is_kept(make, tmp_path):
    dest = tmp_path / "dest"
    conf = dest / "etc/natd/natd.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[Daemon]\nLogLevel=debug\n")
    assert "kept" in make("install")
    assert "kept" in make("uninstall")
    assert conf.read_text() == "[Daemon]\nLogLevel=debug\n"
    assert files(dest) == {"etc/natd/natd.conf": 0o644}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_units_are_valid_and_confined(run, make, tmp_path):
    dest = tmp_path / "dest"
    make("install")
    units = dest / "usr/lib/systemd/system"
    service = units / "natd.service"
    # verify looks for the programs where the unit says they are.
    service.write_text(service.read_text().replace("=/usr/", f"={dest}/usr/"))
    done = run("systemd-analyze", "verify", "--man=no", service, units / "natd.socket")
    assert done.stdout.strip() == ""
    done = run("systemd-analyze", "security", "--offline=yes", "--threshold=15", service)
    assert "Overall exposure level" in done.stdout
