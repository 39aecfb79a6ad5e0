"""Good rows of imported embeddings as record batches; bad ones are recorded."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sfumato.data.canonical import text_column
from sfumato.data.columns import embedding_array
from sfumato.data.importers._writing import Rejects

KINDS = (pa.int64(), pa.float64(), pa.bool_())  # tried in this order, else string


def infer(name: str, column: Any) -> Any:
    """Return the narrowest type that all values of a column of strings fit."""
    if name == "identity" or column is None or column.null_count == len(column):
        return pa.string()
    for kind in KINDS:
        if not cast(column, kind)[1].any():
            return kind
    return pa.string()


def cast(column: Any, kind: Any) -> tuple[Any, ...]:
    """Cast strings; return the values (null where impossible) and what failed."""
    try:
        values = pc.cast(column, kind)
        failed = np.zeros(len(column), dtype=bool)
    except pa.ArrowInvalid:
        parts, failed = [], np.zeros(len(column), dtype=bool)
        for row, value in enumerate(column):
            try:
                parts.append(pc.cast(value, kind).as_py())
            except pa.ArrowInvalid:
                parts.append(None)
                failed[row] = True
        values = pa.array(parts, kind)
    return values, failed


class Rows:
    """Turns blocks of ids, embeddings and labels into record batches of the good rows.

    Parameters
    ----------
    types : dict of str to pyarrow.DataType
        The columns but ``image_id`` and ``embedding``.
    dimension : int
    normalisation : {"none", "l2"}
        With "l2" a row whose length is not 1 is bad.
    rejects : Rejects, optional
    """

    def __init__(
        self,
        types: dict[str, Any],
        dimension: int,
        normalisation: str,
        rejects: Rejects | None = None,
    ) -> None:
        self.types, self.dimension, self.normalisation = types, dimension, normalisation
        self.rejects = Rejects() if rejects is None else rejects
        embedding = pa.list_(pa.float32(), dimension)
        self.schema = pa.schema(
            [("image_id", pa.string()), *types.items(), ("embedding", embedding)]
        )

    def batch(self, ids: Any, X: Any, columns: Any, start: Any) -> Any:
        """Return the good rows of one block, whose first row has the number ``start``.

        ``ids`` are texts, None where missing.
        """
        with np.errstate(over="ignore"):
            X = X.astype(np.float32)
        reasons = self._bad_embeddings(X)
        labels = {}
        for name, column in columns.items():
            text = self.types[name] == pa.string()
            labels[name], failed = cast(text_column(column) if text else column, self.types[name])
            for row in np.flatnonzero(failed):
                reasons[row] = f"{name}: {column[int(row)].as_py()!r} is no {self.types[name]}"
        good = np.zeros(len(X), dtype=bool)
        for number, (name, reason) in enumerate(zip(ids, reasons, strict=True)):
            if reason is None:
                good[number] = self.rejects.admit(name, f"row {start + number}")
            else:
                self.rejects.add(name, f"row {start + number}", reason)
        kept = {name: values.filter(pa.array(good)) for name, values in labels.items()}
        image_id = pa.array(ids[good].tolist(), pa.string())
        return pa.RecordBatch.from_pydict(
            {"image_id": image_id, **kept, "embedding": embedding_array(X[good])}
        )

    def _bad_embeddings(self, X):
        """Return each row's reason to be rejected, or None."""
        reasons = np.full(len(X), None, dtype=object)
        if self.normalisation == "l2":
            lengths = np.linalg.norm(X, axis=1)
            for row in np.flatnonzero(np.abs(lengths - 1) > 1e-3):
                reasons[row] = f"embedding has length {lengths[row]:.4g}, not 1"
        reasons[~np.isfinite(X).all(axis=1)] = "embedding has a value that is no finite number"
        return reasons
