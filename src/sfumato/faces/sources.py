"""Where photos to embed come from: a folder, a text file of paths, or a face table."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from sfumato.data.files import is_url, plain_path
from sfumato.data.lance import ENDING, open_face_table
from sfumato.errors import InputError
from sfumato.faces.folders import Unread, look_through
from sfumato.faces.kinds import count_kinds
from sfumato.files import read_text
from sfumato.validation import check_choice


@dataclass(frozen=True)
class PhotoBatch:
    """A few photos with their ids and the columns that go along.

    Parameters
    ----------
    ids : list of str
        One ``image_id`` a photo.
    photos : list of (str, bytes or None)
        Files, or their contents; None where a table has neither.
    paths : list of (str or None)
        What the reject report names.
    labels : pyarrow.RecordBatch
        Identity and labels carried over; without columns if there are none.
    """

    ids: list
    photos: list
    paths: list
    labels: pa.RecordBatch


def open_source(source: str | Path, *, identity: str | None = None) -> Any:
    """Return the source that a path stands for.

    Parameters
    ----------
    source : str or Path
        A folder (searched through, each file by its content), a face table (``.parquet``, or a
        folder of its parts, without photos beside them) with an image column, a photo, or a
        text file with one photo a line, relative to that file; or the URL of a face table.
    identity : {None, "folder"}, default=None
        Take the name of a file's parent folder as the person; none at the top folder.
    """
    source = plain_path(source)
    if identity is not None:
        check_choice(identity, ("folder",), "identity")
    if is_url(source) or source.suffix == ENDING:
        return _table_source(source, identity)
    if not source.exists():
        raise InputError(f"{source}: no such folder or file.")
    if source.is_dir():
        names, unread = look_through(source)
        if names:
            files = [os.path.join(source, name) for name in names]
            ids = [_text(name) for name in names]
            return FileSource(source, files, ids, identity=identity, unread=unread)
        if not any(source.glob("*.parquet")):
            found = "; ".join(count_kinds(unread.left_out)) or "nothing"
            raise InputError(f"{source}: no photo in it (found {found}).")
        return _table_source(source, identity)
    unread = Unread()
    if source.suffix.lower() == ".parquet":
        return _table_source(source, identity)
    if unread.look_at(str(source), source.name):
        return FileSource(source, [source], [_text(source.name)], identity=identity, unread=unread)
    if "Parquet table" in unread.left_out:
        return _table_source(source, identity)
    if "text" not in unread.left_out:
        (kind,) = unread.left_out
        raise InputError(
            f"{source}: {kind}; give a folder, a photo, a face table or a text file of paths."
        )
    files, ids = _listed_files(source)
    looked = Unread()
    for file, name in zip(files, ids, strict=True):
        looked.look_at(file, name)  # Whatever it is, it is asked for.
    unread = Unread(notes=looked.notes)
    return FileSource(source, files, ids, identity=identity, unread=unread, listed=True)


def is_face_table(source: str | Path) -> bool:
    """Return whether a name is a face table's: a URL, .parquet, .lance, or a folder of parts."""
    source = plain_path(source)
    if is_url(source) or source.suffix.lower() in (".parquet", ENDING):
        return True
    return source.is_dir() and any(source.glob("*.parquet")) and not look_through(source)[0]


def _table_source(source, identity):
    if identity is not None:
        raise InputError(f"{source}: identity='folder' needs files; a table keeps its own column.")
    return TableSource(source)


