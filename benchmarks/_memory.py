"""Memory of a process and all below it, shared by the benchmarks."""

import os
import re
import threading
from pathlib import Path


class PeakMemory:
    """The greatest memory of a process, by default this one, and all below it.

    ``shared`` counts what several of them share, too, each its part of it (PSS).
    """

    peak = 0

    def __init__(self, pid=None, *, shared=False):
        self._pid, self._bytes = pid or os.getpid(), _shared_bytes if shared else _own_bytes

    def __enter__(self):
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.1):
            self.peak = max(self.peak, sum(map(self._bytes, family(self._pid))))


def family_bytes(pid):
    """Return the bytes that a process and all below it have each for itself (USS)."""
    return sum(map(_own_bytes, family(pid)))


def family(pid):
    """Return the numbers of a process and of all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            found += family(int(child))
    return found


def _own_bytes(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _shared_bytes(pid):
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return 1024 * int(re.search(r"^Pss: +(\d+)", text, re.MULTILINE)[1])
