"""Readers of an attribute on frozen templates: the classifiers f_k of the papers' Fig. 1 and 2."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sfumato._constraints import POSITIVE, POSITIVE_INT, SEED, check_parameters
from sfumato.data.rows import unit_rows
from sfumato.errors import InputError
from sfumato.nets.dense import dense_forward
from sfumato.outcomes import Progress
from sfumato.validation import need


class DomainAdaptationClassifier(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Adapt templates to one attribute: a dense layer f_k(x), and a softmax on it [1]_ [2]_.

    Parameters
    ----------
    n_units : int, default=1024
        Units of f_k, with ReLU ([2]_, Sect. V-C).
    n_epochs : int, default=150
        Passes over the rows ([1]_, Sect. 4.2; [2]_, Sect. IV).
    learning_rate : float, default=1e-3
        Of Adam, with its default moments (same sections).
    batch_size : int, default=128
        Same sections.
    seed : int, default=0

    Attributes
    ----------
    network_ : dict of str to ndarray
        Weights and biases of the two layers, float32 (:mod:`sfumato.nets.dense`).
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int

    Notes
    -----
    The encoder stays frozen: it takes no part. Rows are brought to unit length first, as the
    papers' embeddings are ([1]_, Sect. 4.1); a row of zeros stays so.

    It is a reader, to show what a template tells and to draw f_k(x). That it fails on a
    protected template proves nothing; for that, :func:`sfumato.audit.protocol.audit` trains
    many attackers.

    Choices where the papers are silent: weights start at Xavier's uniform; no weight decay, no
    early stop. Two classes have a softmax of two units in the place of [2]_'s sigmoid.

    References
    ----------
    .. [1] Morales, Fierrez, Vera-Rodriguez, Tolosana, "SensitiveNets: Learning Agnostic
       Representations with Application to Face Images", IEEE TPAMI 2020.
    .. [2] Pena, Fierrez, Morales, Lapedriza, "Learning Emotional-Blinded Face
       Representations", ICPR 2020.
    """

    constraints: ClassVar = {
        "n_units": POSITIVE_INT,
        "n_epochs": POSITIVE_INT,
        "learning_rate": POSITIVE,
        "batch_size": POSITIVE_INT,
        "seed": SEED,
    }

    def __init__(
        self,
        *,
        n_units: int = 1024,
        n_epochs: int = 150,
        learning_rate: float = 1e-3,
        batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        self.n_units = n_units
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, *, progress: Progress | None = None) -> Any:
        """Train both layers; needs the extra ``deep``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Classes of the attribute, two or more.
        progress : callable, optional
            Called as ``progress(n_done, n_total, what)`` after each epoch.

        Returns
        -------
        self
        """
        need("torch", "deep")
        check_parameters(self)
        from sfumato.readers._heads_training import train_head

        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y has 1 class, {self.classes_[0]}; at least 2 are needed.")
        self.network_ = train_head(self, unit_rows(X), codes, progress)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Return f_k(x), shape (n_samples, n_units), not negative."""
        X = self._rows(X)
        hidden = {name: self.network_[name] for name in ("weight_0", "bias_0")}
        return dense_forward(hidden, X, activate_last=True)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Return the probabilities of ``classes_``, shape (n_samples, n_classes)."""
        X = self._rows(X)
        return softmax(dense_forward(self.network_, X), axis=1)

    def predict(self, X: ArrayLike) -> Any:
        """Return the most probable class of each row, shape (n_samples,)."""
        number = self.predict_proba(X).argmax(axis=1)
        return self.classes_[number]

    def _rows(self, X):
        check_is_fitted(self)
        return unit_rows(validate_data(self, X, dtype=[np.float32, np.float64], reset=False))
