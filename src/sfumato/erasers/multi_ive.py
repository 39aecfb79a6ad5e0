"""Multi-IVE: incremental variable elimination for several attributes, on components [1]_.

As :mod:`~sfumato.erasers.ive`, with two additions. Components of the embedding, principal or
independent, take the place of its features, so that a dropped one is not repeated by others that
correlate with it. And several attributes are seen to in one of three ways; per step

- ``sequential``: each attribute in turn has its own forest and drops its share;
- ``joint``: one forest learns the attributes crossed;
- ``summed``: one forest an attribute, and importances are summed.

What is left is taken back to the embedding's own axes.
"""

import warnings

import numpy as np
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning

from sfumato._constraints import NOT_NEGATIVE_INT, POSITIVE_INT, SEED, StrOptions
from sfumato._fitted import COUNT, Array
from sfumato.erasers._attributes import cross
from sfumato.erasers.base import Eraser
from sfumato.erasers.ive import (
    add_standardised,
    check_eliminations,
    eliminate,
    forest_ranking,
    standardisation,
    standardised,
)
from sfumato.errors import InputError

DOMAINS = ("none", "pca", "ica")
SCHEMES = ("sequential", "joint", "summed")
RANK_TOLERANCE = 1e-10


class MultiIveEraser(Eraser):
    """Drop the components in which random forests read one or several attributes [1]_.

    Parameters
    ----------
    domain : {"none", "pca", "ica"}, default="pca"
        What is dropped: features, principal or independent components.
    scheme : {"sequential", "joint", "summed"}, default="summed"
        How several attributes are seen to; all the same for one.
    n_steps : int, default=20
        The authors go on for 170 steps, until nothing of 512 features is left, and report the
        curve; 20 takes 60 components.
    n_eliminations : int, default=3
        Components dropped a step (the authors' code).
    n_blocked : int, default=0
        So many leading principal components stay whatever happens (the authors take 0, 3 and
        5), since they matter for recognition.
    n_trees : int, default=30
        Trees of each forest (the authors' code).
    seed : int, default=0

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_features,)
        Of the fitted rows at unit length.
    map_ : ndarray of shape (n_features, n_out)
        From standardised rows to the output; ``n_out`` is ``n_features``, or without a domain
        the number of features that are left.
    eliminated_ : ndarray of int64 of shape (n_steps * n_eliminations,)
        Components in the order in which they were dropped.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised: what components say together stays.

    Choices where the paper is silent: as in :class:`~sfumato.erasers.ive.IveEraser`;
    the components are found once and not anew in each step; shares of the sequential scheme
    differ by at most 1, and the first attributes drop more; components without variance are
    dropped before the first step; independent components come from FastICA on whitened rows,
    whether or not it has converged after 200 iterations, as any rotation is a domain.

    References
    ----------
    .. [1] Melzi, Otroshi Shahreza, Rathgeb, Tolosana, Vera-Rodriguez, Fierrez, Marcel, Busch,
       "Multi-IVE: privacy enhancement of multiple soft-biometrics in face embeddings",
       WACV Workshops 2023.
    """

    constraints = {
        "domain": StrOptions(DOMAINS),
        "scheme": StrOptions(SCHEMES),
        "n_steps": POSITIVE_INT,
        "n_eliminations": POSITIVE_INT,
        "n_blocked": NOT_NEGATIVE_INT,
        "n_trees": POSITIVE_INT,
        "seed": SEED,
    }
    strength = ("n_steps", (5, 10, 20, 30))

    fitted = {
        "n_features_in_": COUNT,
        "mean_": Array("d"),
        "scale_": Array("d"),
        "eliminated_": Array("e"),
        "map_": Array("d", "k"),
    }

    def __init__(
        self,
        *,
        domain: str = "pca",
        scheme: str = "summed",
        n_steps: int = 20,
        n_eliminations: int = 3,
        n_blocked: int = 0,
        n_trees: int = 30,
        seed: int = 0,
    ) -> None:
        self.domain = domain
        self.scheme = scheme
        self.n_steps = n_steps
        self.n_eliminations = n_eliminations
        self.n_blocked = n_blocked
        self.n_trees = n_trees
        self.seed = seed

    def _fit(self, X, y, *, identity, context, primary, progress):
        shares = self._shares(y)
        self.mean_, self.scale_ = standardisation(X)
        Z = standardised(X, self.mean_, self.scale_)
        forward, back = _features(Z) if self.domain == "none" else _principal(Z)
        n_components = forward.shape[1]
        self._check_counts(n_components)
        if self.domain == "ica":
            forward, back = _independent(Z, forward, back, self.seed)
        self.eliminated_ = eliminate(
            forest_ranking(Z @ forward, self.n_trees, self.seed),
            shares,
            np.arange(self.n_blocked, n_components),
            n_steps=self.n_steps,
            progress=progress,
        )
        left = np.setdiff1d(np.arange(n_components), self.eliminated_)
        self.map_ = forward[:, left] if back is None else forward[:, left] @ back[left]

    def _transform(self, X):
        return standardised(X, self.mean_, self.scale_) @ self.map_.astype(X.dtype)

    def _add_to(self, graph, x):
        return add_standardised(graph, x, self, self.map_)

    def _shares(self, y):
        """Return the codes and how many components they drop a step, see ``eliminate``."""
        if self.scheme == "joint":
            return [(cross(y).codes, self.n_eliminations)]
        codes = [attribute.codes for attribute in y]
        if self.scheme == "summed":
            return [(codes, self.n_eliminations)]
        if self.n_eliminations < len(codes):
            raise InputError(
                f"n_eliminations must be at least the number of attributes, {len(codes)}, in the "
                f"sequential scheme, got {self.n_eliminations}."
            )
        share, more = divmod(self.n_eliminations, len(codes))
        return [(each, share + (number < more)) for number, each in enumerate(codes)]

    def _check_counts(self, n_components):
        if self.n_blocked and self.domain != "pca":
            raise InputError(
                f"n_blocked must be 0, or above 0 with domain='pca', got {self.n_blocked} with "
                f"domain={self.domain!r}."
            )
        check_eliminations(self, n_components - self.n_blocked, self.n_features_in_)


def _features(Z):
    """Return the map of rows to their features, and None: these stay as they are."""
    return np.eye(Z.shape[1]), None


def _principal(Z):
    """Return maps to the principal components, of falling variance, and back.

    Returns
    -------
    forward : ndarray of shape (n_features, n_components)
    back : ndarray of shape (n_components, n_features)
    """
    covariance = np.atleast_2d(np.cov(Z, rowvar=False))
    variances, vectors = np.linalg.eigh(covariance)
    kept = np.flatnonzero(variances > max(RANK_TOLERANCE * variances[-1], 1e-12))[::-1]
    return vectors[:, kept], vectors[:, kept].T


def _independent(Z, forward, back, seed):
    """Return maps to independent components and back, from those of principal components."""
    deviations = (Z @ forward).std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ica = FastICA(whiten=False, random_state=seed).fit(Z @ (forward / deviations))
    rotation = ica.components_  # Its transpose is its inverse.
    return forward / deviations @ rotation.T, rotation @ (deviations[:, None] * back)
