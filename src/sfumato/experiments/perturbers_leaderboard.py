"""All perturbers on the same faces: what machines read, what attackers read, who is matched."""

from functools import cache, partial

import numpy as np

from sfumato.audit.attackers import NAMES
from sfumato.audit.picture_attacks import RESTORATIONS, Inversion, detected, retrained
from sfumato.audit.pictures import look, pairing_figures
from sfumato.audit.protocol import audit
from sfumato.experiments.age_and_gender import NAME as OTHER
from sfumato.experiments.experiment import Experiment
from sfumato.experiments.outputs import MATCHER, all_machines, machines, reading_figures
from sfumato.experiments.perturbers_trained import SETTINGS, trained
from sfumato.experiments.pictures import JUDGED, Learnt, tried_faces
from sfumato.experiments.result import Findings, rows_of
from sfumato.metrics.image import ssim
from sfumato.metrics.verification import eer
from sfumato.models.registry import PERTURBERS
from sfumato.perturbers.choice import ATTRIBUTES
from sfumato.perturbers.recipes import Recipe
from sfumato.readers.recipes import Architecture
from sfumato.readers.recipes import Recipe as ReaderRecipe

NONE, GENDER = "none (original)", "gender"
POSITIVE = "male"
QUICK = ("privacynet",)
LITTLE = Architecture("iresnet", {"widths": (4, 8, 8, 16), "n_blocks": (1, 1, 1, 1)})
SMALL = Architecture("resnet18", {"width": 0.5})
# Those whose pictures are attacked: CelebA's, where attackers have people of their own.
ATTACKED = "CelebA"


def run(context):
    """Protect the same faces by every perturber; see :class:`Experiment`."""
    faces = cache(lambda: (tried_faces(context), Learnt.read(context, JUDGED).of("val")))
    # What is kept in the cache differs by who reads.
    readers = ", ".join(all_machines()[0])

    def measure(seed):
        figures: dict = {}
        methods = [name for name in PERTURBERS if name in SETTINGS]
        for name in (NONE, *context.pick(QUICK, methods)):
            context.say(name)
            cell = partial(_measure, context, name, faces, seed)
            found = context.once(f"{name}, seed {seed}, {readers}", cell)
            figures |= {(section, name, column): v for (section, column), v in found.items()}
        return figures

    rows = rows_of(context.over_seeds(measure))
    sections = list(dict.fromkeys(row.section for row in rows))
    rows.sort(key=lambda row: sections.index(row.section))
    return Findings(rows, NOTES if OTHER in all_machines()[0] else [*NOTES, WITHOUT_OTHER])


NOTES = [
    "Hidden: readers read the attribute that the perturber hid. Kept: it hid another, gender, or "
    "race where gender is read, and readers should read as on the originals. Empty: the "
    "perturber cannot hide that. EER: 0 is read without a mistake, 0.5 not at all, 1 the wrong "
    "way round. The readers are sfumato's own, of pixels and of dlib's templates, and the "
    "package age-and-gender, which tells no race; no perturber saw them.",
    "Race is labelled in UTKFace and, by LFW's attribute classifiers, in LFW; CelebA's is what "
    "the reader of dlib's templates says of the originals where it is sure (0.8), so that its "
    "own EER starts at 0. Faces neither black nor white are left out. Age is labelled in UTKFace "
    "alone (MAE in years); age moved: mean years between a reader's answers before and after.",
    "TMR of dlib's ResNet, which no perturber saw, with gender hidden; O original, P protected. "
    "SSIM: likeness of P to O.",
    "Attacks, EER of gender: attackers know the true gender of CelebA's validation people and "
    "protect their pictures as the user does: a network trained afresh on those, the strongest "
    "of nine attackers on dlib's templates of those, a network that learns to undo the change, "
    "and filters, before the better of sfumato's two readers (age-and-gender is not asked). "
    "Detector: EER of a network that tells protected from original. EER of attackers above 0.5 "
    "count as 1 less that: they can turn an answer round.",
]
WITHOUT_OTHER = f"The package {OTHER} is not installed, so that its reader is left out."


def _measure(context, name, faces, seed):
    tried, others = faces()
    method = None if name == NONE else trained(context, name, seed)
    found: dict = {}
    for where, own in tried.items():
        found |= {(f"{where}, {what}", column): v for (what, column), v in judged(own, method)}
    if method is not None:
        read = attacked(context, method, tried[ATTACKED], others, seed)
        found |= {(f"{ATTACKED}, attacks", column): value for column, value in read.items()}
    return found


def judged(own, method=None):
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


def attacked(context, method, tried, others, seed):
    """Return what attackers read who have other people's pictures and protect them alike."""
    images, labels, identity = others
    rows = np.random.default_rng(seed).permutation(len(images))[: context.pick(40, 3_000)]
    y, identity = labels[GENDER][rows], identity[rows]
    original = images[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
    own, tested = (method.transform(x, hide=GENDER) for x in (original, tried.images))
    truth = tried.labels[GENDER].astype(str) == POSITIVE
    network = context.pick(LITTLE, SMALL)
    recipe = ReaderRecipe(context.pick(1, 12), 64, 1e-3, precision="auto", seed=seed)
    found = {"retrained, pixels": _eer(retrained(own, y, tested, network, recipe), truth)}
    sides = (own, y, identity), (tested, np.where(truth, POSITIVE, "female"), tried.identity)
    found["retrained, templates"] = _on_templates(context, *sides, seed)
    inversion = Inversion(width=context.pick(4, 16), seed=seed).fit(
        own, original, Recipe(context.pick(2, 1_500), 16, 1e-3, n_rounds=1, precision="auto")
    )
    for name, restore in {"inversion": inversion.restore, **RESTORATIONS}.items():
        seen = look(restore(tested), *machines())
        scores = [s for (_, what), s in seen.scores.items() if what == GENDER]
        found[name] = min(_eer(s, truth) for s in scores)
    half = len(own) // 2
    new = tried.images[::2], tested[1::2]
    found["detector"] = min_side(detected(original[:half], own[half:], new, network, recipe))
    return found


def _eer(scores, truth):
    return min_side(eer(scores[truth], scores[~truth]).value)


def min_side(value):
    """Return an EER of an attacker, who may turn the answers round."""
    return min(value, 1 - value)


def _on_templates(context, train, test, seed):
    """Return 1 less the strongest attacker's balanced accuracy on dlib's templates."""
    _, encoders = machines()
    X, tested = (look(side[0], {}, encoders).templates[MATCHER] for side in (train, test))
    found = audit(
        X,
        train[1],
        identity=train[2],
        test={"X": tested, "y": test[1], "identity": test[2]},
        metric=encoders[MATCHER].metric,
        attackers=context.pick(["logistic regression"], list(NAMES)),
        n_resamples=20,
        seed=seed,
    )
    return 1 - found.before.headline.balanced_accuracy


EXPERIMENT = Experiment(
    title="Perturbers",
    shows="What readers tell of gender, race and age on protected pictures, hidden and kept, how "
    "well an unseen matcher does, and what retrained attackers and restorers tell of gender, for "
    "every perturber.",
    source="this project",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 15, "full": 7200},
    extras=("deep", "faces"),
)
