"""The barycentre eraser: move every class of faces to the same Gaussian, without labels.

One step, for classes k with means m_k and covariances S_k, and their Wasserstein barycentre
N(m, S) (see :mod:`~sfumato.erasers._gaussian_transport`):

    T_k(u) = m + (u - m_k) A_k,    A_k S_k A_k = S                                   (1)
    r(u)   = sum_k p(k | u) T_k(u)                                                   (2)

where p is a classifier of the attribute trained on embeddings. With populations c, every class of
each has moments of its own and goes to the barycentre of its population, by p(k, c | u): nobody
is moved to the centre of another population. Steps follow one another, each with a classifier and
moments of what the step before left. In between, two linear maps:

    u -> u (I - Q Q')        directions along which the attribute would come back      (3)
    u -> u (W + c I)^(-1/2)  W the within-person covariance, c in units of its mean    (4)
"""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sfumato._constraints import NOT_NEGATIVE, POSITIVE, POSITIVE_INT, SEED, Interval, Optional
from sfumato._fitted import COUNT, Array, Arrays, Value
from sfumato.data.rows import unit_rows
from sfumato.erasers._attributes import cross
from sfumato.erasers._class_moments import class_moments, population_moments
from sfumato.erasers._correlates import correlate_directions
from sfumato.erasers._gaussian_transport import (
    barycentre_covariance,
    matrix_power,
    transport_map,
)
from sfumato.erasers._person_scatter import person_scatter
from sfumato.erasers.base import Eraser
from sfumato.errors import InputError
from sfumato.nets.dense import dense_forward

CHUNK = 8192
RANK_TOLERANCE = 1e-7
FEW_ROWS = 400


