"""Which groups a protection works for: leakage and matching of groups of people, before and after.

FMR and FNMR of a group are those of pairs within it, at one threshold for everybody, set at one
FMR over all impostors (ISO/IEC 19795-10). Leakage is the balanced accuracy of the strongest
attacker, which was trained on everybody. A group of few people is marked, of fewer refused.
"""

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.audit._group_scores import GroupScores, group_scores, pairs_within
from sfumato.audit._grouping import Group, Grouping
from sfumato.audit._rows import Rows
from sfumato.audit.floor import CROSSED, MAX_IMPOSTOR, MAX_RESAMPLES, Measured
from sfumato.data.labels import N_GROUPS, as_array, as_classes
from sfumato.errors import InputError
from sfumato.metrics.differentials import (
    fairness_discrepancy_rate,
    garbe,
    gini,
    inequity_rate,
    worst_by_best,
    worst_by_geometric_mean,
)
from sfumato.metrics.floor import resolves
from sfumato.metrics.intervals import bootstrap_weights, percentile_interval, rule_of_three
from sfumato.metrics.leakage import BootstrappedAccuracy
from sfumato.metrics.scores import PairRows, all_pairs, all_vs_all, identity_codes
from sfumato.metrics.verification import threshold_at_fmr

#: A figure of fewer people is refused, one of fewer than the second is marked.
MIN_PEOPLE, FEW_PEOPLE = 10, 30
FIGURES = ("leakage", "fmr", "fnmr", "genuine_shift", "impostor_shift")
SIDES = {"X": "before", "protected": "after"}
FMRS = (1e-3, 1e-2)


def groups_of(
    tested: Any, before: Any, after: Any, metrics: dict[str, str], known: bool, *, seed: int = 0
) -> dict[str, Grouping] | None:
    """Return an audit's groupings, each label of ``by`` and all crossed; None without ``by``.

    Parameters
    ----------
    tested : Rows
    before, after : Leakage or None
    metrics : dict of str to str
        Of raw (``X``) and protected templates.
    known : bool
        Whether people are known; else there is no matching.
    seed : int, default=0
    """
    if "by" not in tested.labels:
        return None
    attacks = {"X": before, "protected": after}
    correct = {side: attacks[side].headline.correct for side in metrics}
    pairs = None
    if known:
        with suppress(InputError):
            pairs = all_pairs(tested.identity, max_impostor=MAX_IMPOSTOR, seed=seed)
    measure = _Measure(tested, correct, metrics, pairs, FMRS, seed)
    return measure.groupings(tested.labels["by"])


def match_groups(
    sides: dict[str, NDArray[Any]],
    pairs: PairRows,
    by: dict[str, Any],
    metrics: dict[str, str],
    *,
    fmr: float = 1e-3,
    seed: int = 0,
) -> dict[str, Grouping]:
    """Return the matching of groups, of each label and of all crossed, without leakage.

    Parameters
    ----------
    sides : dict of str to ndarray of shape (n_samples, n_features)
        Raw (``X``) and, if given, ``protected`` templates.
    pairs : PairRows
        All pairs, or listed ones; rows of none are left out.
    by : dict of str to array-like of shape (n_samples,)
    metrics : dict of str to str
        Of each side.
    fmr : float in (0, 1), default=0.001
        Of everybody at the threshold; 0.01 where the pairs do not resolve it.
    seed : int, default=0
    """
    listed = [pairs.genuine.ravel(), pairs.impostor.ravel()]
    used, new = np.unique(np.concatenate(listed), return_inverse=True)
    genuine, impostor = (
        part.reshape(2, -1).astype(np.int32) for part in np.split(new, [listed[0].size])
    )
    code, n_people = identity_codes(pairs.code[used])
    pairs = PairRows(genuine, impostor, code, n_people, pairs.n_impostor_all)
    rows = Rows(
        sides["X"][used], code, code, sides["protected"][used] if "protected" in sides else None
    )
    measure = _Measure(rows, {}, metrics, pairs, (fmr, FMRS[-1]), seed)
    return measure.groupings({name: as_array(values)[used] for name, values in by.items()})


