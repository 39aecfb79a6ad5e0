"""Fairness of binary decisions between groups of people, with intervals over people.

With decision d, truth y and group s, a gap is the difference between groups of

- P(d = 1 | y = 1, s), the true positive rate (TPR): equality of opportunity [1]_;
- P(d = 1 | s), the acceptance rate: demographic parity;
- P(d = 1 | y = 1, s) and P(d = 1 | y = 0, s), whichever differs more: equalised odds [1]_.

.. [1] Hardt, Price, Srebro, "Equality of Opportunity in Supervised Learning", NIPS 2016.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.data.labels import as_names, class_codes
from sfumato.errors import InputError
from sfumato.metrics.intervals import (
    Interval,
    bootstrap_weights,
    percentile_interval,
    rule_of_three,
)
from sfumato.validation import check_choice


class Estimate(NamedTuple):
    """A figure and its confidence interval over people."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class GroupGap:
    """A rate in each group, and how far the groups are apart; fractions, not %.

    Attributes
    ----------
    rates : dict of str to Estimate
        The rate of each group, in [0, 1].
    reference : str
    signed : dict of str to Estimate
        Rate of the reference minus that of every other group, in [-1, 1].
    gap : Estimate
        Largest rate minus the smallest, in [0, 1]; for two groups the signed gap's size.
    """

    rates: dict[str, Estimate]
    reference: str
    signed: dict[str, Estimate]
    gap: Estimate


@dataclass(frozen=True)
class EqualisedOdds:
    """The gaps of true and false positive rates; ``gap`` is the larger of the two."""

    true_positive: GroupGap
    false_positive: GroupGap
    gap: Estimate


def opportunity_percent(signed_gap: float | NDArray[Any]) -> Any:
    """Return ``100 * (1 - signed_gap)``, the papers' equality of opportunity in %.

    Emotional-Blinded Face Representations, Table II: 100 - (TPR smiling - TPR not smiling),
    100 for equal rates and above 100 where the reference has the lower one. Table III of
    SensitiveNets prints the gap itself in %, TPR female - TPR male.

    Parameters
    ----------
    signed_gap : float or ndarray
        TPR of the reference minus TPR of the other group, in [-1, 1].

    Examples
    --------
    >>> round(opportunity_percent(0.8417 - 0.6670), 2)
    82.53
    """
    return 100 * (1 - signed_gap)


