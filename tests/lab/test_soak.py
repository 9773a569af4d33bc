"""Faults and clients at random: at the end wanted, held and the router's table are the same.

The seed is printed and repeats the run: soak.py KIND SEED SECONDS.  NATD_SOAK_SEED sets it;
without it the short run has always the same one, the long ones have a new one each time.
"""

import os
import subprocess
import time

import daemon
import home as h
import pytest
from lab import TOP
from soak import KINDS, Soak

SEED = int(os.environ.get("NATD_SOAK_SEED", time.time()))
SHORT_SEED = int(os.environ.get("NATD_SOAK_SEED", 20261120))


def soak(kind, seed, seconds):
    print(f"soak.py {kind} {seed} {seconds}")
    with h.home() as place:
        s = Soak(place, kind, seed)
        try:
            s.run(1)  # what is needed once is there now
            before = s.natd.rss_kib()
            s.run(seconds)
            grown = s.natd.rss_kib() - before
            code, said = s.stop()
        except BaseException:
            print(s.report())
            raise
        finally:
            s.close()
    assert code == 0, said[-5000:]
    assert "ERROR: " not in said and "runtime error" not in said, said[-5000:]
    return grown


def test_soak_for_a_while():
    kind = list(KINDS)[SHORT_SEED % len(KINDS)]
    assert soak(kind, SHORT_SEED, 7) < 1024


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_soak_ten_minutes(kind):
    assert soak(kind, SEED, 100) < 1024


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_soak_with_sanitizers(kind, monkeypatch):
    """LeakSanitizer at natd's end turns a leak into an exit code."""
    binary = "build/san/natd"
    subprocess.run(["make", "SANITIZE=address,undefined", "BUILD=build/san", binary], cwd=TOP,
                   check=True)
    monkeypatch.setattr(daemon, "BINARY", str(TOP / binary))
    soak(kind, SEED, 100)
