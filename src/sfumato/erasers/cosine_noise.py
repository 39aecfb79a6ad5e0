"""Cosine-sensitive noise: each template becomes one at a known angle to it [1]_.

With ``u = v / |v|`` and ``n`` a random unit vector that is orthogonal to it,

    r(v) = s u + sqrt(1 - s^2) n,        so that  cos(v, r(v)) = s.
"""

from numbers import Real

import numpy as np

from sfumato._constraints import Interval
from sfumato._fitted import COUNT, Array
from sfumato.data.keyed_noise import normal, row_keys
from sfumato.data.rows import unit_rows
from sfumato.erasers._graph import no_graph
from sfumato.erasers._rules import KEY
from sfumato.erasers.base import Eraser
from sfumato.errors import InputError

CHUNK = 4096


class CosineNoiseEraser(Eraser):
    """Turn every embedding by one fixed angle into a random direction [1]_.

    Parameters
    ----------
    cosine : float in (-1, 1), default=0.8
        Similarity ``s`` of each template to its protected version. The authors' published
        example uses 0.8; less is more privacy and worse matching.
    seed : int, default=0
        Chooses the directions. Whoever knows it and guesses a row can redo its noise, and two
        releases with one seed and different ``cosine`` give the directions away: draw a fresh
        secret one for every release.

    Attributes
    ----------
    cosine_ : ndarray of shape (1,)
    n_features_in_ : int
        At least 2.

    Notes
    -----
    Promised: the cosine between a template and its protected version is exactly ``cosine``.
    Two protected templates of cosine ``c`` have cosine ``cosine**2 * c`` plus noise of
    standard deviation of about ``1 / sqrt(n_features)``.

    Not promised: privacy. Nothing is learnt of an attribute, the noise only drowns all of a
    template alike, and whatever separates classes stays on average: attackers trained afresh
    need more rows, and the mean of several photos of one person carries less noise.

    Choices where the paper is silent: directions are uniform on the sphere around the
    template; the noise is a function of seed and row, so that the same row gives the same
    output. The authors draw the length at random; ours is 1, as it says nothing either. A
    row of zeros, without direction, becomes noise alone. The labels are not used.

    References
    ----------
    .. [1] Terhoerst, Damer, Kirchbuchner, Kuijper, "Unsupervised privacy-enhancement of face
       representations using similarity-sensitive noise transformations", Applied
       Intelligence 49, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[3.0, 4.0, 0.0], [0.0, 1.0, 0.0]])
    >>> noisy = CosineNoiseEraser(cosine=0.6).fit_transform(X)
    >>> round(float(noisy[0] @ X[0]) / 5, 6), round(float(np.linalg.norm(noisy[0])), 6)
    (0.6, 1.0)
    """

    constraints = {"cosine": Interval(Real, -1, 1, closed="neither"), "seed": KEY}
    reads_labels = False
    strength = ("cosine", (0.95, 0.9, 0.8, 0.6, 0.4, 0.2))
    unit_length = True  # Its output is normalised.

    fitted = {"n_features_in_": COUNT, "cosine_": Array(1)}

    def __init__(self, *, cosine: float = 0.8, seed: int = 0) -> None:
        self.cosine = cosine
        self.seed = seed

    def _fit(self, X, y, *, identity, context, primary, progress):
        if X.shape[1] < 2:
            raise InputError("X has 1 feature(s), n_features = 1: a direction needs at least 2.")
        self.cosine_ = np.array([self.cosine], dtype=np.float64)

    def _transform(self, X):
        out = np.empty_like(X, order="C")
        for start in range(0, len(X), CHUNK):
            part = X[start : start + CHUNK]
            unit = unit_rows(part.astype(np.float64))
            noise = normal(row_keys(part, self.seed), X.shape[1])
            noise -= np.vecdot(noise, unit)[:, None] * unit
            cosine = np.where(unit.any(axis=1, keepdims=True), self.cosine_, 0)
            out[start : start + CHUNK] = cosine * unit + np.sqrt(1 - cosine**2) * unit_rows(noise)
        return out

    def _add_to(self, graph, x):
        raise no_graph(self)
