"""Lists of image pairs to verify: Parquet, CSV, and LFW's own text files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from sfumato.errors import InputError

TEXT_COLUMNS = ("image_a", "image_b", "view", "split")


@dataclass(frozen=True)
class PairList:
    """Pairs of images by id.

    Attributes
    ----------
    image_a, image_b : object ndarray of shape (n_pairs,)
    genuine : bool ndarray of shape (n_pairs,) or None
        Whether both images show one person; None when the file does not say.
    view, split : object ndarray of shape (n_pairs,) or None
        The protocol a pair belongs to and its part in it (a fold, or train and test).
    path : Path
        Where the list came from, for messages.
    """

    image_a: np.ndarray
    image_b: np.ndarray
    genuine: np.ndarray | None
    view: np.ndarray | None
    split: np.ndarray | None
    path: Path

    def select(self, view=None):
        """Return the pairs of one view; by default those of the last view in sorted order.

        For LFW that is view 2, the one to report; a list without views is returned whole.

        Raises
        ------
        InputError
            For a view that the list does not have.
        """
        names = [] if self.view is None else sorted(set(self.view.tolist()))
        if view is None and not names:
            return self
        view = names[-1] if view is None else view
        if view not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"{self.path}: no view {view!r}; it has: {known}.")
        return self._take(self.view == view)

    def _take(self, mask):
        return PairList(
            image_a=self.image_a[mask],
            image_b=self.image_b[mask],
            genuine=None if self.genuine is None else self.genuine[mask],
            view=None if self.view is None else self.view[mask],
            split=None if self.split is None else self.split[mask],
            path=self.path,
        )


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
    """

    a: np.ndarray
    b: np.ndarray
    genuine: np.ndarray
    identity: np.ndarray
    view: str | None
    split: np.ndarray | None
    n_missing: int


def read_pairs(path):
    """Read a list of pairs.

    Parameters
    ----------
    path : str or Path
        ``.parquet`` or ``.csv`` with the columns ``image_a``, ``image_b`` and, optionally,
        ``genuine``, ``view`` and ``split``; or ``.txt`` in the layout of LFW's
        ``pairs.txt``, ``pairsDevTrain.txt`` and ``pairsDevTest.txt``.

    Returns
    -------
    PairList

    Raises
    ------
    InputError
        Naming the file, the row or line and the rule.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    if path.suffix == ".txt":
        return _read_lfw(path)
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"{path}: pairs must be a .parquet, .csv or LFW .txt file.")
    try:
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
        else:
            types = {name: pa.string() for name in TEXT_COLUMNS}
            options = pyarrow.csv.ConvertOptions(column_types=types)
            table = pyarrow.csv.read_csv(path, convert_options=options)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not readable ({error}).") from error
    return _from_arrow(table, path)


def _from_arrow(table, path):
    for name in ("image_a", "image_b"):
        if name not in table.column_names:
            raise InputError(
                f"{path}: pairs need the columns image_a and image_b; it has "
                f"{', '.join(table.column_names)}."
            )
    columns: dict[str, np.ndarray | None] = {}
    for name in (*TEXT_COLUMNS, "genuine"):
        if name not in table.column_names:
            columns[name] = None
            continue
        column = table.column(name)
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise InputError(f"{path}, row {row}: {name} is missing; fill it or drop the row.")
        if name == "genuine":
            columns[name] = _as_bool(column, path)
        else:
            columns[name] = column.cast(pa.string()).to_numpy(zero_copy_only=False)
    if table.num_rows == 0:
        raise InputError(f"{path}: holds no pairs.")
    return PairList(path=path, **columns)  # type: ignore[arg-type]


def _as_bool(column, path):
    if pa.types.is_integer(column.type):
        values = column.to_numpy()
        if np.isin(values, (0, 1)).all():
            return values == 1
    if not pa.types.is_boolean(column.type):
        raise InputError(f"{path}: genuine must hold true/false or 1/0, got {column.type}.")
    return pc.cast(column, pa.bool_()).to_numpy(zero_copy_only=False).astype(bool)


def _read_lfw(path):
    """Parse LFW's layout: a header (folds and) pairs per fold, then 3 or 4 fields a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[0].split() if lines else []
    if not (1 <= len(header) <= 2 and all(part.isdecimal() for part in header)):
        raise InputError(f"{path}, line 1: expected the number of (folds and) pairs as in LFW.")
    n_folds, n_each = (1, int(header[0])) if len(header) == 1 else map(int, header)
    rows = [line.split() for line in lines[1:] if line.strip()]
    if len(rows) != 2 * n_folds * n_each or not rows:
        raise InputError(
            f"{path}: line 1 promises {n_folds} x 2 x {n_each} pairs, the file has {len(rows)}."
        )
    image_a, image_b = zip(
        *(_lfw_ids(row, f"{path}, line {number}") for number, row in enumerate(rows, start=2)),
        strict=True,
    )
    fold = np.arange(len(rows)) // (2 * n_each)
    view, split = _lfw_view(path, len(header), fold)
    return PairList(
        image_a=np.array(image_a, dtype=object),
        image_b=np.array(image_b, dtype=object),
        genuine=np.array([len(row) == 3 for row in rows]),
        view=view,
        split=split,
        path=path,
    )


