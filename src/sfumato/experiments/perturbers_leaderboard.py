"""All perturbers on the same faces: what machines read, what attackers read, who is matched."""

from functools import cache, partial

import numpy as np

from sfumato.audit.attackers import NAMES
from sfumato.audit.picture_attacks import RESTORATIONS, Inversion, detected, retrained
from sfumato.audit.pictures import attribute_figures, look, pairing_figures
from sfumato.audit.protocol import audit
from sfumato.experiments.experiment import Experiment
from sfumato.experiments.outputs import MATCHER, machines
from sfumato.experiments.perturbers_trained import SETTINGS, trained
from sfumato.experiments.pictures import JUDGED, Learnt, tried_faces
from sfumato.experiments.result import Findings, rows_of
from sfumato.metrics.image import ssim
from sfumato.metrics.verification import eer
from sfumato.models.registry import PERTURBERS
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
COLUMNS = ("retrained, pixels", "retrained, templates", "inversion", *RESTORATIONS, "detector")


def run(context):
    """Protect the same faces by every perturber; see :class:`Experiment`."""
    faces = cache(lambda: (tried_faces(context), Learnt.read(context, JUDGED).of("val")))

    def measure(seed):
        figures: dict = {}
        methods = [name for name in PERTURBERS if name in SETTINGS]
        for name in (NONE, *context.pick(QUICK, methods)):
            context.say(name)
            cell = partial(_measure, context, name, faces, seed)
            found = context.once(f"{name}, seed {seed}", cell)
            figures |= {(where, name, column): v for (where, column), v in found.items()}
        return figures

    rows = rows_of(context.over_seeds(measure))
    rows.sort(key=lambda row: row.section)
    return Findings(rows, NOTES)


NOTES = [
    "Gender is hidden and the other attributes are kept. Readers and matcher are sfumato's own, "
    "of pixels and of dlib's templates, and dlib's ResNet, which no perturber saw. EER of gender: "
    "0 is read without a mistake, 0.5 not at all, 1 the wrong way round. Kept: race is hidden "
    "instead, and gender should be read as on the originals. O original, P protected.",
    "Attackers know the true gender of CelebA's validation people and protect their pictures as "
    "the user does: a network trained afresh on those, the strongest of nine attackers on dlib's "
    "templates of those, a network that learns to undo the change, and filters, before the "
    "better of the two readers. Detector: EER of a network that tells protected from original. "
    "EER of attackers above 0.5 count as 1 less that: they can turn an answer round.",
]


def _measure(context, name, faces, seed):
    tried, others = faces()
    method = None if name == NONE else trained(context, name, seed)
    found: dict = {}
    for where, own in tried.items():
        before = look(own.images, *machines())
        protected, after = own.images, before
        if method is not None:
            protected = method.transform(own.images, hide=GENDER)
            after = look(protected, *machines())
        gender = {GENDER: own.labels[GENDER]}
        found |= _named(where, attribute_figures(after, gender), "hidden")
        found[where, "SSIM"] = float(ssim(own.images, protected).mean())
        if method is not None and "race" in method.attributes_:
            kept = look(method.transform(own.images, hide="race"), *machines())
            found |= _named(where, attribute_figures(kept, gender), "kept")
        if own.identity is not None:
            pairs = pairing_figures(before, after, own.identity)
            found |= {(where, column): value for (_, column), value in pairs.items()}
    if method is not None:
        read = attacked(context, method, tried[ATTACKED], others, seed)
        found |= {(ATTACKED, column): value for column, value in read.items()}
    return found


def _named(where, figures, what):
    return {(where, f"{reader}, {what}"): value for (reader, _), value in figures.items()}


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
    title="Perturbers, gender",
    shows="What readers, retrained attackers and restorers tell of gender on protected pictures, "
    "and how well an unseen matcher does, for every perturber.",
    source="this project",
    tables=("celeba", "utkface", "lfw"),
    run=run,
    n_seeds={"quick": 1, "full": 1, "gpu": 1},
    seconds={"quick": 15, "full": 7200},
    extras=("deep", "faces"),
)
