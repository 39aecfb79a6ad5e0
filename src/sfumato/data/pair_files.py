"""Files of image pairs to verify: Parquet, CSV, and LFW's own text files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sfumato.data.canonical import text_column
from sfumato.data.spreadsheets import unguard_column
from sfumato.errors import InputError
from sfumato.files import read_text

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
    lfw : bool, default=False
        Whether the ids are LFW's ``NAME_NUMBER``, to be found by name and number in ids such as
        ``Name/Name_0001.jpg``, ``Name_0001.jpg`` or ``Name/1.jpg``.
    """

    image_a: np.ndarray
    image_b: np.ndarray
    genuine: np.ndarray | None
    view: np.ndarray | None
    split: np.ndarray | None
    path: Path
    lfw: bool = False

    def select(self, view: str | None = None) -> "PairList":
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
        return self.take(np.asarray(self.view == view))

    def take(self, rows: NDArray[Any]) -> "PairList":
        """Return some of the pairs, by a mask or by their numbers."""
        return replace(
            self,
            image_a=self.image_a[rows],
            image_b=self.image_b[rows],
            genuine=None if self.genuine is None else self.genuine[rows],
            view=None if self.view is None else self.view[rows],
            split=None if self.split is None else self.split[rows],
        )


def read_pairs(path: str | Path) -> PairList:
    """Read a list of pairs.

    Parameters
    ----------
    path : str or Path
        ``.parquet`` or ``.csv`` with the columns ``image_a``, ``image_b`` and, optionally,
        ``genuine``, ``view`` and ``split``; or ``.txt`` in the layout of LFW's
        ``pairs.txt``, ``pairsDevTrain.txt`` and ``pairsDevTest.txt``. Text is UTF-8, or UTF-16
        with a byte order mark. From CSV the apostrophes of :mod:`sfumato.data.spreadsheets` are
        taken off.

    Returns
    -------
    PairList

    Raises
    ------
    InputError
        Naming the file, the row (from 0) or line and the rule; also for a pair of a photo with
        itself.
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
            content = pa.BufferReader(read_text(path).encode())
            table = _unguard(pyarrow.csv.read_csv(content, convert_options=options))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not readable ({error}).") from error
    pairs = _from_arrow(table, path)
    for row in np.flatnonzero(pairs.image_a == pairs.image_b).tolist():
        raise _itself(f"{path}, row {row}", pairs.image_a[row])
    return pairs


def _unguard(table):
    for place, name in enumerate(table.column_names):
        if name in TEXT_COLUMNS:
            column = unguard_column(table.column(name).combine_chunks())
            table = table.set_column(place, name, column)
    return table


def _itself(where, name):
    # It would count as the most genuine of all.
    return InputError(f"{where}: pairs the photo {name!r} with itself; drop the pair.")


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
        column = _texts(table.column(name), f"{path}: {name}")
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise InputError(f"{path}, row {row}: {name} is missing; fill it or drop the row.")
        values = column.to_numpy()
        columns[name] = _as_bool(values, path) if name == "genuine" else values
    if table.num_rows == 0:
        raise InputError(f"{path}: holds no pairs.")
    return PairList(path=path, **columns)  # type: ignore[arg-type]


def _texts(column, what):
    try:
        return pa.chunked_array([text_column(chunk) for chunk in column.chunks], pa.string())
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _as_bool(texts, path):
    known = {"true": True, "1": True, "false": False, "0": False}
    values = [known.get(text.lower()) for text in texts.tolist()]
    if None in values:
        row = values.index(None)
        raise InputError(
            f"{path}, row {row}: genuine must hold true/false or 1/0, got {texts[row]!r}."
        )
    return np.array(values, dtype=bool)


def _read_lfw(path):
    """Parse LFW's layout: a header (folds and) pairs per fold, then 3 or 4 fields a line."""
    lines = read_text(path).splitlines()
    header = lines[0].split() if lines else []
    if not (1 <= len(header) <= 2 and all(part.isdecimal() for part in header)):
        raise InputError(f"{path}, line 1: expected the number of (folds and) pairs as in LFW.")
    n_folds, n_each = (1, int(header[0])) if len(header) == 1 else map(int, header)
    numbered = [
        (number, _fields(line)) for number, line in enumerate(lines[1:], start=2) if line.strip()
    ]
    rows = [row for _, row in numbered]
    if len(rows) != 2 * n_folds * n_each or not rows:
        raise InputError(
            f"{path}: line 1 promises {n_folds} x 2 x {n_each} pairs, the file has {len(rows)}."
        )
    image_a, image_b = zip(
        *(_lfw_ids(row, f"{path}, line {number}") for number, row in numbered),
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
        lfw=True,
    )


def _fields(line):
    # Names may have blanks where tabs part them.
    return [part.strip() for part in line.split("\t" if "\t" in line else None)]


def _lfw_ids(row, where):
    try:
        if len(row) == 3:
            a, b = f"{row[0]}_{int(row[1]):04d}", f"{row[0]}_{int(row[2]):04d}"
        else:
            (first, m), (second, n) = row[:2], row[2:]
            a, b = f"{first}_{int(m):04d}", f"{second}_{int(n):04d}"
    except ValueError:
        said = " ".join(row)
        raise InputError(
            f"{where}: expected 'name n m' or 'name n name m', got {said!r}."
        ) from None
    if a == b:
        raise _itself(where, a)
    return a, b


def _lfw_view(path, n_header, fold):
    n = fold.size
    if n_header == 2:
        return np.full(n, "view2", object), np.array([f"fold{k}" for k in fold], object)
    for split in ("train", "test"):
        if split in path.stem.lower():
            return np.full(n, "view1", object), np.full(n, split, object)
    return None, None
