"""Face tables: one Parquet format for photos, embeddings and labels, read by row group.

Columns: ``image_id`` (unique string), optional ``identity`` (string), optional ``image``
(struct of bytes and path), optional ``embedding`` (fixed_size_list<float32>[d]); every other
column of strings, booleans or numbers is a label. Other writers' types are read as these, see
:mod:`sfumato.data.canonical`. The schema's metadata is a :class:`~sfumato.data.info.TableInfo`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sfumato.data import ids as row_ids
from sfumato.data.canonical import IMAGE, RESERVED, canonical_batch, canonical_schema, is_label
from sfumato.data.columns import embedding_array, embedding_matrix
from sfumato.data.files import DAMAGED, content_digest, open_parquet, plain_path, table_files
from sfumato.data.info import TableInfo
from sfumato.data.long_texts import refuse_long
from sfumato.data.outline import read_outline
from sfumato.data.saying import say_table
from sfumato.errors import InputError
from sfumato.files import atomic_path

__all__ = [
    "IMAGE",
    "RESERVED",
    "ROW_GROUP",
    "FaceTable",
    "table_batch",
    "write_rows",
    "write_table",
]

ROW_GROUP = 65_536


class FaceTable:
    """A face table on disk; nothing but the schema is read until asked for.

    Parameters
    ----------
    path : str or Path
        A Parquet file, or a folder of such with the same columns, as `sfumato batch` writes it;
        or the URL of either, see :mod:`sfumato.data.files`.

    Attributes
    ----------
    info : TableInfo
    files : list of Path or str
    n_rows : int
    schema : pyarrow.Schema
        Of the batches, in the types of :mod:`sfumato.data.canonical`.
    columns, label_columns : list of str

    Raises
    ------
    InputError
        If a file is missing, is no Parquet file, lacks ``image_id``, or holds names or photos
        of an unknown type; or if a folder's files differ in their columns, are not all there, or
        are not those that their job wrote.
    """

    #: What was guessed of a table of another layout, see :mod:`sfumato.data.own`.
    hints: Sequence[str] = ()

    def __init__(self, path: str | Path) -> None:
        self.path = plain_path(path)
        schema, self.n_rows = self._open()
        self.schema = canonical_schema(schema, self.path)
        self.columns = self.schema.names
        if "image_id" not in self.columns:
            raise InputError(
                f"{self.path}: a face table needs the column image_id; it has "
                f"{', '.join(self.columns)}."
            )
        self.label_columns = [
            f.name for f in self.schema if f.name not in RESERVED and is_label(f.type)
        ]
        try:
            self.info = TableInfo.from_metadata(self.schema.metadata)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        if "embedding" in self.columns and self.info.dimension is None:
            self.info = replace(self.info, dimension=self._first_dimension())

    def __repr__(self) -> str:
        return say_table(self)

    def _open(self):
        """Find the files; return the schema and the number of rows."""
        self.files = table_files(self.path)
        return read_outline(self.path, self.files)

    def _first_dimension(self):
        kind = self.schema.field("embedding").type
        if pa.types.is_fixed_size_list(kind):
            return kind.list_size
        for batch in self.batches(["embedding"], batch_rows=1):
            value = batch.column(0)[0]
            return len(value) if value.is_valid else None
        return None

    def fingerprint(self) -> str:
        """Return a checksum of the files' content: another one means other rows.

        All of it is read; of a URL the size, the time and the footer alone.
        """
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(content_digest(path).encode())
        return digest.hexdigest()

    def row_groups(self) -> Any:
        """Return ``(number of the file, number of the row group, rows)`` of each row group."""
        found = []
        for place, path in enumerate(self.files):
            with open_parquet(path) as file:
                rows = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            found += [(place, number, n) for number, n in enumerate(rows)]
        return found

    def batches(
        self, columns: Any = None, *, batch_rows: Any = ROW_GROUP, groups: Any = None
    ) -> Iterator[Any]:
        """Yield record batches of at most ``batch_rows`` rows, by row group.

        ``groups`` are the first two numbers of the wanted :meth:`row_groups`; default: all.
        """
        start = 0
        for raw in self._raw_batches(columns, batch_rows, groups):
            batch = canonical_batch(raw, self.schema)
            refuse_long(self, batch, start=start, groups=groups)
            yield batch
            start += raw.num_rows

    def _raw_batches(self, columns, batch_rows, groups):
        """Yield the batches as they lie in the files."""
        self._check_there(columns or ())
        wanted = {group[:2] for group in self.row_groups()} if groups is None else set(groups)
        # Without a memory map, without threads, a row group at a time: with them, or with one
        # iterator over all groups, the resident memory grows with the table.
        for place, path in enumerate(self.files):
            numbers = sorted(number for file, number in wanted if file == place)
            if not numbers:
                continue
            try:
                with open_parquet(path) as file:
                    for number in numbers:
                        yield from file.iter_batches(
                            batch_rows, [number], columns, use_threads=False
                        )
            except DAMAGED as error:
                if "Expected all lists to be of size" in str(error):
                    # pyarrow before 26 cannot read it, nor say in which row of the file.
                    raise InputError(
                        f"{path}: some row's embedding is missing; drop the row or embed again."
                    ) from error
                said = " ".join(str(error).split())[:200]  # In several lines, of some damages.
                raise InputError(f"{path}: damaged, make or copy it again ({said}).") from error

    def require(self, *columns: Any) -> Self:
        """Raise InputError unless the table has these columns, of a known type; return self."""
        self._check_there(columns)
        for name in columns:
            if name not in RESERVED and name not in self.label_columns:
                kind = self.schema.field(name).type
                raise InputError(
                    f"{self.path}: column {name} holds {kind}; labels must be text, numbers or "
                    "booleans."
                )
        return self

    def _check_there(self, columns):
        for name in columns:
            if name in self.columns:
                continue
            if name in RESERVED:
                raise InputError(f"{self.path}: has no column {name}.")
            known = ", ".join(self.label_columns) or "none"
            raise InputError(f"{self.path}: unknown label column {name!r}; it has: {known}.")

    def column(self, name: str) -> Any:
        """Return one column as a NumPy array, nulls as ``None`` (text) or NaN (numbers)."""
        self.require(name)
        return np.concatenate(
            [b.column(0).to_numpy(zero_copy_only=False) for b in self.batches([name])]
            or [np.empty(0, dtype=object)]
        )

    def embeddings(self) -> Any:
        """Return all embeddings, a float32 array of shape (n_rows, dimension), checked."""
        X = np.empty((self.n_rows, self.info.dimension or 0), dtype=np.float32)
        for start, _, part in self.embedding_batches(["image_id"]):
            X[start : start + len(part)] = part
        return X

    def embedding_batches(
        self, columns: Any = None, *, batch_rows: Any = ROW_GROUP
    ) -> Iterator[Any]:
        """Yield ``(first row, record batch, embeddings)`` batch by batch, checked.

        Raises
        ------
        InputError
            For a missing, mixed-dimension, NaN or infinite embedding, naming file and row.
        """
        self.require("embedding")
        names = None if columns is None else [*columns, "embedding"]
        start = 0
        for batch in self.batches(names, batch_rows=batch_rows):
            values = embedding_matrix(
                batch.column("embedding"), self.info.dimension, self.path, start
            )
            yield start, batch, values
            start += batch.num_rows

    def check(self) -> Self:
        """Read the whole table once and refuse what breaks a rule; return self.

        Duplicate or missing ids, mixed dimensions, NaN and infinite values are refused with
        the file, the row (counted from 0) and the remedy. Needs 8 bytes a row.
        """
        self.check_ids()
        if "embedding" in self.columns:
            for _ in self.embedding_batches([]):
                pass
        return self

    def check_ids(self) -> Self:
        """Refuse duplicate or missing ids, as :meth:`check`, reading no other column."""
        row_ids.check(self)
        return self


def write_table(
    path: str | Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, info: TableInfo
) -> int:
    """Write record batches as a face table, atomically, one row group a batch.

    Parameters
    ----------
    path : str or Path
        Appears only when everything was written.
    batches : iterable of pyarrow.RecordBatch
    schema : pyarrow.Schema
        Its metadata is replaced by ``info``.
    info : TableInfo

    Returns
    -------
    int
        Number of rows written.
    """
    with atomic_path(path) as temporary:
        return write_rows(temporary, batches, schema, info.to_metadata())


def write_rows(
    path: Path,
    batches: Iterable[pa.RecordBatch | pa.Table],
    schema: pa.Schema,
    metadata: Mapping[bytes, bytes],
) -> int:
    """Write what :func:`write_table` does, not atomically, with other metadata.

    Its pages have checksums.
    """
    schema = schema.with_metadata(dict(metadata))
    n_rows = 0
    # Floats do not compress, and a dictionary of them only costs time.
    dictionary = [name for name in schema.names if name not in ("embedding", "image", "image_id")]
    writer = pq.ParquetWriter(
        path,
        schema,
        compression={name: _codec(name) for name in schema.names},
        use_dictionary=dictionary,
        write_statistics=dictionary,
        write_page_checksum=True,
    )
    with writer:
        for batch in batches:
            write = writer.write_table if isinstance(batch, pa.Table) else writer.write_batch
            write(batch.cast(schema), row_group_size=max(batch.num_rows, 1))
            n_rows += batch.num_rows
    return n_rows


def _codec(name):
    return "none" if name in ("embedding", "image") else "zstd"


def table_batch(columns: Any) -> Any:
    """Return a record batch from a dict of name to array; ``embedding`` may be a matrix."""
    arrays = {
        name: embedding_array(values)
        if name == "embedding" and not isinstance(values, pa.Array)
        else pa.array(values)
        for name, values in columns.items()
    }
    return pa.RecordBatch.from_pydict(arrays)
