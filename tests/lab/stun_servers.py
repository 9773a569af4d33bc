"""Real STUN servers, with all of RFC 5780: natd itself, and coturn where it is installed.

    with stun_servers.natd(place.internet, nats.ONE, nats.TWO): ...
"""

import contextlib
import shutil

from daemon import Natd
from lab import search_path, wait_until


@contextlib.contextmanager
def natd(node, one, two):
    text = [f"[{a}]" if ":" in a else a for a in (one, two)]
    process = Natd(node, f"[StunServer]\nListen={text[0]}\nAlternateListen={text[1]}:3479\n"
                         "RateLimit=0\n")
    yield process
    process.stop()


@contextlib.contextmanager
def coturn(node, *addresses):
    """Debian's; see unpack_packages.sh."""
    process = node.spawn(
        "turnserver", "-n", "--stun-only", "--no-tls", "--no-dtls", "--no-cli", "--log-file=stdout",
        "--pidfile=/run/turnserver.pid", *[f"--listening-ip={a}" for a in addresses], log="coturn")
    wait_until(lambda: node.listening(3478, "udp") and node.listening(3479, "udp"), 10, "coturn")
    yield process
    process.kill()


HERE = [natd] + ([coturn] if shutil.which("turnserver", path=search_path()) else [])
