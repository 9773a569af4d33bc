"""Every example of examples/ keeps its port open: through a lost link and a restart of natd."""

import os
import shutil
import subprocess

import pytest

import home as h
from daemon import BUILD, Natd
from lab import TOP, LabError, search_path, wait_until

SOCKET = "/run/natd/org.natd.NAT"
EXAMPLES = {"hold.c": 7001, "hold.py": 7002, "hold.js": 7003, "hold.go": 7004, "hold.sh": 7005}
NEEDS = {"hold.js": "node", "hold.go": "go"}
# It says in a comment what the others do.
ENDS_WITH_NATD = {"hold.go"}


def command(name, folder):
    """How the example is run; compiled ones are compiled first."""
    source, program = TOP / "examples" / name, folder / name.replace(".", "-")
    if name == "hold.c":
        subprocess.run(["gcc", "-o", program, source, f"-I{TOP}/lib", BUILD / "libnatd.so.0",
                        f"-Wl,-rpath,{BUILD}"], check=True)
        return [program]
    if name == "hold.go":
        subprocess.run(["go", "build", "-o", program, source], check=True, cwd=folder,
                       env={**os.environ, "GOCACHE": str(folder / "cache"), "GO111MODULE": "off"})
        return [program, SOCKET]
    return {"hold.py": ["/usr/bin/python3"], "hold.js": ["node"], "hold.sh": ["sh"]}[name] + [source]


def stage(place, running, rules, kinds):
    """Until each has printed lines of these kinds, and the router has these rules; what never
    happens is for the tests to tell."""
    def reached():
        return place.router.rules() == rules and all(
            [line.split()[0] for line in lines(process)][-len(kinds):] == kinds
            for process in running.values())
    try:
        wait_until(reached, 10, "the examples", interval_s=0.05)
    except LabError:
        pass


def lines(process):
    """What it printed; a line that says the same as the one before it counts once."""
    kinds = []
    for line in process.output().splitlines():
        word = line.split(":")[0] if line.startswith("closed") else line
        if kinds[-1:] != [word]:
            kinds.append(word)
    return kinds


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """{name: (what was printed, exit code)} of all that can run here, and the rules left."""
    commands = {name: command(name, tmp_path_factory.mktemp("example")) for name in EXAMPLES
                if shutil.which(NEEDS.get(name, "sh"), path=search_path())}
    env = {"PATH": f"{BUILD}:{search_path()}"}
    with h.home() as place:
        place.router.start()
        place.lab.path("/run/natd").mkdir()
        natd = Natd(place.client, socket=SOCKET)
        running = {name: place.client.spawn(*argv, str(EXAMPLES[name]), log=name, env=env)
                   for name, argv in commands.items()}
        rules = {h.Rule("tcp", EXAMPLES[name], "192.168.1.20", EXAMPLES[name]) for name in commands}
        stage(place, running, rules, ["open"])
        place.unplug()
        stage(place, running, rules, ["closed"])
        place.replug()
        stage(place, running, rules, ["open"])
        natd.stop()
        stage(place, running, set(), ["closed"])
        natd.start()
        for name in ENDS_WITH_NATD & commands.keys():
            rules.discard(h.Rule("tcp", EXAMPLES[name], "192.168.1.20", EXAMPLES[name]))
            running[name].wait()
        staying = {name: process for name, process in running.items() if process.running()}
        stage(place, staying, rules, ["open"])
        forwarded = {name for name in staying
                     if h.forwards(place, "tcp", ("11.22.33.44", EXAMPLES[name]), EXAMPLES[name])}
        for process in staying.values():
            process.stop()
        stage(place, {}, set(), [])
        yield {name: lines(process) for name, process in running.items()}, forwarded, \
            place.router.rules()


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_follows_its_port(story, name):
    """Ask 3: one daemon that programs in any language ask."""
    printed, forwarded, _ = story
    if name not in printed:
        pytest.skip(f"{NEEDS[name]} is not installed")
    opened = f"open 11.22.33.44:{EXAMPLES[name]}"
    expected = [opened, "closed", opened, "closed"]
    if name not in ENDS_WITH_NATD:
        expected.append(opened)
        assert name in forwarded
    # One of them is told of its own end, too.
    assert printed[name][:5] == expected


def test_nothing_is_left(story):
    assert story[2] == set()
