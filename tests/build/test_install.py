"""What "make install" puts where, and that "make uninstall" leaves nothing behind."""

import shutil
import stat

import pytest

EXPECTED = {
    "etc/natd/natd.conf": 0o644,
    "usr/bin/natctl": 0o755,
    "usr/sbin/natd": 0o755,
    "usr/lib/systemd/catalog/natd.catalog": 0o644,
    "usr/lib/systemd/system/natd-metrics.socket": 0o644,
    "usr/lib/systemd/system/natd-textfile.service": 0o644,
    "usr/lib/systemd/system/natd-textfile.timer": 0o644,
    "usr/lib/systemd/system/natd-wait-online.service": 0o644,
    "usr/lib/systemd/system/natd.service": 0o644,
    "usr/lib/systemd/system/natd.socket": 0o644,
    "usr/lib/systemd/user/natd.service": 0o644,
    "usr/lib/systemd/user/natd.socket": 0o644,
    "usr/lib/sysusers.d/natd.conf": 0o644,
    "usr/share/natd/grafana-natd.json": 0o644,
    "usr/share/natd/org.natd.NAT.varlink": 0o644,
    "usr/share/bash-completion/completions/natctl": 0o644,
    "usr/share/fish/vendor_completions.d/natctl.fish": 0o644,
    "usr/share/zsh/vendor-completions/_natctl": 0o644,
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
    assert (dest / "opt/natd/share/zsh/site-functions/_natctl").is_file()
    for path in (dest / "opt/natd/lib/systemd").rglob("*.*"):
        assert "/usr/" not in path.read_text(), path


def test_folders_go_where_they_are_told_to(run, make, tmp_path):
    run("make", "-o", "all", "install", f"BUILD={tmp_path}/build", f"DESTDIR={tmp_path}/dest",
        "prefix=/usr", "sysconfdir=/opt/etc", "libdir=/usr/lib/aarch64-linux-gnu",
        "unitdir=/lib/systemd/system")
    found = files(tmp_path / "dest")
    assert {"opt/etc/natd/natd.conf", "usr/lib/aarch64-linux-gnu/libnatd.so.0",
            "lib/systemd/system/natd.service"} <= found.keys()
    assert not {path.split("/")[0] for path in found} - {"opt", "usr", "lib"}
    text = (tmp_path / "dest/usr/lib/aarch64-linux-gnu/pkgconfig/libnatd.pc").read_text()
    assert "libdir=/usr/lib/aarch64-linux-gnu\n" in text


def test_configuration_of_the_admin_is_kept(make, tmp_path):
    dest = tmp_path / "dest"
    conf = dest / "etc/natd/natd.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[Daemon]\nLogLevel=debug\n")
    assert "kept" in make("install")
    assert "kept" in make("uninstall")
    assert conf.read_text() == "[Daemon]\nLogLevel=debug\n"
    assert files(dest) == {"etc/natd/natd.conf": 0o644}


@pytest.fixture
def units(make, tmp_path):
    """The installed units, with the programs where they say; verify looks."""
    dest = tmp_path / "dest"
    make("install")
    for path in (dest / "usr/lib/systemd").rglob("*.service"):
        path.write_text(path.read_text().replace("=/usr/", f"={dest}/usr/"))
    return dest / "usr/lib/systemd"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("instance,environment", [
    ("system", {}), ("user", {"XDG_RUNTIME_DIR": "/run"})])
def test_units_are_valid(run, units, instance, environment):
    files = sorted((units / instance).glob("natd*"))
    assert len(files) == {"system": 6, "user": 2}[instance]
    done = run("systemd-analyze", f"--{instance}", "verify", "--man=no", *files, env=environment)
    assert done.stdout.strip() == ""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("name,threshold", [
    ("natd", 13), ("natd-wait-online", 10), ("natd-textfile", 14)])
def test_services_are_confined(run, units, name, threshold):
    done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={threshold}",
               units / f"system/{name}.service")
    assert "Overall exposure level" in done.stdout
