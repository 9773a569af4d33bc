"""natd-vpn(7) word for word: its configuration, its commands and its scripts, against a VPN's
gateway that hands out one port at a time."""

import http.server
import json
import os
import re
import threading
import urllib.parse

import home as h
import pytest
import scripted
from daemon import BUILD, Natd
from lab import TOP, wait_until

PAGE = (TOP / "man/natd-vpn.7").read_text()
PORT = 52345
SOCKET = "/run/natd/org.natd.NAT"


def plain(roff):
    return roff.replace(r"\e", "\\").replace(r"\-", "-").replace(r"\&", "")


def commands():
    """The .Dl lines, by their first words."""
    return [plain(line[4:]) for line in PAGE.splitlines() if line.startswith(".Dl ")]


def command(start):
    found, = (c[2:] for c in commands() if c[2:].startswith(start))
    return found


def blocks():
    """The literal displays, in the order of the page."""
    return [plain(b) for b in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", PAGE, re.M | re.S)]


@pytest.fixture
def place():
    with h.home() as p:
        p.lab.path("/run/natd").mkdir()
        p.lab.path("/run/user/1000").mkdir(parents=True)
        p.vpn = h.add_tunnel(p)
        p.gw = scripted.Scripted(h.Router(p.vpn, "10.2.0.1", "11.99.1.1", lan="wg0"), "v01-vpn")
        config, = (b for b in blocks() if b.startswith("[Uplink"))
        p.natd = Natd(p.client, socket=SOCKET)
        drop_in = p.lab.path(p.natd.conf + ".d")
        drop_in.mkdir()
        (drop_in / "vpn.conf").write_text(config)
        yield p
        p.gw.stop()


def shell(place, text, **options):
    path = f"{BUILD}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return place.client.spawn("sh", "-c", text, log="user", env={"PATH": path, **options})


def reloaded(place):
    assert commands()[0] == "# natctl reload"
    done = place.client.run("sh", "-c", commands()[0][2:],
                            env={"PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert done.returncode == 0


def mapped(place):
    return {(e["protocol"], e["external_port"]) for e in place.gw.table()} == {
        ("tcp", PORT), ("udp", PORT)}


def test_the_file_has_the_port(place):
    reloaded(place)
    place.gw.order("change", **{"with": {"lease": {"max": 4}}})
    process = shell(place, "exec " + command("natctl map tcp+udp auto -i wg0 --port-file"))
    file = place.lab.path("/run/user/1000/vpn-port")
    wait_until(lambda: file.exists() and file.read_text().strip() == str(PORT), 10, "the file")
    assert mapped(place)
    # The tunnel goes and comes: the same number again, which the gateway gives to who asks for it.
    place.gw.order("change", **{"with": {"rule": [
        {"on": "nat_pmp.map", "delete": False, "external_port": f"!={PORT}", "do": {"grant_port": PORT + 9}}]}})
    h.tunnel_down(place)
    wait_until(lambda: not file.exists(), 10, "the file gone")
    wait_until(lambda: place.gw.table() == [], 10, "the lease run out")
    h.tunnel_up(place)
    wait_until(lambda: file.exists() and file.read_text().strip() == str(PORT), 10, "the file back")
    assert mapped(place)
    process.stop()
    wait_until(lambda: place.gw.table() == [], 10, "the port given back")


def test_it_waits_for_the_tunnel_and_for_natd(place):
    """Started before the tunnel, over a restart of natd."""
    h.tunnel_down(place)
    reloaded(place)
    process = shell(place, "exec " + command("natctl map tcp+udp auto -i wg0 --on-change"))
    wait_until(lambda: place.natd.mappings(), 10, "the wish")
    place.natd.kill()
    place.natd.start()
    assert "up " not in process.output()
    h.tunnel_up(place)
    wait_until(lambda: f"up {PORT}" in process.output().splitlines(), 10, "up and the number")
    h.tunnel_down(place)
    wait_until(lambda: process.output().splitlines()[-1].startswith("down"), 10, "down")
    process.stop()


class Qbittorrent(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = urllib.parse.parse_qs(body)
        self.server.told.append((self.path, json.loads(form["json"][0])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_qbittorrent(place, tmp_path):
    """The unit's command line with its script, and a web interface that is told."""
    reloaded(place)
    unit, = (b for b in blocks() if b.startswith("[Unit]"))
    script, = (b for b in blocks() if "listen_port" in b)
    (tmp_path / ".local/bin").mkdir(parents=True)
    helper = tmp_path / ".local/bin/qbittorrent-port"
    helper.write_text(script)
    helper.chmod(0o755)
    start = re.search(r"^ExecStart=((?:.*\\\n)*.*)", unit, re.M)[1].replace("\\\n", " ")
    with place.client.inside():
        server = http.server.HTTPServer(("127.0.0.1", 8080), Qbittorrent)
    server.told = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    place.client.ip("link set lo up")
    try:
        process = shell(place, "exec " + start.replace("%h", str(tmp_path)))
        told = wait_until(lambda: server.told, 10, "the web interface told")
        assert told[-1] == ("/api/v2/app/setPreferences", {"listen_port": PORT})
        assert [m["context"]["description"] for m in place.natd.mappings()] == ["qbittorrent"]
        process.stop()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_program_is_given_the_port(place, tmp_path):
    reloaded(place)
    line = command("natctl map --hold tcp+udp auto -i wg0 -- sh -c 'exec server")
    server = tmp_path / "server"
    server.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/said\nexec sleep 60\n")
    server.chmod(0o755)
    process = shell(place, "exec " + line, PATH=f"{tmp_path}:{BUILD}:{os.environ['PATH']}")
    wait_until((tmp_path / "said").exists, 10, "the program started")
    wait_until(lambda: (tmp_path / "said").read_text() == f"--port {PORT}\n", 10, "its arguments")
    assert mapped(place)
    process.stop()
    wait_until(lambda: place.gw.table() == [], 10, "the port given back with the program")


def test_the_packet_filter_leads_the_port_to_another(place, tmp_path):
    reloaded(place)
    script, = (b for b in blocks() if "table inet vpnport" in b)
    helper = tmp_path / "vpn-nft"
    helper.write_text(script)
    helper.chmod(0o755)

    def table():
        return place.client.run("nft", "list", "tables", check=False).stdout

    process = shell(place, f"exec natctl map tcp+udp auto -i wg0 --on-change {helper}")
    wait_until(lambda: "vpnport" in table(), 10, "the table of the packet filter")
    rules = place.client.run("nft", "list", "table", "inet", "vpnport").stdout
    assert f"th dport {PORT}" in rules and ":6881" in rules
    h.tunnel_down(place)
    wait_until(lambda: "vpnport" not in table(), 10, "the table gone")
    process.stop()


def test_every_command_and_display_of_the_page_is_here():
    """What this file runs, and nothing else: a new one in the page needs a test."""
    assert [c.split(" ", 1)[1][:41] for c in commands()] == [
        "natctl reload", "natctl map tcp+udp auto -i wg0 --port-fil",
        "natctl map tcp+udp auto -i wg0 --on-chang", "systemctl --user enable --now vpn-port",
        "natctl map --hold tcp+udp auto -i wg0 -- "]
    assert len(blocks()) == 4