class BarycentreEraser(Eraser):
    """Map the classes of an attribute onto their Wasserstein barycentre, by posterior.

    Parameters
    ----------
    n_steps : int, default=3
        Steps (Eq. 2) before the linear maps; one more follows them.
    budget : float in [0, 1), default=0.12
        Share of the variance between people (of all variance, where ``identity`` does not name
        several rows a person) that Eq. 3 may remove. It goes along the directions of the
        classes' mean differences within the groups of ``context``, and of the groups' own means
        as far as the groups and the attribute go together. Without ``context`` none goes.
    within : float, optional, default=10.0
        The ``c`` of Eq. 4; needs ``identity`` with several rows a person. None leaves it out.
    prior : float, default=0.1
        Class covariances are shrunk to the pooled one as if it came from ``prior * n_features``
        rows more.
    population_prior : float, default=2.0
        With ``population``, a population's covariances are shrunk to those that all populations
        together suggest for it, as if these came from so many times ``n_features`` rows more.
    n_units : int, default=256
        Hidden units of the classifiers.
    seed : int, default=0

    Attributes
    ----------
    classes_ : list of str
        Several attributes are crossed.
    basis_ : ndarray of shape (n_features, rank)
        Orthonormal; what varies in the fitted rows.
    steps_ : dict of str to ndarray
        Per step the classifier's layers, ``means``, ``centre`` and ``maps``; with populations
        those of the first population's classes come first, then those of the second.
    n_directions_ : int
        How many directions Eq. 3 removed.
    linear_ : ndarray of shape (rank, rank - n_directions_)
        Eq. 3 and 4.
    back_ : ndarray of shape (rank - n_directions_, n_features)
        Takes the result back to the embedding's own axes; keeps all distances.

    Notes
    -----
    Were the classes Gaussian and the posterior right, all classes would have one distribution,
    and no attacker could read the attribute. They are not quite: audit. Distances within a class
    stay nearly what they were.

    Another population mixes age, expression and gender in other proportions than the fitted
    one; what it leaks is mostly read from these. Eq. 3 is against that: give ``context``, and
    rows of several data sets. Rows with few people do not do: the classes' covariances are
    those of people, and thousands are needed for some 100 features.

    Give ``population`` where rows come from groups of people that look different: one barycentre
    for all leaves what tells the classes apart within each. Groups that a classifier hardly tells
    apart should be one, else two photos of a person get different maps: with LFW beside CelebA
    that costs more matching than it hides.

    Strength and ``within`` depend on the encoder: of dlib's templates ``n_steps=5, budget=0.2,
    within=3`` leaves less than the defaults do, at 1.46 times the raw EER; of MobileFaceNet's
    ``within=1`` lowers FNMR at low FMR and leaves a little more. Look at a sweep.

    The output has unit length and stays comparable with itself only.
    """

    constraints = {
        "n_steps": POSITIVE_INT,
        "budget": Interval(Real, 0, 1, closed="left"),
        "within": Optional(POSITIVE),
        "prior": NOT_NEGATIVE,
        "population_prior": NOT_NEGATIVE,
        "n_units": POSITIVE_INT,
        "seed": SEED,
    }
    uses = ("identity", "context", "population")
    unit_length = True
    n_groups = 10
    strength = ("budget", (0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.24))

    fitted = {
        "n_features_in_": COUNT,
        "classes_": Value(list),
        "n_directions_": COUNT,
        "basis_": Array("d", "r"),
        "steps_": Arrays(),
        "linear_": Array("r", "q"),
        "back_": Array("q", "d"),
    }

    def __init__(
        self,
        *,
        n_steps: int = 3,
        budget: float = 0.12,
        within: float | None = 10.0,
        prior: float = 0.1,
        population_prior: float = 2.0,
        n_units: int = 256,
        seed: int = 0,
    ) -> None:
        self.n_steps = n_steps
        self.budget = budget
        self.within = within
        self.prior = prior
        self.population_prior = population_prior
        self.n_units = n_units
        self.seed = seed

    def _fit(self, X, y, *, identity, context, primary, progress, population=None):
        attribute = cross(y)
        self.classes_, codes = attribute.classes or [], attribute.codes
        cells = _Cells(codes, self.classes_, population)
        u = unit_rows(X)
        self.basis_ = _span(u)
        u, self.steps_ = unit_rows(u @ self.basis_), {}
        for number in range(self.n_steps):
            u = self._add_step(number, u, cells, progress)
        kept = self._linear(u, codes, identity, context)
        self._add_step(self.n_steps, unit_rows(u @ self.linear_), cells, progress)
        self.back_ = (self.basis_ @ kept).T

    def _transform(self, X):
        out = np.empty_like(X, order="C")
        for start in range(0, len(X), CHUNK):
            u = unit_rows(unit_rows(X[start : start + CHUNK].astype(np.float64)) @ self.basis_)
            for number in range(self.n_steps):
                u = _apply(self._step(number), u)
            u = _apply(self._step(self.n_steps), unit_rows(u @ self.linear_))
            out[start : start + CHUNK] = u @ self.back_
        return out

    def _add_to(self, graph, x):
        u = graph.add("MatMul", graph.unit_rows(x), graph.single(self.basis_))
        for number in range(self.n_steps + 1):
            if number == self.n_steps:
                u = graph.add("MatMul", u, graph.single(self.linear_))
            u = _add_transport(graph, graph.unit_rows(u), self._step(number))
        return graph.add("MatMul", graph.unit_rows(u), graph.single(self.back_))

    def _linear(self, u, codes, identity, context):
        """Set Eq. 3 and 4, and return the axes that Eq. 3 leaves, shape (rank, n_kept)."""
        scatter = None if identity is None else person_scatter(u, identity)
        kept, self.n_directions_ = np.eye(u.shape[1]), 0
        if context is not None:
            between = np.atleast_2d(np.cov(u.T)) if scatter is None else scatter[1]
            gone = correlate_directions(u, codes, context, between, budget=self.budget)
            kept = np.linalg.svd(gone, full_matrices=True)[2][len(gone) :].T
            self.n_directions_ = len(gone)
        self.linear_ = kept
        if scatter is not None and self.within is not None:
            W = kept.T @ scatter[0] @ kept
            c = self.within * np.trace(W) / len(W)
            if c > 0:
                self.linear_ = kept @ matrix_power(W + c * np.eye(len(W)), -0.5)
        return kept

    def _add_step(self, number, u, cells, progress):
        if progress is not None:
            progress(number, self.n_steps + 1, f"step {number + 1}")
        step = _classifier(u, cells.codes, self.n_units, (self.seed + number) % 2**32)
        means, covariances = cells.moments(u, self.prior, self.population_prior)
        maps, centres = [], []
        for population in cells.populations:
            target = barycentre_covariance(covariances[population])
            maps += [transport_map(S, target) for S in covariances[population]]
            centres += [means[population].mean(axis=0)] * cells.n_classes
        step |= {"means": means, "maps": np.stack(maps), "centre": np.stack(centres)}
        self.steps_ |= {f"{number}.{name}": values for name, values in step.items()}
        return _apply(step, u)

    def _step(self, number):
        prefix = f"{number}."
        names = [name for name in self.steps_ if name.startswith(prefix)]
        return {name.removeprefix(prefix): self.steps_[name] for name in names}


