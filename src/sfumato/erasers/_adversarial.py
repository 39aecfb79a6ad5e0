"""What the adversarially trained erasers share: checks, the primary task, the map.

An encoder moves templates so that a primary task keeps working while adversaries, trained at the
same time, fail to read the protected attributes. The primary task is, in this order,

- the classes given as ``primary``: only these are kept, matching is not;
- the identities: softmax over the people with normalised weights, as face encoders are trained
  (of more than 4,096 people, over those of the batch and others drawn at random);
- neither: the template itself, by its cosine distance from the original.
"""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sfumato._fitted import COUNT, TEXT, Arrays
from sfumato.data.labels import as_names, class_codes
from sfumato.data.rows import unit_rows
from sfumato.errors import InputError
from sfumato.losses.adversarial import cross_entropy, embedding_distance
from sfumato.nets.dense import dense_forward
from sfumato.validation import need

COUNTS = {
    *("n_epochs", "batch_size", "n_hidden", "n_units"),
    *("n_adversaries", "n_adversary_steps", "restart_epochs", "n_frequencies"),
}
WEIGHTS = {
    *("alpha", "attribute_weight", "centroid_weight", "dependence_weight", "entropy_weight"),
    *("head_epochs", "moment_weight", "opposite_weight", "reversal", "uniform_weight"),
}
TEMPLATE_WEIGHT = 4.0  # Makes methods' weights do about the same as with identities.


class AdversarialEraser(TransformerMixin, BaseEstimator):
    """Base of the erasers that train an encoder against adversaries.

    A subclass stores its parameters, among them ``seed``, and has ``_train(game, progress)``,
    which returns the trained encoder as a dict of arrays.

    Attributes
    ----------
    encoder_ : dict of str to ndarray
        The network, see :mod:`sfumato.nets.dense`.
    primary_task_ : {"classes", "identity", "template"}
        What the training kept.
    n_features_in_ : int
    """

    unit_length = True  # Templates are compared by cosine; the output is normalised.
    one_adversary_each = False  # Else several attributes are crossed.

    fitted = {"n_features_in_": COUNT, "encoder_": Arrays(), "primary_task_": TEXT}

    def fit(self, X, y, *, identity=None, primary=None, progress=None):
        """Train the encoder against its adversaries; needs the extra ``deep``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings; their length plays no part.
        y : array-like of shape (n_samples,) or (n_samples, n_attributes)
            Classes of the protected attributes.
        identity : array-like of shape (n_samples,), optional
            Who is on each row: the primary task unless ``primary`` is given. Without either the
            template itself is kept.
        primary : array-like of shape (n_samples,), optional
            Classes to keep, such as smiling, in the place of identity.
        progress : callable, optional
            Called as ``progress(n_done, n_total, what)``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For a count below 1, a negative weight, an attribute of one class, or labels that
            do not match the rows.
        """
        _check_parameters(self.get_params())
        need("torch", "deep")
        from sfumato.erasers._adversarial_training import Game

        X, y = validate_data(self, X, y, dtype=np.float32, multi_output=True, ensure_min_samples=2)
        columns = y.reshape(len(X), -1).T if self.one_adversary_each else [y]
        protected = [class_codes(column)[1] for column in columns]
        self.primary_task_, kept = _primary_task(len(X), identity, primary)
        game = Game(scaled_rows(X), protected, kept, self.primary_task_, self.seed)
        self.encoder_ = self._train(game, progress)
        return self

    def transform(self, X):
        """Return the protected embeddings, of unit length; float32 stays float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return unit_rows(self._encode(scaled_rows(X)))

    def _encode(self, x):
        return x + dense_forward(self.encoder_, x)


def scaled_rows(X):
    """Return rows of length ``sqrt(n_features)``, of the type of ``X``; a zero row stays zero."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return X * (X.shape[1] ** 0.5 / np.where(norms > 0, norms, 1)).astype(X.dtype)


def primary_loss(head, z, batch):
    """Return the primary task's loss: cross-entropy, or 4 (1 - cos) of rows and originals."""
    if head is None:
        return TEMPLATE_WEIGHT * embedding_distance(z, batch.template).mean()
    if hasattr(head, "batch_logits"):
        return cross_entropy(*head.batch_logits(z, batch.primary)).mean()
    return cross_entropy(head(z), batch.primary).mean()


def _check_parameters(parameters):
    for name, value in parameters.items():
        if name in COUNTS and value < 1:
            raise InputError(f"{name} must be at least 1, got {value}.")
        if name in WEIGHTS and not value >= 0:
            raise InputError(f"{name} must not be negative, got {value}.")
    if not parameters.get("alpha", 0) <= 1:
        raise InputError(f"alpha must lie in [0, 1], got {parameters['alpha']}.")


def _primary_task(n_samples, identity, primary):
    """Return the task's name and each row's class (None for the template itself)."""
    if primary is not None:
        name, labels = "primary", np.asarray(primary)
    elif identity is not None:
        name, labels = "identity", as_names(identity)
    else:
        return "template", None
    if labels.shape != (n_samples,):
        raise InputError(f"{name} must have one entry a row, {n_samples}, got {labels.shape}.")
    return ("classes" if name == "primary" else name), class_codes(labels, name)[1]
