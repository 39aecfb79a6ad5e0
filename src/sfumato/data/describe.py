"""What is in a face table: counted row group by row group after a full check."""

from collections import Counter
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sfumato.data.tables import FaceTable

MAX_VALUES = 20


def describe(table):
    """Check a face table and count its people and labels.

    Parameters
    ----------
    table : FaceTable, str or Path

    Returns
    -------
    dict
        ``path``, ``n_rows``, ``columns``; ``info`` (the table's metadata) and ``space``
        (None without embeddings); ``identity``: None or ``n_identities``, ``n_missing`` and
        the ``min``, ``median`` and ``max`` of photos a person; ``labels``: for each label
        ``n_missing``, ``n_distinct`` and, for text and booleans, ``values`` (counts of the
        20 most frequent), for numbers ``min``, ``mean`` and ``max``.

    Raises
    ------
    InputError
        If the table breaks a rule, see :meth:`FaceTable.check`.

    Notes
    -----
    Memory grows with the number of people and of distinct values, not with the rows'
    embeddings or photos.
    """
    table = (table if isinstance(table, FaceTable) else FaceTable(table)).check()
    names = [n for n in ("identity", *table.label_columns) if n in table.columns]
    counts: dict[str, Counter] = {name: Counter() for name in names}
    for batch in table.batches(names) if names else ():
        for name in names:
            counted = pc.value_counts(_plain(batch.column(name)))
            values, numbers = counted.field("values"), counted.field("counts")
            for value, number in zip(values.to_pylist(), numbers.to_pylist(), strict=True):
                counts[name][value] += number
    has_embeddings = "embedding" in table.columns
    return {
        "path": str(table.path),
        "n_rows": table.n_rows,
        "columns": table.columns,
        "info": asdict(table.info),
        "space": table.info.space if has_embeddings else None,
        "identity": _people(counts.pop("identity")) if "identity" in counts else None,
        "labels": {name: _label(values) for name, values in counts.items()},
    }


def _plain(column):
    """Replace NaN by a missing value, and a dictionary by its values."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _people(counts):
    missing = counts.pop(None, 0)
    photos = np.array(list(counts.values()) or [0])
    return {
        "n_identities": len(counts),
        "n_missing": missing,
        "min": int(photos.min()),
        "median": float(np.median(photos)),
        "max": int(photos.max()),
    }


def _label(counts):
    missing = counts.pop(None, 0)
    result = {"n_missing": missing, "n_distinct": len(counts)}
    numbers = bool(counts) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in counts
    )
    if numbers:
        values = np.array(list(counts), dtype=float)
        mean = np.average(values, weights=list(counts.values()))
        return result | {
            "min": float(values.min()),
            "mean": float(mean),
            "max": float(values.max()),
        }
    ranked = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:MAX_VALUES]
    return result | {"values": {_name(value): number for value, number in ranked}}


def _name(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
