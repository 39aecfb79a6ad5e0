"""Ids of rows: every row has one, and no two rows have the same."""

from typing import Any

import numpy as np

from sfumato.errors import InputError


def check(table: Any) -> None:
    """Refuse a face table with a missing or used ``image_id``, naming the row from 0.

    Needs 8 bytes a row: hashes find the suspects, a second look at these decides.
    """
    hashes = [np.empty(0, dtype=np.int64)]
    start = 0
    for batch in table.batches(["image_id"]):
        ids = batch.column("image_id")
        if ids.null_count:
            row = start + int(np.flatnonzero(ids.is_null())[0])
            raise InputError(f"{table.path}, row {row}: image_id is missing; give it one.")
        hashes.append(np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids)))
        start += batch.num_rows
    ordered = np.sort(np.concatenate(hashes))
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if suspects:
        _check_suspects(table, suspects)


def _check_suspects(table, suspects):
    seen: dict[str, int] = {}
    row = 0
    for batch in table.batches(["image_id"]):
        for name in batch.column(0).to_pylist():
            if hash(name) in suspects:
                if name in seen:
                    raise InputError(
                        f"{table.path}, row {row}: image_id {name!r} is already used in row "
                        f"{seen[name]}; ids must be unique, rename or drop one."
                    )
                seen[name] = row
            row += 1
