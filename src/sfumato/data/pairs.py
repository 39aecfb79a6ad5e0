"""Pairs of images to verify, as rows of a face table."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato.data.labels import as_text
from sfumato.data.pair_files import PairList, read_pairs
from sfumato.errors import InputError

__all__ = ["JoinedPairs", "PairList", "join_pairs", "read_pairs"]

LFW_ID = re.compile(
    r"(?:.*/)?(?:(?P<name>[^/]+)_|(?P<folder>[^/]+)/)(?P<number>[0-9]+)(?:\.[^/]*)?", re.DOTALL
)
WHOLE = re.compile(r"(-?[0-9]+)\.0+")


@dataclass(frozen=True)
class JoinedPairs:
    """Pairs as rows of a face table.

    Attributes
    ----------
    a, b : int ndarray of shape (n_pairs,)
        Row numbers; pairs with an unknown image are left out.
    genuine : bool ndarray of shape (n_pairs,)
    identity : int ndarray of shape (n_rows,)
        Number of the person in each row of the table.
    view : str or None
        The view, when all pairs belong to one.
    split : object ndarray of shape (n_pairs,) or None
    n_missing : int
        Number of pairs left out.
    n_repeated : int, default=0
        Number of pairs, in either order, that stood in the list before; they count once.
    """

    a: np.ndarray
    b: np.ndarray
    genuine: np.ndarray
    identity: np.ndarray
    view: str | None
    split: np.ndarray | None
    n_missing: int
    n_repeated: int = 0


def join_pairs(
    pairs: PairList, image_id: ArrayLike, identity: ArrayLike | None = None
) -> JoinedPairs:
    """Find the rows of listed pairs in a face table.

    Parameters
    ----------
    pairs : PairList
    image_id : array-like of shape (n_rows,)
        Names; 7 and ``"7"`` are one.
    identity : array-like of shape (n_rows,), optional
        Needed when the list does not say which pairs are genuine. Without it, images that
        genuine pairs link count as one person, every other image as a person of its own.

    Returns
    -------
    JoinedPairs

    Raises
    ------
    InputError
        If no pair is known, a pair contradicts ``identity`` or another listing of it, is of one
        row with itself, or nothing says which pairs are genuine.
    """
    ids = as_text(image_id).tolist()
    row = {name: number for number, name in enumerate(ids)}
    if len(row) < len(ids):
        raise InputError("image_id must be unique; rename or drop the repeated ones.")
    find = _Finder(ids, row, pairs)
    a, b = (
        np.array([find(name) for name in as_text(names).tolist()], dtype=np.intp)
        for names in (pairs.image_a, pairs.image_b)
    )
    known = (a >= 0) & (b >= 0)
    if not known.any():
        raise InputError(
            f"{pairs.path}: no pair has both images in the table, e.g. {pairs.image_a[0]!r} and "
            f"{pairs.image_b[0]!r}; the ids must be those of the column image_id."
        )
    pairs, a, b = pairs.take(known), a[known], b[known]
    if (a == b).any():
        row_id = ids[int(a[a == b][0])]
        raise InputError(f"{pairs.path}: pairs the photo {row_id!r} with itself; drop the pair.")
    first = _first_listings(pairs, a, b)
    n_repeated = len(a) - len(first)
    pairs, a, b = pairs.take(first), a[first], b[first]
    genuine, code = _who(pairs, a, b, identity, len(row))
    views = set() if pairs.view is None else set(pairs.view.tolist())
    return JoinedPairs(
        a=a,
        b=b,
        genuine=genuine,
        identity=code,
        view=views.pop() if len(views) == 1 else None,
        split=pairs.split,
        n_missing=int((~known).sum()),
        n_repeated=n_repeated,
    )


def _first_listings(pairs, a, b):
    """Return the numbers of the pairs that stand in the list for the first time."""
    both = np.column_stack([np.minimum(a, b), np.maximum(a, b)])
    _, first, code = np.unique(both, axis=0, return_index=True, return_inverse=True)
    if pairs.genuine is not None:
        told = pairs.genuine[first][code.ravel()]
        if (told != pairs.genuine).any():
            wrong = int(np.flatnonzero(told != pairs.genuine)[0])
            raise InputError(
                f"{pairs.path}: the pair {pairs.image_a[wrong]!r}, {pairs.image_b[wrong]!r} is "
                "listed as genuine and as not; drop one."
            )
    return np.sort(first)


class _Finder:
    """Find an image's row by its id, -1 if absent.

    LFW's by name and number as well, and ``7.0``, which spreadsheets make of 7, by the latter.
    """

    def __init__(self, ids: Any, row: Any, pairs: Any) -> None:
        self._ids, self._row, self._pairs = ids, row, pairs
        self._by_number: dict[tuple[str, int], list[int]] | None = None

    def __call__(self, name: str) -> Any:
        found = self._row.get(name, -1)
        if found < 0 and (whole := WHOLE.fullmatch(name)):
            found = self._row.get(whole[1], -1)
        key = _name_and_number(name) if found < 0 and self._pairs.lfw else None
        if key is None:
            return found
        if self._by_number is None:
            self._by_number = {}
            for number, image in enumerate(self._ids):
                self._by_number.setdefault(_name_and_number(image), []).append(number)
        rows = self._by_number.get(key, [])
        if len(rows) > 1:
            raise InputError(
                f"{self._pairs.path}: {name!r} may be {self._ids[rows[0]]!r} or "
                f"{self._ids[rows[1]]!r} of the table; keep one, or list pairs by image_id in "
                "a .csv file."
            )
        return rows[0] if rows else -1


def _name_and_number(image):
    """Return ("Ada", 1) of ``Ada/Ada_0001.jpg``, ``Ada_0001`` or ``Ada/1.jpg``, else None."""
    found = LFW_ID.fullmatch(image or "")
    return (found["name"] or found["folder"], int(found["number"])) if found else None


def _who(pairs, a, b, identity, n_rows):
    if identity is None:
        if pairs.genuine is None:
            raise InputError(
                f"{pairs.path}: needs a column genuine, as the table has no identity."
            )
        return pairs.genuine, _linked(a[pairs.genuine], b[pairs.genuine], n_rows)
    identity = as_text(identity)
    used = np.unique(np.concatenate([a, b]))
    missing = [number for number in used.tolist() if identity[number] is None]
    if missing:
        raise InputError(f"identity, row {missing[0]}: missing, but a pair uses this image.")
    code = np.zeros(n_rows, dtype=np.intp)
    code[used] = np.unique(identity[used].astype(str), return_inverse=True)[1]
    same = code[a] == code[b]
    if pairs.genuine is not None and (same != pairs.genuine).any():
        wrong = int(np.flatnonzero(same != pairs.genuine)[0])
        raise InputError(
            f"{pairs.path}: the pair {pairs.image_a[wrong]!r}, {pairs.image_b[wrong]!r} has "
            f"genuine={bool(pairs.genuine[wrong])}, which contradicts the table's identity."
        )
    return same, code


def _linked(a, b, n_rows):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(a.size), (a, b)), shape=(n_rows, n_rows))
    return connected_components(links, directed=False)[1]
