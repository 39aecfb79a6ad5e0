"""The barycentre eraser with unlabelled templates of those who will be protected, and without."""

import functools
from dataclasses import replace

import numpy as np

from sfumato.audit.attackers import NAMES
from sfumato.audit.matching import match_pairs
from sfumato.audit.protocol import audit
from sfumato.data.splits import split_identities
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.experiments.erasers_leaderboard import ACROSS, BRIEF, IN_DOMAIN, RAW, Gender
from sfumato.experiments.experiment import Experiment
from sfumato.experiments.result import Findings, rows_of

BUDGET = 0.18
MAX_TRAIN = 6_000


def run(context):
    """Fit with and without a quarter of LFW's people, attack on others."""
    data = Gender.read(context)

    def measure(seed):
        figures: dict = {}
        fit_rows = functools.cache(lambda: data.fit_rows(seed, per_person=None))
        for name, parameters, with_others in _versions(context):
            context.say(name)
            cell = functools.partial(
                _measure, context, data, fit_rows, parameters, with_others, seed
            )
            found = context.once(f"{name}, seed {seed}", cell)
            figures |= {(section, name, column): v for (section, column), v in found.items()}
        return figures

    rows = rows_of(context.over_seeds(measure))
    rows.sort(key=lambda row: (IN_DOMAIN, ACROSS).index(row.section))
    return Findings(rows, _notes(context, data))


def _versions(context):
    """Yield each row's name, the eraser's parameters or None, and whether it sees others."""
    yield RAW, None, False
    parameters = {"budget": BUDGET} | context.pick(BRIEF["barycentre"], {})
    yield f"barycentre {BUDGET:g}", parameters, False
    yield f"barycentre {BUDGET:g}, unlabelled", parameters, True


def lfw_parts(data, seed):
    """Return the rows of LFW of three groups of people: unlabelled, attackers', tested."""
    known = data.lfw.known("gender")
    tested, others = split_identities(known["identity"], 0.25, seed=f"test {seed}")
    rest = known.take(others)
    seen, attacking = split_identities(rest["identity"], 0.25, seed=f"unlabelled {seed}")
    return rest.take(seen), rest.take(attacking), known.take(tested)


def _measure(context, data, fit_rows, parameters, with_others, seed):
    """Return one row's figures by section and column."""
    seen, *sides = lfw_parts(data, seed)
    transform = None
    if parameters is not None:
        X, y, identity, labels = fit_rows()
        eraser = BarycentreEraser(seed=seed, **parameters)
        more = {"unlabelled": seen.X} if with_others else {}
        transform = eraser.fit(X, y, identity=identity, context=labels, **more).transform
    found = {
        (ACROSS, "EER view 2"): data.view2(transform, data.metric),
        (ACROSS, "EER view 2, others"): _eer(data, transform, seen),
    }
    lfw = ({"X": part.X, "y": part["gender"], "identity": part["identity"]} for part in sides)
    for section, (train, test) in {
        IN_DOMAIN: data.sections(seed)[IN_DOMAIN],
        ACROSS: tuple(lfw),
    }.items():
        audited = audit(
            **_protected(train, transform),
            test=_protected(test, transform),
            metric=data.metric,
            attackers=context.pick(["logistic regression", "quadratic discriminant"], list(NAMES)),
            max_train_rows=context.pick(400, MAX_TRAIN),
            n_resamples=context.pick(20, 200),
            seed=seed,
        ).before
        found[section, "strongest"] = audited.headline.balanced_accuracy
        for name, attack in audited.attacks.items():
            found[section, name] = attack.balanced_accuracy
    return found


def _protected(side, transform):
    X = side["X"].astype(np.float32)
    return side | {"X": X if transform is None else transform(X)}


def _eer(data, transform, seen):
    """Return the EER on LFW's view 2, without pairs of the people whom the eraser saw."""
    X = data.lfw.X.astype(np.float32)
    X = X if transform is None else transform(X)
    unseen = ~np.isin(data.lfw["identity"].astype(str), seen["identity"].astype(str))
    pairs, kept = data.pairs, unseen[data.pairs.a] & unseen[data.pairs.b]
    pairs = replace(
        pairs, a=pairs.a[kept], b=pairs.b[kept], genuine=pairs.genuine[kept],
        split=None if pairs.split is None else pairs.split[kept],
    )  # fmt: skip
    found = match_pairs(X, pairs, metric=data.metric, n_resamples=0)
    return found["original-original"].result["eer"]["value"]


def _notes(context, data):
    return [
        f"Erasers are fitted on CelebA's training people and on {len(data.utkface):,} rows of "
        "UTKFace. Unlabelled: a quarter of those people of LFW who are not tested besides, "
        "without gender, names or anything else that is known of them. Attackers on LFW train on "
        "the other three quarters, and are tested on the tested quarter of all people: nobody is "
        "in two groups, and the groups are the same with and without.",
        "Balanced accuracy, chance 0.5; the strongest attacker is picked on validation people; "
        f"they train on at most {context.pick(400, MAX_TRAIN):,} rows. EER view 2 is LFW's "
        "protocol, with pairs of the unlabelled quarter; others: without these, fewer pairs.",
    ]


EXPERIMENT = Experiment(
    title="Barycentre eraser with unlabelled templates",
    shows="What attackers read on CelebA and LFW where the eraser saw unlabelled templates of "
    "other people of LFW, and where it saw none.",
    source="this project",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 15, "full": 5400},
)
