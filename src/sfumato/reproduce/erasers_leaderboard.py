"""Every registered eraser on one attribute: what attackers read, how well people match."""

import copy
import functools
import time
from typing import Any

import numpy as np

from sfumato.audit.matching import match_all, match_pairs
from sfumato.audit.protocol import audit
from sfumato.data.pairs import join_pairs, read_pairs
from sfumato.erasers.base import Eraser
from sfumato.metrics.floor import pairs_of_one_class, resample_rates
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.models.registry import ERASERS, eraser_class
from sfumato.reproduce._map_rank import NO_NARROWER, RANKS, ranks
from sfumato.reproduce._recorded import RECORDED
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.demographics import VALIDATION, WIDER, sample_people, sample_rows
from sfumato.reproduce.experiment import Experiment

RAW = "none (raw)"
IN_DOMAIN, ACROSS = "CelebA", "LFW"
# Adults: children's faces say little of their gender.
MIN_AGE = 14
MAX_TRAIN = 1500
MAX_IMPOSTOR = 300_000
# CelebA's attributes but for gender.
CONTEXT = (
    "5_o_clock_shadow", "arched_eyebrows", "attractive", "bags_under_eyes", "bald", "bangs",
    "big_lips", "big_nose", "black_hair", "blond_hair", "blurry", "brown_hair",
    "bushy_eyebrows", "chubby", "double_chin", "eyeglasses", "goatee", "gray_hair",
    "heavy_makeup", "high_cheekbones", "mouth_slightly_open", "mustache", "narrow_eyes",
    "no_beard", "oval_face", "pale_skin", "pointy_nose", "receding_hairline", "rosy_cheeks",
    "sideburns", "smiling", "straight_hair", "wavy_hair", "wearing_earrings", "wearing_hat",
    "wearing_lipstick", "wearing_necklace", "wearing_necktie", "young",
)  # fmt: skip
# Trained for minutes by default; three seeds of all of them would take a day.
SHORT = {
    "sensitivenets": {"n_triplets": 50_000, "n_epochs": 3, "detector_epochs": 30},
    "lntl": {"n_epochs": 5},
    "rlace": {"n_iterations": 8_000},
    "angular": {"n_epochs": 3},
}
# The quick preset's: everything runs, nothing is to be quoted.
BRIEF = {
    "angular": {"n_epochs": 1},
    "barycentre": {"n_steps": 1, "n_units": 32},
    "sensitivenets": {"n_units": 128, "n_triplets": 4_000, "n_epochs": 1, "detector_epochs": 3},
    "lntl": {"n_epochs": 1, "head_epochs": 1},
    "inlp": {"n_iterations": 2},
    "hsic": {"n_epochs": 2},
    "ive": {"n_steps": 2, "n_trees": 5},
    "multi-ive": {"n_steps": 2, "n_trees": 5},
    "pfrnet": {"n_epochs": 2},
    "negative-face": {"n_units": 128},
    "pe-miu": {"block_size": 8},
    "rlace": {"n_iterations": 1_000},
}


def run(context: Any) -> Findings:
    """Fit every eraser on people of two data sets, attack it on others."""
    return Findings(*measure_all(context, Gender.read(context)))


def measure_all(context: Any, data: Any) -> tuple[Any, ...]:
    """Return the table's rows, least leakage first, and the notes."""

    def measure_seed(seed):
        found: dict = {}
        brief = context.preset == "quick"
        for method in [RAW, *(name for name in ERASERS if name not in data.left_out)]:
            context.say(method)
            cell = functools.partial(measure, data, method, seed, brief=brief)
            found |= context.once(f"{method}, seed {seed}", cell)
        for name, own in context.own.items():
            context.say(name)
            found |= measure(data, name, seed, brief=brief, own=own)
        return found

    rows = rows_of(context.over_seeds(measure_seed))
    rows.sort(key=lambda row: (row.section, row.cells["strongest"].mean))
    return rows, data.notes


def measure(data: Any, method: Any, seed: int, *, brief: bool = False, own: Any = None) -> Any:
    """Return one method's figures by ``(section, method, column)``; ``own`` is not registered."""
    figures: dict = {}
    cost: dict = {}
    transform, metric = None, data.metric
    if method != RAW:
        parameters = (BRIEF if brief else SHORT).get(method, {})
        made = own or make_eraser(method, parameters)
        eraser, fit_seconds = fit_one(data.fit_rows(seed), made, seed)
        transform, cost = eraser.transform, {"fit seconds": fit_seconds}
        metric = getattr(eraser, "metric", None) or metric
        if method in NO_NARROWER:
            cost |= ranks(transform, data.fit_rows(seed)[0], seed)
    for section, sides in data.sections(seed).items():
        started = time.perf_counter()
        raw = _protected(sides[1], None)
        train, test = (_protected(side, transform) for side in sides)
        if transform is not None:
            n_rows = len(train["X"]) + len(test["X"])
            cost["rows a second"] = n_rows / (time.perf_counter() - started)
        found = _attacked(train, test, metric, seed, brief) | cost
        if section in data.matched:
            found |= _matched(test, metric, seed)
            floor = _floor(raw, data.metric, seed)
            found |= {"EER / floor": found["EER"] / floor} if floor else {}
        if section == ACROSS:
            found["EER view 2"] = data.view2(transform, metric)
        figures |= {(section, method, column): value for column, value in found.items()}
    return figures