class _Cells:
    """The classes, or the classes of every population: what gets a map of its own."""

    def __init__(self, codes, classes, population):
        self.n_classes, self._class = len(classes), codes
        names, self._population = population or ([""], np.zeros_like(codes))
        self.codes = self._population * self.n_classes + codes
        starts = range(0, len(names) * self.n_classes, self.n_classes)
        self.populations = [slice(start, start + self.n_classes) for start in starts]
        counts = np.bincount(self.codes, minlength=len(names) * self.n_classes)
        for cell in np.flatnonzero(counts < 2) if population else ():
            raise InputError(
                f"population {names[cell // self.n_classes]!r} has {counts[cell]} rows of class "
                f"{classes[cell % self.n_classes]!r}, at least 2 are needed; add rows, or join "
                "it with another population."
            )

    def moments(self, u, prior, population_prior):
        if len(self.populations) == 1:
            return class_moments(u, self._class, self.n_classes, prior)
        shape = self.n_classes, len(self.populations)
        return population_moments(
            u, self._class, self._population, shape, (prior, population_prior)
        )


def posterior(step: Any, u: Any) -> Any:
    """Return ``p(k | u)`` of a step's classifier, shape (n_samples, n_classes)."""
    logits = dense_forward(step, (u - step["shift"]) / step["scale"])
    logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits / logits.sum(axis=1, keepdims=True)


def _apply(step, u):
    weights, out = posterior(step, u), np.zeros_like(u)
    centres = np.broadcast_to(step["centre"], step["means"].shape)  # Older files have one.
    for k, mean in enumerate(step["means"]):
        out += weights[:, [k]] * (centres[k] + (u - mean) @ step["maps"][k])  # Eq. 1 and 2
    return unit_rows(out)


def _add_transport(graph, u, step):
    """Add Eq. 1 and 2 to an ONNX graph, all classes' maps in one product."""
    centred = graph.add("Sub", u, graph.single(step["shift"]))
    logits = graph.dense(graph.add("Div", centred, graph.single(step["scale"])), step)
    weights = graph.add("Softmax", logits, axis=1)
    n_classes, rank, _ = step["maps"].shape
    constants = step["centre"] - np.einsum("kr,krs->ks", step["means"], step["maps"])
    moved = graph.affine(u, np.hstack(list(step["maps"])), constants.ravel())
    moved = graph.add("Reshape", moved, np.array([0, n_classes, rank]))
    weights = graph.add("Unsqueeze", weights, np.array([2]))
    return graph.add("ReduceSum", graph.add("Mul", moved, weights), np.array([1]), keepdims=0)


def _classifier(u, codes, n_units, seed):
    """Train the posterior; returned as dense layers with two or more logits."""
    shift, scale = u.mean(axis=0), u.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    few = len(u) < FEW_ROWS or np.bincount(codes).min() < 20
    n_trained = len(u) if few else len(u) * 9 // 10  # the others say when to stop
    network = MLPClassifier(
        (n_units,), alpha=1e-3, batch_size=min(512, n_trained), early_stopping=not few,
        max_iter=200, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(((u - shift) / scale).astype(np.float32), codes)
    weights, biases = [c.T for c in network.coefs_], list(network.intercepts_)
    if len(biases[-1]) == 1:  # one logit for two classes
        weights[-1] = np.vstack([np.zeros_like(weights[-1]), weights[-1]])
        biases[-1] = np.array([0.0, biases[-1][0]])
    layers = {f"weight_{n}": w for n, w in enumerate(weights)}
    layers |= {f"bias_{n}": b for n, b in enumerate(biases)}
    return {**layers, "shift": shift, "scale": scale}


def _span(u):
    """Return a basis of the directions in which unit rows vary or have a mean."""
    eigenvalues, vectors = np.linalg.eigh(u.T @ u / len(u))
    return vectors[:, eigenvalues > RANK_TOLERANCE * eigenvalues[-1]]
