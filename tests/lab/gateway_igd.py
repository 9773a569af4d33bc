"""UPnP IGD of the scripted gateway: HTTP, description, SOAP, GENA."""

import asyncio
import re
import socket
import struct
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

from gateway_ssdp import Ssdp

ENVELOPE = ('<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>{}</s:Body>'
            '</s:Envelope>\r\n')
ORDER = ["NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalPort",
         "NewInternalClient", "NewEnabled", "NewPortMappingDescription", "NewLeaseDuration"]
ERRORS = {401: "Invalid Action", 402: "Invalid Args", 501: "Action Failed",
          606: "Action not authorized", 704: "NoSuchEntry", 713: "SpecifiedArrayIndexInvalid",
          714: "NoSuchEntryInArray", 715: "WildCardNotPermittedInSrcIP",
          716: "WildCardNotPermittedInExtPort", 718: "ConflictInMappingEntry",
          724: "SamePortValuesRequired", 725: "OnlyPermanentLeasesSupported",
          726: "RemoteHostOnlySupportsWildcard", 727: "ExternalPortOnlySupportsWildcard",
          728: "NoPortMapsAvailable", 729: "ConflictWithOtherMechanisms",
          730: "PortMappingNotFound", 732: "WildCardNotPermittedInIntPort"}


COMMON = {"type": "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1",
          "control": "/ctl/common"}


class Fault(Exception):
    pass


