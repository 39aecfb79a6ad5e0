"""Audit the barycentre eraser on real faces with the whole suite: the figures of the docs.

    SFUMATO_DATA=... python scripts/barycentre_faces.py CACHE figures.json [NAME=VALUE ...]

The eraser is fitted on CelebA's training people and UTKFace's adults; attackers are trained on
protected templates of CelebA's validation people and of 70 % of LFW's people. ``encoder=dlib``
chooses an encoder, ``seeds=[3,4]`` the seeds; another NAME=VALUE sets a parameter of the eraser.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from sfumato.audit.protocol import audit
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.reproduce._recorded import RECORDED
from sfumato.reproduce.erasers_leaderboard import Gender
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.templates import FaceTemplates

SEEDS = (0, 1, 2)


def main(cache, output, *options):
    """Fit and audit with every seed; write what was found after each."""
    chosen = dict(option.split("=") for option in options)
    templates = FaceTemplates(cache=cache, encoder=chosen.pop("encoder", None))
    chosen = {name: json.loads(value) for name, value in chosen.items()}
    seeds = chosen.pop("seeds", SEEDS)
    data, found = Gender.read(Context(templates, "full", seeds)), []
    for seed in seeds:
        X, y, identity, labels = data.fit_rows(seed, per_person=None)
        started = time.perf_counter()
        eraser = BarycentreEraser(**chosen, seed=seed)
        eraser.fit(X, y, identity=identity, context=labels)
        figures = {
            **eraser.get_params(),
            "n_directions": eraser.n_directions_,
            "fit_rows": len(X),
            "fit_seconds": time.perf_counter() - started,
            "lfw_view2_eer": data.view2(eraser.transform, "cosine"),
        }
        for name, sides in data.sections(seed).items():
            train, test = (
                side | {"X": eraser.transform(side["X"].astype(np.float32))} for side in sides
            )
            figures[name] = audit(
                **train,
                test=test,
                attackers=list(RECORDED),
                n_resamples=300,
                curve=False,
                seed=seed,
            ).to_dict()
        found.append(figures)
        Path(output).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
