"""What the adversarially trained erasers share: checks, the primary task, the map.

An encoder moves templates so that a primary task keeps working while adversaries, trained at the
same time, fail to read the protected attributes. The primary task is, in this order,

- the classes given as ``primary``: only these are kept, matching is not;
- the identities: softmax over the people with normalised weights, as face encoders are trained
  (of more than 4,096 people, over those of the batch and others drawn at random);
- neither: the template itself, by its cosine distance from the original.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import POSITIVE, POSITIVE_INT, SEED
from sfumato._fitted import COUNT, TEXT, Arrays
from sfumato.data.labels import class_codes
from sfumato.data.rows import unit_rows
from sfumato.erasers._attributes import cross
from sfumato.erasers.base import Eraser
from sfumato.losses.adversarial import cross_entropy, embedding_distance
from sfumato.nets.dense import dense_forward
from sfumato.validation import need

TEMPLATE_WEIGHT = 4.0  # Makes methods' weights do about the same as with identities.


class AdversarialEraser(Eraser):
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

    constraints = {
        "n_hidden": POSITIVE_INT,
        "learning_rate": POSITIVE,
        "n_epochs": POSITIVE_INT,
        "batch_size": POSITIVE_INT,
        "seed": SEED,
    }
    uses: ClassVar[tuple[str, ...]] = ("identity", "primary")
    fit_dtypes = (np.float32,)
    unit_length = True  # Templates are compared by cosine; the output is normalised.
    one_adversary_each = False  # Else several attributes are crossed.

    fitted = {"n_features_in_": COUNT, "encoder_": Arrays(), "primary_task_": TEXT}

    def _fit(self, X, y, *, identity, context, primary, progress):
        need("torch", "deep")
        from sfumato.erasers._adversarial_training import Game

        each = y if self.one_adversary_each else [cross(y)]
        protected = [attribute.codes for attribute in each]
        self.primary_task_, kept = _primary_task(identity, primary)
        game = Game(scaled_rows(X), protected, kept, self.primary_task_, self.seed)
        self.encoder_ = self._train(game, progress)

    def _transform(self, X):
        return unit_rows(self._encode(scaled_rows(X)))

    def _add_to(self, graph, x):
        x = graph.unit_rows(x, self.n_features_in_**0.5)
        return graph.unit_rows(self._add_encoder(graph, x))

    def _encode(self, x):
        return x + dense_forward(self.encoder_, x)

    def _add_encoder(self, graph, x):
        return graph.add("Add", x, graph.dense(x, self.encoder_))


def scaled_rows(X: NDArray[Any]) -> Any:
    """Return rows of length ``sqrt(n_features)``, of the type of ``X``; a zero row stays zero."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return X * (X.shape[1] ** 0.5 / np.where(norms > 0, norms, 1)).astype(X.dtype)


def primary_loss(head: Any, z: Any, batch: Any) -> Any:
    """Return the primary task's loss: cross-entropy, or 4 (1 - cos) of rows and originals."""
    if head is None:
        return TEMPLATE_WEIGHT * embedding_distance(z, batch.template).mean()
    if hasattr(head, "batch_logits"):
        return cross_entropy(*head.batch_logits(z, batch.primary)).mean()
    return cross_entropy(head(z), batch.primary).mean()


def _primary_task(identity, primary):
    """Return the task's name and each row's class (None for the template itself)."""
    if primary is not None:
        return "classes", primary
    if identity is not None:
        return "identity", class_codes(identity, "identity")[1]
    return "template", None
