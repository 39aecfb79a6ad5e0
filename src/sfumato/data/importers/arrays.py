"""Importer of embeddings in a NumPy archive."""

import contextlib
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sfumato.data.files import DAMAGED_ARRAYS, DAMAGED_ZIP
from sfumato.data.importers._rows import Rows
from sfumato.data.importers._writing import write_import
from sfumato.data.info import TableInfo
from sfumato.data.labels import as_text
from sfumato.data.tables import ROW_GROUP
from sfumato.errors import InputError
from sfumato.outcomes import Progress


def import_arrays(
    path: str | Path,
    output: str | Path,
    *,
    encoder: str | None = None,
    encoder_version: str | None = None,
    metric: str = "cosine",
    normalisation: str = "none",
    force: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Import a ``.npz`` archive with the array ``embedding`` and arrays of labels.

    Parameters
    ----------
    path : str or Path
        Holds ``embedding`` of shape (n_rows, n_features) and optionally ``image_id``,
        ``identity`` and labels, each of shape (n_rows,). Pickled (object) arrays are
        refused: they can run code. Without ``image_id`` the row number is the id.
    output : str or Path
        Table to write; rows with a NaN or infinite value, a missing or repeated id go to
        ``<output stem>.rejects.parquet``.
    encoder, encoder_version : str, optional
        What made the embeddings; models refuse tables of another encoder.
    metric : str, default="cosine"
        How two embeddings are compared, see :mod:`sfumato.metrics.comparators`.
    normalisation : {"none", "l2"}, default="none"
        With "l2", rows whose length is not 1 (within 0.001) are rejected.
    force : bool, default=False
        Replace existing files.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    Imported
    """
    path = Path(path)
    info = TableInfo(path.stem, encoder, encoder_version, None, metric, normalisation)
    with _sound(path, DAMAGED_ARRAYS):
        arrays = _read_labels(path)
    with _sound(path, DAMAGED_ZIP):
        return _import(path, arrays, output, info, force, progress)


@contextlib.contextmanager
def _sound(path, damages):
    """Turn what a damaged archive raises into one line."""
    try:
        yield
    except InputError:
        raise
    except damages as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: damaged, make or copy it again ({said}).") from error


def _import(path, arrays, output, info, force, progress):
    with zipfile.ZipFile(path) as archive, archive.open("embedding.npy") as member:
        shape, dtype = _embedding_header(member, path)
        for name, values in arrays.items():
            if values.shape != shape[:1]:
                raise InputError(
                    f"{path}: array {name} has shape {values.shape}, "
                    f"embedding has {shape[0]} rows."
                )
        info = replace(info, dimension=shape[1])
        ids = arrays.pop("image_id", None)
        types = {name: pa.array(values[:0]).type for name, values in arrays.items()}
        if "identity" in types:
            types["identity"] = pa.string()
        rows = Rows(types, shape[1], info.normalisation)
        ids = np.arange(shape[0]) if ids is None else ids
        batches = _batches(member, dtype, ids, arrays, rows, progress)
        return write_import(output, batches, rows.rejects, rows.schema, info, force=force)


def _batches(member, dtype, ids, arrays, rows, progress):
    for start in range(0, len(ids), ROW_GROUP):
        part = slice(start, min(start + ROW_GROUP, len(ids)))
        n_rows = part.stop - start
        raw = member.read(n_rows * rows.dimension * dtype.itemsize)
        if len(raw) < n_rows * rows.dimension * dtype.itemsize:
            raise EOFError("array embedding is cut short")
        X = np.frombuffer(raw, dtype=dtype).reshape(n_rows, rows.dimension)
        columns = {name: pa.array(values[part]) for name, values in arrays.items()}
        yield rows.batch(as_text(ids[part]), X, columns, start)
        if progress:
            progress(part.stop, len(ids), "rows")


def _read_labels(path):
    """Read all arrays but the embeddings, which may be larger than memory."""
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not a .npz archive; write one with numpy.savez.")
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        if "embedding" not in archive.files:
            raise InputError(
                f"{path}: has no array embedding; it has {', '.join(archive.files) or 'none'}."
            )
        archive.zip.open("embedding.npy").close()
        arrays = {}
        for name in archive.files:
            if name in ("embedding", "image"):
                continue
            try:
                arrays[name] = archive[name]
            except ValueError as error:
                raise InputError(
                    f"{path}: array {name} holds Python objects, which would need pickle; "
                    "save it as strings or numbers."
                ) from error
    return arrays


def _embedding_header(member, path):
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise InputError(f"{path}: array embedding has .npy version {version}, not 1.0 or 2.0.")
    shape, fortran, dtype = read(member)
    if len(shape) != 2 or 0 in shape or dtype.kind not in "fiu" or (fortran and min(shape) > 1):
        order = "column" if fortran else "row"
        raise InputError(
            f"{path}: embedding must be numbers of shape (n_rows, n_features) in row order, got "
            f"{dtype} {shape} in {order} order; save np.ascontiguousarray(embedding)."
        )
    return shape, dtype
