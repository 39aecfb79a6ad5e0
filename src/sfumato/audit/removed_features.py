"""How much of a template an attribute needs: accuracy when features are removed at random.

SensitiveNets, Fig. 3 (gender and ethnicity) and Emotional-Blinded Face Representations, Fig. 4
(emotion): a tenth of the features is almost as good as all, so the attribute is everywhere in
the template, and dropping features does not take it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sfumato._constraints import at_least, check_argument
from sfumato.audit._rows import check_classes
from sfumato.data.labels import as_classes, as_names
from sfumato.data.splits import balanced_rows, split_identities
from sfumato.errors import InputError
from sfumato.outcomes import Progress
from sfumato.validation import check_embeddings

REMOVED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Curve:
    """Balanced accuracy on test people for each share of removed features.

    Attributes
    ----------
    n_left : ndarray of int of shape (n_shares,)
        Features that the classifier was given; at least 1.
    accuracy : ndarray of shape (n_shares, n_repeats)
        In [0, 1]; each repetition draws other features.
    """

    n_left: np.ndarray
    accuracy: np.ndarray

    @property
    def mean(self) -> Any:
        """Mean over the repetitions, shape (n_shares,)."""
        return self.accuracy.mean(axis=1)

    @property
    def deviation(self) -> Any:
        """Standard deviation over the repetitions, shape (n_shares,)."""
        return self.accuracy.std(axis=1, ddof=1)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "n_left": self.n_left.tolist(),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }


@dataclass(frozen=True)
class RemovedFeatures:
    """The curves of raw and of protected templates.

    Attributes
    ----------
    removed : ndarray of shape (n_shares,)
        Shares of removed features, in [0, 1).
    chance : float
        ``1 / n_classes``.
    before : Curve
    after : Curve or None
        Of protected templates, if there were any.
    """

    removed: np.ndarray
    chance: float
    before: Curve
    after: Curve | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        sides = {"before": self.before, "after": self.after}
        curves = {name: curve.to_dict() for name, curve in sides.items() if curve is not None}
        return {"removed": self.removed.tolist(), "chance": self.chance, **curves}


def accuracy_without_features(
    X: ArrayLike,
    y: ArrayLike,
    *,
    identity: ArrayLike | None = None,
    protected: ArrayLike | None = None,
    classifier: Any = None,
    removed: Sequence[float] = REMOVED,
    n_repeats: int = 5,
    test_share: float = 1 / 6,
    max_train_rows: int = 9000,
    seed: int = 0,
    progress: Progress | None = None,
) -> RemovedFeatures:
    """Train a classifier on fewer and fewer randomly chosen features, and test it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Embeddings; where an eraser takes part, of people that it was not fitted on.
    y : array-like of shape (n_samples,)
        The attribute; rows where it is missing (``None`` or NaN) are left out.
    identity : array-like of shape (n_samples,), optional
        Who is on each row; without it every row counts as a person of its own.
    protected : array-like of shape (n_samples, n_features_out), optional
        The same rows after an eraser.
    classifier : scikit-learn classifier, optional
        Trained afresh each time; default an RBF SVM on standardised features.
    removed : sequence of float in [0, 1)
        Shares of removed features.
    n_repeats : int >= 2, default=5
        So many draws of the features that are removed.
    test_share : float in (0, 1), default=1/6
        Share of people kept for the test (Sect. 4.2 of SensitiveNets: 1,800 of 10,800).
    max_train_rows : int, default=9000
        At most so many training rows, balanced over the classes (same section).
    seed : int, default=0
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    RemovedFeatures

    Raises
    ------
    InputError
        For a share or number out of range, lengths that differ, or too few people.

    Notes
    -----
    The deviation is that over draws of features alone: all repetitions share one split of the
    people. Within a repetition the features left are nested. The accuracy is the balanced one.

    A classifier gives a lower bound of what the features tell. The papers' own, a softmax layer
    in SensitiveNets' Fig. 3, finds linear leaks alone: after LEACE it reads next to nothing of
    a gender that the RBF SVM still reads.
    """
    removed = _check_shares(removed)
    # Of one there is no deviation.
    check_argument(n_repeats, at_least(2), "n_repeats")
    sides = {"raw": check_embeddings(X)}
    if protected is not None:
        sides["protected"] = check_embeddings(protected, "protected")
    rows = _split(len(sides["raw"]), y, identity, sides, test_share, max_train_rows, seed)
    if classifier is None:
        classifier = make_pipeline(StandardScaler(), SVC(C=10))
    curves: list[Curve] = []
    for name, values in sides.items():
        n_left = np.maximum(np.round((1 - removed) * values.shape[1]), 1).astype(int)
        accuracy = np.empty((len(removed), n_repeats))
        for repeat in range(n_repeats):
            if progress is not None:
                done = len(curves) * n_repeats + repeat
                progress(done, len(sides) * n_repeats, f"{name} embeddings")
            order = np.random.default_rng([seed, repeat]).permutation(values.shape[1])
            accuracy[:, repeat] = [
                _accuracy(classifier, values[:, order[:n]], rows) for n in n_left
            ]
        curves.append(Curve(n_left, accuracy))
    return RemovedFeatures(removed, 1 / rows.n_classes, curves[0], (*curves, None)[1])


class _Split(NamedTuple):
    y: np.ndarray
    train: np.ndarray
    test: np.ndarray
    n_classes: int


def _split(n, y, identity, sides, test_share, max_train_rows, seed):
    """Return class-balanced training rows and all rows of other people."""
    y = as_classes(y)
    people = np.arange(n).astype(str) if identity is None else as_names(identity)
    for name, values in {"y": y, "identity": people, **sides}.items():
        if len(values) != n:
            raise InputError(f"{name} must have one entry a row, {n}, got {len(values)}.")
    known = np.array([value is not None for value in y.tolist()])
    y = y.astype(str)
    held_out, kept = (
        np.flatnonzero(known & side)
        for side in split_identities(people, test_share, seed=f"features {seed}")
    )
    train, test = (SimpleNamespace(y=y[r], identity=people[r]) for r in (kept, held_out))
    classes = check_classes(train, test)
    picked = balanced_rows(train.y, seed=seed, max_rows=max_train_rows)
    return _Split(y, kept[picked], held_out, len(classes))


def _accuracy(classifier, X, rows):
    fitted = clone(classifier).fit(X[rows.train], rows.y[rows.train])
    return balanced_accuracy_score(rows.y[rows.test], fitted.predict(X[rows.test]))


def _check_shares(removed):
    shares = np.asarray(removed, dtype=float)
    if shares.ndim != 1 or not shares.size or not ((shares >= 0) & (shares < 1)).all():
        raise InputError(f"removed must hold shares in [0, 1), got {removed}.")
    return shares
