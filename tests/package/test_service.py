"""The tests of the service again, under the systemd of Debian 13 and with its packages.
Part of `make check-package`."""

import pathlib
import re
import sys

import pytest

from test_debian import built, clone, debs, place  # noqa: F401: fixtures

TOP = pathlib.Path(__file__).resolve().parents[2]
# What the tests call in the machine.
TOOLS = ["iproute2", "procps", "libcjson1", "man-db"]


@pytest.mark.parametrize("built", ["trixie"], indirect=True)
def test_service_under_another_systemd(built, place):  # noqa: F811
    root = place.debootstrap("service", built.suite)
    package = debs(built)["natd"]
    (root.path / "srv" / package.name).write_bytes(package.read_bytes())
    root.apt("update")
    root.apt("install", f"/srv/{package.name}", *TOOLS)
    version = root.run("systemctl", "--version").stdout
    assert int(re.match(r"systemd (\d+)", version)[1]) >= 257
    done = place.enter(
        "env", "-C", TOP, "PYTHONDONTWRITEBYTECODE=1", "NATD_SYSTEMD_ROOT=/mnt/service",
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider",
        "-rs", "--tb=short", "tests/systemd", in_pid_namespace=False, check=False)
    print(version + done.stdout)
    assert done.returncode == 0, done.stdout[-8000:]
