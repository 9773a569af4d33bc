"""SSDP of the scripted gateway: answers to searches, NOTIFY on demand."""

import asyncio
import re
import socket
import struct

GROUP, GROUP6, PORT = "239.255.255.250", "ff02::c", 1900


class Ssdp:
    def __init__(self, gateway, igd):
        self.gateway, self.igd, self.sockets = gateway, igd, {}
        self.searches = {}

    def open(self):
        from gateway import udp_socket
        g = self.gateway
        index = socket.if_nametoindex(g.options.interface)
        group = udp_socket(GROUP, PORT, g.options.interface, reuse=True)
        group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack(
            "4s4si", socket.inet_aton(GROUP), b"\0" * 4, index))
        self.sockets = {
            "unicast": udp_socket(g.options.lan, PORT, g.options.interface, reuse=True),
            "multicast": group,
            "other": udp_socket(g.conf["ssdp"]["source"] or g.options.lan, 0, g.options.interface)}
        link_local = next((a for a in g.options.lan6 if a.startswith("fe80")), None)
        if link_local:
            self.open6(link_local, index)
        loop = asyncio.get_running_loop()
        for name, s in self.sockets.items():
            if name != "other":
                loop.add_reader(s, self.readable, name)

    def open6(self, address, index):
        from gateway import udp_socket
        interface, v6 = self.gateway.options.interface, socket.AF_INET6
        self.sockets["unicast6"] = udp_socket(address, PORT, interface, True, v6)
        group = self.sockets["multicast6"] = udp_socket("ff02::c", PORT, interface, True, v6)
        group.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                         socket.inet_pton(v6, GROUP6) + struct.pack("I", index))

    def readable(self, name):
        from gateway import receive
        data, source, came = receive(self.sockets[name])
        lines = data.decode("latin-1").split("\r\n")
        if not lines[0].startswith("M-SEARCH"):
            return
        headers = {k.strip().upper(): v.strip() for k, _, v in
                   (line.partition(":") for line in lines[1:])}
        facts = {"t": came, "source": source[0], "source_port": source[1], "multicast": name.startswith("multicast"),
                 "target": headers.get("ST", ""), "man": headers.get("MAN"),
                 "mx": headers.get("MX"), "host": headers.get("HOST")}
        # How long ago a search for anything else came (quirk 4).
        now, self.searches[facts["target"]] = self.gateway.now(), self.gateway.now()
        others = [t for target, t in self.searches.items() if target != facts["target"]]
        facts["since_other_ms"] = round((now - max(others)) * 1000) if others else None
        do = self.gateway.rule("ssdp.search", facts)
        conf = self.gateway.conf["ssdp"]
        allowed = conf[name.rstrip("6")] and not do.get("drop")
        targets = self.targets(facts["target"]) if allowed else []
        if conf["answers"]:
            targets = targets[:conf["answers"]]
        self.gateway.log("ssdp.search", facts, "dropped" if do.get("drop") else len(targets))
        # A fixed source port other than 1900, or another address of the router.
        own = conf["source_port"] == PORT and not conf["source"]
        six = name.endswith("6")
        s = self.sockets["unicast6" if six else "unicast" if own else "other"]
        loop = asyncio.get_running_loop()
        for target in targets * do.get("times", 1):
            for location in conf["location"]:
                text = do.get("raw") or self.answer(target, location, six)
                loop.call_later(do.get("delay_ms", 0) / 1000, self.send, s,
                                text.encode("latin-1"), source)

    def send(self, s, data, target):
        if not self.gateway.silent and s.fileno() >= 0:
            s.sendto(data, target)

    def offered(self):
        device = "urn:schemas-upnp-org:device:InternetGatewayDevice:"
        version = self.gateway.conf["description"]["version"]
        types = [s["type"] for s in self.gateway.conf["service"]]
        return ["upnp:rootdevice", device + str(version)] + types

    def targets(self, asked):
        """What of the offered an asked target brings; a router may know only some."""
        if not any(re.fullmatch(t, asked) for t in self.gateway.conf["ssdp"]["targets"]):
            return []
        if asked == "ssdp:all":
            return self.offered()
        # A device of version 2 answers searches for version 1, with the version asked.
        base, _, version = asked.rpartition(":")
        for offer in self.offered():
            name, _, ours = offer.rpartition(":")
            if offer == asked or (name == base and version.isdigit() and ours.isdigit() and
                                  int(version) <= int(ours)):
                return [asked]
        return []

    def fields(self, target, location, six=False):
        conf, o = self.gateway.conf["ssdp"], self.gateway.options
        values = {"lan": f"[{o.lan6[0]}]" if six else o.lan, "port": self.igd.port, "uuid": self.igd.uuid, "target": target,
                  "path": self.gateway.conf["description"]["path"]}
        fields = {"LOCATION": location.format(**values), "USN": conf["usn"].format(**values),
                  "SERVER": "Scripted/1.0 UPnP/1.1 natd-lab/1"}
        if conf["bootid"]:
            fields |= {"BOOTID.UPNP.ORG": str(self.gateway.boots + 1000),
                       "CONFIGID.UPNP.ORG": "1"}
        return fields | conf["headers"]

    def answer(self, target, location, six):
        fields = {"CACHE-CONTROL": "max-age=120", "EXT": "", "ST": target}
        fields |= self.fields(target, location, six)
        return "HTTP/1.1 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"

    def notify(self, kind):
        if not self.sockets:
            return
        for target in self.offered():
            fields = {"HOST": f"{GROUP}:{PORT}", "NT": target, "NTS": "ssdp:" + kind,
                      "CACHE-CONTROL": "max-age=120"}
            fields |= self.fields(target, self.gateway.conf["ssdp"]["location"][0])
            text = "NOTIFY * HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
            self.send(self.sockets["unicast"], (text + "\r\n").encode("latin-1"), (GROUP, PORT))
