"""An attacker with pairs: it restores raw templates from protected ones, then reads those.

It holds both versions of the development people's templates, learns the way back from them
(:mod:`sfumato.audit._restoring`) and reads the restored templates as it reads raw ones. Hundreds
of features to restore teach more than one label does: where a change of all features at once
hides the attribute from those who know labels alone, pairs may give it back.
"""

from collections.abc import Iterator
from typing import Any, Self

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sfumato.audit._kernels import RbfSVC
from sfumato.audit._quadratic import ShrunkQuadratic
from sfumato.audit._restoring import train_restorer
from sfumato.audit.views import Pairs
from sfumato.metrics.comparators import comparator

# Of the regression, fitted once a fold; the reversal in the report takes more.
KERNEL_ROWS = 1000
READERS = ("logistic regression", "RBF SVM", "quadratic discriminant")


class PairedReader(ClassifierMixin, BaseEstimator):
    """Restore raw templates by a regression, and read those by a classifier of raw templates.

    Parameters
    ----------
    pairs : Pairs
    reader : {"logistic regression", "RBF SVM", "quadratic discriminant"}
        Trained on raw templates.
    seed : int, default=0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    """

    def __init__(self, pairs: Pairs, *, reader: str = READERS[0], seed: int = 0) -> None:
        self.pairs = pairs
        self.reader = reader
        self.seed = seed

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        """Fit on rows of :meth:`Pairs.join` and their classes."""
        protected, raw, identity = self.pairs.part(X)
        self._restorer = train_restorer(
            protected,
            raw,
            identity,
            metric=self.pairs.metric,
            protected_metric=self.pairs.protected_metric,
            seed=self.seed,
            kernel_rows=KERNEL_ROWS,
        )
        return self.fit_reader(raw, y)

    def fit_reader(self, raw: NDArray[Any], y: NDArray[Any]) -> Self:
        """Fit the reader alone, on raw templates."""
        raw = comparator(self.pairs.metric).prepare(raw)
        self._fitted = _reader(self.reader, raw.shape[1], self.seed).fit(raw, y)
        self.classes_ = self._fitted[-1].classes_
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the class of each row; columns after the protected template are not looked at."""
        return self.read(self.restore(X))

    def restore(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return estimated raw templates, ready for the reader."""
        restored = self._restorer.usable(X[:, : self.pairs.n_protected])
        return comparator(self.pairs.metric).prepare(restored)

    def read(self, restored: NDArray[Any]) -> NDArray[Any]:
        """Return the class of each restored template."""
        return self._fitted.predict(restored)


def over_readers(
    settings: Any, model: Any, X: NDArray[Any], y: NDArray[Any], X_held_out: NDArray[Any]
) -> Iterator[NDArray[Any]]:
    """Restore once, and predict by each reader: a search of :mod:`sfumato.audit._searches`."""
    fitted = PairedReader(model.pairs, seed=model.seed).fit(X, y)
    restored, raw = fitted.restore(X_held_out), model.pairs.part(X)[1]
    for setting in settings:
        yield fitted.set_params(**setting).fit_reader(raw, y).read(restored)


def _reader(name, n_features, seed):
    readers = {
        "logistic regression": LogisticRegression(C=0.1, max_iter=1000, random_state=seed),
        "RBF SVM": RbfSVC(C=1, gamma=1 / n_features),
        "quadratic discriminant": ShrunkQuadratic(),
    }
    return make_pipeline(StandardScaler(), readers[name])
