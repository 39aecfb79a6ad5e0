"""Whether protected rows stand beside their own raw rows.

An eraser keeps some of the similarity structure, whatever the dimension, the rotation or the
metric of its output: who is like whom. So each row's profile, its scores against the other rows,
is compared with the profiles of all protected rows, and its own should fit best.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sfumato.metrics.comparators import ShuffledBlocks, comparator

N_ROWS, N_ALIGNED, MIN_ROWS = 400, 250, 40
N_SHUFFLES = 20
#: Standard deviations over shuffled orders from which raw and protected rows are related.
RELATED = 4.0


def compare_order(
    X: NDArray[Any], protected: NDArray[Any], metric: str, protected_metric: str, *, seed: int = 0
) -> dict[str, Any] | None:
    """Measure how protected rows fit the raw rows beside them.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    protected : ndarray of shape (n_samples, n_features_out)
    metric, protected_metric : str
        How each are compared.
    seed : int, default=0
        Of the sample of rows.

    Returns
    -------
    dict or None
        ``n_rows`` looked at; ``correlation`` of pairwise scores, over ranks, and ``shuffled``,
        its standard deviation over shuffled orders; ``fits``, the share of rows whose own
        protected profile fits better than 99 % of the others'; ``misplaced``, the estimated
        share of rows beside a stranger's; ``structured``, whether the protected rows have
        structure that any order of the raw rows would show (None where not needed). None for
        fewer than 40 rows, or where one side does not vary.
    """
    rng = np.random.default_rng(seed)
    compared = comparator(metric), comparator(protected_metric)
    aligned = any(isinstance(each, ShuffledBlocks) for each in compared)
    rows = rng.permutation(len(X))[: N_ALIGNED if aligned else N_ROWS]
    if len(rows) < MIN_ROWS:
        return None
    raw, erased = _scores(X[rows], metric), _scores(protected[rows], protected_metric)
    if _flat(raw) or _flat(erased):
        return None
    correlation, shuffled = _correlation(raw, erased, rng)
    place = _place(raw, erased)
    result = {
        "n_rows": len(rows),
        "correlation": correlation,
        "shuffled": shuffled,
        "fits": float(np.mean(place >= 0.99)),
        "misplaced": float(min(2 * np.mean(place < 0.5), 1.0)),
        "structured": None,
    }
    result["related"] = bool(correlation >= RELATED * shuffled)
    if not result["related"]:
        result["structured"] = _structured(X, protected, rows, protected_metric, rng)
    elif result["fits"] < 0.5 and not _even(place):
        result["misplaced"] = 0.0
    return result


def _scores(X, metric):
    compared = comparator(metric)
    X = compared.prepare(X)
    return np.asarray(compared.matrix(X, X), dtype=np.float64)


def _flat(scores):
    upper = scores[np.triu_indices(len(scores), 1)]
    return bool(np.ptp(upper) <= 1e-6 * max(np.abs(upper).max(), 1e-30))


def _correlation(raw, erased, rng):
    """Return the rank correlation of the pairs' scores, and its deviation over shuffles."""
    upper = np.triu_indices(len(raw), 1)
    a, b = rankdata(raw[upper]), rankdata(erased[upper])
    a, b = (a - a.mean()) / a.std(), (b - b.mean()) / b.std()
    square = np.zeros_like(raw)
    square[upper] = b
    square += square.T
    shuffled = []
    for _ in range(N_SHUFFLES):
        order = rng.permutation(len(raw))
        shuffled.append(np.mean(a * square[np.ix_(order, order)][upper]))
    return float(np.mean(a * b)), float(np.std(shuffled))


def _place(raw, erased):
    """Return the share of protected rows that fit each raw row worse than its own, ties half."""
    fit = _profiles(raw) @ _profiles(erased).T
    own = np.diag(fit)[:, None]
    tied = np.abs(fit - own) <= 1e-9
    return ((fit < own) & ~tied).mean(axis=1) + tied.mean(axis=1) / 2


def _even(place):
    """Return whether places that fall, fall everywhere alike: strangers' do, noise's hardly do.

    Where noise leaves half of the rows in the best hundredth, it lets 1 % fall below the half.
    """
    fits = np.mean(place >= 0.99) >= 0.2
    return bool(fits and np.mean(place < 0.25) >= 0.35 * np.mean(place < 0.5))


def _profiles(scores):
    profiles = scores.copy()
    np.fill_diagonal(profiles, np.nan)
    profiles -= np.nanmean(profiles, axis=1, keepdims=True)
    np.fill_diagonal(profiles, 0)
    return profiles / np.maximum(np.linalg.norm(profiles, axis=1, keepdims=True), 1e-12)


def _structured(X, protected, rows, metric, rng):
    """Return whether protected rows hold structure, judged without their order.

    Either their covariance is that of the raw rows, or their nearest neighbours are nearer than
    in rows with the same principal components drawn independently.
    """
    if X.shape[1] == protected.shape[1] and X.shape[1] > 2:
        upper = np.triu_indices(X.shape[1], 1)
        a, b = (np.cov(Z, rowvar=False)[upper] for Z in (X, protected))
        if a.std() > 0 and b.std() > 0:
            least = max(0.1, 6 / len(a) ** 0.5)
            if np.corrcoef(a, b)[0, 1] > least:
                return True
    Z = protected[rows].astype(np.float64)
    components = np.eye(Z.shape[1])
    if comparator(metric).rotatable:
        components = np.linalg.svd(Z - Z.mean(axis=0), full_matrices=False)[2]
    mixed = rng.permuted((Z - Z.mean(axis=0)) @ components.T, axis=0) @ components + Z.mean(axis=0)
    if not comparator(metric).rotatable:
        mixed = mixed.round(6)
    nearest = []
    for values in (Z, mixed):
        scores = _scores(values, metric)
        np.fill_diagonal(scores, -np.inf)
        nearest.append(scores.max(axis=1))
    n = len(Z)
    ranks = rankdata(np.concatenate(nearest))[:n].sum()
    return bool((ranks - n * (n + 1) / 2) / n**2 > 0.56)
