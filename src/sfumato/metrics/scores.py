"""Comparison scores of embedding pairs: listed pairs, or all against all."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.data.labels import as_names
from sfumato.errors import InputError
from sfumato.metrics.comparators import check_lengths, comparator
from sfumato.validation import check_embeddings, check_seed

MAX_IMPOSTOR = 10_000_000
BLOCK_CELLS = 8_000_000
# A matrix product costs about a fortieth of a gathered comparison, a cell; other comparators'
# matrices cost more.
DENSE_SHARE = 1 / 40


class Scores(NamedTuple):
    """Scores of genuine and impostor pairs, with the people that they compare.

    Attributes
    ----------
    genuine : ndarray of shape (n_genuine,)
        Scores of same-person pairs; higher means more alike.
    impostor : ndarray of shape (n_impostor,)
        Scores of different-person pairs.
    genuine_identity : int ndarray of shape (n_genuine,)
        Number in 0..n_identities-1 of the person of each genuine pair.
    impostor_identity : int ndarray of shape (n_impostor, 2)
        Numbers of the two people of each impostor pair.
    n_identities : int
    n_impostor_all : int
        Number of impostor pairs that exist; more than ``n_impostor`` when ``impostor`` is a
        uniform sample of them.
    """

    genuine: np.ndarray
    impostor: np.ndarray
    genuine_identity: np.ndarray
    impostor_identity: np.ndarray
    n_identities: int
    n_impostor_all: int


class PairRows(NamedTuple):
    """Rows ``a < b`` of every genuine pair and of all or a sample of the impostor pairs.

    ``genuine`` and ``impostor`` are int32 arrays of shape (2, n_pairs), sorted by ``a``;
    ``code`` numbers the identity of each row; see :class:`Scores` for the rest.
    """

    genuine: np.ndarray
    impostor: np.ndarray
    code: np.ndarray
    n_identities: int
    n_impostor_all: int


def pair_scores(
    X: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    metric: str = "cosine",
    *,
    other: ArrayLike | None = None,
) -> NDArray[Any]:
    """Return the scores of row ``a`` of ``X`` against row ``b`` of ``other`` (default ``X``).

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    a, b : int array-like of shape (n_pairs,)
        Row numbers.
    metric : str, default="cosine"
        Cosine of the angle, in [-1, 1]; ``"euclidean"``: negative Euclidean distance, <= 0; or
        another of :mod:`~sfumato.metrics.comparators`.
    other : array-like of shape (n_samples, n_features), optional
        E.g. the same rows after an eraser, to compare original with protected embeddings.

    Returns
    -------
    ndarray of shape (n_pairs,)
        float32 for float32 embeddings, else float64.

    Raises
    ------
    InputError
        For a row of zeros (cosine), other shapes, or a row number out of range.
    """
    A = comparable(X, metric, "X")
    B = A if other is None else comparable(other, metric, "other")
    return _gather(A, B, _check_rows(a, len(A), "a"), _check_rows(b, len(B), "b"), metric)


def comparable(X: ArrayLike, metric: Any, name: str = "X") -> Any:
    """Return checked embeddings, ready for the metric's comparator."""
    found = comparator(metric)
    X = check_embeddings(X, name)
    check_lengths(X, metric, name)
    return found.prepare(X)


def _check_rows(rows, n, name):
    rows = np.asarray(rows)
    if rows.ndim != 1 or not (rows.size == 0 or np.issubdtype(rows.dtype, np.integer)):
        raise InputError(f"{name} must be a 1-d array of row numbers.")
    if rows.size and not (rows.min() >= 0 and rows.max() < n):
        raise InputError(f"{name} must hold row numbers in 0..{n - 1}.")
    return rows.astype(np.intp)


