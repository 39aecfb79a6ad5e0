"""How templates scatter: within a person, and from person to person."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def person_scatter(u: NDArray[Any], identity: NDArray[np.str_]) -> Any:
    """Return the covariances within and between people.

    Parameters
    ----------
    u : ndarray of shape (n_samples, n_features)
    identity : ndarray of str of shape (n_samples,)

    Returns
    -------
    within, between : ndarray of shape (n_features, n_features), or None
        The analysis of variance's estimates: ``between`` is the covariance of the people's
        means, of those with two rows or more, less what the rows' own scatter adds to it; its
        negative part, which estimates from few people have, is left out. None if fewer than two
        people have two rows.

    Examples
    --------
    >>> u = np.array([[0.0], [2.0], [10.0], [12.0]])
    >>> within, between = person_scatter(u, np.array(["a", "a", "b", "b"]))
    >>> within.item(), between.item()
    (2.0, 49.0)
    """
    people, codes, counts = np.unique(identity, return_inverse=True, return_counts=True)
    several = counts > 1
    if several.sum() < 2:
        return None
    sums = np.zeros((len(people), u.shape[1]))
    np.add.at(sums, codes, u)
    means = sums / counts[:, None]
    centred = u - means[codes]
    within = centred.T @ centred / (len(u) - len(people))
    between = np.atleast_2d(np.cov(means[several].T)) - within * np.mean(1 / counts[several])
    values, vectors = np.linalg.eigh(between)
    return within, (vectors * np.maximum(values, 0)) @ vectors.T
