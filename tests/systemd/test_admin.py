"""A day of an administrator who knows nothing but the manual pages: every command here is
taken out of them, or is one that they name."""

import re
import shutil

import pytest
from lab import TOP, wait_until
from machine import Machine


@pytest.fixture(scope="module")
def machine(place):
    with Machine(place.client) as made:
        made.run("journalctl", "--update-catalog")
        yield made


def page(name):
    return (TOP / "man" / name).read_text()


def commands(name):
    """Those that stand on a line of their own, with what the page says they print."""
    found = []
    for line in re.findall(r"^\.Dl (.*)$", page(name), re.M):
        if line.startswith("$ ") or name == "natd.8":
            found.append([line.removeprefix("$ "), ""])
        else:
            found[-1][1] += line + "\n"
    return found


def shell(machine, text, **options):
    return machine.run("sh", "-c", text, **options)


def like(printed, shown):
    """The same but for addresses and names of mappings."""
    def form(text):
        return re.sub(r"\d+\.\d+\.\d+\.\d+", "ADDRESS", re.sub(r"\bm\d+\b", "ID", text))
    assert form(printed) == form(shown)


def test_a_day(machine, place):
    # Enable it.
    (enable, _), _, (disable, _), (change, _) = commands("natd.8")
    assert enable == "systemctl enable --now natd.socket natd.service"
    shell(machine, enable)
    # Map ports.
    examples = dict(commands("natctl.1"))
    assert {command.split()[1] for command in examples} == {"map", "wait"}
    for command, shown in examples.items():
        if "--port-file" not in command:  # that one stays
            like(shell(machine, command).stdout, shown)
    assert place.router.ports() == {("tcp", 8080), ("udp", 51820)}
    # Ports that are always wanted.
    example = re.search(r"^\.Bd -literal.*?\n(\[Mapping wireguard\].*?)^\.Ed", page("natd.conf.5"), re.M | re.S)[1]
    example = example.replace("=443", "=8443")  # this router keeps the low ones for itself
    machine.path("/etc/natd/natd.conf").write_text(example)
    shell(machine, change)
    wait_until(lambda: ("tcp", 8443) in place.router.ports(), 10, "the configured port")
    # A mistake is found before it does harm.
    machine.path("/etc/natd/natd.conf").write_text(example.replace("=8443", "=https"))
    done = shell(machine, change, check=False)
    assert done.returncode == 1 and "natd.conf:7: " in done.stdout + done.stderr
    assert ("tcp", 8443) in place.router.ports()
    # Something fails, and the pages say where to read why.
    place.router.stop()
    done = shell(machine, "natctl map tcp 9000", check=False)
    assert done.returncode in (5, 7) and "switched on in the router?" in done.stderr
    assert "journalctl -x -u natd" in page("natd.8")
    told = shell(machine, "journalctl -x -u natd --no-pager").stdout
    assert re.search(r"mapping m\d+: .* failed: ", told) and "░░ Subject: Port 192.168.1.20:9000 cannot be opened" in told
    failed = re.search(r"\$ (natctl list --porcelain.*?)^\.Ed", page("natctl.1"), re.M | re.S)[1]
    shell(machine, "natctl map udp 9001 --permanent", check=False)
    listed = shell(machine, failed.replace("\\e", "\\")).stdout
    assert re.fullmatch(r"m\d+ .*\n", listed), listed
    # Be rid of it.
    place.router.start(upnp=False)
    shell(machine, "natctl renew")
    wait_until(lambda: "8443" in str(place.router.ports()), 15, "the ports, after the router's restart")
    said = shell(machine, "natctl unmap tcp 8443")
    assert "is configured as [Mapping web]" in said.stderr
    shell(machine, disable)
    assert shell(machine, "natctl status", check=False).returncode == 3


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_the_pages_are_found(machine):
    for name in ("natd", "natctl", "natd.conf", "org.natd.NAT", "natd-routers", "natd-vpn"):
        text = machine.run("man", "-P", "cat", name, env={"MANWIDTH": "80"}).stdout
        assert "NAME" in text and len(text) > 2000, name
