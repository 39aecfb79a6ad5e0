"""The published probes: neural network, support vector machine and random forest.

SensitiveNets and the emotional-blinded representations were judged by these three. Their
figures are only comparable with one another; the audit's whole suite stands beside them.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sfumato.audit.views import span
from sfumato.data.splits import balanced_rows

NN, SVM, RF = "neural network", "support vector machine", "random forest"


def probes(*, n_epochs: int = 150, seed: int = 0) -> dict[str, Any]:
    """Return the three unfitted probes by name; all scale their input.

    The network is a dense layer of 1,024 ReLU units and a softmax, trained by Adam (rate 1e-3)
    on batches of 128, 150 epochs in the papers. The papers give no parameters of the other two:
    they are scikit-learn's defaults.

    Parameters
    ----------
    n_epochs : int, default=150
    seed : int, default=0

    Returns
    -------
    dict of str to estimator
    """
    network = MLPClassifier(
        (1024,),
        batch_size=128,
        learning_rate_init=1e-3,
        max_iter=n_epochs,
        alpha=0,
        random_state=seed,
    )
    estimators = {NN: network, SVM: SVC(), RF: RandomForestClassifier(random_state=seed)}
    return {
        name: make_pipeline(StandardScaler(), estimator) for name, estimator in estimators.items()
    }


def probe(
    X: NDArray[Any],
    y: NDArray[Any],
    X_test: NDArray[Any],
    y_test: NDArray[Any],
    *,
    names: Sequence[str] = (NN, SVM, RF),
    n_epochs: int = 150,
    seed: int = 0,
) -> dict[str, float]:
    """Return the balanced accuracy of each probe, trained on the first rows.

    Parameters
    ----------
    X, X_test : ndarray of shape (n_samples, n_features)
    y, y_test : ndarray of shape (n_samples,)
    names : sequence of str
        Which of the probes.
    n_epochs, seed : int
        As for :func:`probes`.

    Returns
    -------
    dict of str to float in [0, 1]
    """
    basis = span(X)
    X, X_test = X @ basis, X_test @ basis
    found = {}
    for name in names:
        estimator = fitted(probes(n_epochs=n_epochs, seed=seed)[name], X, y)
        found[name] = float(balanced_accuracy_score(y_test, estimator.predict(X_test)))
    return found


def fitted(estimator: Any, X: ArrayLike, y: ArrayLike) -> Any:
    """Return the fitted estimator; the number of epochs is the papers', converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def predict_each_fold(
    estimator: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    identity: NDArray[Any],
    *,
    balanced: bool = False,
    n_folds: int = 5,
    seed: int = 0,
) -> NDArray[Any]:
    """Return a prediction for every row, of an estimator that did not see its person.

    Parameters
    ----------
    estimator : classifier
    X : ndarray of shape (n_samples, n_features)
    y, identity : ndarray of shape (n_samples,)
    balanced : bool, default=False
        Train on equally many rows of every class.
    n_folds : int, default=5
        The people are dealt out to so many folds, with about the same classes in each.
    seed : int, default=0

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    predicted = np.empty_like(y)
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for train, test in folds.split(X, y, identity):
        if balanced:
            train = train[balanced_rows(y[train], seed=seed)]
        predicted[test] = fitted(clone(estimator), X[train], y[train]).predict(X[test])
    return predicted
