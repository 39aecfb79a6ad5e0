"""Damage to a gallery's files: 500 flips, truncations, removals and swaps, one at a time.

``python -m benchmarks gallery_damage [N]``. After each, people are listed, identified (by index
and exactly) and verified, all is exported, somebody is enrolled, and all is asked again: every
answer is that of the whole gallery, or one line. Done by ``tests/gallery/damage.py``.
"""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "tests/gallery/damage.py"


def run(n=500):
    """Return how many damages were refused or made no difference, and which went unseen: none."""
    return runpy.run_path(str(SCRIPT))["run"](int(n))
