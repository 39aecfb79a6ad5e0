"""The barycentre on populations that it never saw, and adapted to unlabelled rows of them.

The protocol, fixed before anything was tuned:

1. Fitted on CelebA's training people and UTKFace's adults; attacked on CelebA's other people and
   on LFW.
2. Fitted without one race of UTKFace; that race is attacked.
3. 1 (LFW) and 2 again, adapted: half of the population's people (of its rows, where it names
   nobody) join the fit without labels. A classifier of the labelled rows reads what is erased.
   The other half is attacked, adapted or not.

Attackers train afresh on protected templates of 70 % of the attacked people (of CelebA's
validation people) and are tested on the others: the audit's suite and a ridge with a cubic
kernel. Beside every price stands its floor: raw scores with impostors of the same gender only. A
template without gender cannot reject an impostor by it.

Designs are chosen on CelebA's validation people and on UTKFace; LFW is looked at once a design.
"""

import contextlib
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfumato.audit.floor import listed_rows
from sfumato.audit.protocol import audit
from sfumato.data.splits import split_identities
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.errors import InputError
from sfumato.metrics.floor import pairs_of_one_class, resample_rates, resolves
from sfumato.metrics.intervals import percentile_interval
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.models.unlabelled import read_labels
from sfumato.reproduce._recorded import CUBIC, RECORDED
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.erasers_leaderboard import ACROSS, BRIEF, IN_DOMAIN, RAW, Gender
from sfumato.reproduce.experiment import Experiment

RACES = ("asian", "black", "indian", "white")
FLOOR = "none (raw), impostors of one gender"
NEVER, ADAPTED = "never seen", "adapted"
MAX_TRAIN = 6_000
FMRS = (1e-3, 1e-4)
# Parameters of the eraser, and whether every table is a population of its own.
DESIGNS: dict[str, tuple[dict[str, Any], bool]] = {
    "barycentre": ({}, False),
    "barycentre, by table": ({"budget": 0.06, "within": 2.0}, True),
}


@dataclass(frozen=True)
class Rows:
    """Rows to fit on; ``table`` names the data set or race of each."""

    X: Any
    y: Any
    identity: Any
    context: Any
    table: Any

    def take(self, rows: Any) -> "Rows":
        """Return the rows of a mask."""
        return Rows(*(values[rows] for values in vars(self).values()))

    def join(self, faces: Any, name: str, people: str) -> tuple["Rows", float]:
        """Return these rows and unlabelled ones, and the share of labels that is read right."""
        read = read_labels(self.X, self.y, faces.X, identity=self.identity).labels
        context = np.full((len(read), self.context.shape[1]), None, dtype=object)
        context[:, -1] = name
        own = np.array([f"{name} {who}" for who in faces[people].tolist()])
        parts = (faces.X, read, own, context, np.full(len(read), name, dtype=object))
        known = faces["gender"].astype(str)
        sure = np.isin(known, np.unique(self.y))
        joined = (np.concatenate(pair) for pair in zip(vars(self).values(), parts, strict=True))
        return Rows(*joined), float(np.mean(read[sure] == known[sure]))


def run(context: Any) -> Findings:
    """Fit every design on all populations but one, attack it there."""
    data = Gender.read(context)
    races = context.pick(RACES[:1], RACES)

    def measure_seed(seed):
        found: dict = {}
        for name in (RAW, *DESIGNS):
            for what in (None, *races):
                context.say(f"{name}, {what or 'all'}")
                cell = functools.partial(_measure, context, data, name, what, seed)
                found |= context.once(f"{name}, {what}, seed {seed}", cell)
        return found

    rows = rows_of(context.over_seeds(measure_seed))
    return Findings(rows, [*data.notes[:1], *_about(context.pick(400, MAX_TRAIN))])


def _about(max_train_rows):
    return [
        f"Attackers train on at most {max_train_rows:,} rows; the strongest of the audit's and "
        f"{CUBIC} is picked on validation people. Balanced accuracy, chance 0.5.",
        "UTKFace without a race is fitted on the other races and CelebA; half of the race's rows "
        "is attacked, adapted means that the other half joined the fit without labels. LFW "
        "likewise, by people. `labels right`: share of the labels that were read right.",
        "FNMR at FMR 1e-3 and 1e-4 compares all test people with all, at most ten million "
        "impostor pairs. Low and high: 95 % intervals over people.",
        *(f"{name}: {chosen}." for name, (chosen, _) in DESIGNS.items() if chosen),
    ]


def _measure(context, data, name, race, seed):
    """Return figures by section, name and column; ``race`` is the one left out, None for none."""
    rows, figures = _rows_of(data, seed), {}
    quick = context.preset == "quick"
    if race is not None:
        rows = rows.take(rows.table != f"utkface {race}")
    pool, attacked, people = _halves(data, race)
    for how in (NEVER, ADAPTED) if name != RAW else (NEVER,):
        extra, joined = {}, rows
        if how == ADAPTED:
            joined, right = rows.join(pool, race or ACROSS, people)
            extra = {"labels right": right}
        transform = _transform(joined, name, seed, quick)
        section = f"{ACROSS if race is None else f'UTKFace {race}'}, {how}"
        sides = _split(attacked, people, seed)
        figures[section] = _attacked(sides, transform, data.metric, seed, quick) | extra
        if race is None:
            figures[section] |= _price_of(data, transform, data.lfw, data.pairs, quick, seed)
            if how == NEVER:
                train, test = data.sections(seed)[IN_DOMAIN]
                figures[IN_DOMAIN] = _attacked((train, test), transform, data.metric, seed, quick)
                figures[IN_DOMAIN] |= _price_of(data, transform, test, None, quick, seed)
    found = {(where, name, c): v for where, own in figures.items() for c, v in own.items()}
    return found | (_floors(data, seed, quick) if name == RAW and race is None else {})


