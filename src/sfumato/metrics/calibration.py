"""Whether probabilities are what they say."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.errors import InputError

LOG_SOFTMAX = partial(log_softmax, axis=1)


def expected_calibration_error(
    probabilities: ArrayLike, codes: ArrayLike, *, n_bins: int = 15
) -> float:
    """Return the mean gap between how sure a reader is and how often it is right.

    Rows are put into bins of equal width by the probability of their most likely class; the gaps
    between mean probability and accuracy are averaged by the bins' shares of the rows [1]_.

    Parameters
    ----------
    probabilities : array-like of shape (n_samples, n_classes)
    codes : array-like of int of shape (n_samples,)
        True classes.
    n_bins : int >= 1, default=15

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017,
       Eq. 3.

    Examples
    --------
    >>> expected_calibration_error([[0.75, 0.25]] * 4, [0, 0, 0, 1])
    0.0
    >>> expected_calibration_error([[1.0, 0.0]] * 4, [0, 0, 0, 1])
    0.25
    """
    p, codes = np.asarray(probabilities, dtype=float), np.asarray(codes)
    if p.ndim != 2 or len(p) != len(codes) or not len(p):
        raise InputError(f"probabilities must be one row an answer, got {p.shape}, {len(codes)}.")
    check_argument(n_bins, POSITIVE_INT, "n_bins")
    sure, right = p.max(axis=1), p.argmax(axis=1) == codes
    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, right, n_bins) - np.bincount(bins, sure, n_bins)
    return float(np.abs(gaps).sum() / len(p))


def best_temperature(
    logits: ArrayLike, codes: ArrayLike, log_probabilities: Callable[..., Any] = LOG_SOFTMAX
) -> float:
    """Return the temperature at which ``logits / T`` give the labels most likelihood.

    Parameters
    ----------
    logits : array-like of shape (n_samples, n_classes)
        Of rows that were not trained on.
    codes : array-like of int of shape (n_samples,)
    log_probabilities : callable, optional
        From logits to log-probabilities of shape (n_samples, n_classes); default: those of the
        softmax.

    Returns
    -------
    float
        In [0.05, 20] (Guo et al., ICML 2017, Sect. 4.2); above 1 where answers were too sure.
    """
    logits, codes = np.asarray(logits, dtype=float), np.asarray(codes)

    def loss(log_t):
        return -np.mean(log_probabilities(logits / np.exp(log_t))[np.arange(len(codes)), codes])

    bounds = np.log(0.05), np.log(20)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
