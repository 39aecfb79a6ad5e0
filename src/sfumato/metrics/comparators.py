"""How two templates are compared: one comparator a metric, pair by pair or all against all.

``"cosine"``, ``"euclidean"``
    Of ordinary templates.
``"blocks:N"``
    Of templates whose blocks of ``N`` features are shuffled (PE-MIU [1]_): the blocks of one
    are assigned to those of the other at the least sum of l2 distances, then the cosine is
    taken.
``"agreement"``
    Of categorical templates: the share of equal entries. Two negative templates (negative face
    recognition [2]_) of one person agree more often than those of two; a negative and a positive
    one of the same person agree less often.

References
----------
.. [1] Terhörst et al., "PE-MIU: a training-free privacy-enhancing face recognition approach
   based on minimum information units", IEEE Access 2020.
.. [2] Terhörst et al., "Unsupervised enhancement of soft-biometric privacy with negative face
   recognition", arXiv:2002.09181.
"""

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from sfumato.data.info import BLOCKS, by_direction, check_metric
from sfumato.data.rows import unit_rows
from sfumato.errors import InputError

TILE = 128  # Rows and columns of a tile that stays in the cache.
ROWS = 1 << 14
MAX_CELLS = 1 << 24  # Of all blocks with all others, at a time.
ONE_HOT_ROWS = 2048
MAX_TRIED = 5  # Above so many blocks the Hungarian method, pair by pair, is faster.


def comparator(metric: str) -> "Comparator":
    """Return the comparator of a metric.

    Parameters
    ----------
    metric : {"cosine", "euclidean", "agreement"} or "blocks:N"

    Returns
    -------
    Comparator

    Raises
    ------
    InputError
        For an unknown metric, listing the known.
    """
    check_metric(metric)
    if metric.startswith(BLOCKS):
        return ShuffledBlocks(int(metric.removeprefix(BLOCKS)))
    return {"cosine": Cosine, "euclidean": Euclidean, "agreement": Agreement}[metric]()


def check_lengths(X: NDArray[Any], metric: str, name: object) -> None:
    """Refuse embeddings whose length overflows, or is zero where it is divided by.

    Raises
    ------
    InputError
        With ``name``, such as that of a file, and the row.
    """
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(X, axis=1)
    if not np.isfinite(norm).all():
        row = int(np.flatnonzero(~np.isfinite(norm))[0])
        raise InputError(
            f"{name}, row {row}: the embedding's length overflows {X.dtype}; scale it down."
        )
    if by_direction(metric) and not norm.all():
        row = int(np.flatnonzero(norm == 0)[0])
        raise InputError(
            f"{name}, row {row}: an embedding of zeros cannot be compared by cosine; drop the row."
            if not X[row].any()
            else f"{name}, row {row}: the embedding's length vanishes in {X.dtype}; scale it up."
        )


class Comparator:
    """Scores of rows that :meth:`prepare` has made comparable; higher means more alike.

    Attributes
    ----------
    matrix_cost : float
        Time of a score in a matrix, as a multiple of the cosine's.
    rotatable : bool
        Turning all rows by one rotation leaves the scores as they are.
    """

    matrix_cost = 1.0
    rotatable = False

    def prepare(self, X: ArrayLike) -> Any:
        """Return rows ready for comparison; twice is as good as once."""
        return X

    def pairs(self, A: Any, B: Any) -> Any:
        """Return the score of each row of ``A`` with the same row of ``B``."""
        raise NotImplementedError

    def matrix(self, A: Any, B: Any) -> Any:
        """Return the scores of each row of ``A`` with each of ``B``."""
        raise NotImplementedError


class Cosine(Comparator):
    """Cosine of the angle, in [-1, 1]."""

    rotatable = True

    def prepare(self, X: ArrayLike) -> Any:
        """Return rows of unit length; a row of zeros stays one."""
        return unit_rows(X)

    def pairs(self, A: Any, B: Any) -> Any:
        """Return the cosine of each pair of rows."""
        return np.einsum("ij,ij->i", A, B)

    def matrix(self, A: Any, B: Any) -> Any:
        """Return the cosine of every row with every other."""
        return A @ B.T


class Euclidean(Comparator):
    """Negative Euclidean distance, <= 0."""

    rotatable = True

    def pairs(self, A: Any, B: Any) -> Any:
        """Return the negative distance of each pair of rows."""
        return -np.linalg.norm(A - B, axis=1)

    def matrix(self, A: Any, B: Any) -> Any:
        """Return the negative distance of every row from every other, float64."""
        # In float64, as the difference of squares would lose near-zero distances.
        A, B = A.astype(np.float64), B.astype(np.float64)
        squared = np.square(A).sum(axis=1)[:, None] + np.square(B).sum(axis=1) - 2 * (A @ B.T)
        return -np.sqrt(np.maximum(squared, 0))


