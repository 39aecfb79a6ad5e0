"""Whether embeddings look like those that an eraser was fitted on: one score of their moments.

Let z be a unit row in the whitened axes of the fitted people, and f(z) = [z, (z^2 - 1) / sqrt(2)].
The fitted cells (class x population) have means v_1, v_2, ... of f. Rows that are any mixture of
the cells have their mean within the convex hull of these, but for chance; so the score of n people
with mean f and covariance C of f is

    D = min_w |f - sum_i w_i v_i|^2 - trace(C) / n,    w in the simplex.                      (1)

D estimates a squared distance, and does not grow with n. What D other people of the fitted kind
reach is seen on halves of the fitted people: axes and cells of one half,
draws of n from the other.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import lsq_linear, nnls

from sfumato.data.rows import unit_rows
from sfumato.errors import InputError

#: Fewer people than this say too little of others of their kind.
MIN_PEOPLE = 200
MAX_CELLS, MIN_CELL = 32, 50
#: Leading directions: one for so many people, as variances of few people are too small elsewhere.
MAX_AXES, PEOPLE_PER_AXIS = 128, 40
MAX_PEOPLE = 8192
SIZES = (20, 50, 100, 300, 1000, 3000)
N_HALVES, N_DRAWS = 6, 10
#: Directions of less than this share of the greatest variance say how numbers were rounded.
MIN_VARIANCE = 1e-3
#: Of pairs of people, the share that looks like one person; seen on so many people.
SAME_SHARE, MAX_PAIRED = 3e-5, 1500
#: Squared distance up to which other people of a kind differ.
TOLERANCE = 0.1
MARGIN = 1.5
_ONE = 1e3  # Weight of the row that makes nnls's weights sum to one.


@dataclass(frozen=True)
class Likeness:
    """The moments of the fitted people, and how far others of their kind are from them.

    Parameters
    ----------
    shift : ndarray of shape (n_features,)
    axes : ndarray of shape (n_features, n_axes)
        Whitening.
    cells : ndarray of shape (n_cells, 2 * n_axes)
        Means of f.
    limits : ndarray of shape (2, n_sizes)
        Numbers of people, and the greatest D (Eq. 1) of so many of the fitted kind.
    same : ndarray of shape (1,)
        Cosine, of rows less their mean, that three in 100,000 pairs of fitted people exceed; 1
        in files that do not say it.
    """

    shift: NDArray[np.float32]
    axes: NDArray[np.float32]
    cells: NDArray[np.float32]
    limits: NDArray[np.float32]
    same: NDArray[np.float32]

    @classmethod
    def of(cls, X: ArrayLike, cells: ArrayLike, *, seed: int = 0) -> Self | None:
        """Return the moments of people, one row each; None of too few.

        Parameters
        ----------
        X : array-like of shape (n_people, n_features)
        cells : array-like of shape (n_people,)
            Name or number of each row's class and population.
        seed : int, default=0
            Of the draws.
        """
        u = unit_rows(np.asarray(X, dtype=np.float64))
        if len(u) < MIN_PEOPLE:
            return None
        rng = np.random.default_rng(seed)
        codes = _merged(np.asarray(cells))
        if len(u) > MAX_PEOPLE:
            rows = rng.choice(len(u), MAX_PEOPLE, replace=False)
            u, codes = u[rows], codes[rows]
        moments = _moments(u, codes)
        arrays = (*moments, _limits(u, codes, rng), [_same(rng.permutation(u), moments[0])])
        return cls(*(np.asarray(each, dtype=np.float32) for each in arrays))

    def one_each(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the numbers of rows no two of which look like one person.

        Without names, photos of one person would count as so many people.
        """
        u = unit_rows(np.asarray(X, dtype=np.float32))
        v = unit_rows(u - u.mean(axis=0))  # Less the fitted mean, all rows elsewhere are alike.
        alike, kept = v @ v.T > self.same[0], np.ones(len(v), dtype=bool)
        for row in range(len(v)):
            if kept[row]:
                kept[row + 1 :] &= ~alike[row, row + 1 :]
        return np.flatnonzero(kept)

    def distance(self, X: ArrayLike) -> float:
        """Return D (Eq. 1) of people, one row each, shape (n_people, n_features)."""
        u = unit_rows(np.asarray(X, dtype=np.float32))
        return _distance(_features(u, self.shift, self.axes), self.cells)

    def limit(self, n_people: int) -> float:
        """Return up to which D so many people are of the fitted kind."""
        return float(np.interp(1 / n_people, 1 / self.limits[0][::-1], self.limits[1][::-1]))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> Self:
        """Return what :meth:`arrays` gave, its shapes and limits checked."""
        arrays = {"same": np.ones(1, np.float32), **arrays}
        shapes = {name: array.shape for name, array in arrays.items()}
        n_axes = shapes.get("axes", (0, 0))[-1]
        n_cells, n_sizes = (
            shapes.get(name, (0,))[i] for name, i in (("cells", 0), ("limits", -1))
        )
        wanted = {
            "shift": (n_features,),
            "axes": (n_features, n_axes),
            "cells": (n_cells, 2 * n_axes),
            "limits": (2, n_sizes),
            "same": (1,),
        }
        if shapes != wanted or 0 in (n_axes, n_cells, n_sizes):
            raise InputError(f"its likeness has arrays of shapes {shapes}, expected {wanted}.")
        sizes = arrays["limits"][0]
        if sizes[0] < 1 or (np.diff(sizes) <= 0).any():
            raise InputError(
                f"its likeness has limits of {sizes.tolist()} people, which must rise."
            )
        return cls(**arrays)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return what a file holds."""
        return dict(vars(self))

    def to_texts(self) -> dict[str, Any]:
        """Return shape and base64 of the little-endian float32 of each array, for JSON."""
        return {
            name: [list(array.shape), base64.b64encode(array.astype("<f4").tobytes()).decode()]
            for name, array in self.arrays().items()
        }

    @classmethod
    def from_texts(cls, texts: Mapping[str, Any], n_features: int) -> Self:
        """Return what :meth:`to_texts` gave, checked as by :meth:`from_arrays`."""
        try:
            arrays = {
                name: np.frombuffer(base64.b64decode(text, validate=True), "<f4").reshape(shape)
                for name, (shape, text) in texts.items()
            }
        except (AttributeError, TypeError, ValueError, binascii.Error) as error:
            raise InputError("its likeness is no base64 of float32 by shape.") from error
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise InputError("its likeness holds a NaN or infinite value.")
        return cls.from_arrays(arrays, n_features)


def _features(u, shift, axes):
    z = (u - shift) @ axes
    return np.hstack([z, (z * z - 1) / np.sqrt(2)])


def _moments(u, codes):
    """Return shift, whitening axes and the means of f of every cell."""
    shift, n_axes = u.mean(axis=0), min(MAX_AXES, max(len(u) // PEOPLE_PER_AXIS, 4))
    values, vectors = np.linalg.eigh(np.cov(u.T))
    kept = np.flatnonzero(values > MIN_VARIANCE * values[-1])[-n_axes:]
    axes = vectors[:, kept] / np.sqrt(values[kept])
    F = _features(u, shift, axes)
    return shift, axes, np.stack([F[codes == k].mean(axis=0) for k in np.unique(codes)])


def _same(u, shift):
    v = unit_rows(u[:MAX_PAIRED] - shift)
    return np.quantile((v @ v.T)[np.triu_indices(len(v), 1)], 1 - SAME_SHARE)


def _merged(cells):
    """Return numbers of cells, those of few rows and beyond the largest joined into one."""
    _, codes, counts = np.unique(cells, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")[: MAX_CELLS - 1]
    large = order[counts[order] >= MIN_CELL]
    return np.where(np.isin(codes, large), codes, -1)


def _distance(F, cells):
    mean = F.mean(axis=0)
    chance = F.var(axis=0, ddof=1).sum() / len(F) if len(F) > 1 else np.inf
    ones = np.full((1, len(cells)), _ONE)
    system, wanted = np.vstack([cells.T, ones]), np.append(mean, _ONE)
    try:
        weights, _ = nnls(system, wanted)
    except RuntimeError:  # Cells that are nearly one: it gives up after too many steps.
        weights = lsq_linear(system, wanted, bounds=(0, np.inf)).x
    return float(np.sum((mean - weights @ cells) ** 2) - chance)


def _limits(u, codes, rng):
    """Return sizes and, for each, the greatest distance of draws from half of the people."""
    sizes = [n for n in SIZES if n <= len(u) // 4]
    worst = np.zeros(len(sizes))
    for _ in range(N_HALVES):
        order = rng.permutation(len(u))
        known, other = order[: len(u) // 2], order[len(u) // 2 :]
        shift, axes, means = _moments(u[known], codes[known])
        F = _features(u[other], shift, axes)
        for place, n in enumerate(sizes):
            for _ in range(N_DRAWS):
                drawn = rng.choice(len(F), n, replace=False)
                worst[place] = max(worst[place], _distance(F[drawn], means))
    return np.array([sizes, MARGIN * worst + TOLERANCE])
