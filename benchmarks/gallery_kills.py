"""Deletion after kills: 60 workers killed at random moments, then a person is looked for.

``python -m benchmarks gallery_kills [N_KILLS]``. Workers that enrol, index, delete, calibrate and
export are killed (SIGKILL), one after the other; after each a person is deleted, and every file
of the gallery and of the exports' folder is searched for the name, the ids and the vectors. At
last two writers and a reader work side by side for a minute. The worker and the search are those
of ``tests/gallery/kills.py``, whose short form is a test.
"""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "tests/gallery/kills.py"


def run(n_kills=60):
    """Return how many kills left files behind, and the files with traces: there must be none."""
    return runpy.run_path(str(SCRIPT))["run"](int(n_kills))
