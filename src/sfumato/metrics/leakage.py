"""What an attacker reads: balanced accuracy, advantage and relative reduction, with intervals."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import SHARE, check_argument
from sfumato.data.labels import as_names
from sfumato.errors import InputError
from sfumato.metrics.intervals import bootstrap_weights, percentile_interval
from sfumato.validation import check_fraction, check_scores


def attack_advantage(accuracy: Any, chance: Any) -> Any:
    """Return ``(accuracy - chance) / (1 - chance)``: 0 at chance, 1 for a perfect attacker.

    For two classes this is ``2 * (accuracy - 1/2)``.
    """
    return (accuracy - chance) / (1 - chance)


def relative_reduction(
    before: float | NDArray[Any], after: float | NDArray[Any], chance: float
) -> float | NDArray[Any]:
    """Return ``(before - after) / (before - chance)`` (SensitiveNets, Table I).

    Parameters
    ----------
    before, after : float or ndarray
        Balanced accuracy of the strongest attacker on raw and on protected embeddings.
    chance : float
        ``1 / n_classes``.

    Returns
    -------
    float or ndarray
        1 when the protected embeddings leak nothing, 0 when they leak as much; above 1 when the
        attacker falls below chance, below 0 when it gained.

    Raises
    ------
    InputError
        If the raw embeddings leak nothing: there is nothing to reduce.

    Examples
    --------
    >>> round(relative_reduction(0.977, 0.588, 0.5), 3)
    0.816
    """
    check_fraction(chance, "chance")
    for value, name in ((before, "before"), (after, "after")):
        if np.ndim(value) == 0:
            check_argument(value, SHARE, name)
        else:
            check_scores(value, name)
    if np.ndim(before) == 0 and before <= chance:
        raise InputError(
            f"before must be above chance {chance:.3f} for a reduction, got {before:.3f}."
        )
    return (before - after) / (before - chance)


class BootstrappedAccuracy:
    """Balanced accuracy of predictions, resampled over identities.

    Parameters
    ----------
    y, identity : array-like of shape (n_samples,)
        True classes and people of the test rows.
    weight : array-like of shape (n_samples,), optional
        How much each row counts, >= 0; default 1.
    n_resamples : int, default=1000
    seed : int, default=0

    Notes
    -----
    Whole people are drawn with replacement, so rows of one person count together. All
    predictions given to one object see the same draws: differences and ratios are paired.
    """

    def __init__(
        self,
        y: ArrayLike,
        identity: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> None:
        self.classes, self._class = np.unique(as_names(y, "y"), return_inverse=True)
        people, self._person = np.unique(as_names(identity), return_inverse=True)
        self._shape = (len(people), len(self.classes))
        ones = np.ones(len(self._class))
        self._weight = ones if weight is None else np.asarray(weight, dtype=np.float64)
        self._rows = self._count(ones)
        self._weights = bootstrap_weights(len(people), n_resamples, seed)
        self._totals = self._weights @ self._rows

    def _count(self, values):
        flat = self._person * self._shape[1] + self._class
        return np.bincount(flat, values * self._weight, minlength=np.prod(self._shape)).reshape(
            self._shape
        )

    @property
    def n_identities(self) -> Any:
        """Number of people."""
        return self._shape[0]

    @property
    def identities_per_class(self) -> Any:
        """Number of people with at least one row of each class, shape (n_classes,)."""
        return (self._rows > 0).sum(axis=0)

    def value(self, correct: Any) -> float:
        """Return the mean over classes of the share of rows that are ``correct``."""
        return float((self._count(correct).sum(axis=0) / self._rows.sum(axis=0)).mean())

    def resampled(self, correct: Any) -> Any:
        """Return the balanced accuracy in every resample in which all classes occur."""
        hits = self._weights @ self._count(correct)
        present = (self._totals > 0).all(axis=1)
        return (hits[present] / self._totals[present]).mean(axis=1)

    def interval(self, correct: Any, level: float = 0.95) -> Any:
        """Return the percentile interval ``[low, high]`` of the balanced accuracy."""
        return list(percentile_interval(self.resampled(correct), level))

    def reduction(self, before: Any, after: Any) -> dict[str, Any]:
        """Return the :func:`relative_reduction` of two attackers, ``value`` and ``ci95``.

        Parameters
        ----------
        before, after : ndarray of shape (n_samples,)
            Whether each row was read correctly, raw and protected. Resamples in which the raw
            embeddings leak nothing are left out.
        """
        chance = 1 / len(self.classes)
        raw, erased = self.resampled(before), self.resampled(after)
        read = raw > chance
        value = relative_reduction(self.value(before), self.value(after), chance)
        resampled = relative_reduction(raw[read], erased[read], chance)
        return {"value": value, "ci95": list(percentile_interval(resampled))}
