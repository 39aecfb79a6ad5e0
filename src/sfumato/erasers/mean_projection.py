"""Mean projection: take out the directions between class means, in closed form [1]_.

With ``B`` an orthonormal basis of the span of the differences of the class means,

    r(x) = x - B B' x.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import INNER_SHARE
from sfumato._fitted import COUNT, Array
from sfumato.erasers._attributes import cross
from sfumato.erasers._low_rank import add_affine_map, apply_low_rank
from sfumato.erasers.base import Eraser


class MeanProjectionEraser(Eraser):
    """Project embeddings onto the complement of the differences of class means [1]_.

    Parameters
    ----------
    rtol : float, default=1e-6
        Take out the directions whose singular value, among the centred class means, exceeds
        ``rtol`` times the largest. The choice is ours.

    Attributes
    ----------
    basis_ : ndarray of shape (n_directions, n_features)
        Orthonormal rows spanning what is taken out; at most ``n_classes - 1``.
    n_features_in_ : int

    Notes
    -----
    On the fitted rows all classes have the same mean afterwards, so no linear attacker,
    trained with any convex loss, beats a constant ([2]_, Theorem 3.1). Nothing is promised
    against others: differences of the classes' covariances stay, and a quadratic or RBF
    attacker reads them. Nothing is promised either once templates are scaled to unit length,
    as that moves the means apart again.

    It is an orthogonal projection; :class:`~sfumato.erasers.leace.LeaceEraser` promises the
    same and moves the rows less.

    Choices where the paper is silent: several attributes are crossed, so the means of every
    combination become equal; each class's mean counts the same whatever its size.

    References
    ----------
    .. [1] Haghighatkhah, Fokkens, Sommerauer, Speckmann, Verbeek, "Better Hit the Nail on the
       Head than Beat around the Bush: Removing Protected Attributes with a Single
       Projection", EMNLP 2022, arXiv:2212.04273.
    .. [2] Belrose et al., "LEACE: Perfect linear concept erasure in closed form",
       NeurIPS 2023, arXiv:2306.03819.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 1.0], [2.0, 3.0]])
    >>> MeanProjectionEraser().fit_transform(X, ["f", "f", "m", "m"])
    array([[0., 1.],
           [0., 3.],
           [0., 1.],
           [0., 3.]])
    """

    constraints = {"rtol": INNER_SHARE}

    fitted = {"n_features_in_": COUNT, "basis_": Array("k", "d")}

    def __init__(self, *, rtol: float = 1e-6) -> None:
        self.rtol = rtol

    def _fit(self, X, y, *, identity, context, primary, progress):
        self.basis_ = mean_directions(X, cross(y).codes, self.rtol)

    def _transform(self, X):
        return apply_low_rank(X, np.zeros(X.shape[1]), self.basis_, self.basis_)

    def _add_to(self, graph, x):
        return add_affine_map(graph, x, self._transform, self.n_features_in_)


def mean_directions(X: NDArray[Any], codes: NDArray[Any], rtol: float = 1e-6) -> NDArray[Any]:
    """Return an orthonormal basis of the span of the differences of class means.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples,)
        Class numbers 0 to ``n_classes - 1``, each of them present.
    rtol : float, default=1e-6

    Returns
    -------
    ndarray of shape (n_directions, n_features)
        No row where all means agree up to rounding.
    """
    n_classes = codes.max() + 1
    # From a common origin, so that a large mean costs no digits.
    origin = X.mean(axis=0)
    sums = (codes == np.arange(n_classes)[:, None]).astype(X.dtype) @ (X - origin)
    means = sums / np.bincount(codes)[:, None]
    _, s, vt = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    rounding = 8 * np.finfo(X.dtype).eps * np.abs(X).max()
    return vt[s > max(rtol * s[0], rounding)]
