"""Holds one cgroup for as long as its standard input is open, then removes it.

Run as `cgroup.py NAME`; prints a line when the cgroup NAME is there, directly below the
root of this cgroup namespace in the hierarchy of version 2.  It outlives whoever
started it by just this: what a killed test leaves in the cgroup is killed too.
"""

import ctypes
import os
import pathlib
import signal
import sys
import time

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 16384, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result == -1:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def remove(cgroup):
    """Kill what is in it and below, and remove it, innermost first."""
    for _ in range(500):
        folders = [pathlib.Path(folder) for folder, _, _ in os.walk(cgroup, topdown=False)]
        for folder in folders:
            for pid in (folder / "cgroup.procs").read_text().split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        try:
            for folder in folders:
                folder.rmdir()
            return
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"cannot remove {cgroup}")


def main():
    check(libc.unshare(CLONE_NEWNS))
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None))
    check(libc.mount(b"cgroup2", b"/mnt", b"cgroup2", ctypes.c_ulong(0), None))
    cgroup = pathlib.Path("/mnt") / sys.argv[1]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    cgroup.mkdir()
    try:
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        remove(cgroup)


main()
