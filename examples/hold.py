#!/usr/bin/env python3
"""Keeps a TCP port open while it runs, and prints what becomes of it: hold.py 8080"""

import json
import os
import socket
import sys
import time

CALL = {"method": "org.natd.NAT.RequestMapping", "more": True,
        "parameters": {"protocols": ["tcp"], "internalPort": int((sys.argv + ["8080"])[1])}}


def replies():
    """With "more" the mapping lives as long as the connection; each change is a reply."""
    with socket.socket(socket.AF_UNIX) as natd:
        natd.connect(os.environ.get("NATD_SOCKET", "/run/natd/org.natd.NAT"))
        natd.sendall(json.dumps(CALL).encode() + b"\0")
        rest = b""
        while data := natd.recv(65536):
            *messages, rest = (rest + data).split(b"\0")
            yield from map(json.loads, messages)


while True:
    try:
        for reply in replies():
            if "error" in reply:
                print("closed:", reply["error"], flush=True)
                if reply["error"] == "org.natd.NAT.ShuttingDown":
                    break
                sys.exit(1)
            runtime = reply["parameters"]["mapping"]["runtime"]
            if runtime["state"] in ("active", "renewing", "degraded"):
                print("open {address}:{port}".format(**runtime["external"]), flush=True)
            else:
                print("closed:", runtime["state"], flush=True)
    except OSError as error:
        print("closed:", error, flush=True)
    time.sleep(1)  # natd is being restarted: ask again
