"""What other labels of a person say of an attribute: their encoding, readers and weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sfumato.audit.attackers import Attacker
from sfumato.data.labels import as_text, is_continuous, is_missing, refuse_infinite
from sfumato.errors import InputError

#: A probability below this counts as this, so that no single row weighs much.
LEAST_PROBABILITY = 0.02
N_FOLDS = 5


def encode_labels(
    train: dict[str, NDArray[Any]], test: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return labels as columns of numbers, of the rows trained on and tested on.

    Classes have a column each; numbers on a scale have their value and its square, standardised
    by the first rows. A missing label has a column of its own. Classes that the first rows do not
    have are no class.
    """
    sides: list[list[Any]] = [[], []]
    for name, values in train.items():
        both = values, test[name]
        for side in both:
            refuse_infinite(side, f"given: {name}")
        if is_continuous(values):
            known = values[~is_missing(values)].astype(np.float64)
            mean, spread = known.mean(), max(known.std(), np.finfo(float).tiny)
            for columns, side in zip(sides, both, strict=True):
                columns += _numbers(side, name, mean, spread)
        else:
            texts = [as_text(side) for side in both]
            classes = sorted({text for text in texts[0].tolist() if text is not None})
            for columns, text in zip(sides, texts, strict=True):
                columns += [text == value for value in classes]
                columns.append(is_missing(text))
    first, second = (np.stack(columns, axis=1).astype(np.float64) for columns in sides)
    return first, second


def _numbers(values, name, mean, spread):
    missing = is_missing(values)
    scaled = np.zeros(len(values))
    try:
        scaled[~missing] = (values[~missing].astype(np.float64) - mean) / spread
    except (TypeError, ValueError):
        raise InputError(
            f"given: {name} holds text in one place and continuous numbers in another."
        ) from None
    return [scaled, scaled**2, missing]


def label_readers(seed: int) -> list[Attacker]:
    """Return the readers of labels alone, unfitted."""
    trees = HistGradientBoostingClassifier(
        max_iter=50, max_leaf_nodes=4, early_stopping=False, random_state=seed
    )
    return [
        Attacker(
            "logistic regression",
            make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=1000)),
            {"C": [1e-2, 1e-1, 1, 10]},
        ),
        Attacker("gradient boosting", trees, {"max_leaf_nodes": [4, 15]}),
    ]


def overlap_weights(
    Z: NDArray[Any], y: NDArray[Any], identity: NDArray[Any], *, seed: int = 0
) -> NDArray[np.float64]:
    """Return weights under which the attribute goes with no label; 1 where none says anything.

    A row weighs ``n_classes * h / e_y``, where ``e_k`` is the probability of class k given the
    labels were all classes equally frequent, read on folds without the row's person, and
    ``1 / h`` is the sum of all ``1 / e_k``: people of whom the labels say little count most,
    those whose class they tell hardly, and no weight exceeds the number of classes [1]_.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_columns)
    y, identity : ndarray of shape (n_samples,)
    seed : int, default=0

    Notes
    -----
    Of a logistic regression and boosted trees the one of less log loss gives the probabilities.

    References
    ----------
    .. [1] Li, Li, "Propensity score weighting for causal inference with multiple treatments",
       Annals of Applied Statistics 13(4), 2019, arXiv:1808.05339.
    """
    classes, codes = np.unique(y, return_inverse=True)
    folds = list(StratifiedGroupKFold(N_FOLDS).split(Z, y, identity))
    rows = np.arange(len(y))
    found = [_held_out(reader.estimator, Z, y, folds, classes) for reader in label_readers(seed)]
    probability = min(found, key=lambda p: -np.log(p[rows, codes].clip(1e-6)).mean())
    probability /= np.bincount(codes) / len(codes)
    probability /= probability.sum(axis=1, keepdims=True)
    inverse = 1 / probability.clip(LEAST_PROBABILITY)
    return len(classes) * inverse[rows, codes] / inverse.sum(axis=1)


def _held_out(estimator, Z, y, folds, classes):
    """Return each row's class probabilities, read without its person."""
    probability = np.zeros((len(y), len(classes)))
    for fit, held_out in folds:
        fitted = clone(estimator).fit(Z[fit], y[fit])
        columns = np.searchsorted(classes, fitted.classes_)
        probability[np.ix_(held_out, columns)] = fitted.predict_proba(Z[held_out])
    return probability


def effective_people(
    weight: NDArray[Any], y: NDArray[Any], identity: NDArray[Any]
) -> dict[str, float]:
    """Return how many people each class's weighted people are worth.

    The smaller of Kish's effective sample size and the sum of weights, each at most 1: where the
    labels tell everybody's class, all weights are alike, and small.
    """
    found = {}
    for value in np.unique(y).tolist():
        rows = y == value
        _, person, n_rows = np.unique(identity[rows], return_inverse=True, return_counts=True)
        own = np.bincount(person, weight[rows])
        kish = own.sum() ** 2 / np.square(own).sum()
        total = (np.bincount(person, weight[rows].clip(max=1)) / n_rows).sum()
        found[value] = float(min(kish, total))
    return found