def fitted(
    rows: tuple[Any, ...], method: str, seed: int, parameters: dict[str, Any]
) -> tuple[Any, ...]:
    """Return an eraser fitted on rows, and the seconds that its fit took.

    Parameters
    ----------
    rows : tuple
        Embeddings, attribute, people or None, and context labels, as ``fit_rows`` gives.
    method : str
    seed : int
    parameters : dict
    """
    return fit_one(rows, make_eraser(method, parameters), seed)


def make_eraser(method: str, parameters: dict[str, Any]) -> Any:
    """Return a registered eraser, not yet fitted."""
    return eraser_class(method)().set_params(**parameters)


def fit_one(rows: tuple[Any, ...], eraser: Any, seed: int) -> tuple[Any, ...]:
    """Return a fitted copy of an eraser, and the seconds that its fit took.

    One that is not sfumato's own is fitted by ``fit(X, y)``.
    """
    eraser = copy.deepcopy(eraser)
    if hasattr(eraser, "get_params") and "seed" in eraser.get_params():
        eraser.set_params(seed=seed)
    X, y, identity, labels = rows
    known: dict[str, Any] = {}
    if isinstance(eraser, Eraser):
        context = labels if "context" in eraser.uses else None
        known = {"identity": identity, "context": context}
    started = time.perf_counter()
    eraser.fit(X, y, **known)
    return eraser, time.perf_counter() - started


def _protected(side, transform):
    X = side["X"].astype(np.float32)
    return side | {"X": X if transform is None else transform(X)}


def _attacked(train, test, metric, seed, brief):
    """Return what each attacker reads of the test people."""
    audited = audit(
        train["X"],
        train["y"],
        identity=train["identity"],
        test=test,
        metric=metric,
        attackers=["logistic regression"] if brief else list(RECORDED),
        max_train_rows=400 if brief else MAX_TRAIN,
        n_resamples=200,
        curve=not brief,
        match=False,
        seed=seed,
    )
    figures = {"strongest": audited.before.headline.balanced_accuracy}
    if audited.learning and audited.learning.before:
        figures["last doubling"] = audited.learning.before[0].gain["value"]
        figures["still rising"] = float(bool(audited.learning.rising))
    return figures | {
        name: found.balanced_accuracy for name, found in audited.before.attacks.items()
    }


def _matched(test, metric, seed):
    """Return how well the test people match, all with all."""
    found = match_all(
        test["X"], test["identity"], metric=metric, n_resamples=0, seed=seed,
        max_impostor=MAX_IMPOSTOR,
    )["original-original"].result  # fmt: skip
    return {"EER": found["eer"]["value"], "TMR@1e-3": found["tmr_at_fmr"]["value"]}


def _floor(raw, metric, seed):
    """Return the EER of raw templates, impostors of one class: what any eraser must cost."""
    pairs = all_pairs(raw["identity"], max_impostor=MAX_IMPOSTOR, seed=seed)
    scores = all_vs_all(raw["X"], None, metric, pairs=pairs_of_one_class(pairs, raw["y"]))
    return float(resample_rates([scores], n_resamples=0)[0, 0, 0])


def view2(lfw: Any, pairs: Any, transform: Any, metric: Any) -> Any:
    """Return the EER on the pairs of LFW's view 2, protected by ``transform`` if not None."""
    X = lfw.X.astype(np.float32)
    X = X if transform is None else transform(X)
    found = match_pairs(X, pairs, metric=metric, n_resamples=0)
    return found["original-original"].result["eer"]["value"]


def fit_rows_of(celeba: Any, utkface: Any) -> tuple[Any, ...]:
    """Return embeddings, gender, people and context labels; the last names the data set."""
    n = len(celeba)
    own = [f"utkface {number}" for number in range(len(utkface))]
    identity = np.concatenate([celeba["identity"].astype(str), own])
    labels = np.full((n + len(utkface), len(CONTEXT) + 3), None, dtype=object)
    for column, name in enumerate(CONTEXT):
        labels[:n, column] = celeba[name].astype(str)
    labels[n:, -3] = utkface["age_years"].astype(float)
    labels[n:, -2] = utkface["race"]
    labels[:n, -1], labels[n:, -1] = "celeba", "utkface"
    X = np.concatenate([celeba.X, utkface.X]).astype(np.float32)
    y = np.concatenate([celeba["gender"], utkface["gender"]]).astype(str)
    return X, y, identity, labels