def _lfw_ids(row, where):
    try:
        if len(row) == 3:
            return f"{row[0]}_{int(row[1]):04d}", f"{row[0]}_{int(row[2]):04d}"
        if len(row) == 4:
            return f"{row[0]}_{int(row[1]):04d}", f"{row[2]}_{int(row[3]):04d}"
    except ValueError:
        pass
    raise InputError(f"{where}: expected 'name n m' or 'name n name m', got {' '.join(row)!r}.")


def _lfw_view(path, n_header, fold):
    n = fold.size
    if n_header == 2:
        return np.full(n, "view2", object), np.array([f"fold{k}" for k in fold], object)
    for split in ("train", "test"):
        if split in path.stem.lower():
            return np.full(n, "view1", object), np.full(n, split, object)
    return None, None


def join_pairs(pairs, image_id, identity=None):
    """Find the rows of listed pairs in a face table.

    Parameters
    ----------
    pairs : PairList
    image_id : sequence of str of shape (n_rows,)
    identity : sequence of shape (n_rows,), optional
        Needed when the list does not say which pairs are genuine. Without it, images that
        genuine pairs link count as one person, every other image as a person of its own.

    Returns
    -------
    JoinedPairs

    Raises
    ------
    InputError
        If no pair is known, a pair contradicts ``identity``, or nothing says which pairs are
        genuine.
    """
    row = {name: number for number, name in enumerate(image_id)}
    if len(row) < len(image_id):
        raise InputError("image_id must be unique; rename or drop the repeated ones.")
    a, b = (
        np.array([row.get(name, -1) for name in names], dtype=np.intp)
        for names in (pairs.image_a, pairs.image_b)
    )
    known = (a >= 0) & (b >= 0)
    if not known.any():
        raise InputError(
            f"{pairs.path}: no pair has both images in the table, e.g. {pairs.image_a[0]!r} and "
            f"{pairs.image_b[0]!r}; the ids must be those of the column image_id."
        )
    pairs, a, b = pairs._take(known), a[known], b[known]
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
    )


def _who(pairs, a, b, identity, n_rows):
    if identity is None:
        if pairs.genuine is None:
            raise InputError(
                f"{pairs.path}: needs a column genuine, as the table has no identity."
            )
        return pairs.genuine, _linked(a[pairs.genuine], b[pairs.genuine], n_rows)
    identity = np.asarray(identity)
    used = np.unique(np.concatenate([a, b]))
    missing = [number for number in used.tolist() if identity[number] is None]
    if missing:
        raise InputError(f"identity, row {missing[0]}: missing, but a pair uses this image.")
    code = np.zeros(n_rows, dtype=np.intp)
    code[used] = np.unique(identity[used], return_inverse=True)[1]
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
