"""Checksums of a gallery's files, so that damage is noticed before an answer rests on it.

``checksums.json`` holds ``{"format": 1, "files": {name: [bytes, CRC-32], ...}, "crc32": ...}``:
every file that the gallery's state consists of (``gallery.json``, ``key``, ``index.json``,
``calibration.safetensors`` and, below ``lance/``, what the newest version names), and the CRC-32
of the files' compact JSON with sorted names. The audit log, to which readers append, is not in it.

``gallery.json`` says that there is a list, so without one the gallery is damaged; those of older
versions have none until the next change. ``{}`` in its place is the user's word to trust the files
as they are.

It is written after a change. A file that is replaced is taken out of it before, so what a killed
writer leaves is unlisted, not wrong; the next writer lists it. A CRC-32 finds accidents, not
whoever can write a list of their own.
"""

import contextlib
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sfumato.data.tensors import parse_json
from sfumato.errors import DamageError, InputError
from sfumato.files import refuse_special, write_text

FILE = "checksums.json"
LISTED = "checksums"  # In gallery.json: whether there must be a list.
TRUST = (
    "restore it from a backup, or, to trust the files as they are, write {} into it: the next "
    "change lists them anew"
)
FORMAT = 1
CHUNK = 1 << 18


class Checksums:
    """The list of a gallery's checksums, and what this object has verified by it.

    Parameters
    ----------
    folder : Path
        The gallery's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.path = folder, folder / FILE
        self._good: set[tuple] = set()
        self.seen: tuple = ()  # Of the list that was read last.
        self._files: dict[str, tuple[int, int]] | None = None

    def files(self) -> dict[str, tuple[int, int]] | None:
        """Return ``(bytes, CRC-32)`` of each listed file; None where there is no list.

        Raises
        ------
        InputError
            If the list is damaged, or missing though there was one.
        """
        refuse_special(self.path)
        try:
            stat = self.path.stat()
        except FileNotFoundError as error:
            if _was_listed(self._folder / "gallery.json"):
                raise DamageError(f"{self.path}: is missing; {TRUST}.") from error
            self.seen, self._files = (), None
            return None
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if seen != self.seen:
            self._files = _parse(self.path)
            self.seen = seen
        return self._files

    def begin(self) -> None:
        """Make an empty list in a folder that is made."""
        write_text(self.path, "{}")

    def drop(self, *names: str) -> None:
        """Take files out of the list that are about to be replaced or removed."""
        files = self.files()
        if files is not None and set(names) & files.keys():
            self._write({name: files[name] for name in files.keys() - set(names)})

    def record(self, names: Iterable[str]) -> None:
        """List these files and no others; only those that are not listed yet are read.

        One of the top folder that is missing stays listed, unless it was dropped.
        """
        files, found = self.files() or {}, {}
        for name in {*names, *(name for name in files if "/" not in name)}:
            found[name] = files.get(name) or checksum(self._folder / name)
            self._good.add((name, *found[name]))
        if found != files:
            self._write(found)
        self._good &= {(name, *values) for name, values in found.items()}

    def verify(self, names: Iterable[str]) -> None:
        """Read listed files that this object has not verified yet.

        Raises
        ------
        InputError
            If one is damaged or missing.
        """
        files = self.files() or {}
        new = [name for name in names if (name, *files[name]) not in self._good]
        for name, fault in self.faults(new):
            raise DamageError(
                f"{self._folder / name}: {fault}; {remedy(name)}. sfumato gallery check "
                f"{self._folder} lists all damage."
            )
        self._good |= {(name, *files[name]) for name in new}

    def faults(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the name of each listed file that is damaged, and how."""
        files = self.files() or {}
        for name in names:
            try:
                size = (self._folder / name).stat().st_size
                if size != files[name][0]:
                    yield name, f"is damaged ({size:,} bytes, not {files[name][0]:,})"
                elif checksum(self._folder / name) != files[name]:
                    yield name, "is damaged (its checksum is another)"
            except OSError as error:
                missing = isinstance(error, FileNotFoundError | NotADirectoryError)
                yield name, "is missing" if missing else f"cannot be read ({error.strerror})"

    def _write(self, files):
        content = {name: list(files[name]) for name in sorted(files)}
        about = {"format": FORMAT, "files": content, "crc32": _crc(content)}
        write_text(self.path, json.dumps(about))


def remedy(name: str) -> str:
    """Return what helps when a file of a gallery is damaged."""
    return {
        "index": "build the index anew with sfumato gallery index",
        "calibration": "calibrate anew with --force",
        "rows": "restore the gallery from a backup",
    }[part_of(name)]


def part_of(name: str) -> str:
    """Return what a file belongs to: ``"index"``, ``"calibration"``, or ``"rows"``, the rest."""
    if "/_indices/" in name or name == "index.json":
        return "index"
    return "calibration" if name.startswith("calibration.") else "rows"


def checksum(path: Path) -> tuple[int, int]:
    """Return the number of bytes of a file and their CRC-32."""
    size = crc = 0
    # Into one place again and again, which stays in the processor's cache.
    place = memoryview(bytearray(CHUNK))
    with open(path, "rb", buffering=0) as file:
        while n := file.readinto(place):
            size, crc = size + n, zlib.crc32(place[:n], crc)
    return size, crc


def _parse(path):
    number = 0
    with contextlib.suppress(InputError, ValueError, KeyError, TypeError, AttributeError):
        about: Any = parse_json(path.read_text(encoding="utf-8"), path)
        if about == {}:
            return None
        number = about["format"]
        if number == FORMAT and about["crc32"] == _crc(about["files"]):
            return {name: (int(size), int(crc)) for name, (size, crc) in about["files"].items()}
    if type(number) is int and number > FORMAT:
        raise InputError(f"{path}: format {number}, this version reads {FORMAT}; update sfumato.")
    raise _damaged(path)


def _damaged(path):
    return DamageError(f"{path}: the list of checksums is damaged; {TRUST}.")


def _was_listed(path):
    try:
        return json.loads(path.read_bytes()).get(LISTED) is True
    except (OSError, ValueError, AttributeError, RecursionError):
        return False  # Whoever opens the gallery refuses it.


def _crc(files):
    return zlib.crc32(json.dumps(files, sort_keys=True, separators=(",", ":")).encode())