class ShuffledBlocks(Cosine):
    """Cosine after the best assignment of blocks, in [-1, 1].

    Parameters
    ----------
    size : int
        Features of a block.

    Notes
    -----
    Up to 5 blocks every assignment is tried, for many pairs at once; above, the best one is found
    pair by pair by the Hungarian method. Which of two equally good assignments is taken is left
    open. The templates are compared at unit length.
    """

    rotatable = False
    matrix_cost = 20.0

    def __init__(self, size: int) -> None:
        self.size = size

    def prepare(self, X: Any) -> Any:
        """Return rows of unit length.

        Raises
        ------
        InputError
            If the blocks do not fill the rows.
        """
        if X.shape[1] % self.size:
            raise InputError(
                f"{BLOCKS}{self.size} compares templates of whole blocks of {self.size} features, "
                f"got {X.shape[1]} features."
            )
        return super().prepare(X)

    def pairs(self, A: Any, B: Any) -> Any:
        """Return the score of each pair of rows."""
        scores = np.empty(len(A), dtype=np.result_type(A, B))
        n_rows = max(min(ROWS, MAX_CELLS // self._n_blocks(A) ** 2), 1)
        for start in range(0, len(A), n_rows):
            a, b = (self._blocks(X[start : start + n_rows]) for X in (A, B))
            inner = np.moveaxis(a @ b.swapaxes(1, 2), 0, -1)
            squares = _squares(a)[:, None], _squares(b)[None]
            scores[start : start + n_rows] = _aligned(inner, *squares)
        return scores

    def matrix(self, A: Any, B: Any) -> Any:
        """Return the score of every row with every other."""
        scores = np.empty((len(A), len(B)), dtype=np.result_type(A, B))
        side = max(min(TILE, int(MAX_CELLS**0.5) // self._n_blocks(A)), 1)
        tiles = [self._blocks(B[start : start + side]) for start in range(0, len(B), side)]
        for row in range(0, len(A), side):
            a = self._blocks(A[row : row + side])
            left = _squares(a)[:, None, :, None]
            for number, b in enumerate(tiles):
                inner = a.swapaxes(0, 1)[:, None] @ b.transpose(1, 2, 0)[None]
                part = _aligned(inner, left, _squares(b)[None, :, None])
                scores[row : row + len(a), number * side : number * side + len(b)] = part
        return scores

    def _n_blocks(self, X):
        return X.shape[1] // self.size

    def _blocks(self, X):
        return X.reshape(len(X), -1, self.size)


class Agreement(Comparator):
    """Share of equal entries, in [0, 1], of templates of whole numbers 0 to 255."""

    matrix_cost = 6.0

    def prepare(self, X: Any) -> Any:
        """Return the categories as bytes.

        Raises
        ------
        InputError
            For an entry that is no category.
        """
        if X.dtype == np.uint8:
            return X
        strange = ((X < 0) | (X > 255) | (np.round(X) != X)).any(axis=1)
        if strange.any():
            row = int(np.flatnonzero(strange)[0])
            raise InputError(
                f"row {row}: agreement compares templates of whole numbers from 0 to 255; "
                "compare others by cosine."
            )
        return X.astype(np.uint8)

    def pairs(self, A: Any, B: Any) -> Any:
        """Return the share of each pair of rows."""
        return (A == B).mean(axis=1, dtype=np.float32)

    def matrix(self, A: Any, B: Any) -> Any:
        """Return the share of every row with every other."""
        counts = np.zeros((len(A), len(B)), dtype=np.float32)
        for value in np.flatnonzero(np.bincount(A.ravel())):
            here = (value == A).astype(np.float32)
            for start in range(0, len(B), ONE_HOT_ROWS):
                part = slice(start, start + ONE_HOT_ROWS)
                counts[:, part] += here @ (B[part] == value).astype(np.float32).T
        return counts / np.float32(A.shape[1])


def _squares(blocks):
    """Return each block's squared length, shape (n_blocks, n_rows)."""
    return np.einsum("nks,nks->kn", blocks, blocks)


def _aligned(inner, left, right):
    """Return the inner product of blocks assigned at the least sum of their distances.

    Parameters
    ----------
    inner : ndarray of shape (n_blocks, n_blocks, ...)
        Inner products of the blocks of two templates.
    left, right : ndarrays that broadcast to that shape
        Squared lengths of the one's blocks and of the other's.
    """
    distance = np.sqrt(np.maximum(left + right - 2 * inner, 0))
    if len(inner) > MAX_TRIED:
        return _hungarian(inner, distance)
    least = product = None
    for order in permutations(range(len(inner))):
        cost = sum(distance[pair] for pair in enumerate(order))
        found = sum(inner[pair] for pair in enumerate(order))
        if least is None:
            least, product = cost, found
        else:
            better = cost < least
            least, product = np.where(better, cost, least), np.where(better, found, product)
    return product


def _hungarian(inner, distance):
    cells = inner.shape[2:]
    inner, distance = (x.reshape(*x.shape[:2], -1) for x in (inner, distance))
    sums = np.empty(inner.shape[2], dtype=inner.dtype)
    for cell in range(len(sums)):
        rows, columns = linear_sum_assignment(distance[:, :, cell])
        sums[cell] = inner[rows, columns, cell].sum()
    return sums.reshape(cells)
