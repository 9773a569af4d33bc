"""The scripted gateway itself: its habits are what its personality says."""

import signal
import socket
import struct

import home as h
import pytest
import scripted
from fixtures import shared_home
from lab import wait_until

NONCE = bytes(range(12))
place = shared_home()


def pcp_map(place, nonce=NONCE, internal=4000, external=4000, lifetime=600, client="192.168.1.20"):
    """The answer as (result, lifetime, epoch, nonce, external port), or None."""
    address = b"\0" * 10 + b"\xff\xff" + socket.inet_aton(client)
    packet = struct.pack("!BBHI", 2, 1, 0, lifetime) + address + nonce + struct.pack(
        "!B3xHH", 17, internal, external) + b"\0" * 10 + b"\xff\xff" + bytes(4)
    with place.client.socket(kind=socket.SOCK_DGRAM, timeout_s=5) as s:
        s.connect(("192.168.1.1", 5351))
        s.send(packet)
        try:
            a = s.recv(1100)
        except TimeoutError:
            return None
    result, lifetime, epoch = struct.unpack("!3xBII", a[:12])
    return (result, lifetime, epoch, a[24:36], struct.unpack("!H", a[42:44])[0]) \
        if len(a) >= 60 else (result, lifetime, epoch)


def upnpc(place, gw, *arguments):
    url = f"http://192.168.1.1:{gw.order('table')['port']}/rootDesc.xml"
    return place.client.run("upnpc", "-u", url, *arguments, check=False).stdout


def add(place, gw, port=7000, lease=600, protocol="TCP"):
    return upnpc(place, gw, "-a", "192.168.1.20", str(port), str(port), protocol, str(lease))


def test_pcp_renews_with_the_same_nonce_only_and_deletes(place, gateway):
    gw = gateway("[pcp]\non = true")
    assert pcp_map(place)[:2] == (0, 600)
    assert pcp_map(place)[4] == 4000
    assert pcp_map(place, nonce=bytes(12))[0] == 2
    assert pcp_map(place, client="192.168.1.21")[0] == 12
    assert [e["external_port"] for e in gw.table()] == [4000]
    assert pcp_map(place, lifetime=0)[0] == 0
    assert gw.table() == []
    assert [line["result"] for line in gw.heard("pcp.map")] == [0, 0, 2, 12, 0]


def test_what_a_slow_gateway_is_asked_twice_is_one_question(place, gateway):
    gw = gateway("[pcp]\non = true")
    gw.process.send(signal.SIGSTOP)
    asked = struct.pack("!BBHI10xH4s", 2, 0, 0, 0, 0xffff, socket.inet_aton("192.168.1.20"))
    with place.client.socket(kind=socket.SOCK_DGRAM, timeout_s=5) as s:
        s.connect(("192.168.1.1", 5351))
        s.send(asked)
        s.send(asked)
        gw.process.send(signal.SIGCONT)
        assert s.recv(100) and s.recv(100)
        assert [len(gw.heard("pcp")), len(scripted.questions(gw.heard("pcp")))] == [2, 1]
        # With the answer in its hands it asks anew.
        s.send(asked)
        assert s.recv(100)
    assert [len(gw.heard("pcp")), len(scripted.questions(gw.heard("pcp")))] == [3, 2]


def test_a_line_of_the_log_that_is_half_there_is_not_read(place, gateway):
    gw = gateway("[pcp]\non = true")
    assert pcp_map(place)[0] == 0
    with open(gw.log_path, "a") as log:
        log.write('{"t": 1e9, "event": "pcp.map", "vers')
    assert len(gw.heard()) == 1


