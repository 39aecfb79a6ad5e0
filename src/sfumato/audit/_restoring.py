"""A regression from protected templates back to raw ones, learnt from pairs of both.

The attacker holds both versions of some people's templates: a leaked backup, a partner who never
erased, or photos found elsewhere and encoded. Ridge and kernel ridge are tuned on people held out
of the fit, and the better is fitted again on all.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sfumato.audit.views import attack_views
from sfumato.data.info import by_direction
from sfumato.metrics.comparators import comparator

VALIDATION_SHARE = 0.25
# A kernel matrix holds the square of it.
KERNEL_ROWS = 2000
RIDGE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
KERNEL_STRENGTHS = (1e-3, 1e-2, 1e-1)
KERNEL_WIDTHS = (0.1, 0.3, 1.0)
TUNED = ("alpha", "gamma")


@dataclass(frozen=True)
class Restorer:
    """A fitted regression from protected to raw templates.

    Attributes
    ----------
    name : {"ridge", "kernel ridge"}
    parameters : dict
    validation : float
        Mean score, by the raw metric, of restored with raw templates of held-out people.
    """

    name: str
    parameters: dict
    validation: float
    metric: str
    protected_metric: str
    estimator: RegressorMixin
    mean: NDArray[Any]

    def restore(self, protected: NDArray[Any]) -> NDArray[Any]:
        """Return estimated raw templates, comparable by the raw metric, in the same order."""
        X = _inputs(protected, self.name, self.protected_metric)
        restored = self.estimator.predict(X) + self.mean
        if self.metric == "agreement":
            restored = restored.round().clip(0, 255)
        return restored.astype(self.mean.dtype)

    def usable(self, protected: NDArray[Any]) -> NDArray[Any]:
        """Return the same without rows of zeros, to which cosine has no answer.

        A regression that learnt nothing may return them; they get a direction that says nothing.
        """
        restored = self.restore(protected)
        if not by_direction(self.metric):
            return restored
        tiny = np.finfo(restored.dtype).tiny ** 0.25
        return np.where(restored.any(axis=1, keepdims=True), restored, tiny)


def train_restorer(
    protected: NDArray[Any],
    raw: NDArray[Any],
    identity: NDArray[Any],
    *,
    metric: str = "cosine",
    protected_metric: str | None = None,
    seed: int = 0,
    kernel_rows: int = KERNEL_ROWS,
) -> Restorer:
    """Learn raw templates from protected ones, the best regression by validation people.

    Parameters
    ----------
    protected : ndarray of shape (n_samples, n_features_out)
    raw : ndarray of shape (n_samples, n_features)
        The same rows.
    identity : ndarray of shape (n_samples,)
        Who is on each row; at least 2 people.
    metric : str, default="cosine"
        How raw templates are compared.
    protected_metric : str, optional
        How protected ones are; default ``metric``.
    seed : int, default=0
        Of the validation people and of the rows given to the kernel.
    kernel_rows : int, default=2000
        At most so many rows are given to the kernel.

    Returns
    -------
    Restorer

    Notes
    -----
    A lower bound of what can be restored: a network trained on more pairs may do better.
    """
    protected_metric = protected_metric or metric
    raw = np.asarray(comparator(metric).prepare(raw))
    raw = raw if raw.dtype.kind == "f" else raw.astype(np.float32)
    split = GroupShuffleSplit(1, test_size=VALIDATION_SHARE, random_state=seed)
    train, held_out = next(split.split(raw, groups=identity))
    rng = np.random.default_rng(seed)

    def fitted(name, estimator, rows):
        rows = rows if name == "ridge" else _at_most(rows, kernel_rows, rng)
        mean = raw[rows].mean(axis=0)
        X = _inputs(protected[rows], name, protected_metric)
        model = clone(estimator).fit(X, raw[rows] - mean)
        last = estimator[-1].get_params()
        parameters = {key: last[key] for key in TUNED if key in last}
        return Restorer(name, parameters, np.nan, metric, protected_metric, model, mean)

    def score(restorer):
        return _mean_score(restorer.restore(protected[held_out]), raw[held_out], metric)

    candidates = _candidates(len(train), protected.shape[1])
    scores = [score(fitted(name, estimator, train)) for name, estimator in candidates]
    best = int(np.argmax(scores))
    name, estimator = candidates[best]
    return replace(fitted(name, estimator, np.arange(len(raw))), validation=scores[best])


def _candidates(n_rows, n_features):
    ridges = [("ridge", Ridge(share * n_rows, fit_intercept=False)) for share in RIDGE_STRENGTHS]
    kernels = [
        ("kernel ridge", KernelRidge(alpha=alpha, kernel="rbf", gamma=width / n_features))
        for alpha in KERNEL_STRENGTHS
        for width in KERNEL_WIDTHS
    ]
    return [(name, make_pipeline(StandardScaler(), last)) for name, last in ridges + kernels]


def _inputs(protected, name, metric):
    view = attack_views(protected, metric)["polar" if name == "kernel ridge" else "template"]
    return view.astype(np.float64)  # In float32 a kernel matrix is singular.


def _at_most(rows, n_rows, rng):
    return rows if len(rows) <= n_rows else np.sort(rng.choice(rows, n_rows, replace=False))


def _mean_score(restored, raw, metric):
    found = comparator(metric)
    return float(found.pairs(found.prepare(restored), found.prepare(raw)).mean())
