"""Tables of one's own as face tables: other names of columns, a column a feature, CSV, arrays.

What is the embedding, the id and the person is named by the caller, or guessed and said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sfumato.data._text_numbers import NUMBERED, is_text, refuse_text_beside, say_text
from sfumato.data.canonical import RESERVED, text_column
from sfumato.data.columns import embedding_array
from sfumato.data.reading import read_source
from sfumato.data.tables import ROW_GROUP, FaceTable
from sfumato.errors import InputError

#: Usual names, the likeliest first; compared in lower case.
EMBEDDINGS = ("embedding", "embeddings", "template", "templates", "features", "vector", "x")
IDS = ("image_id", "id", "template_id", "photo_id", "file", "filename", "file_name", "path")
PEOPLE = (
    "identity",
    "person",
    "person_id",
    "identity_id",
    "subject",
    "subject_id",
    "individual",
    "people",
    "pid",
)
#: Numbered columns, at least so many, are features.
MIN_FEATURES = 8
#: What an error names in the place of a file.
IN_MEMORY = "<table>"
#: What pandas keeps of a DataFrame's index.
_INDEX = "__index_level_"


@dataclass(frozen=True)
class Columns:
    """Which columns are what; what is None is guessed.

    Parameters
    ----------
    embedding : str, optional
        Column of lists of numbers, or what the numbered columns of the features begin with.
    identity : str, optional
        Column of people.
    image_id : str, optional
        Column of ids, unique.
    """

    embedding: str | None = None
    identity: str | None = None
    image_id: str | None = None


class OwnTable(FaceTable):
    """A table of any layout, in memory, read as a face table.

    Parameters
    ----------
    source : str, Path, mapping or table
        A file (Parquet, CSV, Arrow, ``.npy``, ``.npz``); a mapping of names to arrays; a data
        frame of pandas or polars, a dataset, or an Arrow table.
    columns : Columns, optional

    Attributes
    ----------
    hints : list of str
        What was guessed.

    Raises
    ------
    InputError
        If no column can be the embedding, or a named column is missing or is not what it is
        said to be.
    """

    def __init__(self, source: Any, columns: Columns | None = None) -> None:
        self._source, self._columns = source, columns or Columns()
        self.hints: list[str] = []
        super().__init__(source if isinstance(source, str | Path) else IN_MEMORY)
        if self.info.dimension in (0, 1):
            raise InputError(
                f"{self.path}: embeddings must have at least 2 numbers, got {self.info.dimension}."
            )

    def _open(self):
        self.files = [self.path] if isinstance(self._source, str | Path) else []
        raw = read_source(self._source)
        if not raw.num_rows:
            raise InputError(f"{self.path}: has no rows.")
        self._table = self._mapped(raw)
        self._source = None
        return self._table.schema, self._table.num_rows

    def _mapped(self, raw):
        """Return the table with the names of a face table."""
        features = self._features(raw)
        person = self._person(raw, features)
        ids, used = self._ids(raw, {*features, person})
        arrays = {"image_id": ids}
        if person is not None:
            arrays["identity"] = raw[person]
        arrays["embedding"] = _embedding(raw, features, self.path)
        left = (n for n in raw.column_names if n not in {*features, person, *used})
        for name in left:
            if name and not name.startswith(_INDEX) and name not in arrays:
                arrays[name] = raw[name]
        return pa.table(arrays).replace_schema_metadata(raw.schema.metadata)

    def _features(self, raw):
        """Return the names of the columns that hold the embedding."""
        names = self._candidates(raw)
        refuse_text_beside(names, raw, self.path)
        return names

    def _candidates(self, raw):
        lists = [f.name for f in raw.schema if _is_lists(f.type)]
        groups = _numbered(raw.schema)
        if self._columns.embedding is not None:
            return _named(self._columns.embedding, lists, groups, raw, self.path)
        if "embedding" in lists:
            return ["embedding"]
        usual = sorted((n for n in lists if n.lower() in EMBEDDINGS), key=_rank(EMBEDDINGS))
        found = usual[:1] or (lists if len(lists) == 1 else [])
        if not found and groups:
            found = max(groups.values(), key=len)
            if sum(len(group) == len(found) for group in groups.values()) > 1:
                found = []
        if not found:
            raise InputError(
                f"{self.path}: no column, or too many, could be the embedding, of "
                f"{', '.join(raw.column_names[:12])}; name one: --embedding COLUMN, or what "
                f"numbered columns begin with.{say_text(raw)}"
            )
        what = f"`{found[0]}`" if len(found) == 1 else f"`{found[0]}` ... `{found[-1]}`"
        self.hints.append(f"{self.path}: using {what} as the embedding")
        return found

    def _person(self, raw, features):
        """Return the column of people, None if there is none."""
        name = self._columns.identity
        if name is not None:
            return _there(name, raw, self.path)
        if "identity" in raw.column_names:
            return "identity"
        usual = [n for n in raw.column_names if n.lower() in PEOPLE and n not in features]
        for name in sorted(usual, key=_rank(PEOPLE)):
            n_people = len(text_column(raw[name].combine_chunks()).drop_null().unique())
            if 1 < n_people < raw.num_rows:
                self.hints.append(f"{self.path}: {n_people:,} values of `{name}` look like people")
                return name
        self.hints.append(
            f"{self.path}: no column names the people, so every row counts as a person; "
            "--identity COLUMN names them"
        )
        return None

    def _ids(self, raw, taken):
        """Return the rows' ids, and the column that they were in, if any."""
        name = self._columns.image_id
        if name is not None:
            return _ids_of(raw, _there(name, raw, self.path)), {name}
        if "image_id" in raw.column_names:
            return _ids_of(raw, "image_id"), {"image_id"}
        usual = [n for n in raw.column_names if n.lower() in IDS and n not in taken]
        for name in sorted(usual, key=_rank(IDS)):
            if _is_text_like(raw.schema.field(name).type):
                ids = _ids_of(raw, name)
                if not ids.null_count and len(ids.unique()) == len(ids):
                    self.hints.append(f"{self.path}: using `{name}` as the rows' ids")
                    return ids, {name}
        self.hints.append(f"{self.path}: rows are numbered, as no column names them")
        return pa.array([f"row-{n}" for n in range(raw.num_rows)]), set()

    def row_groups(self) -> list[Any]:
        """Return ``(0, number, rows)`` of each 65,536 rows."""
        starts = range(0, self.n_rows, ROW_GROUP)
        return [(0, n, min(ROW_GROUP, self.n_rows - start)) for n, start in enumerate(starts)]

    def _raw_batches(self, columns, batch_rows, groups) -> Iterator[pa.RecordBatch]:
        columns = self.columns if columns is None else list(columns)
        self._check_there(columns)
        wanted = [number for _, number, _ in self.row_groups()]
        if groups is not None:
            wanted = sorted(number for _, number in {group[:2] for group in groups})
        for number in wanted:
            part = self._table.select(columns).slice(number * ROW_GROUP, ROW_GROUP)
            yield from part.combine_chunks().to_batches(batch_rows)


