"""meddle.c for a natd of the lab: memory refused at the n-th request, a wall clock that jumps, a
machine that sleeps, socket filters that are refused.

    meddle = Meddle(directory)
    natd = Natd(node, start=False)
    natd.start(env=meddle.env)
    meddle.refuse(17)          # the 17th allocation from now on
"""

import mmap
import os
import shlex
import struct
import subprocess

from lab import HERE

FIELDS = ("refuse_in", "refuse_more", "requests", "refused", "living", "realtime_shift_s",
          "asleep_s", "no_filters")


class Meddle:
    def __init__(self, directory):
        library, path = directory / "meddle.so", directory / "orders"
        compiler = shlex.split(os.environ.get("CC", "gcc"))
        subprocess.run([*compiler, "-std=c11", "-O2", "-shared", "-fPIC", "-o", library, HERE / "meddle.c",
                        "-ldl"], check=True)
        path.write_bytes(bytes(8 * len(FIELDS)))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8 * len(FIELDS))
        self.env = {"LD_PRELOAD": str(library), "MEDDLE": str(path)}

    def __getattr__(self, name):
        return struct.unpack_from("q", self.map, 8 * FIELDS.index(name))[0]

    def order(self, **values):
        for name, value in values.items():
            struct.pack_into("q", self.map, 8 * FIELDS.index(name), value)

    def refuse(self, nth, more=0):
        self.order(refuse_in=0)
        self.order(refuse_more=more, requests=0, refused=0)
        self.order(refuse_in=nth)
