"""A Varlink client of the standard library only: call, more, descriptors.

    with Connection(path) as c:
        c.call("org.natd.NAT.Status")                       # the parameters of the reply
        for reply in c.more("org.natd.NAT.Monitor"): ...    # each reply in turn

Timeouts are in seconds; socket.timeout when nothing comes in time.
"""

import collections
import json
import socket


class VarlinkError(Exception):
    """The service answered with an error; .name is its full name."""

    def __init__(self, name, parameters):
        super().__init__(f"{name} {json.dumps(parameters)}")
        self.name, self.parameters = name, parameters


class Connection:
    def __init__(self, path, timeout_s=15.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.buffer, self.replies = b"", collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, method, parameters=None, fds=(), **flags):
        message = {"method": method, "parameters": parameters or {}, **flags}
        data = json.dumps(message).encode() + b"\0"
        if fds:
            sent = socket.send_fds(self.socket, [data[:1]], list(fds))
            data = data[sent:]
        self.socket.sendall(data)

    def receive(self, timeout_s=None):
        """One reply as it came: {"parameters":, "error":, "continues":}."""
        if timeout_s is not None:
            self.socket.settimeout(timeout_s)
        while not self.replies:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the service closed the connection")
            *messages, self.buffer = (self.buffer + data).split(b"\0")
            self.replies.extend(json.loads(m) for m in messages)
        return self.replies.popleft()

    def result(self, timeout_s=None):
        reply = self.receive(timeout_s)
        if reply.get("error"):
            raise VarlinkError(reply["error"], reply.get("parameters") or {})
        return reply["parameters"]

    def call(self, method, fds=(), **parameters):
        self.send(method, parameters, fds)
        return self.result()

    def more(self, method, fds=(), **parameters):
        """Each reply's parameters, until the last or until the caller stops."""
        self.send(method, parameters, fds, more=True)
        while True:
            reply = self.receive()
            if reply.get("error"):
                raise VarlinkError(reply["error"], reply.get("parameters") or {})
            yield reply["parameters"]
            if not reply.get("continues"):
                return