def test_absent_protocols(place, gateway):
    gw = gateway("a02-nat-pmp")
    with place.client.socket(kind=socket.SOCK_DGRAM) as s:
        s.connect(("192.168.1.1", 5351))
        s.send(bytes([2, 0]) + bytes(22))
        assert s.recv(100)[:4] == bytes([0, 128, 0, 1])
    gw.stop()
    gateway("b34-port-refused")
    with place.client.socket(kind=socket.SOCK_DGRAM) as s:
        s.connect(("192.168.1.1", 5351))
        s.send(bytes(2))
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)


def test_wrong_nonce_and_loss_by_rule(place, gateway):
    gw = gateway("h01-wrong-nonce")
    assert pcp_map(place)[3] == bytes(12)
    gw.stop()
    gw = gateway("f08-first-two-lost")
    assert h.nat_pmp(place.client, "192.168.1.1", 1, 80, 80, 60)
    # The last may be repeated where the answer was late.
    assert [line["result"] for line in gw.heard("nat_pmp.map")][:3] == ["dropped", "dropped", 0]


def test_epoch_table_and_announcement_of_a_restart(place, gateway):
    gw = gateway("a02-nat-pmp")
    assert h.nat_pmp(place.client, "192.168.1.1", 1, 80, 8080, 60)
    assert gw.order("table")["epoch"] >= 5000
    with place.client.socket(kind=socket.SOCK_DGRAM) as s:
        s.bind(("", 5350))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     socket.inet_aton("224.0.0.1") + socket.inet_aton("192.168.1.20"))
        reply = gw.order("restart", announce=True)
        assert s.recv(100) == bytes([0, 128, 0, 0, 0, 0, 0, 0, 11, 22, 33, 44])
    assert reply["table"] == [] and reply["epoch"] < 100


@pytest.mark.parametrize("name", ["a03-igd1", "b15-chunked", "b15-read-to-close", "b10-ppp-is-down",
                                  "b09-absolute-control", "b09-control-without-slash"])
def test_upnpc_maps(place, gateway, name):
    gw = gateway(name)
    assert "is redirected" in add(place, gw)
    assert [(e["external_port"], e["client"]) for e in gw.table()] == [(7000, "192.168.1.20")]
    upnpc(place, gw, "-d", "7000", "TCP")
    assert gw.table() == []


@pytest.mark.parametrize("name,lease,code", [("b18-permanent-only", 600, 725),
                                             ("b24-606-denied", 600, 606),
                                             ("b20-minus-911", 600, -911),
                                             ("b23-728-table-full", 0, 728)])
def test_upnpc_is_refused(place, gateway, name, lease, code):
    gw = gateway(name)
    add(place, gw, lease=lease)
    assert gw.table() == []
    assert {line["result"] for line in gw.heard("soap.AddPortMapping")} == {code}


def test_conflict_and_silent_drop(place, gateway):
    gw = gateway("b22-718-other-host")
    add(place, gw, port=40000, protocol="UDP")
    assert gw.heard("soap.AddPortMapping")[0]["result"] == 718
    assert gw.heard("soap.AddPortMapping")[0]["taken"]
    gw.stop()
    gw = gateway("b27-silent-33rd")
    add(place, gw)
    assert gw.heard("soap.AddPortMapping")[0]["result"] == 0
    assert gw.table() == []


def test_lease_runs_out(place, gateway):
    gw = gateway("[nat_pmp]\non = true\n[lease]\nmax = 1")
    answer = h.nat_pmp(place.client, "192.168.1.1", 1, 80, 8080, 60)
    assert struct.unpack("!I", answer[12:16]) == (1,)
    wait_until(lambda: gw.table() == [], 5, "the end of the lease", 0.05)


def test_port_moves_at_a_restart(place, gateway):
    gw = gateway("b06-port-moves")
    before = gw.order("table")["port"]
    after = gw.order("restart")["port"]
    assert before != after
    with place.client.socket() as s, pytest.raises(ConnectionRefusedError):
        s.connect(("192.168.1.1", before))
    assert "is redirected" in add(place, gw)


