"""LEACE: least-squares concept erasure in closed form [1]_.

The map is affine: with ``W = Sigma_xx^(-1/2)`` and ``P`` the orthogonal projection onto the
columns of ``W Sigma_xz``,

    r(x) = x - W^+ P W (x - E[x])                                   (Theorem 4.3)

is the closest map to the identity, in mean square, with ``Cov(r(X), Z) = 0``.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sfumato._constraints import INNER_SHARE, check_parameters
from sfumato._fitted import COUNT, Array
from sfumato.data.labels import as_text, is_missing
from sfumato.erasers._attributes import check_length, check_numbers
from sfumato.erasers._effect import Sample, check_effect
from sfumato.erasers._leace_sums import LeaceSums
from sfumato.erasers._low_rank import add_affine_map, apply_low_rank
from sfumato.erasers._rows import check_variation
from sfumato.erasers.base import Eraser
from sfumato.errors import InputError


class LeaceEraser(Eraser):
    """Remove what a linear attacker reads of one or several attributes, changing least [1]_.

    Parameters
    ----------
    rtol : float in (0, 1), default=1e-5
        Erase the directions of the whitened cross-covariance whose singular value exceeds
        ``rtol`` times the largest.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Mean embedding.
    coefficients_, updates_ : ndarray of shape (n_directions, n_features)
        The map is ``x - ((x - mean_) @ coefficients_.T) @ updates_``.
    n_features_in_ : int

    Notes
    -----
    On the fitted rows no linear attacker, trained with any convex loss, beats a constant [1]_,
    Theorem 3.1. Nothing is promised against others: differences of the classes' covariances
    stay, and a quadratic or RBF attacker reads them. Audit with both.

    Numbers on a scale (see :func:`~sfumato.data.labels.is_continuous`) lose their covariance with
    every feature, so that no linear regression reads them; a few whole numbers are classes. With
    :meth:`fitter` the rows may come part by part, in O(n_features^2) memory.

    Deviations: an eigenvalue of ``Sigma_xx`` below rounding error is raised to it instead of
    dropped, so the cross-covariance vanishes in directions without variance too.

    References
    ----------
    .. [1] Belrose et al., "LEACE: Perfect linear concept erasure in closed form",
       NeurIPS 2023, arXiv:2306.03819.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 0.0], [3.0, 2.0]])
    >>> y = ["f", "f", "m", "m"]
    >>> erased = LeaceEraser().fit_transform(X, y)
    >>> np.allclose(erased[:2].mean(axis=0), erased[2:].mean(axis=0))
    True
    """

    constraints = {"rtol": INNER_SHARE}
    continuous = True
    fit_dtypes = (np.float64, np.float32)

    fitted = {
        "n_features_in_": COUNT,
        "mean_": Array("d"),
        "coefficients_": Array("k", "d"),
        "updates_": Array("k", "d"),
    }

    def __init__(self, *, rtol: float = 1e-5) -> None:
        self.rtol = rtol

    def _fit(self, X, y, *, identity, context, primary, progress):
        sums = LeaceSums(X, [attribute.classes is None for attribute in y])
        sums.add(X, [(attribute.classes, attribute.values) for attribute in y])
        self._solve(sums)

    def fitter(self, continuous: Mapping[str, bool]) -> "LeaceFitter":
        """Return what fits this eraser to rows that come part by part."""
        return LeaceFitter(self, continuous)

    def _transform(self, X):
        return apply_low_rank(X, self.mean_, self.coefficients_, self.updates_)

    def _add_to(self, graph, x):
        return add_affine_map(graph, x, self._transform, self.n_features_in_)

    def affine_map(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return ``(A, b)`` with ``transform(X) == X @ A + b``; shapes (d, d) and (d,)."""
        check_is_fitted(self)
        removed = self.coefficients_.T @ self.updates_
        return np.eye(self.n_features_in_) - removed, self.mean_ @ removed

    def _solve(self, sums):
        mean, covariance, cross = sums.summary()
        eigenvalues, vectors = np.linalg.eigh(covariance)
        floor = sums.epsilon * max(eigenvalues[-1], np.finfo(float).tiny)
        scale = np.sqrt(np.maximum(eigenvalues, floor))
        # W = V diag(1 / scale) V'; its inverse is V diag(scale) V'.
        whitened = vectors @ ((vectors.T @ cross) / scale[:, None])
        u, s, _ = np.linalg.svd(whitened, full_matrices=False)
        u = u[:, s > self.rtol * s[0]] if s[0] > 0 else u[:, :0]
        self.mean_ = mean
        self.coefficients_ = (vectors @ ((vectors.T @ u) / scale[:, None])).T
        self.updates_ = (vectors @ ((vectors.T @ u) * scale[:, None])).T