def _rows_of(data, seed):
    X, y, identity, labels = data.fit_rows(seed, per_person=None)
    tables = labels[:, -1].copy()
    own = tables == "utkface"
    tables[own] = [f"utkface {race}" for race in labels[own, -2].tolist()]
    return Rows(X, y, identity, labels, tables)


def _halves(data, race):
    """Return the pool to adapt to, the attacked half, and the column that names people."""
    if race is None:
        faces, people = data.lfw, "identity"
    else:
        faces, people = data.utkface.take(data.utkface["race"] == race), "image_id"
    first, second = split_identities(faces[people], 0.5, seed="pool")
    return faces.take(first), faces.take(second).known("gender"), people


def _split(faces, people, seed):
    held_out, kept = split_identities(faces[people], 0.3, seed=f"test {seed}")
    return tuple(
        {"X": part.X, "y": part["gender"], "identity": part[people]}
        for part in (faces.take(kept), faces.take(held_out))
    )


def _transform(rows, name, seed, quick):
    """Return the fitted eraser's map, None for raw templates."""
    if name == RAW:
        return None
    parameters, by_table = DESIGNS[name]
    parameters = parameters | (BRIEF["barycentre"] if quick else {})
    # UTKFace's races are one table; a race or LFW that was joined is one more.
    tables = np.array([str(t).split(" ")[0] for t in rows.table.tolist()])
    eraser = BarycentreEraser(**parameters, seed=seed).fit(
        rows.X, rows.y, identity=rows.identity, context=rows.context,
        population=tables if by_table else None,
    )  # fmt: skip
    return eraser.transform


def _attacked(sides, transform, metric, seed, quick):
    train, test = (_through(side, transform) for side in sides)
    options = {"max_train_rows": 400 if quick else MAX_TRAIN, "n_resamples": 20, "seed": seed}
    names = ["logistic regression", "quadratic discriminant"] if quick else list(RECORDED)
    found = audit(
        **train,
        test=test,
        metric=metric,
        attackers=[*names, CUBIC],
        curve=False,
        match=False,
        **options,
    ).before
    read = {name: (a.validation, a.balanced_accuracy) for name, a in found.attacks.items()}
    strongest = max(read.values())[1]
    return {"strongest": strongest} | {name: value for name, (_, value) in read.items()}


def _price_of(data, transform, faces, pairs, quick, seed, y=None):
    """Return EER and FNMR all against all, and EER of listed pairs; ``y``: of one class."""
    X = _through({"X": faces["X"] if isinstance(faces, dict) else faces.X}, transform)["X"]
    n_resamples, most = (0, 100_000) if quick else (100, 10_000_000)
    rows = all_pairs(faces["identity"], max_impostor=most, seed=seed)
    found = _rates(X, rows, y, data.metric, n_resamples, seed)
    if pairs is not None:
        listed = listed_rows(pairs, np.ones(pairs.a.size, dtype=bool))
        with contextlib.suppress(InputError):  # A small sample may list none of one class.
            found["EER view 2"] = _rates(X, listed, y, data.metric, 0, seed)["EER"]
    return found


def _rates(X, rows, y, metric, n_resamples, seed):
    if y is not None:
        rows = pairs_of_one_class(rows, y)
    scores = all_vs_all(X, None, metric, pairs=rows)
    fmrs = [fmr for fmr in FMRS if resolves(fmr, len(scores.impostor))]
    values = resample_rates([scores], fmrs, n_resamples=n_resamples, seed=seed)[0]
    found = {"EER": values[0, 0]}
    for fmr, column in zip(fmrs, values[:, 1:].T, strict=True):
        name = f"FNMR@{fmr:.0e}".replace("e-0", "e-")
        found[name] = column[0]
        if n_resamples:
            found[f"{name} low"], found[f"{name} high"] = percentile_interval(column[1:])
    return {name: float(value) for name, value in found.items()}


def _floors(data, seed, quick):
    """Return what raw templates cost where impostors are of the same gender."""
    test = data.sections(seed)[IN_DOMAIN][1]
    found = {
        IN_DOMAIN: _price_of(data, None, test, None, quick, seed, test["y"]),
        f"{ACROSS}, {NEVER}": _price_of(
            data, None, data.lfw, data.pairs, quick, seed, data.lfw["gender"]
        ),
    }
    return {(where, FLOOR, c): v for where, own in found.items() for c, v in own.items()}


def _through(side, transform):
    X = np.asarray(side["X"], dtype=np.float32)
    return side | {"X": X if transform is None else transform(X)}


EXPERIMENT = Experiment(
    title="Erasers on unseen populations, gender",
    shows="What the strongest attacker reads on a population that the barycentre never saw, and "
    "after half of its people joined the fit without labels; beside the price and its floor.",
    source="this project",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 30, "full": 15_000},
)
