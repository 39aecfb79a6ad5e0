"""The suite: the attackers, each with the grid over which it is tuned.

Every attacker scales its input, except the similarity attack, which compares embeddings the
way a matcher does.
"""

from dataclasses import dataclass, field

from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sfumato.audit._kernels import CubicRidge, RbfSVC
from sfumato.audit._paired import READERS, PairedReader, over_readers
from sfumato.audit._quadratic import ShrunkQuadratic
from sfumato.audit._searches import (
    Score,
    one_by_one,
    over_kernels,
    over_neighbours,
    over_ridges,
    over_shrinkages,
)
from sfumato.audit._similarity import SimilarityAttacker
from sfumato.audit.views import PAIRED, Pairs

CUBIC = "cubic kernel ridge"


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


def _scaled(estimator):
    return make_pipeline(StandardScaler(), estimator)


def make_suite(
    n_features: int, seed: int = 0, metric: str = "cosine", pairs: Pairs | None = None
) -> list[Attacker]:
    """Return all attackers, by the parameters of :func:`sfumato.audit.attackers.attackers`."""
    suite = [*_readers(n_features, seed, metric), _cubic_ridge()]
    return suite if pairs is None else [*suite, _paired(pairs, seed)]


def _cubic_ridge():
    return Attacker(CUBIC, _scaled(CubicRidge()), {"alpha": [3.0, 30.0, 300.0]}, score=over_ridges)


def _paired(pairs, seed):
    return Attacker(
        PAIRED,
        PairedReader(pairs, seed=seed),
        {"reader": list(READERS)},
        view=PAIRED,
        score=over_readers,
    )


def _readers(n_features, seed, metric):
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
