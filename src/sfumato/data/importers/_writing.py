"""What all importers share: bad rows are recorded with their reason, the rest go on."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sfumato.data.info import TableInfo
from sfumato.data.tables import IMAGE, ROW_GROUP, write_table
from sfumato.errors import InputError
from sfumato.files import atomic_path, check_free
from sfumato.outcomes import Progress

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
BATCH_BYTES = 64 << 20
REJECTS = pa.schema([("image_id", pa.string()), ("path", pa.string()), ("reason", pa.string())])


@dataclass(frozen=True)
class Imported:
    """What an import wrote.

    Parameters
    ----------
    output : Path
    n_rows, n_rejects : int
    rejects : Path or None
        Table with the columns image_id, path and reason, if a row was rejected.
    """

    output: Path
    n_rows: int
    n_rejects: int
    rejects: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        rejects = None if self.rejects is None else str(self.rejects)
        return {
            "output": str(self.output),
            "n_rows": self.n_rows,
            "n_rejects": self.n_rejects,
            "rejects": rejects,
        }


@dataclass(frozen=True)
class Photo:
    """A photo that a layout names: its file below the root and its labels."""

    image_id: str
    path: str
    identity: str | None = None
    labels: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """A row that cannot be imported, and why."""

    image_id: str | None
    path: str | None
    reason: str


class Rejects:
    """Collects rejected rows and refuses an ``image_id`` that was used before."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._seen: set[int] = set()

    def add(self, image_id: Any, path: str | Path | None, reason: str) -> None:
        """Record one rejected row."""
        self.rows.append({"image_id": image_id, "path": path, "reason": reason})

    def admit(self, image_id: Any, path: str | Path | None = None) -> bool:
        """Return whether the id is present and new; record a reject otherwise."""
        if image_id is None or image_id == "":
            self.add(None, path, "image_id is missing")
            return False
        key = hash(image_id)  # 8 bytes where ids may be long
        if key in self._seen:
            self.add(image_id, path, "image_id is already used in an earlier row")
            return False
        self._seen.add(key)
        return True


def write_import(
    output: str | Path,
    batches: Iterable[pa.RecordBatch],
    rejects: Rejects,
    schema: pa.Schema,
    info: TableInfo,
    *,
    force: bool = False,
) -> Imported:
    """Write the batches as a face table and the rejects beside it.

    Parameters
    ----------
    output : str or Path
        The rejects go to ``<output stem>.rejects.parquet``.
    batches : iterable of pyarrow.RecordBatch
        Adds to ``rejects`` while it is read.
    rejects : Rejects
    schema : pyarrow.Schema
    info : TableInfo
    force : bool, default=False
        Replace existing files.

    Returns
    -------
    Imported

    Raises
    ------
    InputError
        If a file exists and not ``force``, or if no row could be imported.
    """
    output = Path(output)
    beside = output.with_name(f"{output.stem}.rejects.parquet")
    for path in (output, beside):
        check_free(path, overwrite=force)
    n_rows = write_table(output, _some(batches, rejects), schema, info)
    if rejects.rows:
        with atomic_path(beside) as temporary:
            pq.write_table(pa.Table.from_pylist(rejects.rows, schema=REJECTS), temporary)
    else:
        beside.unlink(missing_ok=True)
    return Imported(output, n_rows, len(rejects.rows), beside if rejects.rows else None)


def _some(batches, rejects):
    found = False
    for batch in batches:
        if batch.num_rows:
            found = True
            yield batch
    if not found:
        why = f" The first: {rejects.rows[0]['reason']}." if rejects.rows else ""
        raise InputError(
            f"no row to import, {len(rejects.rows)} were rejected;"
            f" check the layout and the folder.{why}"
        )


def import_photos(
    output: str | Path,
    root: str | Path,
    photos: Iterable[Photo | Reject],
    labels: dict[str, Any],
    *,
    source: str,
    has_identity: bool = True,
    copy_images: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Write the photos of a layout as a face table.

    Parameters
    ----------
    output, root : str or Path
        Table to write, and the folder below which the photos lie.
    photos : iterable of Photo or Reject
    labels : dict of str to pyarrow.DataType
        The label columns; a photo may lack some.
    source : str
        Name of the data set.
    has_identity : bool, default=True
        Whether the layout knows who is on a photo.
    copy_images : bool, default=False
        Copy the files' bytes into the table. By default only the absolute path is stored, so
        that no face is duplicated unasked; the photos must then stay where they are.
    force : bool, default=False
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``; the total is not known and None.

    Returns
    -------
    Imported
    """
    fields = [("image_id", pa.string())]
    fields += [("identity", pa.string())] if has_identity else []
    schema = pa.schema([*fields, ("image", IMAGE), *labels.items()])
    rejects = Rejects()
    rows = _rows(Path(root), photos, rejects, has_identity, copy_images)
    batches = _batches(rows, schema, progress)
    return write_import(output, batches, rejects, schema, TableInfo(source=source), force=force)


def _rows(root, photos, rejects, has_identity, copy_images):
    """Yield one dict a readable photo."""
    root = root.resolve()
    for photo in photos:
        if isinstance(photo, Reject):
            rejects.add(photo.image_id, photo.path, photo.reason)
            continue
        if not rejects.admit(photo.image_id, photo.path):
            continue
        file = root / photo.path
        content, reason = read_photo(file, whole=copy_images)
        if reason:
            rejects.add(photo.image_id, photo.path, reason)
            continue
        if copy_images:
            image = {"bytes": content, "path": photo.path}
        else:
            image = {"bytes": None, "path": str(file)}
        row = {"image_id": photo.image_id, "image": image, **photo.labels}
        yield row | ({"identity": photo.identity} if has_identity else {})


def _batches(rows, schema, progress):
    kept, size, n_done = [], 0, 0
    for row in rows:
        kept.append(row)
        size += len(row["image"]["bytes"] or b"")
        if len(kept) >= ROW_GROUP or size >= BATCH_BYTES:
            n_done += len(kept)
            yield pa.RecordBatch.from_pylist(kept, schema=schema)
            kept, size = [], 0
            if progress:
                progress(n_done, None, "photos")
    if kept:
        yield pa.RecordBatch.from_pylist(kept, schema=schema)
        if progress:
            progress(n_done + len(kept), n_done + len(kept), "photos")


def read_photo(path: str | Path, *, whole: Any) -> tuple[Any, ...]:
    """Return ``(bytes, reason)`` of an image file; the reason is None if all is well.

    Only the signature is looked at, nothing is decoded; without ``whole`` only the first
    bytes are read and returned.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(-1 if whole else 16)
    except FileNotFoundError:
        return None, "no such file"
    except OSError as error:
        return None, f"not readable: {error.strerror}"
    if not content:
        return None, "the file is empty"
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    if not webp and not content.startswith(SIGNATURES):
        return None, "not a JPEG, PNG, WebP or BMP image"
    return content, None


def walk_images(root: Any) -> Iterator[Any]:
    """Yield the paths of image files below ``root``, relative to it, sorted by folder."""
    root = Path(root)
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(folder).relative_to(root)
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield inside / name


def need_folder(folder: Any) -> Any:
    """Return ``folder`` as a Path, or raise InputError if it is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder.")
    return folder


def find_file(folder: Any, name: str, *below: Any) -> Any:
    """Return the first of ``folder/name``, ``folder/BELOW/name`` ... that exists, or None."""
    for place in (folder, *(folder / part for part in below)):
        if (place / name).exists():
            return place / name
    return None
