"""What could survive attackers who retrain: erased templates, drawn classes.

A matcher's template of a picture tells the gender by itself. A perturber that keeps the template
(lambda_m, Eq. 2 of PrivacyNet) keeps that too, and whoever trains on protected pictures reads it.
Two ways out are measured: the matching loss compares with the *erased* template of the original,
and the class to show is drawn for each picture, so that nobody can turn the answer round.
"""

from functools import cache, partial
from typing import Any

import numpy as np

from sfumato.audit.pictures import look, pairing_figures
from sfumato.faces.encoders import make_encoder
from sfumato.metrics.image import ssim
from sfumato.reproduce._attack import GENDER, Attack
from sfumato.reproduce._perturbers_trained import trained
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.experiment import Experiment
from sfumato.reproduce.outputs import (
    MATCHER,
    all_machines,
    reader_names,
    reader_notes,
    reading_figures,
)
from sfumato.reproduce.pictures import JUDGED, Learnt, tried_faces

WHERE = "CelebA"
#: Method, whether its matching loss compares with erased templates, whether the class is drawn.
VERSIONS = {
    "the original": None,
    "privacynet": ("privacynet", False, False),
    "privacynet, drawn": ("privacynet", False, True),
    "privacynet, erased": ("privacynet", True, False),
    "privacynet, erased, drawn": ("privacynet", True, True),
    "controllable, drawn": ("controllable", False, True),
}
QUICK = ("the original", "privacynet, erased, drawn", "controllable, drawn")
NOTES = [
    "EER of gender, hidden, on CelebA's test people: 0.5 is chance, above it readers say the "
    "opposite; attackers' above 0.5 count as 1 less that. Read: by readers that no perturber saw. "
    "Retrained: attackers have the true gender of CelebA's validation people and protect their "
    "pictures as the user does; a network on the pixels, afresh or (tuned) from the weights of "
    "sfumato's reader of pixels, which knows many faces; the strongest of nine attackers on the "
    "templates of dlib's ResNet (never seen in training) and of MobileFaceNet (the matcher of the "
    "training), and a network that learns to undo the change, before sfumato's readers.",
    "TMR at FMR 1e-2; O original, P protected.",
    "Drawn: the class to show is drawn for each picture among both; else the opposite one is "
    "shown. Erased: in training the templates of changed pictures shall be those that the "
    "barycentre eraser makes of the originals'. PrivacyNet's generator learns against two readers "
    "and copies of them that go on learning from its pictures: attackers who retrain. "
    "controllable has no network.",
]


def run(context: Any) -> Findings:
    """Attack every version; see :class:`sfumato.reproduce.experiment.Experiment`."""
    faces = cache(lambda: (tried_faces(context)[WHERE], Learnt.read(context, JUDGED).of("val")))
    originals = cache(lambda: _looked(context, faces()[0].images))
    names = context.pick(QUICK, VERSIONS)

    def measure(seed):
        cell = partial(_measured, context, faces, originals, seed)
        return context.once_each(names, cell, f"seed {seed}, {reader_names()}")

    return Findings(rows_of(context.over_seeds(measure)), NOTES + reader_notes())


def _measured(context, faces, originals, seed, name):
    version = VERSIONS[name]
    tried, others = faces()
    changed = partial(_changed, context, version, seed)
    images = changed(tried.images)
    before, after = originals(), _looked(context, images)
    found = {
        ("read", reader): value
        for (reader, what), value in reading_figures(tried, before, after).items()
        if what == f"{GENDER} EER"
    }
    attack = Attack.of(context, changed, tried, others, seed)
    found["retrained", "network on pixels"] = attack.on_pixels()
    found["retrained", "network on pixels, tuned"] = attack.on_pixels_tuned()
    for matcher, encoder in _encoders(context).items():
        found["retrained", f"templates, {matcher}"] = attack.on_templates(encoder)
    if version is not None:
        found["retrained", "inversion"] = attack.undone()
    for (matcher, what), value in pairing_figures(before, after, tried.identity).items():
        if what.endswith("TMR@1e-2"):
            found[f"TMR, {matcher}", what.split()[0]] = value
    found["read", "SSIM"] = float(ssim(tried.images, images).mean())
    return found


def _looked(context, images):
    return look(images, all_machines()[0], _encoders(context))


def _encoders(context):
    """Return the unseen matcher and, where it is there, the one of the training."""
    known = context.templates.encoder
    _, unseen = all_machines()
    return unseen | ({"MobileFaceNet": make_encoder(known)} if known != MATCHER else {})


def _changed(context, version, seed, images):
    if version is None:
        return np.asarray(images)
    name, erased, at_random = version
    method = trained(context, name, seed, erased=erased)
    return method.transform(images, hide=GENDER, at_random=at_random)


EXPERIMENT = Experiment(
    title="Perturbers against retraining",
    shows="What attackers who retrain on protected pictures read of gender if the matching loss "
    "wants erased templates, and if the class to show is drawn, and what it costs in matching.",
    source="this project",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 15, "full": 7200},
    extras=("deep", "faces"),
)
