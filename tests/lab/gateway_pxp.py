"""PCP (RFC 6887) and NAT-PMP (RFC 6886) of the scripted gateway, on one port."""

import asyncio
import socket
import struct
import sys

PORT, ANNOUNCE_PORT, ALL_HOSTS = 5351, 5350, "224.0.0.1"
PROTOCOLS = {6: "tcp", 17: "udp"}
ANNOUNCE, MAP, PEER = 0, 1, 2
SUCCESS, UNSUPP_VERSION, NOT_AUTHORIZED, MALFORMED, UNSUPP_OPCODE = 0, 1, 2, 3, 4
CANNOT_PROVIDE, ADDRESS_MISMATCH = 11, 12
THIRD_PARTY, PREFER_FAILURE = 1, 2


def address16(text):
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return b"\0" * 10 + b"\xff\xff" + socket.inet_pton(socket.AF_INET, text)


def text16(data):
    if data[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, data[12:])
    return socket.inet_ntop(socket.AF_INET6, data)


class Pxp(asyncio.DatagramProtocol):
    """One instance serves all listening sockets; .sockets holds them."""

    def __init__(self, gateway):
        self.gateway, self.sockets, self.other = gateway, [], None

    def open(self):
        from gateway import udp_socket
        g = self.gateway
        if not g.conf["pxp"]["listen"]:
            return
        self.add(udp_socket(g.options.lan, PORT, g.options.interface))
        self.other = udp_socket(g.options.lan, 0, g.options.interface)
        for address in g.options.lan6:
            self.add(udp_socket(address, PORT, g.options.interface, family=socket.AF_INET6))

    def add(self, s):
        self.sockets.append(s)
        asyncio.get_running_loop().add_reader(s, self.readable, s)

    def readable(self, s):
        from gateway import receive
        try:
            data, source, came = receive(s)
        except OSError:  # an earlier answer was refused by ICMP
            return
        if len(data) < 2:
            return
        self.gateway.expire()
        if data[0] == 0:
            event, facts, handle = self.read_nat_pmp(data, source)
        else:
            event, facts, handle = self.read_pcp(data, source)
        facts.update(t=came, source=source[0], source_port=source[1])
        do = self.gateway.rule(event, facts)
        answer = None if do.get("drop") else handle(facts, do)
        self.gateway.log(event, facts, facts.pop("code", None) if answer else "dropped")
        for _ in range(do.get("times", 1) if answer else 0):
            self.answer(s, answer, source, do)

    def answer(self, s, data, target, do):
        if do.get("garbage"):
            data = bytes.fromhex(do["garbage"])
        if do.get("cut"):
            data = data[:do["cut"]]
        if do.get("from_port") == "other":
            s = self.other
        asyncio.get_running_loop().call_later(do.get("delay_ms", 0) / 1000, self.send, s, data,
                                              target)

    def send(self, s, data, target):
        if not self.gateway.silent:
            try:
                s.sendto(data, target)
            except OSError as e:
                print(f"gateway: {e}", file=sys.stderr)

    # ---- NAT-PMP

    def read_nat_pmp(self, data, source):
        op, conf = data[1], self.gateway.conf
        if op == 0:
            facts, handle = {"length": len(data)}, self.nat_pmp_address
            event = "nat_pmp.address"
        elif op in (1, 2) and len(data) >= 12:
            internal, external, lease = struct.unpack("!HHI", data[4:12])
            protocol = "udp" if op == 1 else "tcp"
            held = self.gateway.table.get((protocol, external))
            facts = {"protocol": protocol, "internal_port": internal, "external_port": external,
                     "lease": lease, "client": source[0], "delete": lease == 0,
                     "taken": bool(held and held.client != source[0]), "length": len(data)}
            event, handle = "nat_pmp.map", self.nat_pmp_map
        else:
            facts, event = {"op": op}, "nat_pmp.unknown"
            handle = lambda f, do: self.nat_pmp_error(op, 5)
        if not conf["nat_pmp"]["on"]:
            absent = conf["nat_pmp"]["absent"]
            # A PCP server answers other versions in its own format (RFC 6887, 9).
            handle = (lambda f, do: self.pcp_header(op, UNSUPP_VERSION, 0)) \
                if absent == "version" else (lambda f, do: None)
        return event, facts, handle

    def nat_pmp_error(self, op, code):
        return struct.pack("!BBHI", 0, 128 + (op & 127), code, self.gateway.epoch())

    def nat_pmp_address(self, facts, do):
        code = facts["code"] = do.get("error", 0)
        wan = socket.inet_aton("0.0.0.0" if code else do.get("address", self.gateway.wan))
        return self.nat_pmp_error(0, code) + wan

    def nat_pmp_map(self, facts, do):
        g, op = self.gateway, 1 if facts["protocol"] == "udp" else 2
        code = facts["code"] = do.get("error", 0)
        if code:
            rest = struct.pack("!HHI", facts["internal_port"], 0, 0)
            return self.nat_pmp_error(op, code) + (b"" if do.get("short") else rest)
        if facts["delete"]:
            self.delete(facts["protocol"], facts["client"], facts["internal_port"])
            return self.nat_pmp_error(op, 0) + struct.pack("!HHI", facts["internal_port"], 0, 0)
        # External port 0 or taken: the gateway chooses (RFC 6886, 3.3).
        entry = self.make(facts, do, prefer_failure=False)
        internal = do.get("answer_internal", facts["internal_port"])
        if internal == 0:  # ProtonVPN: the same number inside as outside
            entry.internal_port = entry.external_port
        return self.nat_pmp_error(op, 0) + struct.pack(
            "!HHI", internal, entry.external_port, do.get("answer_lease", entry.lease_s))

    # ---- the table, for both

    def find(self, protocol, client, internal):
        return next((e for e in self.gateway.table.values() if e.protocol == protocol and
                     e.client == client and e.internal_port == internal), None)

    def delete(self, protocol, client, internal):
        g = self.gateway
        g.table = {k: e for k, e in g.table.items() if not (
            e.client == client and (internal == 0 or
                                    (e.protocol == protocol and e.internal_port == internal)))}

    def make(self, facts, do, prefer_failure):
        """The new or renewed entry; None if the port must be the one asked and is not free."""
        from gateway import Entry
        g, protocol = self.gateway, facts["protocol"]
        held = self.find(protocol, facts["client"], facts["internal_port"])
        asked = facts["external_port"] or facts["internal_port"]
        port = g.choose_port(do, protocol, held.external_port if held else asked,
                             facts["internal_port"])
        other = g.table.get((protocol, port))
        if other and other.client == facts["client"] and g.conf["table"]["own_replaced"]:
            other = None
        if other and other is not held:
            if prefer_failure:
                return None
            port = g.free_port(protocol, port + 1)
        if prefer_failure and facts["external_port"] and port != facts["external_port"]:
            return None
        if held:
            g.table.pop((protocol, held.external_port), None)
        lease = do.get("grant_lease", g.grant(facts["lease"]))
        entry = Entry(protocol, port, facts["client"],
                      port if facts["internal_port"] == 0 else facts["internal_port"], lease,
                      g.now() + lease, nonce=facts.get("nonce", ""), via="pxp")
        full = len(g.table) >= g.conf["table"]["capacity"] and not held
        if not do.get("forget") and not full:
            g.insert(entry)
        return entry

    # ---- PCP

    def read_pcp(self, data, source):
        conf, version, op = self.gateway.conf, data[0], data[1] & 0x7F
        event = {ANNOUNCE: "pcp.announce", MAP: "pcp.map", PEER: "pcp.peer"}.get(op, "pcp.unknown")
        facts = {"version": version, "length": len(data)}
        if not conf["pcp"]["on"]:
            # What NAT-PMP routers answer: 8 bytes, version 0, result 1 (RFC 6886, 3.5).
            absent = (lambda f, do: struct.pack("!BBHI", 0, 128 + op, 1, self.gateway.epoch())) \
                if conf["pcp"]["absent"] == "version" and conf["nat_pmp"]["on"] else \
                (lambda f, do: None)
            return event, facts, absent
        if version != conf["pcp"].get("version", 2):
            return event, facts, lambda f, do: self.pcp_header(op, UNSUPP_VERSION, 0)
        if len(data) < 24 or len(data) % 4:
            return event, facts, lambda f, do: self.pcp_header(op, MALFORMED, 0)
        lease = struct.unpack("!I", data[4:8])[0]
        facts.update(lease=lease, client=text16(data[8:24]))
        if op in (MAP, PEER) and len(data) >= 60:
            self.read_pcp_map(op, data, facts)
            return event, facts, lambda f, do: self.pcp_map(op, data, f, do)
        return event, facts, lambda f, do: self.pcp_plain(op, f, do)

    def read_pcp_map(self, op, data, facts):
        internal, external = struct.unpack("!HH", data[40:44])
        facts.update(nonce=data[24:36].hex(), protocol=PROTOCOLS.get(data[36], str(data[36])),
                     internal_port=internal, external_port=external, delete=facts["lease"] == 0,
                     suggested=text16(data[44:60]), options={})
        rest = data[60 if op == MAP else 80:]
        while len(rest) >= 4:
            code, _, length = struct.unpack("!BBH", rest[:4])
            facts["options"][code] = rest[4:4 + length].hex()
            rest = rest[4 + (length + 3) // 4 * 4:]
        held = self.gateway.table.get((facts["protocol"], external))
        facts["taken"] = bool(held and held.client != facts["client"])
        facts["third_party"] = THIRD_PARTY in facts["options"]
        facts["prefer_failure"] = PREFER_FAILURE in facts["options"]
        facts["held"] = self.find(facts["protocol"], facts["client"], internal) is not None

    def pcp_header(self, op, code, lease):
        return struct.pack("!BBBBII12x", self.gateway.conf["pcp"].get("version", 2), 0x80 | op, 0,
                           code, lease, self.gateway.epoch())

    def pcp_plain(self, op, facts, do):
        code = do.get("error", SUCCESS if op == ANNOUNCE else UNSUPP_OPCODE)
        facts["code"] = code
        return self.pcp_header(op, code, do.get("error_lease", 30) if code else 0)

    def pcp_map(self, op, data, facts, do):
        g = self.gateway
        code = do.get("error", SUCCESS)
        mismatch = facts["client"].split("%")[0] != facts["source"].split("%")[0]
        if facts["third_party"] and g.conf["pcp"]["third_party"]:
            facts["client"] = text16(bytes.fromhex(facts["options"][THIRD_PARTY]))
        elif mismatch and not do.get("ignore_mismatch"):
            code = ADDRESS_MISMATCH
        held = self.find(facts["protocol"], facts["client"], facts["internal_port"])
        if not code and held and g.conf["pcp"]["check_nonce"] and held.nonce and \
                held.nonce != facts["nonce"]:
            code = NOT_AUTHORIZED
        entry = None
        if not code and facts["delete"]:
            self.delete(facts["protocol"], facts["client"], facts["internal_port"])
        elif not code:
            entry = self.make_open(facts, do) if ":" in facts["client"] else \
                self.make(facts, do, facts["prefer_failure"])
            code = SUCCESS if entry else CANNOT_PROVIDE
        facts["code"] = code
        lease = entry.lease_s if entry else do.get("error_lease", 30) if code else 0
        answer = self.pcp_header(op, code, do.get("answer_lease", lease))
        nonce = bytes(12) if do.get("wrong_nonce") else data[24:36]
        wan = facts["client"] if ":" in facts["client"] else do.get("address", g.wan)
        port = entry.external_port if entry else facts["external_port"]
        return answer + nonce + data[36:42] + struct.pack("!H", port) + (
            address16(wan) if entry else data[44:60]) + data[60:]

    def make_open(self, facts, do):
        """IPv6: no translation, the firewall opens the very port."""
        facts = dict(facts, external_port=facts["internal_port"])
        return self.make(facts, do, prefer_failure=False)

    def announce(self):
        """Tell all hosts that the state was lost or the address has changed, both protocols."""
        if not self.sockets:
            return
        conf, s = self.gateway.conf, self.sockets[0]
        target = (ALL_HOSTS, ANNOUNCE_PORT)
        if conf["nat_pmp"]["on"]:
            self.send(s, self.nat_pmp_address({}, {}), target)
        if conf["pcp"]["on"]:
            self.send(s, self.pcp_header(ANNOUNCE, 0, 0), target)
