"""Columns of any writer's Parquet files in the few types that face tables are read in.

- ``image_id`` and ``identity``: one text a name, see :mod:`sfumato.data.labels`.
- Labels: text, numbers (float64 where Arrow has decimals or half floats) or booleans; a missing
  value is null. Columns of other types are carried along and are no labels.
- ``image``: struct of bytes and path; bare bytes, a bare path and extension types are taken too.
- ``embedding``: the lists of numbers within an extension type such as fixed_shape_tensor.
"""

import contextlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sfumato.data.labels import MISSING_TEXT, as_text
from sfumato.errors import InputError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NAMES = ("image_id", "identity")
RESERVED = (*NAMES, "image", "embedding")
_MISSING = pa.array(["", *sorted(MISSING_TEXT)])


def canonical_schema(schema: pa.Schema, path: str | Path) -> pa.Schema:
    """Return the schema of the batches that :func:`canonical_batch` returns.

    Raises
    ------
    InputError
        For names that are neither text, numbers nor booleans, and photos of an unknown type.
    """
    fields = [pa.field(f.name, _canonical_type(f, path)) for f in schema]
    return pa.schema(fields, schema.metadata)


def is_label(kind: pa.DataType) -> bool:
    """Return whether values of a canonical type can be labels."""
    return (
        pa.types.is_string(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
    )


def canonical_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a record batch in the types of :func:`canonical_schema`, whose columns it has."""
    names = batch.schema.names
    arrays = [_canonical(name, batch.column(name), schema.field(name).type) for name in names]
    return pa.RecordBatch.from_arrays(
        arrays, schema=pa.schema([schema.field(name) for name in names])
    )


def text_column(column: pa.Array) -> pa.Array:
    """Return names or labels as Arrow strings, one text a value, null where missing.

    Raises
    ------
    InputError
        For values that are neither text, numbers nor booleans.
    """
    coded = _storage_of(column)
    if pa.types.is_decimal(coded.type):  # A float has no room for all digits.
        coded = coded.dictionary_encode()
        texts = as_text(coded.dictionary.to_pylist())
        return pa.array(texts.tolist(), pa.string()).take(coded.indices)
    column = _plain(column)
    kind = column.type
    if pa.types.is_string(kind):
        missing = pc.is_in(pc.utf8_trim_whitespace(column), value_set=_MISSING)
        if not pc.any(missing).as_py():  # type: ignore[attr-defined]
            return column
        return pc.if_else(missing, pa.scalar(None, pa.string()), column)  # type: ignore[attr-defined]
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_floating(kind):
        with contextlib.suppress(pa.ArrowInvalid):  # Not all are whole.
            return column.cast(pa.int64()).cast(pa.string())
        coded = column.dictionary_encode()
        texts = as_text(coded.dictionary.to_numpy(zero_copy_only=False))
        return pa.array(texts.tolist(), pa.string()).take(coded.indices)
    raise InputError(f"names and labels must be text, numbers or booleans, got {kind}.")


def _canonical_type(field: pa.Field, path: str | Path) -> pa.DataType:
    kind = _plain_type(field.type)
    if field.name in NAMES:
        if not is_label(kind) and not pa.types.is_null(kind):
            raise InputError(
                f"{path}: column {field.name} holds {field.type}; names must be text or numbers."
            )
        return pa.string()
    if field.name == "image":
        _check_image(kind, field.type, path)
        return IMAGE
    if field.name == "embedding":
        return _storage(field.type)
    return pa.string() if pa.types.is_null(kind) else kind


def _canonical(name: str, column: pa.Array, kind: pa.DataType) -> pa.Array:
    if name == "embedding":
        return column.storage if isinstance(column, pa.ExtensionArray) else column
    if name == "image":
        return _image(_plain(column))
    if name in NAMES or pa.types.is_string(kind):
        return text_column(column)
    column = _plain(column)
    if pa.types.is_floating(kind):
        nan = pc.is_nan(column)  # type: ignore[attr-defined]
        if pc.any(nan).as_py():  # type: ignore[attr-defined]
            column = pc.if_else(nan, pa.scalar(None, kind), column)  # type: ignore[attr-defined]
    return column


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type without extension, dictionary, width of offsets and exact decimals."""
    kind = _storage(kind)
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return pa.float64()
    return kind


def _storage_of(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def _plain(column: pa.Array) -> pa.Array:
    column = _storage_of(column)
    kind = _plain_type(column.type)
    return column if column.type == kind else column.cast(kind)


def _check_image(kind: pa.DataType, given: pa.DataType, path: str | Path) -> None:
    if pa.types.is_struct(kind):
        fields = {f.name: f.type for f in kind}
        good = bool(fields.keys() & {"bytes", "path"}) and all(
            _is_bytes(fields[name]) if name == "bytes" else is_label(_plain_type(fields[name]))
            for name in fields.keys() & {"bytes", "path"}
        )
    else:
        good = _is_bytes(kind) or pa.types.is_string(kind)
    if not good:
        raise InputError(
            f"{path}: column image must be struct<bytes: binary, path: string>, got {given}."
        )


def _is_bytes(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_null(kind)
    )


def _image(column: pa.Array) -> pa.Array:
    """Return photos as structs of bytes and path."""
    if column.type == IMAGE:
        return column
    nothing = pa.nulls(len(column))
    parts = {"bytes": nothing, "path": nothing}
    if isinstance(column, pa.StructArray):
        present = {f.name for f in column.type}
        # Flattened fields are null where their struct is.
        fields = dict(zip([f.name for f in column.type], column.flatten(), strict=True))
        parts |= {name: fields[name] for name in parts.keys() & present}
    else:
        parts["path" if pa.types.is_string(column.type) else "bytes"] = column
    arrays = [_plain(parts[f.name]).cast(f.type) for f in IMAGE]
    return pa.StructArray.from_arrays(arrays, fields=list(IMAGE))
