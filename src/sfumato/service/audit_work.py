"""What the service's worker processes do for audits: a table's bytes in, verdicts out."""

import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sfumato.audit.attackers import QUICK
from sfumato.audit.report import report_page
from sfumato.audit.tables import audit_tables
from sfumato.audit.verdicts import headline, price, verdict
from sfumato.data.canonical import NAMES
from sfumato.data.files import DAMAGED
from sfumato.data.labels import MAX_TEXT
from sfumato.data.long_texts import long_text, say_long
from sfumato.data.tables import ROW_GROUP, FaceTable
from sfumato.errors import InputError
from sfumato.models.protection import Protection
from sfumato.service import work

#: Of a table: a few kilobytes can say that they are a thousand million rows.
MOST_ROWS, MOST_COLUMNS, MOST_ROW_GROUPS = 20_000_000, 2_000, 20_000
MOST_FOOTER_BYTES = 16_000_000
#: Of a column that are read at once: a few kilobytes can say that a row is a million numbers.
MOST_VALUES = 50_000_000
#: Of the embeddings that are audited: each takes about 40 bytes meanwhile.
MOST_AUDITED = 12_000_000
#: Bytes of a text, of four a character.
MOST_TEXT, TEXT_ROWS = 4 * MAX_TEXT, 1_000


def audit_bytes(
    table: Any, attributes: Any, protect: Any, max_rows: Any, quick: Any, slot: Any
) -> Any:
    """Audit a Parquet table given as bytes; return the verdicts and the report's page."""

    def progress(n_done, n_total, what):
        work.progress()[slot] = n_done / n_total if n_total else 0.0

    with InMemory(table) as path, InMemory() as protected:
        try:
            _check_form(path)
            _check_texts(path, None if protect else {*NAMES, *attributes})
            _check_size(FaceTable(path), max_rows)
            if protect:
                _write_protected(path, protected)
            audits = audit_tables(
                path,
                attributes,
                protected=protected if protect else None,
                max_rows=max_rows,
                cache=False,  # Nothing is kept of what callers send.
                attackers=QUICK if quick else None,
                progress=progress,
            )
        except InputError as error:
            if isinstance(error.__cause__, MemoryError):  # Not the table's damage: our limit.
                raise error.__cause__ from None
            raise InputError(str(error).replace(path, "table")) from error
    # Files in memory have numbers for names, which say nothing.
    for side in (side for audit in audits for side in audit.provenance):
        side["table"] = "as sent"
        side["protected"] = "by this service's eraser" if protect else None
    verdicts = [verdict(audit) for audit in audits]
    plain = {
        "headlines": [headline(audit) for audit in audits],
        "prices": [price(audit) for audit in audits],
    }
    return (
        {"verdicts": verdicts, "audits": [a.to_dict() for a in audits]}
        | {"report": report_page(audits)}
        | plain
    )


def _check_form(path):
    """Refuse a table of more rows or parts than can be read in reasonable time."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - 8, 0))
        n_bytes = int.from_bytes(file.read(4), "little")
        if n_bytes > MOST_FOOTER_BYTES and file.read(4) == b"PAR1":
            raise InputError(
                f"table: its footer is over the limit of {MOST_FOOTER_BYTES:,} bytes."
            )
    try:
        found = pq.read_metadata(path)
    except (OSError, ValueError):
        return  # FaceTable says what it is instead.
    for what, n, most in (
        ("rows", found.num_rows, MOST_ROWS),
        ("columns", found.num_columns, MOST_COLUMNS),
        ("row groups", found.num_row_groups, MOST_ROW_GROUPS),
    ):
        if n > most:
            raise InputError(f"table: {n:,} {what} are more than the limit of {most:,}.")
    if (n := max(_values_at_once(found), default=0)) > MOST_VALUES:
        raise InputError(
            f"table: {n:,} numbers in {ROW_GROUP:,} rows of a column are more than the limit of "
            f"{MOST_VALUES:,}."
        )


def _check_texts(path, wanted):
    """Refuse long texts in some columns, or in all, before they are read as such.

    A few kilobytes can say a text of a million characters in every row. Here each row is a number
    in a list of the texts, so that a long one is there once.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            names = [f.name for f in schema if wanted is None or f.name in wanted]
            names = [name for name in names if _is_text(schema.field(name).type)]
            _check_mean_texts(file.metadata, names)
        with pq.ParquetFile(path, read_dictionary=names) as file:
            start = 0
            for batch in file.iter_batches(TEXT_ROWS, columns=names, use_threads=False):
                for name in names:
                    if found := long_text(batch.column(name)):
                        raise InputError(say_long("table", start + found[0], name, found[1]))
                start += batch.num_rows
    except MemoryError:  # One of Arrow's errors, too.
        raise
    except DAMAGED:
        return  # FaceTable says what it is instead.


def _is_text(kind):
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _check_mean_texts(metadata, names):
    """Refuse columns of texts that are too long in the mean, by what the footer says."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            mean = column.total_uncompressed_size / max(column.num_values, 1)
            # Few rows share a dictionary, and heads of pages.
            name = column.path_in_schema
            if name in names and mean > MOST_TEXT + 1_000:
                raise InputError(
                    f"table: column {name} has {mean:,.0f} bytes a row; a name or label has at "
                    f"most {MAX_TEXT:,} characters."
                )


def _check_size(table, max_rows):
    """Refuse more embeddings than can be audited in reasonable memory."""
    dimension = table.require("embedding").info.dimension or 1
    n_rows = min(table.n_rows, max_rows)
    if n_rows * dimension > MOST_AUDITED:
        raise InputError(
            f"table: {n_rows:,} rows of {dimension:,} numbers are more than the limit of "
            f"{MOST_AUDITED:,}; ask for max_rows of at most {MOST_AUDITED // dimension:,}."
        )


def _values_at_once(metadata):
    """Yield how many values of each column are read at once, by row group."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        share = min(1.0, ROW_GROUP / max(group.num_rows, 1))
        for column in range(group.num_columns):
            yield round(share * group.column(column).num_values)


def _write_protected(path, output):
    eraser = work.loaded().eraser
    if eraser is None:
        raise InputError("this service has no eraser; start it with --eraser MODEL.")
    table = FaceTable(path)
    protection = Protection(eraser, table)
    schema = protection.schema.with_metadata(protection.info.to_metadata())
    with pq.ParquetWriter(output, schema) as writer:
        for _, batch, X in table.embedding_batches(protection.columns):
            writer.write_batch(protection.rows(batch, X).cast(schema))
    protection.check_distinct()


class InMemory:
    """Bytes as a file that other code opens by its path, and that no disk sees."""

    def __init__(self, content: Any = b"") -> None:
        if not hasattr(os, "memfd_create"):
            raise InputError("tables are kept in memory, which needs Linux.")
        self._file = os.fdopen(os.memfd_create("table"), "wb")
        self._file.write(content)
        self._file.flush()

    def __enter__(self):
        return f"/proc/self/fd/{self._file.fileno()}"

    def __exit__(self, *_):
        self._file.close()
