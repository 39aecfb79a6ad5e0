"""Ids of rows: every row has one, and no two rows have the same."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sfumato.errors import InputError

#: Bytes of an id that are hashed by words; longer ones are rare.
SHORT = 256
#: Odd, half of its bits set: the golden ratio in 64 bits.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def check(table: Any) -> None:
    """Refuse a face table with a missing or used ``image_id``, naming the row from 0.

    Needs 8 bytes a row: hashes find the suspects, a second look at these decides.
    """
    hashes = [np.empty(0, dtype=np.uint64)]
    start = 0
    for batch in table.batches(["image_id"]):
        ids = batch.column("image_id")
        if ids.null_count:
            row = start + int(np.flatnonzero(ids.is_null())[0])
            raise InputError(f"{table.path}, row {row}: image_id is missing; give it one.")
        hashes.append(hash_ids(ids))
        start += batch.num_rows
    ordered = np.sort(np.concatenate(hashes))
    suspects = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(suspects):
        _check_suspects(table, suspects)


def _check_suspects(table, suspects):
    seen: dict[str, int] = {}
    start = 0
    for batch in table.batches(["image_id"]):
        ids = batch.column("image_id")
        for row in np.flatnonzero(np.isin(hash_ids(ids), suspects)).tolist():
            name = ids[row].as_py()
            if name in seen:
                raise InputError(
                    f"{table.path}, row {start + row}: image_id {name!r} is already used in row "
                    f"{seen[name]}; ids must be unique, rename or drop one."
                )
            seen[name] = start + row
        start += batch.num_rows


def hash_ids(ids: pa.Array) -> NDArray[np.uint64]:
    """Return 64 bits of each text, the same for the same text, eight bytes at a time.

    Parameters
    ----------
    ids : pyarrow.Array
        Text, none of it missing.
    """
    ids = ids.cast(pa.large_string())
    _, ends, data = ids.buffers()
    if not len(ids) or data is None:  # Nothing but empty texts.
        return np.zeros(len(ids), dtype=np.uint64)
    ends = np.frombuffer(ends, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    place, length = ends[:-1].copy(), np.diff(ends)
    # Words begin at any byte; the last ones need something behind them.
    text = bytes(data[ends[0] : ends[-1]]) + bytes(8) if ends[-1] > ends[0] else bytes(8)
    words = np.ndarray(len(text) - 7, "<u8", text, strides=(1,))
    place -= ends[0]
    found = length.astype(np.uint64)
    for start in range(0, min(int(length.max()), SHORT), 8):
        rows = slice(None) if length.min() > start else np.flatnonzero(length > start)
        n_bytes = np.minimum(length[rows] - start, 8).astype(np.uint64)
        word = words[place[rows] + start] << (np.uint64(64) - 8 * n_bytes)
        mixed = (found[rows] ^ word) * _FACTOR
        found[rows] = mixed ^ (mixed >> np.uint64(29))
    for row in np.flatnonzero(length > SHORT).tolist():
        found[row] = hash(ids[row].as_py()) & 0xFFFFFFFFFFFFFFFF
    return found
