"""The attackers of an audit, chosen by name, and how each is tuned and trained."""

import warnings
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import ParameterGrid, StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from sfumato._constraints import Each, check_argument
from sfumato.audit._searches import race
from sfumato.audit._similarity import SimilarityAttacker
from sfumato.audit._suite import Attacker, make_suite
from sfumato.audit.views import PAIRED, Pairs
from sfumato.errors import InputError
from sfumato.validation import check_choice


def attackers(
    n_features: int,
    names: list[Any] | None = None,
    *,
    seed: int = 0,
    metric: str = "cosine",
    pairs: Pairs | None = None,
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
    pairs : Pairs, optional
        Where raw and protected templates are; without them there is no "paired original".

    Returns
    -------
    list of Attacker
    """
    suite = {attacker.name: attacker for attacker in make_suite(n_features, seed, metric, pairs)}
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


def check_attackers(names: Any, *, paired: bool = True) -> list[Any]:
    """Return the attackers asked for, None being all; refuse what is none.

    Parameters
    ----------
    names : list of (str or classifier), or None
    paired : bool, default=True
        Whether raw and protected templates are both there.
    """
    if names is None:
        return [name for name in NAMES if paired or name != PAIRED]
    check_argument(names, Each(_Attacker()), "attackers")
    found = [name if isinstance(name, str) else type(name).__name__ for name in names]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputError(f"attackers: {', '.join(twice)} is there twice; name each once.")
    if PAIRED in found and not paired:
        raise InputError(f"attackers: {PAIRED!r} needs raw and protected templates; give both.")
    if found == [PAIRED]:
        raise InputError(f"attackers: {PAIRED!r} cannot attack raw templates; name another too.")
    return list(names)


class _Attacker:
    def describe(self) -> str:
        return f"a classifier with fit and predict, or one of {', '.join(map(repr, NAMES))}"

    def accepts(self, value: Any) -> bool:
        if isinstance(value, str | type):
            return value in NAMES
        return all(callable(getattr(value, name, None)) for name in ("fit", "predict"))


NAMES = tuple(attacker.name for attacker in make_suite(1, pairs=Pairs(1)))
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
