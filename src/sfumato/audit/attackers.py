"""The attackers: classifiers trained afresh on (protected) embeddings to read an attribute.

Every attacker scales its input, except the similarity attack, which compares embeddings the
way a matcher does. Each comes with the grid over which it is tuned.
"""

import warnings
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import ParameterGrid, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sfumato._constraints import Each, check_argument
from sfumato.audit._kernels import RbfSVC
from sfumato.audit._quadratic import ShrunkQuadratic
from sfumato.audit._searches import (
    Score,
    one_by_one,
    over_kernels,
    over_neighbours,
    over_shrinkages,
    race,
)
from sfumato.audit._similarity import SimilarityAttacker
from sfumato.errors import InputError
from sfumato.validation import check_choice


@dataclass(frozen=True)
class Attacker:
    """One kind of attacker: an unfitted estimator, the grid to tune it over, what it sees.

    Of a pipeline the grid names parameters of the last step. ``score`` predicts for all settings
    of the grid at once, see :mod:`sfumato.audit._searches`.
    """

    name: str
    estimator: BaseEstimator
    grid: dict = field(default_factory=dict)
    view: str = "polar"
    score: Score = one_by_one


def attackers(
    n_features: int, names: list[Any] | None = None, *, seed: int = 0, metric: str = "cosine"
) -> list[Attacker]:
    """Return the attackers of the suite, all or those named.

    Parameters
    ----------
    n_features : int
        Sets the range of the RBF kernel's width.
    names : list of (str or classifier), optional
        Of :data:`NAMES`, or see :func:`own_attacker`.
    seed : int, default=0
    metric : str, default="cosine"
        How templates are compared, by the similarity attack too; only those compared by distance
        it compares by cosine.

    Returns
    -------
    list of Attacker
    """
    suite = {attacker.name: attacker for attacker in _suite(n_features, seed, metric)}
    if names is None:
        return list(suite.values())
    return [
        suite[check_choice(name, tuple(suite), "attacker")]
        if isinstance(name, str)
        else own_attacker(name)
        for name in names
    ]


def own_attacker(estimator: BaseEstimator) -> Attacker:
    """Return a user's classifier as an attacker: a clone of it, not tuned, not scaled.

    Parameters
    ----------
    estimator : scikit-learn classifier
        With ``fit(X, y)`` and ``predict(X)``; it sees the templates as they are. A grid is its
        own, such as :class:`~sklearn.model_selection.GridSearchCV`'s.

    Raises
    ------
    InputError
        If it cannot be cloned.
    """
    try:
        return Attacker(type(estimator).__name__, clone(estimator), view="template")
    except Exception as error:
        raise InputError(
            f"attacker {type(estimator).__name__} cannot be cloned: {error}"
        ) from error


def check_attackers(names: Any) -> list[Any]:
    """Return the attackers asked for, None being all; refuse what is none."""
    if names is None:
        return list(NAMES)
    check_argument(names, Each(_Attacker()), "attackers")
    found = [name if isinstance(name, str) else type(name).__name__ for name in names]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputError(f"attackers: {', '.join(twice)} is there twice; name each once.")
    return list(names)


class _Attacker:
    def describe(self) -> str:
        return f"a classifier with fit and predict, or one of {', '.join(map(repr, NAMES))}"

    def accepts(self, value: Any) -> bool:
        if isinstance(value, str | type):
            return value in NAMES
        return all(callable(getattr(value, name, None)) for name in ("fit", "predict"))


def _scaled(estimator):
    return make_pipeline(StandardScaler(), estimator)