def _gather(A, B, a, b, metric):
    if len(a) != len(b) or A.shape[1] != B.shape[1]:
        raise InputError(
            f"a and b must be equally long, X and other equally wide; got {len(a)} and "
            f"{len(b)} pairs, {A.shape[1]} and {B.shape[1]} features."
        )
    found = comparator(metric)
    scores = np.empty(len(a), dtype=_score_type(A, B))
    step = max(BLOCK_CELLS // 16 // A.shape[1], 1)
    for start in range(0, len(a), step):
        part = slice(start, start + step)
        scores[part] = found.pairs(A[a[part]], B[b[part]])
    return scores


def _score_type(A, B):
    return np.result_type(A, B, np.float32)


def block_scores(A: Any, B: Any, metric: Any) -> Any:
    """Return the scores of each row of ``A`` with each of ``B``, both already comparable."""
    return comparator(metric).matrix(A, B)


def all_pairs(identity: ArrayLike, *, max_impostor: int = MAX_IMPOSTOR, seed: int = 0) -> PairRows:
    """Return the rows of all genuine pairs, and of all impostor pairs or a sample of them.

    Parameters
    ----------
    identity : array-like of shape (n_samples,)
        Who is in each row.
    max_impostor : int, default=10_000_000
        When there are more impostor pairs, a uniform sample of this size is drawn without
        replacement.
    seed : int, default=0
        Seed of the sample.

    Returns
    -------
    PairRows

    Raises
    ------
    InputError
        If no identity has two rows, there is only one identity, or one is missing.
    """
    check_argument(max_impostor, POSITIVE_INT, "max_impostor")
    check_seed(seed)
    code, n_identities = identity_codes(identity)
    n, sizes = code.size, np.bincount(code, minlength=n_identities)
    n_impostor = n * (n - 1) // 2 - int((sizes * (sizes - 1) // 2).sum())
    if n_identities < 2 or sizes.max() < 2:
        raise InputError(
            "identity needs at least two people, one of them with two rows; got "
            f"{n_identities} identities in {n} rows."
        )
    if n_impostor <= max_impostor:
        impostor = _every_impostor(code)
    else:
        impostor = _some_impostors(code, max_impostor, np.random.default_rng(seed))
    return PairRows(_every_genuine(code), impostor, code, n_identities, n_impostor)


def identity_codes(identity: ArrayLike) -> tuple[Any, ...]:
    """Return identities as numbers 0..n_identities-1 in sorted order, and their number."""
    names = as_names(identity)
    if names.size == 0:
        raise InputError(f"identity must be a non-empty 1-d array, got {names.shape}.")
    people, code = np.unique(names, return_inverse=True)
    return code, people.size


def _every_genuine(code):
    order = np.argsort(code, kind="stable").astype(np.int32)
    ends = np.cumsum(np.bincount(code))
    parts = []
    for rows in np.split(order, ends[:-1]):
        if rows.size > 1:
            i, j = np.triu_indices(rows.size, 1)
            parts.append(np.stack([rows[i], rows[j]]))
    pairs = np.concatenate(parts, axis=1)
    return pairs[:, np.argsort(pairs[0], kind="stable")]


def _every_impostor(code):
    n, parts = code.size, []
    for a in range(n - 1):
        b = np.flatnonzero(code[a + 1 :] != code[a]).astype(np.int32) + a + 1
        parts.append(np.stack([np.full(b.size, a, np.int32), b]))
    return np.concatenate(parts, axis=1)


def _some_impostors(code, n_wanted, rng):
    n = code.size
    found = np.empty(0, dtype=np.int64)
    while found.size < n_wanted:
        a, b = rng.integers(n, size=(2, int(1.1 * (n_wanted - found.size)) + 100))
        other = code[a] != code[b]
        a, b = a[other], b[other]
        # Sorting finds the duplicates faster than the hash table of np.unique.
        found = np.sort(np.concatenate([found, np.minimum(a, b) * n + np.maximum(a, b)]))
        found = found[np.append(True, found[1:] != found[:-1])]
    surplus = rng.choice(found.size, found.size - n_wanted, replace=False, shuffle=False)
    return np.stack(np.divmod(np.delete(found, surplus), n)).astype(np.int32)


def all_vs_all(
    X: Any,
    identity: Any,
    metric: str = "cosine",
    *,
    other: Any | None = None,
    max_impostor: int = MAX_IMPOSTOR,
    seed: int = 0,
    pairs: PairRows | None = None,
) -> Scores:
    """Return the scores of every pair of rows ``a < b``: ``X[a]`` against ``other[b]``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    identity : array-like of shape (n_samples,)
        Who is in each row.
    metric : str, default="cosine"
        See :func:`pair_scores`.
    other : array-like of shape (n_samples, n_features), optional
        The same rows in the same order, e.g. protected; default ``X``. A row is never
        compared with itself.
    max_impostor, seed : int
        See :func:`all_pairs`: all genuine pairs are kept, impostor pairs are sampled when
        there are more than this.
    pairs : PairRows, optional
        From :func:`all_pairs` with the same identities, to compare several matrices on the
        same pairs.

    Returns
    -------
    Scores

    Notes
    -----
    Needs 12 bytes a pair kept and never the square matrix.
    """
    A = comparable(X, metric, "X")
    B = A if other is None else comparable(other, metric, "other")
    if pairs is None:
        pairs = all_pairs(identity, max_impostor=max_impostor, seed=seed)
    if not len(A) == len(B) == pairs.code.size or A.shape[1] != B.shape[1]:
        raise InputError(
            f"X, identity and other must have the same rows and features, got {A.shape}, "
            f"{pairs.code.size} identities and {B.shape}."
        )
    return Scores(
        genuine=_sorted_pair_scores(A, B, pairs.genuine, metric),
        impostor=_sorted_pair_scores(A, B, pairs.impostor, metric),
        genuine_identity=pairs.code[pairs.genuine[0]],
        impostor_identity=pairs.code.astype(np.int32)[pairs.impostor.T],
        n_identities=pairs.n_identities,
        n_impostor_all=pairs.n_impostor_all,
    )


def _sorted_pair_scores(A, B, pairs, metric):
    """Score pairs sorted by ``a``, by matrix product where most of a block is wanted."""
    scores = np.empty(pairs.shape[1], dtype=_score_type(A, B))
    dense_share = DENSE_SHARE * comparator(metric).matrix_cost
    step = max(BLOCK_CELLS // len(B), 1)
    for start in range(0, len(A), step):
        first, last = np.searchsorted(pairs[0], np.array([start, start + step], np.int32))
        a, b = pairs[:, first:last]
        rows = A[start : start + step]
        if last - first > dense_share * rows.shape[0] * (len(B) - start):
            block = block_scores(rows, B[start:], metric)
            scores[first:last] = block[a - start, b - start]
        elif last > first:
            scores[first:last] = _gather(A, B, a, b, metric)
    return scores
