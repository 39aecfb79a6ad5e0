"""SensitiveNets, Table I: recognition, and what probes read, before and after [1]_.

References
----------
.. [1] Morales, Fierrez, Vera-Rodriguez, Tolosana, "SensitiveNets: Learning Agnostic
   Representations with Application to Face Images", IEEE TPAMI 2020.
"""

from typing import Any

import numpy as np

from sfumato.audit.protocol import audit
from sfumato.audit.verification import verify
from sfumato.data.pairs import join_pairs, read_pairs
from sfumato.data.splits import balanced_rows
from sfumato.metrics.leakage import relative_reduction
from sfumato.reproduce._probes import probe
from sfumato.reproduce._published import published
from sfumato.reproduce._recorded import RECORDED
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.demographics import ATTRIBUTES, VALIDATION, WIDER, Demographics, unit_faces
from sfumato.reproduce.experiment import Experiment

RECOGNITION, UTKFACE, CELEBA = "LFW", "UTKFace", "CelebA test"
VIEWS = {"view1": "verification, view 1 test", "view2": "verification, view 2"}
STRONGEST = "strongest of the audit"
# Sect. 4.3: 9,000 images to train and 1,800 to test.
TEST_SHARE, MAX_TRAIN = 1 / 6, 9_000
QUICK = ["logistic regression", "RBF SVM", "quadratic discriminant"]


def _row(section, name, before, after, reduction):
    columns = {"before": before, "after": after, "reduction": reduction}
    return {(section, name, column): value for column, value in columns.items()}


def run(context: Any) -> Findings:
    """Measure the table; see :class:`sfumato.reproduce.experiment.Experiment`."""
    data = Demographics.read(context)
    lfw = unit_faces(context.templates.faces("lfw", "identity"))
    pairs = read_pairs(context.templates.path("lfw_pairs"))

    def measure(seed):
        sensitive, held_out = data.halves(seed)
        eraser = data.fit_sensitivenets(context, sensitive, seed)
        figures: dict = {}
        for view, name in VIEWS.items():
            before, after = recognition(lfw, pairs, eraser, view)
            reduction = relative_reduction(before, after, 0.5)
            figures |= _row(RECOGNITION, name, before, after, reduction)
            figures[RECOGNITION, name, "chance"] = 0.5
        rng = np.random.default_rng(seed)
        test = rng.permutation(len(held_out)) < TEST_SHARE * len(held_out)
        train, tested = held_out.take(~test), held_out.take(test)
        for attribute in ATTRIBUTES:
            figures |= _attacked(context, UTKFACE, attribute, train, tested, eraser, seed)
        people = data.partition(*VALIDATION), data.partition("test")
        return figures | _attacked(context, CELEBA, "gender", *people, eraser, seed)

    figures = context.over_seeds(measure)
    return Findings(rows_of(figures, published("sensitivenets-table1")), _notes(context))


def recognition(lfw: Any, pairs: Any, eraser: Any, view: str = "view1") -> tuple[Any, ...]:
    """Return LFW's verification accuracy before and after an eraser, by one of its views."""
    joined = join_pairs(pairs.select(view), lfw["image_id"], lfw["identity"])
    protected = eraser.transform(lfw.X)
    found = verify(lfw.X, pairs=joined, protected=protected, metric="cosine", n_resamples=0)
    before, after = found["original-original"], found["protected-protected"]
    return before["accuracy"]["value"], after["accuracy"]["value"]


def _attacked(context, data, attribute, train, tested, eraser, seed):
    """Return what the published probes and the audit's suite read of one attribute."""
    section = f"{data}, {attribute}"
    context.say(section)
    y, y_test = (rows[attribute].astype(str) for rows in (train, tested))
    picked = balanced_rows(y, seed=seed, max_rows=MAX_TRAIN)
    views = [(train.X, tested.X), tuple(eraser.transform(rows.X) for rows in (train, tested))]
    n_epochs = context.pick(15, 150)
    before, after = (
        probe(X[picked], y[picked], X_test, y_test, n_epochs=n_epochs, seed=seed)
        for X, X_test in views
    )
    audited = audit(
        train.X,
        y,
        identity=train.labels.get("identity"),
        protected=views[1][0],
        test={
            "X": tested.X,
            "y": y_test,
            "identity": tested.labels.get("identity"),
            "protected": views[1][1],
        },
        attribute=attribute,
        attackers=context.pick(QUICK, list(RECORDED)),
        curve=False,
        match=False,
        max_train_rows=context.pick(1_000, MAX_TRAIN),
        n_resamples=50,
        seed=seed,
    )
    assert audited.after is not None  # Both sides were given.
    for side, leakage in ((before, audited.before), (after, audited.after)):
        side[STRONGEST] = leakage.headline.balanced_accuracy
        side |= {
            f"audit: {name}": found.balanced_accuracy for name, found in leakage.attacks.items()
        }
    figures: dict = {}
    chance = audited.chance
    for name in before:
        reduction = relative_reduction(before[name], after[name], chance)
        figures |= _row(section, name, before[name], after[name], reduction)
        figures[section, name, "chance"] = chance
    return figures


def _notes(context):
    return [
        "Reduction = (before - after) / (before - chance), as in the paper.",
        "UTKFace stands in for DiveFace's sensitive half (races grouped as there, `other` left "
        "out), CelebA's training people for its triplets; the encoder is ours.",
        "Balanced accuracy; training rows are balanced over the classes, at most "
        f"{MAX_TRAIN:,}. UTKFace names nobody: a person may be on both sides of its split. "
        "CelebA's partitions share no person.",
        WIDER,
        f"'{STRONGEST}': tuned attackers, the strongest picked on validation people.",
        f"Eraser and attackers are trained {context.pick('briefly, on a sample', 'in full')}.",
    ]


EXPERIMENT = Experiment(
    title="SensitiveNets, Table I",
    shows="Recognition on LFW, and gender and ethnicity as read by a neural network, an SVM, a "
    "random forest and the audit's whole suite, before and after SensitiveNets.",
    source="Morales, Fierrez, Vera-Rodriguez, Tolosana, SensitiveNets, IEEE TPAMI 2020, Table I",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 30, "full": 2000},
)