def _suite(n_features, seed, metric="cosine"):
    return [
        Attacker(
            "logistic regression",
            _scaled(LogisticRegression(max_iter=1000, random_state=seed)),
            {"C": [1e-3, 1e-2, 1e-1, 1]},
            view="template",
        ),
        Attacker(
            "linear SVM",
            _scaled(LinearSVC(dual=False, random_state=seed)),
            {"C": [1e-3, 1e-2, 1e-1]},
            view="template",
        ),
        Attacker(
            "RBF SVM",
            _scaled(RbfSVC()),
            {"C": [1, 10], "gamma": [g / n_features for g in (0.3, 1, 3, 10)]},
            score=over_kernels,
        ),
        Attacker(
            "kNN",
            _scaled(KNeighborsClassifier(algorithm="brute")),
            {"n_neighbors": [5, 15, 45]},
            score=over_neighbours,
        ),
        Attacker(
            "random forest",
            # Half of the rows and fewer features a tree: twice as fast.
            _scaled(
                RandomForestClassifier(
                    100,
                    min_samples_leaf=2,
                    max_samples=0.5,
                    max_features="log2",
                    n_jobs=-1,
                    random_state=seed,
                )
            ),
        ),
        Attacker(
            "gradient boosting",
            _scaled(
                HistGradientBoostingClassifier(
                    max_bins=63, early_stopping=False, random_state=seed
                )
            ),
            {"max_leaf_nodes": [7, 31]},
        ),
        Attacker(
            "MLP",
            _scaled(MLPClassifier((128,), early_stopping=True, random_state=seed)),
            {"alpha": [1e-2, 1.0]},
        ),
        Attacker(
            "quadratic discriminant",
            _scaled(ShrunkQuadratic()),
            {"shrinkage": [0.01, 0.1, 0.5]},
            score=over_shrinkages,
        ),
        Attacker(
            "similarity",
            SimilarityAttacker(metric="cosine" if metric == "euclidean" else metric),
            {
                "aggregate": ["max", "mean", "log", "linear"],
                "n_top": [1, 5, 10, 50, 100, 200],
            },
            view="template",
        ),
    ]


NAMES = tuple(attacker.name for attacker in _suite(1, 0))
#: A look at what shows most: linear, by distance, by variances.
QUICK = ("logistic regression", "RBF SVM", "quadratic discriminant")


@dataclass(frozen=True)
class TrainedAttacker:
    """A tuned attacker, refitted on all development rows.

    Parameters
    ----------
    name : str
    estimator : fitted classifier
    validation : float
        Mean balanced accuracy on the identities held out in cross-validation.
    training : float
        Balanced accuracy on the rows it was fitted on.
    parameters : dict
        The grid's choice.
    converged : bool
    """

    name: str
    estimator: BaseEstimator
    validation: float
    training: float
    parameters: dict
    converged: bool = True


def train_attacker(
    attacker: Attacker,
    X: NDArray[Any],
    y: NDArray[Any],
    identity: NDArray[Any],
    *,
    n_folds: int = 3,
) -> TrainedAttacker:
    """Tune an attacker by identity-grouped cross-validation and refit it on all rows.

    Parameters
    ----------
    attacker : Attacker
    X : ndarray of shape (n_samples, n_features)
    y, identity : ndarray of shape (n_samples,)
    n_folds : int, default=3

    Returns
    -------
    TrainedAttacker
    """
    folds = list(StratifiedGroupKFold(n_folds).split(X, y, identity))
    if isinstance(attacker.estimator, SimilarityAttacker):
        chosen, validation = attacker.estimator.tune(X, y, folds, ParameterGrid(attacker.grid))
        return TrainedAttacker(
            attacker.name,
            attacker.estimator.set_params(**chosen).fit(X, y),
            validation,
            attacker.estimator.score_without_self(),
            chosen,
        )
    grid = list(ParameterGrid(attacker.grid))
    chosen, validation = race(attacker.score, attacker.estimator, grid, X, y, folds)
    estimator = clone(attacker.estimator)
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    last.set_params(**chosen)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        estimator.fit(X, y)
    return TrainedAttacker(
        attacker.name,
        estimator,
        validation,
        float(balanced_accuracy_score(y, estimator.predict(X))),
        chosen,
        not any(issubclass(w.category, ConvergenceWarning) for w in caught),
    )
