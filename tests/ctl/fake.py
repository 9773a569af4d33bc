"""A scripted natd: answers each method as a test says, and checks what natctl sends.

An answer is a dict (the parameters), Error, Raw (bytes as they are), CLOSE, SILENCE, or a
list of answers for a call with "more": all but a Last() carry "continues", and the
connection then stays open for push().  A method may have several answers in turn: Turns.
Every request and every answer that is not Raw is held against the interface.
"""

import json
import pathlib
import queue
import socket
import threading

import idl

TOP = pathlib.Path(__file__).resolve().parents[2]
NAT = idl.Interface((TOP / "etc/org.natd.NAT.varlink").read_text())
SERVICE = idl.Interface("""interface org.varlink.service
method GetInfo() -> (vendor: string, product: string, version: string, url: string,
  interfaces: []string)
method GetInterfaceDescription(interface: string) -> (description: string)
error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
""")
INTERFACES = {i.name: i for i in (NAT, SERVICE)}

CLOSE = object()
SILENCE = object()


class Error:
    def __init__(self, name, **parameters):
        self.name = name if "." in name else f"{NAT.name}.{name}"
        self.parameters = parameters


class Raw:
    def __init__(self, data):
        self.data = data


class Last:
    def __init__(self, answer):
        self.answer = answer


class Turns:
    def __init__(self, *answers):
        self.answers = list(answers)

    def take(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Fake:
    def __init__(self, path, answers):
        self.path, self.answers = str(path), answers
        self.requests, self.faults = [], []
        self.calls = queue.Queue()       # (method, parameters) as they come
        self.hangups = queue.Queue()     # one item for each connection natctl ended
        self.streams = queue.Queue()     # connections with an open "more" call
        self.connections = []
        self.listen()

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        buffer = b""
        try:
            while data := connection.recv(1 << 16):
                *messages, buffer = (buffer + data).split(b"\0")
                for message in messages:
                    self.take(connection, message)
            self.hangups.put(True)
        except OSError:
            self.hangups.put(False)
        except AssertionError as fault:
            self.faults.append(str(fault))
        finally:
            connection.close()

    def take(self, connection, message):
        call = json.loads(message)
        assert not call.keys() - {"method", "parameters", "more"}, call
        name = call["method"]
        interface, _, method = name.rpartition(".")
        given, result = INTERFACES[interface].methods.get(method, (None, None))
        if given:
            INTERFACES[interface].check(given, call["parameters"], name)
        self.requests.append((method, call["parameters"], call.get("more", False)))
        self.calls.put((method, call["parameters"]))
        answer = self.answers[method]
        if callable(answer):
            answer = answer(call["parameters"])
        if isinstance(answer, Turns):
            answer = answer.take()
        self.answer(connection, answer, method, call.get("more", False))

    def answer(self, connection, answer, method, more):
        for item in answer if isinstance(answer, list) else [answer]:
            self.send(connection, item, method, more and isinstance(answer, list))
        if more and isinstance(answer, list) and not isinstance(answer[-1], Last):
            self.streams.put((connection, method))

    def send(self, connection, item, method, continues):
        if isinstance(item, Last):
            item, continues = item.answer, False
        if item is SILENCE:
            return
        if item is CLOSE:
            connection.shutdown(socket.SHUT_RDWR)
            return
        if isinstance(item, Raw):
            connection.sendall(item.data)
            return
        reply = {"parameters": item}
        if isinstance(item, Error):
            interface, _, name = item.name.rpartition(".")
            kind = INTERFACES[interface].errors.get(name) if interface in INTERFACES else None
            if kind:
                INTERFACES[interface].check(kind, item.parameters, item.name)
            reply = {"error": item.name, "parameters": item.parameters}
        else:
            for known in INTERFACES.values():
                if method in known.methods:
                    known.check(known.methods[method][1], item, method)
            if continues:
                reply["continues"] = True
        connection.sendall(json.dumps(reply, ensure_ascii=False).encode() + b"\0")

    def stream(self, timeout_s=30):
        """push() goes to the next connection that opens a "more" call."""
        self.current = self.streams.get(timeout=timeout_s)

    def push(self, item):
        connection, method = self.current
        self.send(connection, item, method, True)

    def stop(self):
        """As a daemon that dies: every connection ends."""
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        # The number of a closed descriptor is soon that of another listener.
        self.acceptor.join()
        self.listener.close()
        pathlib.Path(self.path).unlink(missing_ok=True)
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections = []
