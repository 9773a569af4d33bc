"""Time as a test may hold it against natd: without the moments in which the machine stood still.

A test fails when natd is late.  It must not when everything was: a virtual machine that gets no
processor for a second, say.  A thread of this process does nothing but sleep for a moment, again and
again: by how much it oversleeps, everybody lost.  A natd that is slow or waits costs it no sleep.

    since = now()
    natd.call("Status")
    assert lasted(since) < 0.5
"""

import contextlib
import functools
import os
import threading
import time

now = time.monotonic
BEAT_S, LATE_S = 0.02, 0.1  # how long it sleeps; what it may be late as on any busy machine


class Pulse:
    def __init__(self):
        self.stalls, self.last = [], now()
        threading.Thread(target=self.beat, daemon=True).start()

    def beat(self):
        while True:
            time.sleep(BEAT_S)
            self.stalls += self.present()
            self.last = now()

    def present(self):
        """The stall that is only just over, if there is one, as (its start, its end)."""
        last, at = self.last, now()
        return [(last + BEAT_S, at)] if at - last > BEAT_S + LATE_S else []


@functools.cache
def pulse():
    return Pulse()


def lasted(since, until=None):
    """Seconds from since, a time of now(), until then, less those in which everything stood still."""
    until = now() if until is None else until
    # A stall may be in both for a moment: what it is in twice counts once.
    found = sorted(set(pulse().present() + pulse().stalls[-1000:]))
    lost, counted = 0.0, since
    for start, end in found:
        start, end = max(start, counted), min(end, until)
        if end > start:
            lost, counted = lost + end - start, end
    return until - since - lost


def stood_still(since):
    """Whether anything since then may have come too late because everything did."""
    return lasted(since) < now() - since


def undisturbed(what, good, tries=5):
    """What it returns when that is good, or when nothing stood still meanwhile; else what the last try
    does."""
    for _ in range(tries):
        since = now()
        found = what()
        if good(found) or not stood_still(since):
            break
    return found


@contextlib.contextmanager
def urgent():
    """Above the other programs of this machine, as natd is that is measured: what is late then is
    natd, not who looks."""
    scheduler, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(9))
    try:
        yield
    finally:
        os.sched_setscheduler(0, scheduler & ~os.SCHED_RESET_ON_FORK, parameters)


def one_of(tries, failure=AssertionError):
    """A decorator: a trial must succeed once in so many, for whatever else runs here spoils one now
    and then.  What natd does wrong it does wrong each time."""
    def decorate(trial):
        @functools.wraps(trial)
        def run(*args, **options):
            for left in reversed(range(tries)):
                try:
                    return trial(*args, **options)
                except failure as e:
                    if not left:
                        raise
                    print(f"again: {e}")
        return run
    return decorate