def _cross(columns):
    rows = zip(*(column.tolist() for column in columns), strict=True)
    joined = [None if None in row else CROSSED.join(row) for row in rows]
    return np.array(joined, dtype=object)


class _Measure:
    """The scores of all test rows, from which any grouping is measured."""

    def __init__(
        self, tested: Rows, correct: Any, metrics: Any, pairs: Any, fmrs: Any, seed: int
    ) -> None:
        self.y, self.correct, self.sides, self.seed = tested.y, correct, list(metrics), seed
        people, self.person = np.unique(tested.identity, return_inverse=True)
        drawn = bootstrap_weights(len(people), MAX_RESAMPLES, seed)
        self.weights = np.vstack([np.ones_like(drawn[:1]), drawn])
        self.pairs, self.fmr, self.scores, self.threshold = pairs, None, {}, {}
        if pairs is None:
            return
        n_impostor = pairs.impostor.shape[1]
        self.fmr = next((fmr for fmr in fmrs if resolves(fmr, n_impostor)), None)
        if self.fmr is None:
            return
        for side, metric in metrics.items():
            scores = all_vs_all(getattr(tested, side), None, metric, pairs=pairs)
            self.scores[side] = scores
            self.threshold[SIDES[side]] = threshold_at_fmr(scores.impostor, self.fmr)

    def groupings(self, by: dict[str, Any]) -> dict[str, Grouping]:
        """Return the groups of each label, and of all crossed."""
        columns = {
            name: as_classes(values, name, n_groups=N_GROUPS) for name, values in by.items()
        }
        if len(columns) > 1:
            columns[CROSSED.join(columns)] = _cross(list(columns.values()))
        return {name: self.grouping(name, values) for name, values in columns.items()}

    def grouping(self, by: str, values: Any) -> Grouping:
        """Return the figures of the groups of one label."""
        present = np.array([value is not None for value in values.tolist()])
        if not present.any():
            raise InputError(f"by: no row has a {by}; leave it out.")
        names = np.unique(values[present].astype(str))
        n_people = {n: len(np.unique(self.person[values == n])) for n in names.tolist()}
        kept = [name for name, n in n_people.items() if n >= MIN_PEOPLE]
        refused = {name: n for name, n in n_people.items() if n < MIN_PEOPLE}
        notes = [] if present.all() else [f"{int((~present).sum())} rows have no {by}"]
        codes = np.full(len(values), -1)
        for code, name in enumerate(kept):
            codes[values == name] = code
        sides = {}
        if self.pairs is not None and self.fmr is None:
            few = self.pairs.impostor.shape[1]
            notes.append(f"no FMR or FNMR: {few:,} impostor pairs are too few")
        if kept and self.scores:
            n_genuine, n_impostor = pairs_within(self.pairs, codes)
            for side, scores in self.scores.items():
                threshold = self.threshold[SIDES[side]]
                sides[side] = group_scores(scores, self.pairs, codes, threshold, self.weights)
        groups, used = [], []
        for code, name in enumerate(kept):
            counts = (int(n_genuine[code]), int(n_impostor[code])) if sides else (0, 0)
            group, both = self._group(name, codes == code, code, counts, sides)
            groups.append(group)
            used += [code] if both else []
        apart = {SIDES[side]: _apart(found, kept, used) for side, found in sides.items()}
        return Grouping(by, self.fmr, self.threshold, groups, apart, refused, notes)

    def _group(self, name, rows, code, counts, sides):
        n_people = len(np.unique(self.person[rows]))
        reasons: list[str] = []
        draws: dict[str, Any] = {side: {} for side in self.sides}
        if self.correct:
            self._read(rows, draws, reasons)
        matched = self._matched(rows, code, counts, sides, draws, reasons)
        zero = {"fmr": rule_of_three(n_people), "fnmr": rule_of_three(max(matched, 1))}
        found = {
            SIDES[side]: {what: _measured(values.get(what), zero.get(what)) for what in FIGURES}
            for side, values in draws.items()
        }
        change: dict = {}
        if "protected" in draws:
            raw, erased = draws["X"], draws["protected"]
            change = {
                what: _measured(erased[what] - raw[what]) if what in raw else None
                for what in FIGURES
            }
        n_genuine, n_impostor = counts
        group = Group(
            name=name,
            n_rows=int(rows.sum()),
            n_people=n_people,
            n_genuine=n_genuine,
            n_impostor=n_impostor,
            few=n_people < FEW_PEOPLE,
            before=found["before"],
            after=found.get("after", {}),
            change=change,
            notes=reasons,
        )
        return group, {"fmr", "fnmr"} <= set(draws["X"])

    def _read(self, rows, draws, reasons):
        """Add the leakage of a group, of the sample and of resamples, to each side's draws."""
        classes = np.unique(self.y)
        people = [len(np.unique(self.person[rows & (self.y == value)])) for value in classes]
        if min(people) < MIN_PEOPLE:
            least = classes[int(np.argmin(people))]
            reasons.append(f"no leakage: {min(people)} people are {least}")
            return
        judge = BootstrappedAccuracy(
            self.y[rows], self.person[rows], n_resamples=500, seed=self.seed
        )
        for side, correct in self.correct.items():
            sample = judge.value(correct[rows])
            draws[side]["leakage"] = np.append(sample, judge.resampled(correct[rows]))

    def _matched(self, rows, code, counts, sides, draws, reasons):
        """Add the rates of a group; return its number of people with genuine pairs."""
        if not sides:
            return 0
        within = rows[self.pairs.genuine].all(axis=0)
        matched = len(np.unique(self.person[self.pairs.genuine[0, within]]))
        if matched < MIN_PEOPLE:
            reasons.append(f"no FNMR: {matched} people have a pair of rows")
        if self.fmr * counts[1] < 1:
            reasons.append(f"no FMR: {counts[1]} impostor pairs")
        for side, found in sides.items():
            if matched >= MIN_PEOPLE:
                draws[side] |= {
                    "fnmr": found.fnmr[:, code],
                    "genuine_shift": found.genuine[:, code],
                }
            if self.fmr * counts[1] >= 1:
                draws[side] |= {
                    "fmr": found.fmr[:, code],
                    "impostor_shift": found.impostor[:, code],
                }
        return matched


