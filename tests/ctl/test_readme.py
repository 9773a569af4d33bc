"""What README.md shows of the API and of natctl works as it is written."""

import re
import shlex
import subprocess
import sys

from conftest import TOP
import replies as r

README = (TOP / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)


def test_python_example(fake, socket_path):
    (example,) = [text for language, text in BLOCKS if language == "python"]
    assert '"/run/natd/org.natd.NAT"' in example
    natd = fake(RequestMapping={"mapping": r.WEB})
    done = subprocess.run(
        [sys.executable, "-c", example.replace("/run/natd/org.natd.NAT", str(socket_path))],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout == f"{r.WEB['runtime']['external']}\n"
    assert natd.calls.get_nowait()[1] == {
        "protocols": ["tcp"], "internalPort": 8080, "description": "web"}


def test_shell_examples_of_the_api(fake, natctl):
    lines = [shlex.split(line) for language, text in BLOCKS if language == "sh"
             for line in text.splitlines() if re.match(r"natctl (call|interface)", line)]
    assert len(lines) == 3
    fake(Status=r.STATUS, RequestMapping={"mapping": r.WEB})
    for _, *argv in lines:
        assert natctl(*argv)


def test_verbs_and_options_exist(natctl):
    lines = [shlex.split(line.partition("#")[0]) for language, text in BLOCKS if language == "sh"
             for line in text.splitlines() if re.match(r"(\./build/)?natctl( |$)", line)]
    verbs = set(re.findall(r"^  (\w+)  ", natctl("help"), re.M))
    assert len(lines) >= 8
    for _, *words in lines:
        words = words[: words.index("--")] if "--" in words else words
        verb = next((word for word in words if word in verbs), None)
        assert verb or not words, words
        options = natctl("help", verb) if verb else ""
        for option in (word for word in words if word.startswith("-")):
            assert re.search(rf"(^| ){re.escape(option)}\b", options, re.M), option


def test_only_the_verb_stun_talks_to_the_network():
    """As the table of folders says; all else is natd's."""
    row, = re.findall(r"^\| `ctl/` \|.*$", README, re.M)
    assert "only `natctl stun` asks the network itself (`stun*.c`), and `verify` lends" in row
    main = " ".join((TOP / "ctl/main.c").read_text().replace("\n *", " ").split())
    assert '"stun" (ctl/stun*.c) asks a server over UDP' in main and '"verify" lends' in main
    network = re.compile(r"<(netinet|arpa|netdb|resolv|mbedtls|ares)\b|sockaddr_in\b|daemon/dns")
    talks = {path.name for path in (TOP / "ctl").glob("*.c") if network.search(path.read_text())}
    assert {name for name in talks if not name.startswith("stun")} == {"verify.c"}
