"""Near-identical templates under different names, or on both sides of a split.

Two templates are near-identical if they are closer than strangers come by chance. The share of
pairs of strangers within a distance ``r`` grows as a power of it (the correlation integral [1]_);
the power is read off the bulk, between the distances that 5 % and 25 % of the pairs stay within.
Towards small distances the power of Gaussian data, and of real faces, rises, so the bulk expects
more near pairs than there are: the rule errs towards silence.

References
----------
.. [1] Grassberger and Procaccia, "Characterization of strange attractors", Physical Review
   Letters 50, 1983.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data.rows import unit_rows
from sfumato.metrics.comparators import ShuffledBlocks, comparator

#: Share of templates that would have a stranger within the limit, were the bulk to go on.
EXPECTED = 0.01
BULK = 0.05, 0.25
#: Distances below this share of the median one are rounding.
ROUNDING = 1e-3
#: Rows that differ by less, as a share of their largest value, do so by rounding: some hundred
#: steps of single precision. Far from the origin templates still tell people apart.
CONSTANT = 1e-5
N_PAIRS = 60_000
#: Where templates are aligned pair by pair, so many of them are compared with one another.
N_ALIGNED = 300
#: At most so many templates of a side are looked up among all others.
N_LOOKED_UP = 1500
N_CELLS = 3e8
QUERIES, GALLERY = 256, 16_384
#: Rows of unit length that differ by no more in any feature are the same.
SAME = 1e-6


@dataclass(frozen=True)
class Rows:
    """Templates with their people, sides and labels; codes are whole numbers.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
    identity, side, label : ndarray of int of shape (n_rows,)
        ``side`` is 0 for development and 1 for test.
    """

    X: NDArray[Any]
    identity: NDArray[Any]
    side: NDArray[Any]
    label: NDArray[Any]

    def take(self, rows: NDArray[Any]) -> "Rows":
        """Return some of the rows."""
        return Rows(self.X[rows], self.identity[rows], self.side[rows], self.label[rows])

    def means(self) -> "Rows":
        """Return the mean template of each person on each side, with the first row's label."""
        key = self.identity * 2 + self.side
        _, first, code, counts = np.unique(
            key, return_index=True, return_inverse=True, return_counts=True
        )
        sums = np.zeros((len(first), self.X.shape[1]))
        np.add.at(sums, code, self.X)
        X = (sums / counts[:, None]).astype(self.X.dtype)
        return Rows(X, self.identity[first], self.side[first], self.label[first])


def distance(scores: NDArray[Any], metric: str) -> NDArray[Any]:
    """Return a distance of scores, falling as they rise: chord, Euclidean, or share differing."""
    if metric == "euclidean":
        return -scores
    return 1 - scores if metric == "agreement" else np.sqrt(np.maximum(2 - 2 * scores, 0))


def is_constant(X: NDArray[Any]) -> bool:
    """Return whether all rows are the same but for rounding."""
    spread = np.abs(X - X[:1]).max()
    return bool(spread <= CONSTANT * max(np.abs(X[:1]).max(), np.finfo(np.float32).tiny))


def find_near_identical(rows: Rows, metric: str, *, seed: int = 0) -> dict[str, Any]:
    """Count templates that have a near-identical one of another name or on the other side.

    Parameters
    ----------
    rows : Rows
    metric : str
        How templates are compared, see :mod:`sfumato.metrics.comparators`.
    seed : int, default=0
        Of the pairs that the limit is read off, and of the templates looked up.

    Returns
    -------
    dict
        ``n_looked_up``, ``n_near``, ``n_people`` (of those templates), ``n_contradicting`` (one
        of them has another label), ``limit`` (a distance); the first three also under
        ``across``: test templates and their near-identical ones in development.
    """
    rng = np.random.default_rng(seed)
    compared = comparator(metric)
    if isinstance(compared, ShuffledBlocks):
        rows = rows.take(rng.permutation(len(rows.X))[:N_ALIGNED])
    rows = Rows(compared.prepare(rows.X), rows.identity, rows.side, rows.label)
    limit = _limit(rows, metric, rng)
    looked_up = _looked_up(rows.side, compared.matrix_cost, rng)
    near, contradicting, across = (np.zeros(len(looked_up), dtype=bool) for _ in range(3))
    for start in range(0, len(looked_up), QUERIES):
        part = slice(start, start + QUERIES)
        near[part], contradicting[part], across[part] = _near(rows, looked_up[part], metric, limit)
    tested = rows.side[looked_up] == 1
    return {
        **_count(rows, looked_up, near),
        "n_contradicting": int(contradicting.sum()),
        "limit": float(limit),
        "across": _count(rows, looked_up[tested], across[tested]),
    }


