"""What is in a face table: counted row group by row group after a full check."""

import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from sfumato.data.info import by_direction, unknown_origin
from sfumato.data.label_hints import say_alike, say_doubts
from sfumato.data.labels import as_text, is_continuous
from sfumato.data.opening import open_table
from sfumato.data.rows import NO_DIRECTION, OneRow, zero_rows
from sfumato.data.tables import RESERVED, FaceTable

MAX_VALUES = 20


def describe(table: FaceTable | Path) -> dict[str, Any]:
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
        ``n_missing``, ``n_distinct`` and, for classes, ``values`` (counts of the 20 most
        frequent), for continuous numbers ``min``, ``mean`` and ``max``; ``others``: the type
        of each column that is no label; ``hints``: a sentence if nobody says what made the
        embeddings, and for each group of names or classes that differ in blanks or case alone;
        ``sound``: False if a hint says that fit, protect or audit refuses rows or labels.

    Raises
    ------
    InputError
        If the table breaks a rule, see :meth:`FaceTable.check`.

    Notes
    -----
    Memory grows with the number of people and of distinct values, not with the rows'
    embeddings or photos.
    """
    table = open_table(table).check_ids()
    names = [n for n in ("identity", *table.label_columns) if n in table.columns]
    counts: dict[str, Counter] = {name: Counter() for name in names}
    for batch in table.batches(names) if names else ():
        for name in names:
            counted = pc.value_counts(batch.column(name))
            values, numbers = counted.field("values"), counted.field("counts")
            for value, number in zip(values.to_pylist(), numbers.to_pylist(), strict=True):
                counts[name][value] += number
    has_embeddings = "embedding" in table.columns
    wrong = _look_at_rows(table) if has_embeddings else []
    known = (*RESERVED, *table.label_columns)
    hints = [f"{note}." for note in unknown_origin(table.info, table.path) if has_embeddings]
    for name, values in counts.items():
        say = say_alike if name == "identity" else say_doubts
        hints += say(name, _texts(values))
    wrong += [hint for name, values in counts.items() for hint in _say_infinite(name, values)]
    return {
        "path": str(table.path),
        "n_rows": table.n_rows,
        "columns": table.columns,
        "info": asdict(table.info),
        "space": table.info.space if has_embeddings else None,
        "identity": _people(counts.pop("identity")) if "identity" in counts else None,
        "labels": {name: _label(values) for name, values in counts.items()},
        "others": {f.name: str(f.type) for f in table.schema if f.name not in known},
        "sound": not wrong,
        "hints": wrong + hints,
    }


def _look_at_rows(table):
    """Return a sentence on rows of zeros, and one if all rows are one."""
    by_angle = by_direction(table.info.metric)
    n_zeros, first, same = 0, 0, OneRow(by_direction=by_angle)
    for start, _, X in table.embedding_batches([]):
        same.add(X)
        zeros = zero_rows(X) if by_angle else np.empty(0, dtype=np.int64)
        if len(zeros):
            first = first if n_zeros else start + zeros[0]
            n_zeros += len(zeros)
    said = [f"{n_zeros:,} rows of zeros, the first is row {first}: {NO_DIRECTION}."]
    said = said if n_zeros else []
    if same.found:
        said.append(
            f"All {same.n_rows:,} embeddings are one, so nobody can be recognised; embed the "
            "photos again."
        )
    return said


def _texts(counts):
    return [value for value in counts if isinstance(value, str)]


def _say_infinite(name, counts):
    n = sum(counts[value] for value in counts if value in (math.inf, -math.inf))
    return [f"{name}: {n} infinite values; no method takes them, correct them."] if n else []


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
    if is_continuous(list(counts)):
        values, numbers = np.array(list(counts), dtype=float), np.array(list(counts.values()))
        finite = np.isfinite(values)
        values, mean = values[finite], np.average(values[finite], weights=numbers[finite])
        return result | {
            "min": float(values.min()),
            "mean": float(mean),
            "max": float(values.max()),
        }
    named = {as_text([value])[0]: number for value, number in counts.items()}
    ranked = sorted(named.items(), key=lambda item: (-item[1], item[0]))[:MAX_VALUES]
    return result | {"values": dict(ranked)}
