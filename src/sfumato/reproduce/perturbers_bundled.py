"""The perturbers that come with sfumato: who still reads their pictures, who still matches them.

Readers and a matcher are held out that no perturber saw, pictures are asked for again after an
upload, and attackers learn from templates of pictures whose class was drawn.
"""

from functools import cache
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sfumato.audit.pictures import PAIRINGS, attribute_figures, look
from sfumato.faces.encoders import make_encoder
from sfumato.metrics.image import ssim
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.metrics.verification import threshold_at_fmr, tmr_at_fmr
from sfumato.models.files import load
from sfumato.readers.tasks import Reading
from sfumato.reproduce._attack import CLASSES, GENDER, Attack
from sfumato.reproduce._bundled_faces import People, uploaded
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.age_and_gender import GENDER as GENDER_TASK
from sfumato.reproduce.experiment import Experiment
from sfumato.reproduce.outputs import MATCHER, all_machines, reader_names, reader_notes

NONE = "none (original)"
METHODS = ("privacynet", "soft")
QUICK = ("privacynet",)
HELD_OUT = "MobileFaceNet"
TABLES = {"LFW": ("lfw", None), "CelebA": ("celeba", "test")}
ATTACKED = "CelebA"
FMR = 1e-2
NOTES = [
    "Gender hidden on two pictures each of 40 people, 160 pixels a side; the present class "
    "is told, as by `--labels`. EER: 0 is read without a mistake, 0.5 not at all, 1 the wrong way "
    "round; worst is the least of the readers'. Uploaded: half the size, JPEG of quality 75. "
    "Opposite: the other class is shown. Drawn: one of both is drawn for each picture, also the "
    "present one. All misread: the share of people on both of whose pictures every reader errs.",
    "Held out: the package age-and-gender; a logistic regression on MobileFaceNet's templates of "
    "originals of CelebA's training people; MobileFaceNet as a matcher. soft searches against "
    "the other two readers and dlib's matcher; PrivacyNet was trained against two readers of its "
    "own and MobileFaceNet, so that this matcher is held out for the others alone.",
    "TMR at FMR 1e-2; O original, P protected. FMR, P-P: share of impostor pairs of protected "
    "pictures accepted at the originals' threshold.",
    "Retrained: 1 less the balanced accuracy of the strongest of nine attackers who learn from "
    "templates of other people's protected pictures, CelebA's validation people, their true "
    "gender told, the class drawn.",
]


def run(context: Any) -> Findings:
    """Protect the same people by each perturber; see :class:`Experiment`."""
    n_people = context.pick(18, 40)

    @cache
    def people():
        return {
            name: People.read(context, table, n_people, partition)
            for name, (table, partition) in TABLES.items()
            if context.pick(name == ATTACKED, True)
        }

    others = cache(lambda: People.read(context, "celeba", n_people, "val"))
    held_out = cache(lambda: _HeldOut.fit(context, context.pick(20, 1_000)))
    machines = cache(lambda: _machines(context, held_out))

    def measure(seed):
        def cell(name):
            return _measured(context, people(), others(), machines(), seed, name)

        names = (NONE, *context.pick(QUICK, METHODS))
        return context.once_each(names, cell, f"seed {seed}, {n_people}, {reader_names()}")

    return Findings(rows_of(context.over_seeds(measure)), NOTES + reader_notes())


class _HeldOut:
    """A reader of gender of the held-out encoder's templates."""

    kind = "templates"

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def fit(cls, context: Any, n_people: int) -> Any:
        train = People.read(context, "celeba", n_people, "train")
        X = look(train.images, {}, _held_out_encoder(context)).templates[HELD_OUT]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        return cls(model.fit(X, train.gender))

    def read(self, X: Any) -> dict[str, Reading]:
        """Return what templates tell of gender."""
        return {GENDER: Reading(GENDER_TASK, self.model.predict_proba(X))}