class Gender:
    """CelebA, UTKFace and LFW, read once."""

    matched = (IN_DOMAIN, ACROSS)
    left_out: tuple = ()

    def __init__(self, celeba: Any, utkface: Any, lfw: Any, pairs: Any, notes: Any) -> None:
        self.celeba, self.utkface, self.lfw, self.pairs = celeba, utkface, lfw, pairs
        self.notes = notes
        self.metric = lfw.metric

    @classmethod
    def read(cls, context: Any) -> Any:
        """Read the tables; the quick preset keeps a sample."""
        templates = context.templates
        celeba = templates.faces("celeba", "identity", "partition", "gender", *CONTEXT)
        celeba = celeba.known("identity", "partition", "gender")
        utkface = templates.faces("utkface", "gender", "race", "age_years").known("gender")
        utkface = utkface.take(utkface["age_years"].astype(float) >= MIN_AGE)
        lfw = templates.faces("lfw", "identity", "gender")
        pairs = read_pairs(templates.path("lfw_pairs")).select("view2")
        if context.preset == "quick":
            celeba, utkface = sample_people(celeba, 1_500, 0), sample_rows(utkface, 1_500, 0)
        joined = join_pairs(pairs, lfw["image_id"], lfw["identity"])
        notes = [
            f"Erasers see {len(utkface):,} rows of UTKFace and up to three rows a person of "
            f"CelebA's training people ({len(celeba):,} rows in all partitions); attackers of "
            "CelebA train on the validation people and are tested on the test people, those of "
            "LFW on 70 % of its people. No eraser saw LFW.",
            "Balanced accuracy, chance 0.5; the strongest attacker is picked on validation "
            "people. EER and TMR compare all test people with all; EER view 2 is LFW's protocol. "
            "EER / floor: as a multiple of raw templates' EER with impostors of one class, which "
            "a perfect eraser would cost.",
            f"Attackers train on at most {context.pick(400, MAX_TRAIN):,} rows; more rows "
            "let them read somewhat more. Last doubling: what twice the rows brought the "
            "strongest; still rising: in which share of the seeds the audit raised that alarm.",
        ]
        notes += [f"{name} was trained with {chosen}." for name, chosen in SHORT.items()]
        notes += [RANKS, WIDER]
        return cls(celeba, utkface, lfw, joined, notes)

    def fit_rows(self, seed: int, *, per_person: int = 3) -> tuple[Any, ...]:
        """Return embeddings, attribute, people and context labels of both data sets."""
        train = self.celeba.take(self.celeba["partition"].astype(str) == "train")
        if per_person is not None:
            order = np.random.default_rng(seed).permutation(len(train))
            train = train.take(np.sort(_at_most(train["identity"][order], order, per_person)))
        return fit_rows_of(train, self.utkface)

    def sections(self, seed: int) -> dict[str, Any]:
        """Return to each data set what attackers train on and are tested on."""
        from sfumato.data.splits import split_identities

        def side(faces):
            return {"X": faces.X, "y": faces["gender"], "identity": faces["identity"]}

        part = self.celeba["partition"].astype(str)
        known = self.lfw.known("gender")
        held_out, kept = split_identities(known["identity"], 0.3, seed=f"test {seed}")
        return {
            IN_DOMAIN: (
                side(self.celeba.take(np.isin(part, VALIDATION))),
                side(self.celeba.take(part == "test")),
            ),
            ACROSS: (side(known.take(kept)), side(known.take(held_out))),
        }

    def view2(self, transform: Any, metric: Any) -> Any:
        """Return the EER on LFW's view 2."""
        return view2(self.lfw, self.pairs, transform, metric)


def _at_most(people, rows, n):
    """Return the first ``n`` of each person's rows."""
    seen: dict = {}
    kept = []
    for who, row in zip(people.tolist(), rows.tolist(), strict=True):
        seen[who] = seen.get(who, 0) + 1
        if seen[who] <= n:
            kept.append(row)
    return np.array(kept)


EXPERIMENT = Experiment(
    title="Leaderboard of erasers, gender",
    shows="What every attacker reads after every eraser, in domain (CelebA) and across data sets "
    "(LFW), with verification and speed.",
    source="this project",
    tables=("celeba", "utkface", "lfw", "lfw_pairs"),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 80, "full": 4200},
    takes="eraser",
)
