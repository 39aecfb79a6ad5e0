"""SensitiveNets, Table II: attackers retrained on pictures whose gender SAN was to hide [1]_.

References
----------
.. [1] Morales, Fierrez, Vera-Rodriguez, Tolosana, "SensitiveNets: learning agnostic
   representations with application to face images", TPAMI 2020, Sect. 4.3.
"""

import functools
from typing import Any

import numpy as np

from sfumato.audit.pictures import look
from sfumato.audit.protocol import audit
from sfumato.erasers.sensitivenets import SensitiveNetsEraser
from sfumato.reproduce._perturbers_trained import trained
from sfumato.reproduce._published import published
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.experiment import Experiment
from sfumato.reproduce.outputs import MATCHER, machines
from sfumato.reproduce.pictures import JUDGED, Learnt, tried_faces

SECTION, GENDER = "CelebA, test people", "gender"
# The paper's networks, SVM and random forest.
COLUMNS = {"MLP": "NN", "RBF SVM": "SVM", "random forest": "RF"}


def run(context: Any) -> Findings:
    """Measure the table; see :class:`sfumato.reproduce.experiment.Experiment`."""
    learnt = Learnt.read(context, JUDGED)
    images, labels, identity = learnt.of("val")
    rows = np.random.default_rng(0).permutation(len(images))[: context.pick(40, 3_000)]
    own = images[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
    tried = tried_faces(context)["CelebA"]
    train = {"X": own, "y": labels[GENDER][rows], "identity": identity[rows]}
    test = {
        "X": tried.images,
        "y": tried.labels[GENDER].astype(str),
        "identity": tried.identity,
    }

    def measure(seed):
        figures: dict = {}
        for name in ("original", "SAN", "SensitiveNets"):
            context.say(name)
            cell = functools.partial(_measured, context, name, learnt, (train, test), seed)
            found = context.once(f"{name}, seed {seed}", cell)
            figures |= {(SECTION, name, column): value for (column,), value in found.items()}
        return figures

    figures = context.over_seeds(measure)
    told = published("sensitivenets-table2")
    known = {key: value for key, value in told.items() if key in figures}
    notes = [
        "Balanced accuracy of attackers trained on templates (dlib's ResNet) of protected "
        "pictures of CelebA's validation people, tested on those of its test people. The paper "
        "used ResNet-50 on pictures that SAN's authors had made.",
        "SensitiveNets has half as many units as the templates have features, as in the paper, "
        "and is fitted on templates of CelebA's training people.",
    ]
    return Findings(rows_of(figures, known), notes)


def _measured(context, name, learnt, people, seed):
    _, encoders = machines()
    sides = []
    for side in people:
        images = side["X"]
        if name == "SAN":
            method = trained(context, "san", seed)
            images = method.transform(images, hide=GENDER, labels={GENDER: side["y"]})
        sides.append(side | {"X": look(images, {}, encoders).templates[MATCHER]})
    metric = encoders[MATCHER].metric
    if name == "SensitiveNets":
        eraser = _sensitivenets(context, learnt, encoders, seed)
        sides = [side | {"X": eraser.transform(side["X"])} for side in sides]
        metric = "cosine"
    found = audit(
        sides[0]["X"],
        sides[0]["y"],
        identity=sides[0]["identity"],
        test=sides[1],
        metric=metric,
        attackers=context.pick(["RBF SVM"], list(COLUMNS)),
        n_resamples=20,
        curve=False,
        match=False,
        seed=seed,
    )
    return {
        (COLUMNS[attacker],): result.balanced_accuracy
        for attacker, result in found.before.attacks.items()
    }


def _sensitivenets(context, learnt, encoders, seed):
    """Return SensitiveNets fitted on templates of training people, half as wide as these."""
    images, labels, identity = learnt.of("train")
    rows = np.random.default_rng(seed).permutation(len(images))[: context.pick(60, 6_000)]
    known = images[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
    X = look(known, {}, encoders).templates[MATCHER]
    small = {"n_triplets": 200, "n_epochs": 1, "detector_epochs": 1}
    eraser = SensitiveNetsEraser(
        n_units=X.shape[1] // 2, fixed_class="male", seed=seed, **context.pick(small, {})
    )
    return eraser.fit(X, labels[GENDER][rows], identity=identity[rows])


EXPERIMENT = Experiment(
    title="SensitiveNets, Table II",
    shows="What attackers read of gender who are retrained on templates of pictures that SAN "
    "protected, and on SensitiveNets' templates of the originals.",
    source="Morales, Fierrez, Vera-Rodriguez, Tolosana, SensitiveNets, TPAMI 2020",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 6, "full": 3000},
    extras=("deep", "faces"),
)