class LeaceFitter:
    """Fits a :class:`LeaceEraser` to rows that come part by part.

    The sums are kept here, not on the eraser. Parts of a table give the same map as one
    :meth:`LeaceEraser.fit` of all of it. A class may turn up for the first time in any part.

    Parameters
    ----------
    eraser : LeaceEraser
        Its parameters are used; :meth:`finish` fits it.
    continuous : dict of str to bool
        The attributes by name, and whether they are numbers on a scale. No part can tell.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 0.0], [3.0, 2.0]])
    >>> fitter = LeaceFitter(LeaceEraser(), {"gender": False})
    >>> fitter.partial_fit(X[:2], ["f", "f"]).partial_fit(X[2:], ["m", "m"]).finish()
    LeaceEraser()
    """

    def __init__(self, eraser: LeaceEraser, continuous: Mapping[str, bool]) -> None:
        check_parameters(eraser)
        self._eraser, self._continuous = eraser, dict(continuous)
        self._sums: LeaceSums | None = None
        self._ends: dict[str, Any] = {name: set() for name in continuous}
        self._sample = Sample()

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Add rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_attributes)
            Attributes in the order of ``continuous``, none missing.
        """
        rows = self._eraser._checked(X, reset=self._sums is None)
        array = np.asarray(y, dtype=object)
        check_length(array, len(rows), "y")
        columns = list(array.reshape(len(rows), -1).T)
        if len(columns) != len(self._continuous):
            raise InputError(
                f"y has {len(columns)} attributes where {len(self._continuous)} are expected."
            )
        if self._sums is None:
            self._sums = LeaceSums(rows, list(self._continuous.values()))
        named = zip(self._continuous.items(), columns, strict=True)
        coded = [self._column(*about, values) for about, values in named]
        self._sums.add(rows, coded)
        # Numbers of classes differ from part to part, names do not.
        self._sample.add(rows, [v if c is None else np.array(c, object)[v] for c, v in coded])
        return self

    def finish(self) -> LeaceEraser:
        """Return the fitted eraser."""
        n_rows = 0 if self._sums is None else self._sums.n_rows
        if self._sums is None or n_rows < 2:
            raise InputError(f"X needs at least 2 rows, got n_samples = {n_rows}.")
        for name, found in self._ends.items():
            if len(found) < 2:
                raise InputError(
                    f"{name} is {', '.join(map(str, found))} in every row; it cannot be read or "
                    "erased."
                )
        check_variation(self._sample.X)
        self._eraser._solve(self._sums)
        classes: list[Any] = [None] * len(self._continuous)
        for n, continuous in enumerate(self._continuous.values()):
            if not continuous:
                names, codes = np.unique(self._sample.columns[n].astype(str), return_inverse=True)
                classes[n], self._sample.columns[n] = names.tolist(), codes
        check_effect(self._eraser, self._sample, classes)
        return self._eraser

    def _column(self, name, continuous, values):
        """Return class names and numbers of a part, or None and the numbers on a scale."""
        missing = np.flatnonzero(is_missing(values))
        if missing.size:
            raise InputError(f"{name}, row {missing[0]}: the label is missing; leave the row out.")
        if continuous:
            numbers = check_numbers(values, name)
            self._ends[name] |= {float(numbers.min()), float(numbers.max())}
            return None, numbers
        classes, codes = np.unique(as_text(values).astype(str), return_inverse=True)
        self._ends[name] |= set(classes.tolist())
        return classes.tolist(), codes
