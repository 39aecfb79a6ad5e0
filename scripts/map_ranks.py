"""Measure whether trained maps give up any direction, fitted as erasers-leaderboard fits them.

    SFUMATO_DATA=... python scripts/map_ranks.py CACHE figures.json [ERASER ...]

By default all erasers whose output is no narrower than their input. Figures that are in the file
stay, so that an interrupted run goes on.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from sfumato.reproduce._map_rank import NO_NARROWER, ranks
from sfumato.reproduce.erasers_leaderboard import SHORT, Gender, fitted
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.templates import FaceTemplates

SEED = 0


def main(cache, output, *methods):
    """Fit one after the other, write each as it is done."""
    output = Path(output)
    found = json.loads(output.read_text())["ranks"] if output.is_file() else {}
    rows = Gender.read(Context(FaceTemplates(cache=cache), "full", (SEED,))).fit_rows(SEED)
    for method in methods or NO_NARROWER:
        if method in found:
            continue
        eraser, _ = fitted(rows, method, SEED, SHORT.get(method, {}))
        found[method] = ranks(eraser.transform, rows[0], SEED)
        about = {
            "command": "scripts/map_ranks.py",
            "date": datetime.now(UTC).date().isoformat(),
            "seed": SEED,
        }
        output.write_text(json.dumps(about | {"ranks": found}, indent=1) + "\n")
        print(method, found[method], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
