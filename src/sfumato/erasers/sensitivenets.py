"""SensitiveNets: linear layers that keep identity and blind attribute detectors [1]_.

Layer by layer, phi minimises over hard triplets

    sum_i  L0'(phi(A), phi(P), phi(N)) + Lambda_A + Lambda_P + Lambda_N          (Eq. 4)

with L0' the triplet loss (Eq. 5) and Lambda = log(1 + |0.9 - P_k(D | phi(x))|) (Eq. 6), where
P_k is a softmax detector that is trained again on phi(x) before each layer. Where the primary
task is not recognition but a label, cross-entropy takes the place of L0' (Sect. 4.4).
"""

from numbers import Real
from typing import Any

import numpy as np

from sfumato._constraints import POSITIVE_INT, SEED, AnyOf, Each, Instance, Interval, Optional
from sfumato._fitted import COUNT, Array
from sfumato.data.rows import unit_rows
from sfumato.data.triplets import hard_triplets
from sfumato.erasers._attributes import Attribute
from sfumato.erasers.base import Eraser, Primary
from sfumato.errors import InputError
from sfumato.validation import check_choice, need

CHUNK = 4096


class SensitiveNetsEraser(Eraser):
    """Project embeddings so that identity stays and attributes fade (SensitiveNets [1]_).

    Parameters
    ----------
    n_layers : int, default=3
        Linear layers, trained one after the other; the paper needs at least 3 (Sect. 2.2).
    n_units : int, default=1024
        Units of each layer (Sect. 2.2).
    alpha : float, default=0.2
        Margin of Eq. 3 and 5.
    n_triplets : int, default=100_000
        Hard triplets (Sect. 2.2).
    n_epochs : int, default=10
        Passes over the triplets, or the labelled rows, for each layer. The paper gives none.
    detector_epochs : int or list of two int, default=150
        Passes for each detector: Adam, rate 1e-3, batches of 128 (Sect. 4.2). The second of two:
        as many passes more after each pass over the layer's triplets, on what the layer gives
        then; the paper trains detectors again "in each iteration" (Sect. 2.2).
    fixed_class : str or list of str, optional
        The class D of each attribute that all faces should resemble (Eq. 6); default the first.
    seed : int, default=0

    Attributes
    ----------
    weights_ : ndarray of shape (n_units, n_features)
        All layers folded into one matrix, float32.
    bias_ : ndarray of shape (n_units,)
    n_features_in_ : int

    Notes
    -----
    Only a linear map and two normalisations remain at inference. Nothing is promised: the
    published figures come from attackers trained afresh, and so must yours. The paper's map
    halves the features (2,048 to 1,024 in the thesis that applies it): of templates with fewer
    features than ``n_units`` a map of full rank can be inverted, so that nothing is removed
    for an attacker who does. ``sfumato reproduce sensitivenets-widths`` measures fewer units.

    Choices where the paper is silent: layers start orthogonal; Adam, rate 1e-3, batches of 256
    triplets or 128 labelled rows; each attribute's turn is one batch; the normalisation of
    Fig. 2 comes after the layer in training and after the last layer at inference. Eq. 5 is
    hinged. A labelled row has one Lambda in Eq. 4; its classifier w_0 is trained before each
    layer like a detector, and goes on with the layer.

    The method is covered by the Spanish patent application P201831278.

    References
    ----------
    .. [1] Morales, Fierrez, Vera-Rodriguez, Tolosana, "SensitiveNets: Learning Agnostic
       Representations with Application to Face Images", IEEE TPAMI 2020.
    """

    constraints = {
        "n_layers": POSITIVE_INT,
        "n_units": POSITIVE_INT,
        # Two unit vectors are at most 2 apart.
        "alpha": Interval(Real, 0, 4, closed="right"),
        "n_triplets": POSITIVE_INT,
        "n_epochs": POSITIVE_INT,
        "detector_epochs": AnyOf(POSITIVE_INT, Each(POSITIVE_INT, 2)),
        "fixed_class": Optional(Instance(str, list)),
        "seed": SEED,
    }
    uses = ("identity", "primary")
    other_rows = True
    fit_dtypes = (np.float32,)
    unit_length = True  # Its output is normalised.

    fitted = {"n_features_in_": COUNT, "weights_": Array("u", "d"), "bias_": Array("u")}

    def __init__(
        self,
        *,
        n_layers: int = 3,
        n_units: int = 1024,
        alpha: float = 0.2,
        n_triplets: int = 100_000,
        n_epochs: int = 10,
        detector_epochs: int | list[int] = 150,
        fixed_class: str | list[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.n_layers = n_layers
        self.n_units = n_units
        self.alpha = alpha
        self.n_triplets = n_triplets
        self.n_epochs = n_epochs
        self.detector_epochs = detector_epochs
        self.fixed_class = fixed_class
        self.seed = seed

    def _fit(self, X, y, *, identity, context, primary, progress):
        need("torch", "deep")
        from sfumato.erasers._sensitivenets_training import train_layers

        if not isinstance(primary, Primary):
            primary = Primary(X, identity, primary)
        X, X_primary = unit_rows(X), unit_rows(primary.X)
        fixed = fixed_codes(y, self.fixed_class)
        task = self._task(X_primary, primary.identity, primary.labels)
        codes = [attribute.codes for attribute in y]
        self._layers = train_layers(self, X, codes, fixed, X_primary, task, progress)
        self.weights_, self.bias_ = fold_layers(self._layers)

    def _task(self, X, people, labels):
        from sfumato.erasers._sensitivenets_training import Labels, Triplets

        if labels is not None:
            return Labels(labels)
        people = np.arange(len(X)) if people is None else people
        triplets = hard_triplets(
            X, people, alpha=self.alpha, n_triplets=self.n_triplets, seed=self.seed
        )
        return Triplets(triplets, self.alpha)

    def _transform(self, X):
        # The layers take x / |x|; the last normalisation makes |x| a factor of the bias.
        folded = np.vstack([self.weights_.T, self.bias_]).astype(X.dtype)
        out = np.empty((len(X), len(self.bias_)), dtype=X.dtype)
        extended = np.empty((min(CHUNK, len(X)), X.shape[1] + 1), dtype=X.dtype)
        for start in range(0, len(X), CHUNK):
            rows, part = X[start : start + CHUNK], out[start : start + CHUNK]
            extended = extended[: len(rows)]
            extended[:, :-1], extended[:, -1] = rows, np.sqrt(np.vecdot(rows, rows))
            np.matmul(extended, folded, out=part)
            norms = np.sqrt(np.vecdot(part, part))[:, None]
            part *= 1 / np.where(norms > 0, norms, 1)
        return out

    def _add_to(self, graph, x):
        # As in _transform: the length of the row is the bias's factor.
        length = graph.add("ReduceL2", x, axes=[1], keepdims=1)
        extended = graph.add("Concat", x, length, axis=1)
        folded = graph.single(np.vstack([self.weights_.T, self.bias_]))
        return graph.unit_rows(graph.add("MatMul", extended, folded))


def fold_layers(layers: list[Any]) -> tuple[Any, ...]:
    """Return the one linear layer ``(weights, bias)`` that equals linear layers in sequence.

    Parameters
    ----------
    layers : list of (weights, bias)
        Shapes (n_out, n_in) and (n_out,), first layer first.
    """
    weights, bias = (np.asarray(part, dtype=np.float64) for part in layers[0])
    for outer_weights, outer_bias in layers[1:]:
        weights, bias = outer_weights @ weights, outer_weights @ bias + outer_bias
    return weights.astype(np.float32), bias.astype(np.float32)


def fixed_codes(attributes: list[Attribute], fixed_class: str | list[str] | None) -> list[int]:
    """Return the number of each attribute's class D, which all faces are to resemble."""
    named = fixed_class if isinstance(fixed_class, list) else [fixed_class] * len(attributes)
    if len(named) != len(attributes):
        raise InputError(
            f"fixed_class names {len(named)} classes for {len(attributes)} attributes."
        )
    fixed = []
    for attribute, name in zip(attributes, named, strict=True):
        classes = attribute.classes or []
        fixed.append(
            0 if name is None else classes.index(check_choice(name, classes, "fixed_class"))
        )
    return fixed