def _count(rows, looked_up, near):
    return {
        "n_looked_up": len(looked_up),
        "n_near": int(near.sum()),
        "n_people": len(np.unique(rows.identity[looked_up[near]])),
    }


def _limit(rows, metric, rng):
    n = len(rows.X)
    a, b = rng.integers(0, n, (2, min(N_PAIRS, n * n // 4)))
    strangers = rows.identity[a] != rows.identity[b]
    a, b = a[strangers], b[strangers]
    if len(a) < 1 / BULK[0]:
        return 0.0
    parts = [
        comparator(metric).pairs(rows.X[a[start : start + 8192]], rows.X[b[start : start + 8192]])
        for start in range(0, len(a), 8192)
    ]
    found = distance(np.concatenate(parts), metric)
    low, high, median = np.quantile(found, [*BULK, 0.5])
    floor = ROUNDING * median
    if low <= floor or high <= low * (1 + ROUNDING):
        return floor
    power = np.log(BULK[1] / BULK[0]) / np.log(high / low)
    return max(floor, low * (EXPECTED / n / BULK[0]) ** (1 / power))


def _looked_up(side, cost, rng):
    each = int(min(N_LOOKED_UP, max(N_CELLS / cost / len(side) / 2, 1)))
    return np.concatenate(
        [rng.permutation(np.flatnonzero(side == number))[:each] for number in (0, 1)]
    )


def _near(rows, queries, metric, limit):
    """Return which queries have a near one of another name, of another label, on another side."""
    compared, least = comparator(metric), _score(limit, metric)
    near, contradicting, across = (np.zeros(len(queries), dtype=bool) for _ in range(3))
    for start in range(0, len(rows.X), GALLERY):
        scores = compared.matrix(rows.X[queries], rows.X[start : start + GALLERY])
        query, other = np.nonzero(scores >= least)
        a, b = queries[query], other + start
        apart = rows.side[a] != rows.side[b]
        across[query[apart]] = True
        other_person = apart | (rows.identity[a] != rows.identity[b])
        near[query[other_person]] = True
        contradicting[query[other_person & (rows.label[a] != rows.label[b])]] = True
    return near, contradicting, across


def _score(limit, metric):
    if metric == "euclidean":
        return -limit
    return 1 - limit if metric == "agreement" else 1 - limit**2 / 2


def count_merged(*parts: Any) -> dict[str, int]:
    """Count people whose raw rows differ, and those of them whose protected rows do not.

    Parameters
    ----------
    *parts
        Each with ``X``, ``protected`` and ``identity``.

    Returns
    -------
    dict
        ``n_people``, ``n_merged``.
    """
    names = np.concatenate([part.identity for part in parts])
    code = np.unique(names, return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    spreads = []
    for side in ("X", "protected"):
        rows = unit_rows(np.concatenate([getattr(part, side) for part in parts]))[order]
        spread = np.maximum.reduceat(rows, starts) - np.minimum.reduceat(rows, starts)
        spreads.append(spread.max(axis=1))
    several = spreads[0] > SAME
    return {
        "n_people": int(several.sum()),
        "n_merged": int((several & (spreads[1] <= SAME)).sum()),
    }
