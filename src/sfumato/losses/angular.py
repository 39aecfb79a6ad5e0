"""Angles between embeddings, their classes' centroids and those of other classes [1]_.

References
----------
.. [1] Rezgui, Strisciuglio, Veldhuis, "Gender privacy angular constraints for face
   recognition", IEEE TBIOM 6(3), 2024.
"""

from itertools import combinations
from typing import Any

from torch import Tensor
from torch.nn import functional

EDGE = 1e-6  # The arc cosine has no slope at 1.


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle between each row of ``a`` and of ``b``, in radians from 0 to pi.

    Parameters
    ----------
    a, b : Tensor of shape (..., n_features)

    Returns
    -------
    Tensor of shape (...)
        Equal directions give 0.0014, not 0: cosines are kept off 1 and -1, where the arc cosine
        has no gradient.
    """
    cosine = (functional.normalize(a, dim=-1) * functional.normalize(b, dim=-1)).sum(dim=-1)
    return cosine.clamp(-1 + EDGE, 1 - EDGE).acos()


def centroid_angle(z: Tensor, labels: Tensor) -> Any:
    """Return the angle between the classes' mean directions, the mean over pairs of classes.

    The first constraint of [1]_.

    Parameters
    ----------
    z : Tensor of shape (n_samples, n_features)
    labels : Tensor of int64 of shape (n_samples,)

    Returns
    -------
    Tensor of shape ()
        0 if fewer than two classes are present.
    """
    z = functional.normalize(z)
    means = [z[labels == label].mean(dim=0) for label in labels.unique()]
    pairs = [angles(a, b) for a, b in combinations(means, 2)]
    return sum(pairs) / len(pairs) if pairs else z.sum() * 0


def opposite_angle(z: Tensor, labels: Tensor, centroids: Tensor) -> Tensor:
    """Return the angle between rows and the centroids of all other classes.

    The second constraint of [1]_: a mean over each class's rows, then the sum over the ordered
    pairs of classes present and other classes, divided by the number of other classes.

    Parameters
    ----------
    z : Tensor of shape (n_samples, n_features)
    labels : Tensor of int64 of shape (n_samples,)
    centroids : Tensor of shape (n_classes, n_features)

    Returns
    -------
    Tensor of shape ()
    """
    total, n_classes = z.sum() * 0, len(centroids)
    for label in labels.unique().tolist():
        others = [centroids[other] for other in range(n_classes) if other != label]
        rows = z[labels == label]
        total = total + sum(angles(rows, other).mean() for other in others) / len(others)
    return total
