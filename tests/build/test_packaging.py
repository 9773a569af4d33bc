"""debian/ and the container files say what the rest of the tree says.  Nothing is built here:
tests/package does that."""

import json
import os
import re
import shutil

import pytest


def names(text):
    return set(re.findall(r"[a-z0-9][a-z0-9.+-]+", text))


def test_build_depends_on_what_the_makefile_needs(run, top):
    wanted = names(run("make", "-s", "--eval=show: ; @echo $(APT_BUILD) $(call pc_packages,$(UNIT_ROWS))",
                       "show").stdout)
    control = (top / "debian/control").read_text()
    declared = names(control.partition("Build-Depends:")[2].partition("\nRules")[0])
    # Those every build machine has.
    assert wanted - {"gcc", "libc6-dev", "make"} <= declared


def test_recommends_what_certificates_are_checked_with(top):
    assert "/etc/ssl/certs/ca-certificates.crt" in (top / "man/natctl.1").read_text()
    natd = (top / "debian/control").read_text().partition("\nPackage: natd\n")[2].partition("\n\n")[0]
    assert re.search(r"^Recommends: .*\bca-certificates\b", natd, flags=re.M)


def test_units_that_are_not_started_are_stopped_with_the_package(top):
    optional = {path.name for path in top.glob("systemd/natd*.*") if path.suffix in (".socket", ".timer")
                or "\nRemainAfterExit=yes\n" in path.read_text()} - {"natd.socket"}
    prerm = (top / "debian/natd.prerm").read_text()
    assert set(re.findall(r"\bnatd[\w-]*\.(?:socket|timer|service)", prerm)) == optional


@pytest.mark.parametrize("action, active, closed", [
    ("remove", True, {"m1", "m2"}), ("remove", False, set()), ("upgrade", True, set())])
def test_only_removal_closes_what_is_open_on_the_router(run, top, tmp_path, action, active, closed):
    """Whatever becomes of it, the package can be removed."""
    for name, text in [
            ("systemctl", f"exit {0 if active else 3}"), ("deb-systemd-invoke", "exit 1"),
            ("natctl", f"if [ $1 = unmap ]; then echo $2 >>{tmp_path}/closed; exit 1; fi\n"
                       "printf 'm1\\ttcp\\tactive\\nm2\\tudp\\tfailed\\n'")]:
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script = (top / "debian/natd.prerm").read_text().replace("/run/systemd/system", str(tmp_path))
    run("sh", "-c", script, "prerm", action, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    file = tmp_path / "closed"
    assert set(file.read_text().split() if file.exists() else []) == closed


def test_symbols_are_those_of_the_library(top):
    symbols = (top / "debian/libnatd0.symbols").read_text()
    exported = set(re.findall(r"^\t(natd_\w+);", (top / "lib/natd.map").read_text(), flags=re.M))
    assert set(re.findall(r"^ (natd_\w+)@LIBNATD_0 ", symbols, flags=re.M)) == exported


def test_changelog_has_the_version_of_the_tree(top):
    version = re.search(r'NATD_VERSION "(.*)"', (top / "proto/version.h").read_text())[1]
    assert re.match(rf"natd \({re.escape(version)}-\d+\) ", (top / "debian/changelog").read_text())


def test_copyright_names_where_each_test_file_is_from(top):
    copyright_ = (top / "debian/copyright").read_text()
    told = set(re.findall(r"^(?:Files:)? tests/data/\*/(\w+-)\*$", copyright_, flags=re.M))
    # Written or captured for these tests.
    own = {"syn-", "lv-"}
    for notice in top.glob("tests/data/*/NOTICE"):
        assert set(re.findall(r"^(\w+-) ", notice.read_text(), flags=re.M)) <= told | own, notice
    texts = set(re.findall(r"^License: (\S+)\n ", copyright_, flags=re.M))
    assert set(re.findall(r"^License: (\S+)$", copyright_, flags=re.M)) == texts


@pytest.mark.parametrize("script", ["debian/natd.postrm", "debian/natd.prerm", "debian/tests/daemon",
                                    "debian/tests/library", "tests/systemd/pid1.sh"])
def test_script_is_clean(run, top, script):
    run("sh", "-n", top / script)
    if shutil.which("shellcheck"):
        assert run("shellcheck", top / script, check=False).stdout == ""


def test_container_asks_for_no_privilege(top):
    recipe = (top / "etc/Containerfile").read_text()
    assert re.findall(r"^USER (.*)$", recipe, flags=re.M) == ["65532:65532"]
    assert "--cap-drop=all" in recipe and "--privileged" not in recipe


def leaves(item):
    """Lists and objects as pairs of path and value."""
    if isinstance(item, dict):
        return {(key, *path): value for key in item for path, value in
                leaves(item[key]).items()}
    if isinstance(item, list):
        return {(i, *path): value for i, inner in enumerate(item) for path, value in
                leaves(inner).items()}
    return {(): item}


def test_manifest_has_the_hosts_network_and_no_capability(top):
    yaml = pytest.importorskip("yaml")
    manifest = yaml.safe_load((top / "etc/natd-daemonset.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("apps/v1", "DaemonSet")
    pod = manifest["spec"]["template"]
    assert manifest["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["hostNetwork"] is True
    for container in pod["spec"]["containers"]:
        security = container["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["allowPrivilegeEscalation"] is False
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounted <= {volume["name"] for volume in pod["spec"].get("volumes", [])}



@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_manifest_is_one_of_kubernetes(run, top):
    yaml = pytest.importorskip("yaml")
    path = top / "etc/natd-daemonset.yaml"
    # Reads it into the types of the API: what is no field of them is not in the answer.
    read = json.loads(run("kubectl", "set", "image", "--local", "-f", path, "natd=other",
                          "-o", "json").stdout)
    wrote = leaves(yaml.safe_load(path.read_text()))
    got = leaves(read)
    lost = {field: value for field, value in wrote.items() if got.get(field) != value}
    assert lost.keys() == {("spec", "template", "spec", "containers", 0, "image")}
    pod = read["spec"]["template"]["spec"]
    assert pod["hostNetwork"] and pod["containers"][0]["securityContext"]["capabilities"] == \
        {"drop": ["ALL"]}
