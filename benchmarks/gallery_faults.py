"""A full and a failing disk: every write of every change to a gallery fails once.

``python -m benchmarks gallery_faults [EVERY]`` (each EVERY-th write; 1 tries all) needs Linux and
a C compiler. ENOSPC (from the n-th write on) and EIO (of the n-th) are injected into what Python
and LanceDB write when they enrol, delete, index and calibrate; then the gallery must be as before
or after, the error must say which, and the change must succeed when it is made again. Done by
``tests/gallery/faults.py``.
"""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "tests/gallery/faults.py"


def run(every=1):
    """Return how many faults were injected, what was said, and what went wrong: nothing."""
    return runpy.run_path(str(SCRIPT))["run"](int(every))