class BootstrappedFairness:
    """Gaps between groups of any decisions on the same people.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The truth, 0 or 1; 1 is the class that decides to one's advantage.
    group : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Class of the protected attribute, which may differ between photos of one person;
        several attributes are crossed ("female x white").
    identity : array-like of shape (n_samples,), optional
        Who is on each row; without it every row counts as a person of its own.
    reference : str, optional
        The group from which signed gaps start, in the papers the privileged one; default the
        first by name.
    n_resamples : int, default=1000
    level : float in (0, 1), default=0.95
    min_people : int, default=10
        A rate of fewer people is refused.
    seed : int, default=0

    Raises
    ------
    InputError
        For fewer than two groups, missing or non-binary values, an unknown reference, or
        lengths that differ; the methods, for a rate of fewer than ``min_people`` people.

    Notes
    -----
    Whole people are drawn with replacement; all decisions given to one object see the same
    draws. A group without any error (or any success) has no variation to resample: by
    :func:`~sfumato.metrics.intervals.rule_of_three`, its rate may be off by 3 over its number
    of people, and intervals reach at least that far.

    The gap without sign is never negative, so that its interval rarely reaches 0 and its
    value lies above the truth on average, the more the fewer the people and the more the
    groups. To ask whether two groups differ, look at the signed gap.

    Examples
    --------
    >>> y, group = np.ones(80, dtype=int), np.repeat(["f", "m"], 40)
    >>> decision = np.tile([1, 1, 1, 0], 20) * np.where(group == "m", np.tile([1, 0], 40), 1)
    >>> found = BootstrappedFairness(y, group).equal_opportunity(decision)
    >>> found.rates["f"].value, found.rates["m"].value, found.signed["m"].value
    (0.75, 0.5, 0.25)
    """

    def __init__(
        self,
        y: ArrayLike,
        group: ArrayLike,
        *,
        identity: ArrayLike | None = None,
        reference: str | None = None,
        n_resamples: int = 1000,
        level: float = 0.95,
        min_people: int = 10,
        seed: int = 0,
    ) -> None:
        self._y = _binary(y, "y")
        self.groups, self._group = class_codes(group, "group")
        people = np.arange(len(self._y)) if identity is None else as_names(identity)
        for name, values in (("group", self._group), ("identity", people)):
            _check_length(values, len(self._y), name)
        self.reference = check_choice(reference or self.groups[0], self.groups, "reference")
        self.level, self.min_people = level, min_people
        people, self._person = np.unique(people, return_inverse=True)
        self._shape = len(people), len(self.groups)
        self._weights = bootstrap_weights(len(people), n_resamples, seed)

    def equal_opportunity(self, decision: ArrayLike) -> Any:
        """Return the true positive rates and their gaps, as :class:`GroupGap`.

        Parameters
        ----------
        decision : array-like of shape (n_samples,)
            0 or 1.
        """
        return self._summary(self._rates(decision, self._y == 1, "y = 1"))

    def demographic_parity(self, decision: Any) -> Any:
        """Return the acceptance rates and their gaps, as :class:`GroupGap`."""
        return self._summary(self._rates(decision, np.ones(len(self._y), bool), "any y"))

    def equalised_odds(self, decision: Any) -> EqualisedOdds:
        """Return the gaps of true and false positive rates, as :class:`EqualisedOdds`."""
        positive = self._rates(decision, self._y == 1, "y = 1")
        negative = self._rates(decision, self._y == 0, "y = 0")
        largest = np.maximum(positive.gap(), negative.gap())
        slack = max(positive.slack.max(), negative.slack.max())
        return EqualisedOdds(
            self._summary(positive), self._summary(negative), self._unsigned(largest, slack)
        )

    def _rates(self, decision, rows, what):
        decision = _binary(decision, "decision")
        _check_length(decision, len(self._y), "decision")
        total, hits = self._count(rows), self._count(rows & (decision == 1))
        people = (total > 0).sum(axis=0)
        for name, n in zip(self.groups, people.tolist(), strict=True):
            if n < self.min_people:
                raise InputError(
                    f"group {name!r} has {n} people with {what}, at least {self.min_people} are "
                    "needed for its rate; add people, merge groups or leave the group out."
                )
        # The first row is the sample itself; a resample without a group has rate NaN.
        weights = np.vstack([np.ones_like(self._weights[:1]), self._weights])
        with np.errstate(invalid="ignore"):
            return _Rates((weights @ hits) / (weights @ total), people)

    def _count(self, rows):
        flat = self._person[rows] * self._shape[1] + self._group[rows]
        return np.bincount(flat, minlength=np.prod(self._shape)).reshape(self._shape)

    def _summary(self, rates):
        first = self.groups.index(self.reference)
        values = rates.values
        signed = {}
        for k, name in enumerate(self.groups):
            if k != first:
                down = max(rates.down[first], rates.up[k])
                up = max(rates.up[first], rates.down[k])
                signed[name] = self._estimate(values[:, first] - values[:, k], down, up)
        return GroupGap(
            {
                name: self._estimate(values[:, k], rates.down[k], rates.up[k])
                for k, name in enumerate(self.groups)
            },
            self.reference,
            signed,
            self._unsigned(rates.gap(), rates.slack.max()),
        )

    def _unsigned(self, values, slack):
        value, (low, high) = self._estimate(values, slack, slack)
        return Estimate(value, Interval(max(low, 0.0), min(high, 1.0)))

    def _estimate(self, values, down, up):
        value, resampled = float(values[0]), values[1:]
        low, high = percentile_interval(resampled[np.isfinite(resampled)], self.level)
        return Estimate(value, Interval(float(min(low, value - down)), max(high, value + up)))


class _Rates:
    """Rates of the sample (first row) and its resamples, (1 + n_resamples, n_groups)."""

    def __init__(self, values: Any, people: Any) -> None:
        self.values = values
        bounds = np.array([rule_of_three(n) for n in people.tolist()])
        self.down = np.where(values[0] == 1, bounds, 0.0)
        self.up = np.where(values[0] == 0, bounds, 0.0)

    @property
    def slack(self) -> Any:
        """How far each rate may be off without any variation to resample."""
        return np.maximum(self.down, self.up)

    def gap(self) -> Any:
        """Return the largest rate minus the smallest, of every row."""
        return self.values.max(axis=1) - self.values.min(axis=1)


def _binary(values, name):
    values = np.asarray(values)
    if values.ndim != 1 or values.size == 0:
        raise InputError(f"{name} must be a non-empty 1-d array, got shape {values.shape}.")
    for row, value in enumerate(values.tolist()):
        if value not in (0, 1):
            raise InputError(f"{name} must be 0 or 1, got {value!r} at row {row}.")
    return values.astype(np.int64)


def _check_length(values, n, name):
    if len(values) != n:
        raise InputError(f"{name} must have one entry a row, {n}, got {len(values)}.")
