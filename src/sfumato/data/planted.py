"""Small data sets with a leak planted on purpose, to see which attacker finds which leak."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import Interval, check_argument
from sfumato.validation import check_choice, check_seed

KINDS = (
    "none",
    "linear",
    "variance",
    "xor",
    "clusters",
    "subgroup",
    "tails",
    "skew",
    "correlation",
    "one cluster",
)
IDENTITY_SHARE = 0.7  # of a feature's variance lies between people, the rest between photos
GRID, SPACING = 4, 3.0
DEGREES, CORRELATION, N_CLUSTERS = 3, 0.8, 20


def planted(
    kind: str,
    n_identities: int = 300,
    images_per_identity: int = 5,
    n_features: int = 16,
    seed: int = 0,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Draw embeddings, a binary attribute and identities with one known leak.

    A person's rows share a mean, and all have the person's label, so an attacker that saw
    a person recognises them: only identity-disjoint splits tell leakage from memory.

    Parameters
    ----------
    kind : {"none", "linear", "variance", "xor", "clusters", "subgroup", "tails", "skew", \
"correlation", "one cluster"}
        ``none`` holds no leak. ``linear`` shifts one direction. ``variance`` widens four
        directions for one label, ``xor`` ties the label to the sign of a product of two
        directions, ``clusters`` colours sixteen clusters in a plane like a chessboard:
        these three escape linear attackers. ``subgroup`` leaks only in the fifth of the
        rows whose first feature is largest. With equal means and covariances, ``tails`` gives
        one label the heavy tails of a t distribution (3 degrees of freedom) and ``skew`` turns
        the third moment of four directions. ``correlation`` turns the sign of two correlations.
        ``one cluster`` leaks in one of twenty clusters alone.
    n_identities : int, at least 2
    images_per_identity : int, at least 1
    n_features : int, at least 4
    seed : int, default=0

    Returns
    -------
    X : ndarray of shape (n_identities * images_per_identity, n_features)
    y : ndarray of shape (n_rows,)
        0 or 1, each for half of the people.
    identity : ndarray of shape (n_rows,)
        0 to ``n_identities - 1``.

    Raises
    ------
    InputError
        For an unknown ``kind`` or a count that is too small.

    Notes
    -----
    Attackers that know the planted structure reach these balanced accuracies (numerically
    exact Bayes rates per row): linear 0.84, variance 0.86, xor 0.85, clusters about 0.8,
    subgroup about 0.6, tails 0.81 (16 features), skew 0.72, correlation 0.90, one cluster 0.52
    at most. Every direction is rotated at random except in ``subgroup``.

    Examples
    --------
    >>> X, y, identity = planted("xor", n_identities=100, images_per_identity=3)
    >>> X.shape, int(y.sum())
    ((300, 16), 150)
    """
    check_choice(kind, KINDS, "kind")
    for value, name, least in (
        (n_identities, "n_identities", 2),
        (images_per_identity, "images_per_identity", 1),
        (n_features, "n_features", 4),
    ):
        check_argument(value, Interval(Integral, least, 2**31 - 1, closed="both"), name)
    rng = np.random.default_rng(check_seed(seed))
    identity = np.repeat(np.arange(n_identities), images_per_identity)
    labels = rng.permutation(np.arange(n_identities) % 2)
    people = rng.standard_normal((n_identities, n_features)) * np.sqrt(IDENTITY_SHARE)
    photos = rng.standard_normal((len(identity), n_features)) * np.sqrt(1 - IDENTITY_SHARE)
    X = people[identity] + photos
    if kind == "subgroup":
        largest = X[:, 0] > np.quantile(X[:, 0], 0.8)
        X[largest, 1] += 2.5 * _sign(labels[identity][largest])
    elif kind != "none":
        X = _LEAKS[kind](X, labels, identity, rng)
        X = X @ np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    return X, labels[identity], identity


def _sign(labels):
    return 2.0 * labels - 1


def _linear(X, labels, identity, rng):
    X[:, 0] += _sign(labels)[identity]
    return X


def _variance(X, labels, identity, rng):
    X[labels[identity] == 1, :4] *= np.sqrt(5)
    return X


def _xor(X, labels, identity, rng):
    first = rng.choice([-1.0, 1.0], size=len(labels))
    X[:, 0] += 1.4 * first[identity]
    X[:, 1] += 1.4 * (first * _sign(labels))[identity]
    return X


def _clusters(X, labels, identity, rng):
    cells = np.indices((GRID, GRID)).reshape(2, -1).T
    place = np.empty((len(labels), 2))
    for label in (0, 1):
        mine = cells[cells.sum(axis=1) % 2 == label]
        here = labels == label
        place[here] = mine[rng.integers(len(mine), size=here.sum())]
    X[:, :2] += SPACING * (place - (GRID - 1) / 2)[identity]
    X[:, :2] *= 2.5  # or neighbours are lost among the other features
    return X


def _tails(X, labels, identity, rng):
    heavy = labels[identity] == 1
    scale = np.sqrt((DEGREES - 2) / rng.chisquare(DEGREES, size=heavy.sum()))
    X[heavy] *= scale[:, None]
    return X


def _skew(X, labels, identity, rng):
    people = _sign(labels)[:, None] * (rng.exponential(size=(len(labels), 4)) - 1)
    photos = rng.standard_normal((len(X), 4)) * np.sqrt(1 - IDENTITY_SHARE)
    X[:, :4] = np.sqrt(IDENTITY_SHARE) * people[identity] + photos
    return X


def _correlation(X, labels, identity, rng):
    share = CORRELATION * _sign(labels)[identity]
    for first, second in ((0, 1), (2, 3)):
        X[:, second] = share * X[:, first] + np.sqrt(1 - CORRELATION**2) * X[:, second]
    return X


def _one_cluster(X, labels, identity, rng):
    cluster = rng.permutation(np.arange(len(labels)) % N_CLUSTERS)
    X += 2 * rng.standard_normal((N_CLUSTERS, X.shape[1]))[cluster[identity]]
    X[:, 0] += 2.5 * (_sign(labels) * (cluster == 0))[identity]
    return X


_LEAKS = {
    "linear": _linear,
    "variance": _variance,
    "xor": _xor,
    "clusters": _clusters,
    "tails": _tails,
    "skew": _skew,
    "correlation": _correlation,
    "one cluster": _one_cluster,
}
