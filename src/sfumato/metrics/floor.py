"""The price floor: what matching costs where an attribute helps to reject no impostor.

A matcher rejects many impostors because they are of another gender. Templates without gender
cannot do so, whatever eraser made them: to a perfect one all impostors are like those of the
same gender. So raw templates are matched with the impostor pairs of one class alone. A method's
error rate as a multiple of this floor is its own cost.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import NOT_NEGATIVE_INT, check_argument
from sfumato.data.labels import is_missing
from sfumato.errors import InputError
from sfumato.metrics._resampling import Sample, people_of
from sfumato.metrics.intervals import bootstrap_weights
from sfumato.metrics.scores import PairRows, Scores
from sfumato.metrics.verification import RankedScores
from sfumato.validation import check_fraction, check_seed

#: A false match rate is read where so many false matches are expected.
MIN_FALSE_MATCHES = 10
MAX_IMPOSTOR = 200_000


def pairs_of_one_class(pairs: PairRows, y: ArrayLike) -> PairRows:
    """Return pairs without the impostor pairs of two classes; genuine pairs stay.

    Parameters
    ----------
    pairs : PairRows
    y : array-like of shape (n_samples,) or (n_samples, n_attributes)
        The class of each row; with several attributes the two must agree in all. Impostor pairs
        with a missing label are left out.

    Raises
    ------
    InputError
        If no impostor pair is left.
    """
    y = np.asarray(y, dtype=object)
    y = y.reshape(len(y), -1)
    if len(y) != pairs.code.size:
        raise InputError(f"y must have one entry a row, {pairs.code.size}, got {len(y)}.")
    a, b = pairs.impostor
    kept = np.ones(a.size, dtype=bool)
    for column in y.T:
        codes = np.unique(column.astype(str), return_inverse=True)[1]
        codes[is_missing(column)] = -1
        kept &= (codes[a] == codes[b]) & (codes[a] >= 0)
    if not kept.any():
        raise InputError("no impostor pair is of one class; give more people of each class.")
    return pairs._replace(
        impostor=pairs.impostor[:, kept],
        n_impostor_all=round(pairs.n_impostor_all * float(np.mean(kept))),
    )


def resolves(fmr: float, n_impostor: int) -> bool:
    """Return whether so many impostor pairs let at least 10 false matches be expected."""
    return check_fraction(fmr, "fmr") * n_impostor >= MIN_FALSE_MATCHES


def resample_rates(
    tests: Sequence[Scores],
    fmrs: Sequence[float] = (),
    *,
    n_resamples: int = 200,
    seed: int = 0,
    max_impostor: int = MAX_IMPOSTOR,
) -> NDArray[np.float64]:
    """Return EER and FNMR of several tests of the same people, each resample drawn for all.

    Parameters
    ----------
    tests : sequence of Scores
        With the same numbers for the same people.
    fmrs : sequence of float in (0, 1)
        Where FNMR is read.
    n_resamples : int, default=200
        People are drawn with replacement, see :mod:`sfumato.metrics.intervals`.
    seed : int, default=0
    max_impostor : int >= 2, default=200_000
        Impostor scores of a resample, see
        :func:`~sfumato.metrics.intervals.bootstrap_intervals`.

    Returns
    -------
    ndarray of shape (n_tests, 1 + n_resamples, 1 + n_fmrs)
        Of all scores, then of the resamples; EER, then FNMR at each FMR. NaN for a resample
        without a genuine or an impostor pair.
    """
    check_argument(n_resamples, NOT_NEGATIVE_INT, "n_resamples")
    check_seed(seed)
    values = np.full((len(tests), 1 + n_resamples, 1 + len(fmrs)), np.nan)
    present = np.any([people_of(scores) for scores in tests], axis=0)
    weights: Any = ()
    if n_resamples:
        weights = bootstrap_weights(int(present.sum()), n_resamples, seed)
    for test, scores in zip(values, tests, strict=True):
        test[0] = _rates(RankedScores(scores.genuine, scores.impostor), fmrs)
        sample = Sample.draw(scores, None, max_impostor, seed, present=present)
        for row, weight in zip(test[1:], weights, strict=True):
            weighted = sample.weighted(weight)
            if weighted is not None:
                row[:] = _rates(weighted, fmrs)
    return values


def _rates(ranked, fmrs):
    return [ranked.eer().value, *(1 - ranked.tmr_at_fmr(fmr) for fmr in fmrs)]