class FileSource:
    """Photo files, in the order of their list.

    ``unread`` says what lies beside them or is read in part, ``listed`` whether a text file names
    them.
    """

    def __init__(
        self,
        path: str | Path,
        files: Any,
        ids: Any,
        *,
        identity: Any = None,
        unread: Any = None,
        listed: bool = False,
    ) -> None:
        self.path, self.name = Path(path), Path(path).stem
        self.unread, self.listed = unread or Unread(), listed
        self._files, self._ids, self._identity = files, ids, identity
        self.n_photos = len(files)
        fields = [("identity", pa.string())] if identity else []
        self.schema = pa.schema(fields)

    def fingerprint(self) -> str:
        """Return a checksum of names and contents: another one means other photos."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            contents = pool.map(_content_of, self._files)
            pairs = zip(self._ids, contents, strict=True)
            text = "".join(f"{name}\0{content}\n" for name, content in pairs)
        return hashlib.sha256(text.encode()).hexdigest()

    def only(self, files: Any, ids: Any) -> "FileSource":
        """Return a source of these files alone."""
        return FileSource(self.path, list(files), list(ids), identity=self._identity)

    def batches(self, batch_rows: Any) -> Iterator[Any]:
        """Yield a PhotoBatch of at most ``batch_rows`` photos after the other."""
        for start in range(0, self.n_photos, batch_rows):
            part = slice(start, start + batch_rows)
            files, ids = self._files[part], self._ids[part]
            names = [[_folder_name(name) for name in ids]] if self._identity else []
            arrays = [pa.array(values, pa.string()) for values in names]
            labels = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            yield PhotoBatch(ids, files, [_text(file) for file in files], labels)


class TableSource:
    """The images of a face table, read a few rows at a time.

    A row without bytes stands for the file of its path. A relative path starts at the folder that
    holds the table's file; of a table that is a folder of parts, at that folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.unread = plain_path(path), Unread()
        self._table = open_face_table(path).require("image")
        self._table.check()
        self.name = self._table.info.source or Path(self.path).stem
        parts = not is_url(self.path) and self.path.suffix != ENDING and self.path.is_dir()
        self._folder = self.path if parts else Path(self.path).parent
        self.n_photos = self._table.n_rows
        if not self.n_photos:
            raise InputError(f"{path}: the table has no rows to embed.")
        dropped = ("image_id", "image", "embedding")
        self.schema = pa.schema([f for f in self._table.schema if f.name not in dropped])

    def fingerprint(self) -> Any:
        """Return a checksum of the table's content: another one means other photos."""
        return self._table.fingerprint()

    @property
    def table(self) -> Any:
        """The face table."""
        return self._table

    def batches(self, batch_rows: Any) -> Any:
        """Yield a PhotoBatch of at most ``batch_rows`` photos after the other."""
        return self.photos(self.rows(batch_rows), batch_rows)

    def rows(self, batch_rows: Any, groups: Any = None) -> Any:
        """Yield the record batches behind the photos, of at most ``batch_rows``.

        ``groups`` as for :meth:`sfumato.data.tables.FaceTable.batches`.
        """
        columns = ["image_id", "image", *self.schema.names]
        return self._table.batches(columns, batch_rows=batch_rows, groups=groups)

    def photos(self, batches: Any, batch_rows: Any) -> Iterator[Any]:
        """Yield the photos of record batches, ``batch_rows`` in each but the last."""
        for batch in _exact(batches, batch_rows):
            images = [value or {} for value in batch.column("image").to_pylist()]
            labels = batch.select(self.schema.names).replace_schema_metadata(None)
            yield PhotoBatch(
                batch.column("image_id").to_pylist(),
                [self._photo(image) for image in images],
                [image.get("path") for image in images],
                labels,
            )

    def _photo(self, image):
        """Return a photo's bytes, else its file, else None."""
        content, path = image.get("bytes"), image.get("path")
        if content is not None or not path:
            return content
        return os.path.join(self._folder, path)


def _exact(batches, n_rows):
    """Yield batches of exactly ``n_rows`` (the last may be short) from batches of any size."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        while sum(part.num_rows for part in waiting) + batch.num_rows >= n_rows:
            more = n_rows - sum(part.num_rows for part in waiting)
            yield pa.concat_batches([*waiting, batch.slice(0, more)])
            waiting, batch = [], batch.slice(more)
        if batch.num_rows:
            waiting.append(batch)
    if waiting:
        yield pa.concat_batches(waiting)


def _content_of(file):
    try:
        if os.path.isfile(file):  # A pipe would wait for its other end.
            with open(file, "rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:  # Reading it as a photo will say why not.
        pass
    return "not readable"


def _listed_files(path):
    lines = read_text(path).splitlines()
    names: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if name and seen.setdefault(name, number) != number:
            raise InputError(
                f"{path}, line {number}: {name} is already in line {seen[name]}; drop one."
            )
        if name:
            names.append(name)
    if not names:
        raise InputError(f"{path}: the list names no photo.")
    return [os.path.join(path.parent, name) for name in names], names


def _folder_name(name):
    return Path(name).parent.name or None


def _text(name):
    # File names need not be UTF-8, Arrow strings must be.
    return os.fsencode(name).decode("utf-8", "backslashreplace")
