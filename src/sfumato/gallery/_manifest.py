"""Which files the newest version of a LanceDB table consists of.

LanceDB gives no list of them, and its own clean-up leaves what it does not know: the ``.tmp...``
files of a killed process hold vectors. So the newest manifest is read here, a message of
Protocol Buffers (``Manifest`` in Lance's ``table.proto``). Only the fields below matter.
"""

import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from sfumato.data.protobuf import fields
from sfumato.errors import InputError

MAGIC = b"LANC"
VERSIONS = "_versions"
#: Numbers of the fields.
FRAGMENTS, VERSION, INDEX_SECTION, TRANSACTION = 2, 3, 6, 12  # of Manifest
FRAGMENT_ID, DATA_FILES, DELETION_FILE = 1, 2, 3  # of DataFragment
DATA_SIZE = 6  # of DataFile
INDEX_UUID, INDEX_FILES = 1, 10  # of IndexMetadata
READER_FLAGS, WRITER_FLAGS = 9, 10  # of Manifest
#: Deleted rows, the second format of files, settings of a table; others may name more files.
KNOWN_FLAGS = 1 | 4 | 8
_NEWEST = (1 << 64) - 1  # Names of manifests count down from here, so that the newest is first.


class BrokenManifestError(ValueError):
    """A manifest is missing, cut short or of a format that is unknown here."""


@dataclass(frozen=True)
class Manifest:
    """The newest version of a table.

    Parameters
    ----------
    version : int
    files : frozenset of str
        Of which it consists, with ``/``, below the table's folder; the manifest is one of them.
    unfinished : tuple of int
        Numbers of the fragments in which rows are marked as deleted, but still there.
    sizes : dict of str to int
        Bytes of the files whose size it notes.
    """

    version: int
    files: frozenset[str]
    unfinished: tuple[int, ...]
    sizes: dict[str, int]

    def cut_short(self, folder: Path) -> str | None:
        """Return the name of a file that is missing or has another size, or None."""
        for name in sorted(self.files):
            try:
                size = os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                return name
            marks = name.startswith("_deletions/") and not _whole_marks(folder / name)
            if size != self.sizes.get(name, size) or marks:
                return name
        return None


class Manifests:
    """Reads manifests of a table, the last one only once: LanceDB writes to none again.

    Parameters
    ----------
    folder : Path
        The table's, ``NAME.lance``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: tuple[tuple, Manifest] | None = None

    def read(self, name: str | None = None) -> Manifest:
        """Do the work of :func:`read_manifest`."""
        seen = self._seen(newest_name(self._folder) if name is None else name)
        name = seen[0]
        if self._last is None or self._last[0] != seen:
            self._last = seen, read_manifest(self._folder, name)
        return self._last[1]

    def newest(self) -> tuple:
        """Return what the newest manifest is known by: its name, number, time and size."""
        return self._seen(newest_name(self._folder))

    def _seen(self, name):
        stat = (self._folder / name).stat()
        return name, stat.st_ino, stat.st_mtime_ns, stat.st_size


def manifest_names(folder: Path) -> list[str]:
    """Return the names of a table's manifests, below the table's folder, the newest first."""
    try:
        names = os.listdir(folder / VERSIONS)
    except (FileNotFoundError, NotADirectoryError):
        names = []
    names = [f"{VERSIONS}/{name}" for name in names if re.fullmatch(r"\d+\.manifest", name)]
    return sorted(names, key=version_of, reverse=True)


def newest_name(folder: Path) -> str:
    """Return the name of a table's newest manifest, below the table's folder."""
    names = manifest_names(folder)
    if not names:
        raise BrokenManifestError("no version of the rows is there")
    return names[0]


def read_manifest(folder: Path, name: str | None = None) -> Manifest:
    """Return what a manifest of a table says.

    Parameters
    ----------
    folder : Path
        The table's, ``NAME.lance``.
    name : str, optional
        Of the manifest; default: the newest.

    Raises
    ------
    BrokenManifestError
        If there is none that is whole.
    InputError
        If it has features that may name files in another way.
    """
    name = newest_name(folder) if name is None else name
    content = (folder / name).read_bytes()
    try:
        sizes, unfinished, version, flags = _parse(content)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise BrokenManifestError(f"{name} is damaged") from error
    if flags & ~KNOWN_FLAGS:
        raise InputError(f"{folder / name}: has features of a newer LanceDB; update sfumato.")
    if version != version_of(name):
        raise BrokenManifestError(f"{name} is that of version {version}")
    known = {file: size for file, size in sizes.items() if size}
    return Manifest(version, frozenset({*sizes, name}), tuple(unfinished), known)


def version_of(name: str) -> int:
    """Return the number of the version of which a file is the manifest."""
    number = Path(name).name.removesuffix(".manifest")
    return _NEWEST - int(number) if len(number) == 20 else int(number)


def _whole_marks(path):
    """Return whether a list of deleted rows, whose size no manifest notes, has its end."""
    content = path.read_bytes()
    return content.endswith(b"ARROW1") if path.suffix == ".arrow" else bool(content)


def _parse(content):
    if content[-4:] != MAGIC:
        raise ValueError("no end")
    manifest = list(fields(_message(content, int.from_bytes(content[-16:-8], "little"))))
    files, unfinished, version, flags = {}, [], 0, 0
    for number, value in manifest:
        if number == FRAGMENTS:
            fragment = list(fields(value))
            for file in _all(fragment, DATA_FILES):
                files[f"data/{_text(_get(file, 1))}"] = _get(file, DATA_SIZE, 0)
            for deletion in _all(fragment, DELETION_FILE):
                key = _first(fragment, FRAGMENT_ID, 0)
                unfinished.append(key)
                kind = ".bin" if _get(deletion, 1, 0) else ".arrow"
                mark = f"{key}-{_get(deletion, 2, 0)}-{_get(deletion, 3, 0)}"
                files[f"_deletions/{mark}{kind}"] = 0
        elif number == VERSION:
            version = value
        elif number in (READER_FLAGS, WRITER_FLAGS):
            flags |= value
        elif number == TRANSACTION:
            files[f"_transactions/{_text(value)}"] = 0
        elif number == INDEX_SECTION:
            files |= _index_files(_message(content, value))
    return files, unfinished, version, flags


def _index_files(section):
    """Return the files of the indices; a folder, with ``/`` at its end, where none are named."""
    found: dict[str, int] = {}
    for index in _all(list(fields(section)), 1):
        parts = list(fields(index))
        place = f"_indices/{uuid.UUID(bytes=_get(_first(parts, INDEX_UUID), 1))}/"
        files = _all(parts, INDEX_FILES)
        found |= {place + _text(_get(file, 1)): _get(file, 2, 0) for file in files} or {place: 0}
    return found


def _message(content, start):
    """Return the message at a place, which begins with its length."""
    size = int.from_bytes(content[start : start + 4], "little")
    message = content[start + 4 : start + 4 + size]
    if len(message) != size:
        raise ValueError("cut short")
    return message


def _all(found, number):
    return [value for key, value in found if key == number]


def _first(found, number, default=None):
    return next(iter(_all(found, number)), default)


def _get(message, number, default=None):
    return _first(list(fields(message)), number, default)


def _text(value):
    text = value.decode()
    if not re.fullmatch(r"[\w.-]+", text) or text in (".", ".."):
        raise ValueError(f"a file called {text!r}")
    return text