def _apart(found: GroupScores, names: list[str], used: list[int]) -> dict[str, Any]:
    """Return how far the groups are apart, over those that have both rates."""
    if len(used) < 2:
        return {}
    rates = {"fmr": found.fmr[:, used], "fnmr": found.fnmr[:, used]}
    apart: dict[str, Any] = {}
    for what, values in rates.items():
        apart[what] = {
            "worst": names[used[int(np.argmax(values[0]))]],
            "worst_by_geometric_mean": _measured(worst_by_geometric_mean(values)),
            "worst_by_best": _measured(worst_by_best(values)),
            "gini": _measured(gini(values)),
        }
    return apart | {
        "garbe": _measured(garbe(rates["fmr"], rates["fnmr"])),
        "fdr": _measured(fairness_discrepancy_rate(rates["fmr"], rates["fnmr"])),
        "inequity_rate": _measured(inequity_rate(rates["fmr"], rates["fnmr"])),
    }


def _measured(draws: NDArray[Any] | None, bound: float | None = None) -> Measured | None:
    """Return a figure of the sample and its resamples, None where it cannot be computed."""
    if draws is None or not np.isfinite(draws[0]):
        return None
    resampled = draws[1:][np.isfinite(draws[1:])]
    if resampled.size <= 0.9 * len(draws[1:]):
        return None
    low, high = percentile_interval(resampled)
    high = max(high, bound) if bound is not None and draws[0] == 0 else high
    return Measured(float(draws[0]), [low, high])