def test_searches_are_logged_with_what_they_asked(place, gateway):
    gw = gateway("a03-igd1")
    with place.client.socket(kind=socket.SOCK_DGRAM) as s:
        s.sendto(b'M-SEARCH * HTTP/1.1\r\nHOST: 192.168.1.1:1900\r\nMAN: "ssdp:discover"\r\n'
                 b"ST: ssdp:all\r\n\r\n", ("192.168.1.1", 1900))
        answer = s.recv(2000).decode()
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert f"LOCATION: http://192.168.1.1:{gw.order('table')['port']}/rootDesc.xml\r\n" in answer
    heard = gw.heard("ssdp.search")[0]
    assert (heard["target"], heard["multicast"], heard["result"]) == ("ssdp:all", False, 3)


def test_pinholes_and_subscription(place, gateway):
    gw = gateway("[upnp]\non = true\n[description]\nversion = 2\n[soap]\nevents = true")
    port = gw.order("table")["port"]

    def http(text):
        with place.client.socket() as s:
            s.connect(("192.168.1.1", port))
            s.sendall(text.encode())
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()
    body = ('<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
            '<s:Body><u:AddPinhole xmlns:u="urn:x"><RemoteHost></RemoteHost><RemotePort>0'
            "</RemotePort><InternalClient>2a10:50::20</InternalClient><InternalPort>80"
            "</InternalPort><Protocol>6</Protocol><LeaseTime>600</LeaseTime></u:AddPinhole>"
            "</s:Body></s:Envelope>")
    answer = http(f"POST /ctl/1 HTTP/1.1\r\nHost: 192.168.1.1:{port}\r\nSOAPAction: "
                  '"urn:schemas-upnp-org:service:WANIPv6FirewallControl:1#AddPinhole"\r\n'
                  f"Content-Length: {len(body)}\r\n\r\n{body}")
    assert "<UniqueID>1</UniqueID>" in answer
    assert [e["client"] for e in gw.order("table")["pinholes"]] == ["2a10:50::20"]
    with place.client.socket(bind=("192.168.1.20", 0)) as listener:
        callback = f"<http://192.168.1.20:{listener.getsockname()[1]}/e>"
        assert "SID: uuid:" in http(f"SUBSCRIBE /evt/0 HTTP/1.1\r\nHost: 192.168.1.1:{port}\r\n"
                                    f"CALLBACK: {callback}\r\nNT: upnp:event\r\n\r\n")
        with listener.accept()[0] as first:
            assert b"<ExternalIPAddress>11.22.33.44<" in first.recv(4096)
        gw.order("wan", address="11.22.33.55")
        with listener.accept()[0] as second:
            text = second.recv(4096)
        assert b"SEQ: 1\r\n" in text and b"11.22.33.55" in text


def test_ipv6_search_and_pcp():
    with h.home(ipv6=True) as p:
        gw = scripted.Scripted(p.router, "[pcp]\non = true\n[upnp]\non = true", lan6=["fe80::1"])
        with p.client.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s, p.client.inside():
            scope = socket.if_nametoindex("eth0")
            for target in ("fe80::1", "ff02::c"):
                s.sendto(b'M-SEARCH * HTTP/1.1\r\nHOST: [ff02::c]:1900\r\nMAN: "ssdp:discover"\r\n'
                         b"MX: 1\r\nST: upnp:rootdevice\r\n\r\n", (target, 1900, 0, scope))
                answer, source = s.recvfrom(2000)
                assert b"LOCATION: http://[fe80::1]:" in answer
                assert source[0].split("%")[0] == "fe80::1"
            with p.client.socket(socket.AF_INET6) as http:
                http.connect(("fe80::1", gw.order("table")["port"], 0, scope))
                http.sendall(b"GET /rootDesc.xml HTTP/1.1\r\n\r\n")
                assert b"200 X" in http.recv(4096)
        assert [line["multicast"] for line in gw.heard("ssdp.search")] == [False, True]