def may_embed(schema: pa.Schema) -> bool:
    """Return whether some columns could be an embedding."""
    return any(_is_lists(field.type) for field in schema) or bool(_numbered(schema))


def _numbered(schema: pa.Schema) -> Mapping[str, list[str]]:
    """Return numeric columns numbered without a gap, in order, by what they begin with."""
    found: dict[str, dict[int, str]] = {}
    for field in schema:
        match = NUMBERED.fullmatch(field.name)
        if match and field.name not in RESERVED and _is_number(field.type):
            found.setdefault(match[1], {})[int(match[2])] = field.name
    return {
        prefix: [names[number] for number in sorted(names)]
        for prefix, names in found.items()
        if len(names) >= MIN_FEATURES and max(names) - min(names) + 1 == len(names)
    }


def _named(name, lists, groups, raw, path):
    if name in lists:
        return [name]
    if name in groups:
        return groups[name]
    known = [*lists, *(f"{prefix} (numbered)" for prefix in groups)]
    raise InputError(
        f"{path}: `{name}` names neither a column of lists of numbers nor the beginning of at "
        f"least {MIN_FEATURES} numbered columns; there are {', '.join(known) or 'none'}."
    )


def _there(name, raw, path):
    if name not in raw.column_names:
        raise InputError(f"{path}: no column {name}; it has {', '.join(raw.column_names[:12])}.")
    return name


def _embedding(raw, names, path):
    if len(names) == 1 and _is_lists(raw.schema.field(names[0]).type):
        return raw[names[0]]
    columns = [raw[name].cast(pa.float64()).to_numpy() for name in names]
    bad = np.flatnonzero(~np.isfinite(columns).all(axis=0))
    if len(bad):
        raise InputError(
            f"{path}, row {bad[0]}: a feature is missing or no finite number; drop the row."
        )
    return embedding_array(np.column_stack(columns))


def _ids_of(raw, name):
    return text_column(raw[name].combine_chunks())


def _rank(names):
    return lambda name: names.index(name.lower())


def _is_lists(kind):
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists) and _is_number(kind.value_type)


def _is_number(kind):
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def _is_text_like(kind):
    return is_text(kind) or pa.types.is_integer(kind)
