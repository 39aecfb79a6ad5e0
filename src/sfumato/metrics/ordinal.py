"""How far predicted ages are from true ones, and whether level probabilities make sense."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import NOT_NEGATIVE, Each, check_argument
from sfumato.data.labels import as_names
from sfumato.errors import InputError
from sfumato.metrics.intervals import Interval, bootstrap_weights, percentile_interval
from sfumato.validation import check_fraction

#: Ages between which groups are reported, first included, last not.
AGE_BANDS = (0, 13, 20, 30, 40, 50, 60, 70, 200)


class AgeErrors(NamedTuple):
    """Errors in years; shares in [0, 1].

    ``mae`` is the mean absolute error, ``rmse`` the root of the mean square, ``bias`` the mean
    of predicted less true, ``within`` the cumulative scores: to each number of years k the share
    of rows that are off by at most k. Intervals are of 95 %, over people.
    """

    n: int
    mae: float
    mae_interval: Interval
    rmse: float
    bias: float
    within: dict[int, float]


def age_errors(
    age_years: ArrayLike,
    predicted_years: ArrayLike,
    *,
    identity: ArrayLike | None = None,
    within: Iterable[int] = (1, 3, 5, 10),
    seed: int = 0,
) -> AgeErrors:
    """Return the errors of predicted ages.

    Parameters
    ----------
    age_years, predicted_years : array-like of shape (n_samples,)
    identity : array-like of shape (n_samples,), optional
        Who is on each row; default: every row another.
    within : iterable of int
        The k of the cumulative scores CS(k).
    seed : int, default=0
        Of the 500 resamples.

    Returns
    -------
    AgeErrors

    Examples
    --------
    >>> errors = age_errors([20, 30, 40], [21, 30, 35], within=[1])
    >>> errors.mae, errors.bias, errors.within
    (2.0, -1.3333333333333333, {1: 0.6666666666666666})
    """
    truth, said = (np.asarray(a, dtype=float) for a in (age_years, predicted_years))
    if truth.ndim != 1 or truth.shape != said.shape or not len(truth):
        raise InputError(
            "age_years and predicted_years must have one entry a row, at least one, got shapes "
            f"{truth.shape} and {said.shape}."
        )
    if not (np.isfinite(truth).all() and np.isfinite(said).all()):
        raise InputError("ages must be finite; leave rows without an age out.")
    check_argument(within, Each(NOT_NEGATIVE), "within")
    off = said - truth
    people = np.arange(len(off)) if identity is None else as_names(identity)
    _, person = np.unique(people, return_inverse=True)
    sums, counts = np.bincount(person, np.abs(off)), np.bincount(person)
    weights = bootstrap_weights(len(sums), seed=seed)
    return AgeErrors(
        n=len(off),
        mae=float(np.abs(off).mean()),
        mae_interval=percentile_interval((weights @ sums) / (weights @ counts)),
        rmse=float(np.sqrt((off**2).mean())),
        bias=float(off.mean()),
        within={k: float((np.abs(off) <= k).mean()) for k in within},
    )


def age_bands(age_years: Any, bands: Any = AGE_BANDS) -> Any:
    """Return the name of each age's band, such as ``20-29``; the last is open, ``70+``.

    Examples
    --------
    >>> age_bands([4, 29, 85]).tolist()
    ['0-12', '20-29', '70+']
    """
    names = [f"{a}-{b - 1}" for a, b in zip(bands[:-1], bands[1:], strict=True)]
    names[-1] = f"{bands[-2]}+"
    places = np.searchsorted(bands, np.asarray(age_years, dtype=float), side="right") - 1
    if (places < 0).any() or (places >= len(names)).any():
        raise InputError(f"ages must be in [{bands[0]}, {bands[-1]}).")
    return np.array(names)[places]


def predicted_rank(levels: ArrayLike) -> NDArray[np.int64]:
    """Return how many levels are more likely than not, the predicted rank.

    Parameters
    ----------
    levels : array-like of shape (n_samples, n_ranks - 1)
        Probability that the rank is at least 1, 2, ...

    Returns
    -------
    int64 ndarray of shape (n_samples,)
    """
    return (np.asarray(levels) > 0.5).sum(axis=1)


def rank_probabilities(levels: ArrayLike) -> NDArray[Any]:
    """Return each rank's probability, the differences of the level probabilities.

    Parameters
    ----------
    levels : array-like of shape (n_samples, n_ranks - 1)

    Returns
    -------
    ndarray of shape (n_samples, n_ranks)
        Rows sum to 1. Negative where levels rise (:func:`n_inconsistencies`).
    """
    levels = np.asarray(levels, dtype=float)
    ends = np.ones((len(levels), 1)), np.zeros((len(levels), 1))
    return -np.diff(np.concatenate([ends[0], levels, ends[1]], axis=1), axis=1)


def n_inconsistencies(levels: ArrayLike) -> NDArray[np.int64]:
    """Return how often the probability of a level exceeds that of the level before.

    Parameters
    ----------
    levels : array-like of shape (n_samples, n_ranks - 1)

    Returns
    -------
    int64 ndarray of shape (n_samples,)

    Examples
    --------
    >>> n_inconsistencies([[0.9, 0.5, 0.1], [0.9, 0.2, 0.3]])
    array([0, 1])
    """
    return (np.diff(np.asarray(levels, dtype=float), axis=1) > 0).sum(axis=1)


def rank_interval(
    levels: ArrayLike, share: float = 0.9
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last rank of the central interval of a share of probability.

    Parameters
    ----------
    levels : array-like of shape (n_samples, n_ranks - 1)
        Made to fall where they rise.
    share : float in (0, 1), default=0.9

    Returns
    -------
    low, high : int64 ndarray of shape (n_samples,)
    """
    check_fraction(share, "share")
    levels = np.minimum.accumulate(np.asarray(levels, dtype=float), axis=1)
    tail = (1 - share) / 2
    return (levels > 1 - tail).sum(axis=1), (levels > tail).sum(axis=1)
