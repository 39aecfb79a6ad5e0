"""What the audit says of real templates beyond what nine attackers read.

Erasers of gender are fitted on CelebA's training people and UTKFace's adults; LFW, which no
eraser saw, is audited: attackers train on 70 % of its people and are tested on the others.
"""

import functools
from typing import Any

import numpy as np

from sfumato.audit.attackers import QUICK
from sfumato.audit.protocol import audit
from sfumato.audit.views import PAIRED
from sfumato.reproduce._recorded import CUBIC, RECORDED
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.demographics import WIDER, sample_people
from sfumato.reproduce.erasers_leaderboard import BRIEF, RAW, SHORT, Gender, fitted
from sfumato.reproduce.experiment import Experiment

# Each eraser, and the one whose release of the same photos is linked with it.
LINKED = {RAW: "leace", "leace": "barycentre", "sensitivenets": "leace", "barycentre": "leace"}
LABELS = ("gender", "race_predicted", "age_predicted", "smiling_score")
MAX_TRAIN = 3_000
ATTACKERS, CURVE, PRICE = "Attackers", "Learning curve", "Price floor"
GIVEN, GROUPS, LINKS = "Given age and smile", "By group", "Links and reversal"


def run(context: Any) -> Findings:
    """Fit each eraser, audit LFW before and after."""
    data = Gender.read(context)
    lfw = context.templates.faces("lfw", "identity", *LABELS).known(*LABELS)
    lfw = sample_people(lfw, context.pick(320, len(lfw)), 0)
    quick = context.preset == "quick"

    def measure_seed(seed):
        release = functools.cache(functools.partial(_release, data, lfw, seed, quick))
        found: dict = {}
        for name in LINKED:
            context.say(name)
            cell = functools.partial(_measure, lfw, release, name, seed, quick)
            found |= context.once(f"{name}, seed {seed}", cell)
        return found

    rows = rows_of(context.over_seeds(measure_seed))
    return Findings(rows, [*_about(lfw, quick), WIDER])


def _about(lfw, quick):
    trained = BRIEF if quick else SHORT
    return [
        "Erasers are fitted on up to three rows of each of CelebA's training people and on "
        f"UTKFace's adults. {len(lfw):,} rows of LFW are audited: attackers train on 70 % of its "
        f"people, at most {400 if quick else MAX_TRAIN:,} rows, and are tested on the others.",
        f"Nine: the strongest without {CUBIC} and {PAIRED}; strongest: with them. Balanced "
        "accuracy, chance 0.5; each is picked on validation people. Low and high: 95 % intervals "
        "over people.",
        "Learning curve: what twice the rows brought the strongest, whether the audit says 'still "
        "rising' (1) or not (0), and the power law at four times the rows, where there is one.",
        "Price floor: rates of raw templates with impostors of one gender alone; the method's "
        "rate is a multiple of it.",
        "Given: what read age and smile alone tell of gender, and what the strongest attacker "
        "reads among people alike in them. People: the fewest that a class is worth then.",
        "By group: FNMR and FMR at one threshold (FMR 1e-3 over all), highest by lowest group; "
        "leakage of the lowest and the highest group by predicted race.",
        "D_sys with another release of the same photos, with "
        + ", ".join(f"{other} for {name}" for name, other in LINKED.items())
        + ": 0 nobody is linked, 1 all are; the greater of the matcher and the matcher after a "
        "regression. Restored: share of protected templates that match their original at FMR "
        "1e-3 after a regression learnt on other people; stranger: that match another person.",
        *(f"{name} was trained with {trained[name]}." for name in LINKED if name in trained),
    ]


def _release(data, lfw, seed, quick, name):
    """Return LFW's templates after an eraser, and how they are compared."""
    X = lfw.X.astype(np.float32)
    if name == RAW:
        return X, lfw.metric
    eraser, _ = fitted(data.fit_rows(seed), name, seed, (BRIEF if quick else SHORT).get(name, {}))
    return eraser.transform(X), eraser.metric or lfw.metric