class Igd:
    def __init__(self, gateway):
        self.gateway, self.server, self.port = gateway, None, 0
        self.uuid = "uuid:11111111-2222-4333-8444-555555555555"
        self.ssdp = Ssdp(gateway, self)
        self.subscribers, self.sequence = {}, 0
        self.open_writers = set()

    async def open(self):
        if self.gateway.conf["upnp"]["on"]:
            await self.listen(self.gateway.conf["http"]["port"])
            self.ssdp.open()

    async def listen(self, port):
        o = self.gateway.options
        addresses = [o.lan] + [f"{a}%{o.interface}" if a.startswith("fe80") else a
                               for a in o.lan6]
        if self.gateway.conf["ssdp"]["source"]:
            addresses.append(self.gateway.conf["ssdp"]["source"])
        self.server = await asyncio.start_server(self.serve, addresses[0], port)
        self.port = self.server.sockets[0].getsockname()[1]
        self.more = [await asyncio.start_server(self.serve, a, self.port) for a in addresses[1:]]

    async def close(self):
        for server in [self.server, *getattr(self, "more", [])] if self.server else []:
            server.close()
        for writer in list(self.open_writers):
            writer.transport.abort()
        self.server = None

    async def reopen(self):
        """After a restart: perhaps on another port; subscriptions are forgotten."""
        if not self.gateway.conf["upnp"]["on"]:
            return
        self.subscribers, port = {}, self.port
        await self.close()
        await self.listen(0 if self.gateway.conf["http"]["moves"] else port)

    # ---- HTTP

    async def serve(self, reader, writer):
        self.open_writers.add(writer)
        try:
            await asyncio.wait_for(self.serve_one(reader, writer), 60)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_writers.discard(writer)
            writer.close()

    async def serve_one(self, reader, writer):
        data, flaws = await reader.read(65536), []
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        if len(lines[0].split(" ")) != 3:
            return
        verb, path, _ = lines[0].split(" ")
        pairs = [(k.strip(), v.strip()) for k, _, v in (line.partition(":") for line in lines[1:])]
        headers = {k.lower(): v for k, v in pairs}
        length = int(headers.get("content-length", 0))
        if len(body) < length:
            flaws.append("several-writes")
            body += await reader.readexactly(length - len(body))
        if "expect" in headers or "transfer-encoding" in headers:
            flaws.append("expect")
        own = writer.get_extra_info("sockname")[0].split("%")[0]
        if headers.get("host") != f"{f'[{own}]' if ':' in own else own}:{self.port}":
            flaws.append("host")
        peer = writer.get_extra_info("peername")
        facts = {"source": peer[0], "path": path, "family": 6 if ":" in peer[0] else 4}
        await asyncio.sleep(0)
        if reader.at_eof():
            flaws.append("half-close")
        if verb == "POST":
            await self.post(writer, pairs, body.decode("utf-8", "replace"), facts, flaws)
        elif verb == "GET":
            await self.get(writer, facts, flaws)
        elif verb in ("SUBSCRIBE", "UNSUBSCRIBE"):
            await self.subscribe(writer, verb, headers, facts)
        else:
            await self.respond(writer, 501, "", {})

    async def respond(self, writer, status, text, do, kind='text/xml; charset="utf-8"',
                      headers=None):
        http = self.gateway.conf["http"]
        if do.get("delay_ms"):
            await asyncio.sleep(do["delay_ms"] / 1000)
        if do.get("close"):
            if do["close"] == "rst":
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            return
        body = (do.get("body") or text).encode() + b" " * http["extra"] * (kind is not None)
        fields = {"Content-Type": kind, "Server": "Scripted/1.0", "Connection": "close"}
        fields |= headers or {}
        transfer = do.get("transfer", http["transfer"])
        if transfer == "length":
            fields["Content-Length"] = do.get("length", len(body))
        elif transfer == "chunked":
            fields["Transfer-Encoding"] = "chunked"
            parts = [body[i:i + 700] for i in range(0, len(body), 700)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
        fields |= http["headers"] | do.get("headers", {})
        head = f"HTTP/{http['version']} {do.get('status', status)} X\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        await self.write(writer, head.encode("latin-1") + body, do)

    async def write(self, writer, data, do):
        drip = do.get("drip_ms", self.gateway.conf["http"]["drip_ms"])
        if do.get("endless"):
            while True:
                writer.write(do["endless"].encode() * 64)
                await writer.drain()
        if drip:
            for i in range(len(data)):
                writer.write(data[i:i + 1])
                await writer.drain()
                await asyncio.sleep(drip / 1000)
        elif "garbage" in do:
            writer.write(do["garbage"].encode())
        else:
            writer.write(data)
        await writer.drain()

    async def get(self, writer, facts, flaws):
        g = self.gateway
        facts["flaws"] = flaws
        do = g.rule("http.get", facts)
        if do.get("drop"):
            g.log("http.get", facts, "dropped")
            return await asyncio.sleep(30)
        found = facts["path"].split("?")[0] == g.conf["description"]["path"]
        status = do.get("status", 200 if found else 404)
        g.log("http.get", facts, status)
        await self.respond(writer, status, self.describe() if found else "", do)

    # ---- description

    def describe(self):
        d = self.gateway.conf["description"]
        if d["file"]:
            with open(d["file"], encoding="utf-8") as f:
                return f.read()
        url_base = d["url_base"].format(lan=self.gateway.options.lan, port=self.port)
        devices = {}
        for number, service in enumerate(self.gateway.conf["service"]):
            devices.setdefault(service.get("device", 1), []).append(self.service(number, service))
        version, name = d["version"], "urn:schemas-upnp-org:device:"
        wan = "".join(
            f"<device><deviceType>{name}WANDevice:{version}</deviceType><friendlyName>WAN</friendlyName>"
            f"<UDN>{self.uuid}-{n}</UDN><serviceList>{self.service('common', COMMON)}</serviceList>"
            "<deviceList><device>"
            f"<deviceType>{name}WANConnectionDevice:{version}</deviceType>"
            f"<friendlyName>Connection</friendlyName><UDN>{self.uuid}-{n}c</UDN>"
            f"<serviceList>{''.join(services)}</serviceList></device></deviceList></device>"
            for n, services in devices.items())
        base = f"<URLBase>{escape(url_base)}</URLBase>" if url_base else ""
        xml = ('<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion>'
               f'<major>1</major><minor>0</minor></specVersion>{base}<device>'
               f'<deviceType>{name}InternetGatewayDevice:{version}</deviceType>'
               f'<friendlyName>{escape(d["name"])}</friendlyName><manufacturer>Lab</manufacturer>'
               f'<modelName>Scripted</modelName><UDN>{self.uuid}</UDN>'
               f'<deviceList>{wan}</deviceList></device></root>')
        return d["wrap"].format(xml=xml)

    def service(self, number, service):
        path = service.get("control", f"/ctl/{number}")
        control = self.gateway.conf["description"]["control"].format(
            path=path, lan=self.gateway.options.lan, port=self.port)
        kind = service["type"].split(":")[-2]
        return (f"<service><serviceType>{service['type']}</serviceType>"
                f"<serviceId>urn:upnp-org:serviceId:{kind}{number}</serviceId>"
                f"<controlURL>{escape(control)}</controlURL><eventSubURL>/evt/{number}</eventSubURL>"
                f"<SCPDURL>/scpd/{number}.xml</SCPDURL></service>")

    def service_at(self, path):
        for number, service in enumerate([*self.gateway.conf["service"], COMMON]):
            own = service.get("control", f"/ctl/{number}")
            if path in (own, "/" + own.lstrip("/")):
                return service
        return None

    # ---- SOAP

    async def post(self, writer, pairs, text, facts, flaws):
        g = self.gateway
        named = next(((k, v) for k, v in pairs if k.lower() == "soapaction"), ("", ""))
        kind = next((v for k, v in pairs if k.lower() == "content-type"), "")
        checks = {"header-case": named[0] != "SOAPAction", "unquoted": not named[1].startswith('"'),
                  "content-type": kind != 'text/xml; charset="utf-8"',
                  "white-space": re.search(r">\s+<", text.split("?>", 1)[-1].strip()) is not None,
                  "prefix": "<s:Envelope" not in text or "<u:" not in text}
        flaws += [name for name, wrong in checks.items() if wrong]
        action, arguments = self.read_soap(text, flaws)
        facts.update(arguments=arguments, flaws=flaws, service=named[1].strip('"').split("#")[0])
        self.add_facts(action, arguments, facts, flaws)
        event = "soap." + action
        do = g.rule(event, facts)
        if do.get("drop"):
            g.log(event, facts, "dropped")
            return await asyncio.sleep(30)
        g.expire()
        service = self.service_at(facts["path"])
        try:
            if do.get("error"):
                raise Fault(do["error"])
            if not service or facts["service"] != service["type"]:
                raise Fault(401)
            out = self.act(action, arguments, facts, service, do)
        except Fault as fault:
            code = fault.args[0]
            g.log(event, facts, code)
            return await self.respond(writer, do.get("fault_status", 500), self.fault(code), do)
        except (KeyError, ValueError):
            g.log(event, facts, 402)
            return await self.respond(writer, 500, self.fault(402), do)
        g.log(event, facts, do.get("close", 0) or do.get("status", 0))
        p = g.conf["soap"]["prefix"]
        inner = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in out.items())
        await self.respond(writer, 200, ENVELOPE.format(
            f'<{p}:{action}Response xmlns:{p}="{service["type"]}">{inner}</{p}:{action}Response>'),
            do)

    def fault(self, code):
        shown = f"\n  {code}\n" if self.gateway.conf["soap"]["pad_error"] else str(code)
        return ENVELOPE.format(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
            '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
            f"<errorCode>{shown}</errorCode>"
            f"<errorDescription>{ERRORS.get(code, 'Unknown')}</errorDescription>"
            "</UPnPError></detail></s:Fault>")

    def read_soap(self, text, flaws):
        try:
            element = ElementTree.fromstring(text)[0][0]
        except (ElementTree.ParseError, IndexError):
            flaws.append("not-soap")
            return "unknown", {}
        return element.tag.split("}")[-1], {e.tag.split("}")[-1]: e.text or "" for e in element}

    def add_facts(self, action, a, facts, flaws):
        def number(key):
            return int(a[key]) if a.get(key, "").isdigit() else None
        if "PortMapping" in action:
            facts.update(lease=number("NewLeaseDuration"), external_port=number("NewExternalPort"),
                         internal_port=number("NewInternalPort"), client=a.get("NewInternalClient"),
                         protocol=a.get("NewProtocol", "").lower())
            held = self.gateway.table.get((facts["protocol"], facts["external_port"]))
            facts["taken"] = bool(held and held.client != (facts["client"] or facts["source"]))
            facts["held"] = bool(held and not facts["taken"])
            if action in ("AddPortMapping", "AddAnyPortMapping"):
                if list(a) != ORDER:
                    flaws.append("argument-order")
                if a.get("NewProtocol") not in ("TCP", "UDP"):
                    flaws.append("protocol-case")
                if not re.fullmatch(r"[ -%'-;=?-~]*", a.get("NewPortMappingDescription", "")):
                    flaws.append("description")
                if facts["client"] != facts["source"]:
                    flaws.append("client")
                if a.get("NewRemoteHost"):
                    flaws.append("remote-host")

    def act(self, action, a, facts, service, do):
        handler = getattr(self, "do_" + action, None)
        version2 = service["type"].endswith(":2")
        if not handler or (action in ("AddAnyPortMapping", "GetListOfPortMappings",
                                      "DeletePortMappingRange") and not version2):
            raise Fault(401)
        return handler(a, facts, service, do)

    def do_GetExternalIPAddress(self, a, facts, service, do):
        return {"NewExternalIPAddress": do.get("address", service.get("address", self.gateway.wan))}

    def do_GetStatusInfo(self, a, facts, service, do):
        g = self.gateway
        since = g.boot if g.conf["wan"]["uptime"] else g.started
        return {"NewConnectionStatus": service.get("status", g.conf["wan"]["status"]),
                "NewLastConnectionError": "ERROR_NONE",
                "NewUptime": 3600 * (g.boots == 1) + int(g.now() - since)}

    def do_GetCommonLinkProperties(self, a, facts, service, do):
        return {"NewWANAccessType": "Ethernet", "NewLayer1UpstreamMaxBitRate": 100000000,
                "NewLayer1DownstreamMaxBitRate": 100000000, "NewPhysicalLinkStatus": "Up"}

    def add(self, facts, do, any_port, description):
        from gateway import Entry
        g, protocol = self.gateway, facts["protocol"]
        if protocol not in ("tcp", "udp") or not facts["internal_port"] or not facts["client"]:
            raise Fault(402)
        port = g.choose_port(do, protocol, facts["external_port"], facts["internal_port"])
        held = g.table.get((protocol, port))
        if held and held.client != facts["client"]:
            if not any_port:
                raise Fault(718)
            port, held = g.free_port(protocol, port + 1), None
        t = g.conf["table"]
        full = not held and len(g.table) >= t["capacity"]
        if full and t["on_full"] != "silent":
            raise Fault(t["on_full"])
        lease = do.get("grant_lease", g.grant(facts["lease"]))
        if not full and not do.get("forget"):
            g.insert(Entry(protocol, port, do.get("client", facts["client"]),
                           facts["internal_port"], lease, g.now() + lease if lease else None,
                           description=description, via="upnp"))
        return port

    def do_AddPortMapping(self, a, facts, service, do):
        self.add(facts, do, False, a["NewPortMappingDescription"])
        return {}

    def do_AddAnyPortMapping(self, a, facts, service, do):
        return {"NewReservedPort": self.add(facts, do, True, a["NewPortMappingDescription"])}

    def do_DeletePortMapping(self, a, facts, service, do):
        held = self.gateway.table.get((facts["protocol"], facts["external_port"]))
        if not held:
            raise Fault(714)
        if held.client != facts["source"] and not self.gateway.conf["soap"]["delete_any"]:
            raise Fault(606)
        del self.gateway.table[(facts["protocol"], facts["external_port"])]
        return {}

    def entry_values(self, entry):
        left = entry.left(self.gateway.now()) if self.gateway.conf["lease"]["readback"] else 0
        return {"NewInternalPort": entry.internal_port, "NewInternalClient": entry.client,
                "NewEnabled": 1, "NewPortMappingDescription": entry.description,
                "NewLeaseDuration": left}

    def do_GetSpecificPortMappingEntry(self, a, facts, service, do):
        held = self.gateway.table.get((facts["protocol"], facts["external_port"]))
        if not held:
            raise Fault(714)
        return self.entry_values(held)

    def do_GetGenericPortMappingEntry(self, a, facts, service, do):
        entries, index = list(self.gateway.table.values()), int(a["NewPortMappingIndex"])
        if index >= len(entries):
            raise Fault(713)
        e = entries[index]
        return {"NewRemoteHost": "", "NewExternalPort": e.external_port,
                "NewProtocol": e.protocol.upper(), **self.entry_values(e)}

    # ---- WANIPv6FirewallControl

    def do_GetFirewallStatus(self, a, facts, service, do):
        return {"FirewallEnabled": 1, "InboundPinholeAllowed": do.get("allowed", 1)}

    def do_GetOutboundPinholeTimeout(self, a, facts, service, do):
        return {"OutboundPinholeTimeout": 120}

    def do_AddPinhole(self, a, facts, service, do):
        from gateway import Entry
        g = self.gateway
        protocol = {"6": "tcp", "17": "udp"}[a["Protocol"]]
        key, lease, port = g.next_id, int(a["LeaseTime"]), int(a["InternalPort"])
        for e in g.pinholes.values():  # the same one again keeps its id
            if (e.protocol, e.client, e.internal_port) == (protocol, a["InternalClient"], port):
                key = e.unique_id
        g.next_id += key == g.next_id
        g.pinholes[key] = Entry(protocol, port, a["InternalClient"], port, lease,
                                g.now() + lease, via="upnp", unique_id=key)
        return {"UniqueID": key}

    def pinhole(self, a, facts):
        key = int(a["UniqueID"])
        if key not in self.gateway.pinholes:
            raise Fault(704)
        if self.gateway.pinholes[key].client != facts["source"]:
            raise Fault(606)
        return self.gateway.pinholes[key]

    def do_UpdatePinhole(self, a, facts, service, do):
        entry = self.pinhole(a, facts)
        entry.expires_s = self.gateway.now() + int(a["NewLeaseTime"])
        return {}

    def do_DeletePinhole(self, a, facts, service, do):
        del self.gateway.pinholes[self.pinhole(a, facts).unique_id]
        return {}

    def do_CheckPinholeWorking(self, a, facts, service, do):
        self.pinhole(a, facts)
        return {"IsWorking": 1}

    # ---- GENA

    async def subscribe(self, writer, verb, headers, facts):
        facts.update(sid=headers.get("sid"), callback=headers.get("callback"))
        event = "http." + verb.lower()
        do = self.gateway.rule(event, facts)
        sid, known = facts["sid"], facts["sid"] in self.subscribers
        status = do.get("status", 200 if self.gateway.conf["soap"]["events"] else 404)
        if status == 200 and sid and not known:
            status = 412
        self.gateway.log(event, facts, status)
        if status == 200 and not sid:
            sid = f"uuid:{len(self.subscribers) + 1:08x}-{self.gateway.boots}"
            self.subscribers[sid] = [facts["callback"].strip("<>"), 0]
        await self.respond(writer, status, "", do, kind=None,
                           headers={"SID": sid, "TIMEOUT": "Second-1800"})
        if status == 200 and verb == "SUBSCRIBE" and not known:
            asyncio.get_running_loop().create_task(self.event(sid))
        if verb == "UNSUBSCRIBE":
            self.subscribers.pop(sid, None)

    async def notify_address(self):
        for sid in list(self.subscribers):
            asyncio.get_running_loop().create_task(self.event(sid))

    async def event(self, sid):
        callback, sequence = self.subscribers[sid]
        self.subscribers[sid][1] += 1
        found = re.fullmatch(r"http://\[?([^/\]]+?)\]?:(\d+)(/.*)?", callback)
        if not found:
            return
        body = ('<e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0"><e:property>'
                f"<ExternalIPAddress>{self.gateway.wan}</ExternalIPAddress></e:property>"
                "</e:propertyset>")
        head = (f"NOTIFY {found[3] or '/'} HTTP/1.1\r\nHOST: {found[1]}:{found[2]}\r\n"
                "CONTENT-TYPE: text/xml\r\nNT: upnp:event\r\nNTS: upnp:propchange\r\n"
                f"SID: {sid}\r\nSEQ: {sequence}\r\nCONTENT-LENGTH: {len(body)}\r\n\r\n")
        try:
            reader, writer = await asyncio.open_connection(
                found[1], int(found[2]), local_addr=(self.gateway.options.lan, 0))
            writer.write((head + body).encode())
            await reader.read(4096)
            writer.close()
        except OSError as e:
            self.gateway.log("gena.failed", {"callback": callback}, str(e))
