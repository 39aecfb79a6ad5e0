"""Importer of embeddings in a CSV file."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from sfumato.data.canonical import text_column
from sfumato.data.importers._rows import Rows, cast, infer
from sfumato.data.importers._writing import Rejects, write_import
from sfumato.data.info import TableInfo
from sfumato.data.spreadsheets import unguard_cell, unguard_column
from sfumato.errors import InputError
from sfumato.files import encoding_of
from sfumato.outcomes import Progress


def import_csv(
    path: str | Path,
    output: str | Path,
    *,
    prefix: str = "embedding_",
    encoder: Any = None,
    encoder_version: Any = None,
    metric: str = "cosine",
    normalisation: str = "none",
    force: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Import a CSV file with one column per feature.

    Parameters
    ----------
    path : str or Path
        UTF-8, or UTF-16 with a byte order mark, with a header. Columns that begin with
        ``prefix`` and end in a number are the features, in the order of these numbers;
        ``image_id`` is required, ``identity`` optional, every other column a label. Blank
        fields, NA and the like are missing, see :mod:`sfumato.data.labels`. An apostrophe that
        keeps a spreadsheet from running a text is taken off, see
        :mod:`sfumato.data.spreadsheets`.
    output : str or Path
        Table to write. Rows with another number of fields, a feature that is no finite
        number, a label that does not fit its column's type (integer, number, true/false or
        text, as the first block of the file shows), a missing or repeated id go to
        ``<output stem>.rejects.parquet``.
    prefix : str, default="embedding_"
    encoder, encoder_version, metric, normalisation, force, progress
        As for :func:`import_arrays`.

    Returns
    -------
    Imported
    """
    path = Path(path)
    names, features = _csv_columns(path, prefix)
    labels = [name for name in names if name not in features and name != "image_id"]
    info = TableInfo(path.stem, encoder, encoder_version, len(features), metric, normalisation)
    rejects = Rejects()
    with _open(path, names, rejects) as reader:
        first = next(reader, None)
        types = {
            unguard_cell(name): infer(name, None if first is None else _texts(first[name]))
            for name in labels
        }
        rows = Rows(types, len(features), normalisation, rejects)
        batches = _batches(reader, first, features, labels, rows, progress)
        return write_import(output, batches, rejects, rows.schema, info, force=force)


def _open(path, names, rejects):
    def wrong_length(row):
        found, wanted = row.actual_columns, row.expected_columns
        rejects.add(None, path.name, f"has {found} fields, not {wanted}")
        return "skip"

    return pacsv.open_csv(
        path,
        read_options=pacsv.ReadOptions(block_size=8 << 20, encoding=_encoding(path)),
        parse_options=pacsv.ParseOptions(
            invalid_row_handler=wrong_length, newlines_in_values=True
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def _texts(column):
    return unguard_column(text_column(column))


def _batches(reader, batch, features, names, rows, progress):
    start = 0
    while batch is not None:
        columns = [cast(batch[name], pa.float64())[0] for name in features]
        X = np.column_stack([values.to_numpy(zero_copy_only=False) for values in columns])
        ids = _texts(batch["image_id"]).to_numpy(zero_copy_only=False)
        labels = {unguard_cell(name): _texts(batch[name]) for name in names}
        yield rows.batch(ids, X, labels, start)
        start += batch.num_rows
        if progress:
            progress(start, None, "rows")
        batch = next(reader, None)


def _csv_columns(path, prefix):
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        with open(path, encoding=_encoding(path), newline="") as file:
            names = next(csv.reader(file), [])
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; save it as UTF-8.") from error
    numbers = {
        name: int(name.removeprefix(prefix))
        for name in names
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    }
    if "image_id" not in names or not numbers:
        raise InputError(
            f"{path}: needs the columns image_id and {prefix}0, {prefix}1, ...; "
            f"it has {', '.join(names[:12]) or 'none'}."
        )
    if len({unguard_cell(name) for name in names}) < len(names):
        raise InputError(f"{path}: names a column twice.")
    return names, sorted(numbers, key=lambda name: numbers[name])


def _encoding(path):
    # Such a file may be larger than memory, so that it is not read_text's.
    with open(path, "rb") as file:
        return encoding_of(file.read(4))