def _measure(lfw, release, name, seed, quick):
    """Return a method's figures by section, method and column."""
    X, metric = release(RAW)
    protected, protected_metric = (None, None) if name == RAW else release(name)
    found: Any = audit(
        X,
        lfw["gender"],
        identity=lfw["identity"],
        protected=protected,
        across={LINKED[name]: release(LINKED[name])},
        attribute="gender",
        metric=metric,
        protected_metric=protected_metric,
        by={"gender": lfw["gender"], "race": lfw["race_predicted"]},
        given={"age": lfw["age_predicted"], "smile": lfw["smiling_score"]},
        attackers=list(QUICK) if quick else None,
        max_train_rows=400 if quick else MAX_TRAIN,
        n_resamples=50 if quick else 500,
        seed=seed,
        progress=False,
    )
    sections = {
        ATTACKERS: _attackers(found.final),
        CURVE: _curve(found.learning),
        PRICE: _price(found.floor["gender"]),
        GIVEN: _given(found.given),
        GROUPS: _groups(found.groups),
        LINKS: _links(found),
    }
    return {
        (section, name, column): value
        for section, figures in sections.items()
        for column, value in figures.items()
        if value is not None
    }


def _attackers(leakage):
    attacks = leakage.attacks
    nine = max((attacks[n] for n in RECORDED if n in attacks), key=lambda a: a.validation)
    low, high = leakage.headline.ci95
    found = {"nine": nine.balanced_accuracy, "strongest": leakage.headline.balanced_accuracy}
    found |= {"low": low, "high": high}
    return found | {n: attacks[n].balanced_accuracy for n in (CUBIC, PAIRED) if n in attacks}


def _curve(learning):
    if not learning.final:
        return {}
    curve = learning.final[0]
    far = curve.extrapolation[-1] if curve.extrapolation else None
    return {
        "fewest rows": curve.points[0].balanced_accuracy,
        "half": curve.points[-2].balanced_accuracy,
        "all": curve.points[-1].balanced_accuracy,
        "last doubling": curve.gain["value"],
        "still rising": float(bool(learning.rising)),
        "extrapolated": far and far["balanced_accuracy"],
    }


def _price(floor):
    """Return EER and FNMR with their floors; of raw templates the floor as their multiple."""
    found = {}
    for cost in floor.costs:
        if cost.name in ("EER", "FNMR@1e-3"):
            own = cost.raw if cost.protected is None else cost.protected
            found[cost.name], found[f"{cost.name}, floor"] = own.value, cost.floor.value
            found[f"{cost.name} / floor"] = (
                own.value / cost.floor.value if cost.floor.value else None
            )
    return found


def _given(given):
    alike = given.before if given.after is None else given.after
    found = {"labels alone": given.alone.value}
    if alike is None:
        return found
    low, high = alike.ci95
    found |= {"among people alike": alike.value, "alike low": low, "alike high": high}
    return found | {"people": min(given.effective_people.values())}


def _groups(groups):
    found = {}
    for by in ("gender", "race"):
        apart = groups[by].apart
        side = apart.get("after") or apart.get("before") or {}
        for rate in ("fnmr", "fmr"):
            ratio = side.get(rate, {}).get("worst_by_best")
            found[f"{rate.upper()} ratio, {by}"] = ratio and ratio.value
    read = [(g.after or g.before)["leakage"] for g in groups["race"].groups]
    values = [each.value for each in read if each is not None]
    return found | ({"lowest race": min(values), "highest race": max(values)} if values else {})


def _links(found):
    ((_, release),) = found.unlinkability.releases.items()
    ways = [way for way in (release["as_released"], release["regression"]) if way]
    linked = {
        f"D_sys, {kind.replace('_', ' ')}": max(
            (way[kind]["d_sys"] for way in ways if way.get(kind)), default=None
        )
        for kind in ("same_photo", "other_photo")
    }
    back = found.reversal
    if back is None:
        return linked
    return linked | {"restored": back.original["value"], "stranger": back.stranger["value"]}


EXPERIMENT = Experiment(
    title="What the audit adds, gender",
    shows="Beside what nine attackers read of LFW after an eraser: whether they still learn, two "
    "further attackers, the price and its floor, what goes with age and smile, groups, and what "
    "can be linked or turned back.",
    source="this project",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 1},
    seconds={"quick": 15, "full": 2200},
)
