"""The files of a part: its rows, its rejects, and the record of both."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sfumato.data.files import open_parquet
from sfumato.data.info import TableInfo
from sfumato.data.manifest import (
    RECORDS,
    REJECTED,
    Place,
    Record,
    footer_sha256,
    part_file,
    write_sealed,
)
from sfumato.data.tables import ROW_GROUP, write_rows
from sfumato.files import atomic_path, make_folder
from sfumato.jobs.checking import sha256_of

REJECTS = pa.schema([("image_id", pa.string()), ("path", pa.string()), ("reason", pa.string())])
#: Rows of a row group with photos.
IMAGE_ROWS = 2_000


def regroup(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[Any]:
    """Yield the rows of small batches in larger ones, each to be a row group.

    Parameters
    ----------
    batches : iterable of RecordBatch
    schema : pyarrow.Schema
        With photos, row groups have fewer rows.
    """
    n_wanted = IMAGE_ROWS if "image" in schema.names else ROW_GROUP
    waiting, n_rows = [], 0
    for batch in batches:
        waiting.append(batch)
        n_rows += batch.num_rows
        if n_rows >= n_wanted:
            yield _joined(waiting)
            waiting, n_rows = [], 0
    if n_rows:
        yield _joined(waiting)


def _joined(batches):
    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches)


def write_part(
    folder: Path, place: Place, results: Iterable[Any], schema: pa.Schema, info: TableInfo
) -> None:
    """Write a part's rejects, its record, and its rows, whose file says that it is done.

    Parameters
    ----------
    folder : Path
        Of the job.
    place : Place
    results : iterable of (RecordBatch, list of dict)
        Rows, and rejects with ``image_id``, ``path`` and ``reason``.
    schema : pyarrow.Schema
    info : TableInfo
    """
    rejects: list[dict] = []

    def rows():
        for batch, bad in results:
            rejects.extend(bad)
            yield batch

    name = part_file(place.part)
    metadata = info.to_metadata() | place.to_metadata()
    with atomic_path(folder / name) as path:
        n_rows = write_rows(path, regroup(rows(), schema), schema, metadata)
        lists = _write_rejects(folder / REJECTED / name, rejects)
        n_bytes, sha256 = path.stat().st_size, sha256_of(path)
        record = Record(place, n_rows, n_bytes, sha256, footer_sha256(path), lists)
        # A worker that was taken for dead may come after the job's end.
        make_folder(folder / RECORDS)
        write_sealed((folder / RECORDS / name).with_suffix(".json"), asdict(record))


def read_part(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of a file, checked page by page."""
    with open_parquet(path) as file:
        return file.read(columns)


def _write_rejects(path, rejects):
    """Write the rejects of a part; return the SHA-256 of their file, None without any."""
    if not rejects:
        path.unlink(missing_ok=True)
        return None
    with atomic_path(path) as temporary:
        table = pa.Table.from_pylist(rejects, schema=REJECTS)
        pq.write_table(table, temporary, write_page_checksum=True)
        return sha256_of(temporary)