def _held_out_encoder(context):
    own = context.templates.encoder
    return {} if own == MATCHER else {HELD_OUT: make_encoder(own)}


def _machines(context, held_out):
    readers, encoders = all_machines()
    own = _held_out_encoder(context)
    return readers | {name: held_out() for name in own}, encoders | own


def _measured(context, people, others, machines, seed, name):
    method = None if name == NONE else load(name, "perturber")
    found: dict = {}
    for where, own in people.items():
        before = look(own.images, *machines)
        for target in ("opposite",) if method is None else ("opposite", "drawn"):
            images = own.images
            if method is not None:
                shown = own.classes(at_random=target == "drawn", seed=seed)
                images = own.protected(context, name, method, shown)
            figures = _figures(own, machines, before, images)
            found |= {(f"{where}, {target}", column): v for column, v in figures.items()}
    found |= _attacked(context, people[ATTACKED], others, machines[1], method, seed, name)
    return found


def _figures(own, machines, before, images):
    """Return what machines make of changed pictures of people, by column."""
    found = {"SSIM": float(ssim(own.images, images).mean())}
    for when, pictures in (("", images), (", uploaded", uploaded(images))):
        after = look(pictures, *machines)
        errors = attribute_figures(after, {GENDER: own.gender})
        rates = {reader: value for (reader, what), value in errors.items() if GENDER in what}
        found |= {f"{reader}{when}": value for reader, value in rates.items()}
        found[f"worst{when}"] = min(rates.values())
        found[f"all misread{when}"] = _all_misread(own, after)
        for matcher in machines[1]:
            for what, value in _matching(own, before, after, matcher).items():
                found[f"{what}, {matcher}{when}"] = value
    return found


def _all_misread(own, seen):
    """Return the share of people whom every reader misreads on each of their pictures."""
    male = own.gender == CLASSES[1]
    wrong = [(said > 0.5) != male for (_, what), said in seen.scores.items() if what == GENDER]
    fooled = np.all(wrong, axis=0)
    return float(np.mean([fooled[own.identity == person].all() for person in set(own.identity)]))


def _matching(own, before, after, matcher):
    """Return the TMR of the four pairings, and the FMR of P-P at the originals' threshold."""
    pairs, metric = all_pairs(own.identity, seed=0), before.metrics[matcher]
    sides = {"O": before.templates[matcher], "P": after.templates[matcher]}
    scores = {
        name: all_vs_all(sides[name[0]], None, metric, other=sides[name[-1]], pairs=pairs)
        for name in PAIRINGS
    }
    old = threshold_at_fmr(scores["O-O"].impostor, FMR)
    return {name: tmr_at_fmr(s.genuine, s.impostor, FMR) for name, s in scores.items()} | {
        "FMR, P-P": float(np.mean(scores["P-P"].impostor >= old))
    }


def _attacked(context, tested, others, encoders, method, seed, name):
    after, learnt = tested.images, others.images
    if method is not None:
        after, learnt = (
            who.protected(context, name, method, who.classes(at_random=True, seed=number))
            for who, number in ((tested, seed), (others, seed + 1))
        )
    attack = Attack(
        context,
        others.images,
        learnt,
        {GENDER: others.gender, "identity": others.identity},
        tested.images,
        after,
        {GENDER: tested.gender, "identity": tested.identity},
        seed,
    )
    return {
        ("retrained", matcher): attack.on_templates(encoder)
        for matcher, encoder in encoders.items()
    }


EXPERIMENT = Experiment(
    title="Bundled perturbers",
    shows="What readers, seen and held out, tell of gender on pictures of the bundled perturbers, "
    "also after an upload, how well a held-out matcher does, and what attackers learn from "
    "templates, the class to show opposite or drawn.",
    source="this project",
    tables=("celeba", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1},
    seconds={"quick": 15, "full": 3600},
    extras=("deep", "faces"),
)
