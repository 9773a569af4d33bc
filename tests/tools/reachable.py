"""Runs a command, the tests, with natd and natctl where every user can run them.

    reachable.py BUILD COMMAND [ARGUMENT...]

Tests run them as other users, and the folder of a user is closed to those: Debian's adduser makes
it so, and /root is.  Then the programs are copied out of it for as long as the command runs.  NATD
and NATCTL say where they are.
"""

import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

PROGRAMS = "natd", "natctl", "libnatd.so.0"


def is_open(folder):
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def run(folder, command):
    env = os.environ | {"NATD": str(folder / "natd"), "NATCTL": str(folder / "natctl")}
    return subprocess.run(command, env=env).returncode


def main():
    build, command = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    if is_open(build):
        return run(build, command)
    with tempfile.TemporaryDirectory(prefix="natd-programs-") as copy:
        os.chmod(copy, 0o755)
        for name in PROGRAMS:
            shutil.copy(build / name, copy)
        return run(pathlib.Path(copy), command)


sys.exit(main())
