"""Look through a folder for photos: every file by its content, and what is left out, by kind."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfumato.faces.kinds import HEAD, UNKNOWN, VIDEO, count_kinds, kind_of, may_be_photo
from sfumato.faces.photos import open_photo

HIDDEN, HIDDEN_FOLDER = "hidden file", "hidden folder (not looked through)"
HIDDEN_PHOTO = "hidden photo (begins with a dot; rename it)"
NO_ACCESS = "folder that cannot be read"
LOOP = "linked folder that leads back to itself"
SPECIAL = "device, pipe or socket"
#: Kinds that may show faces: a run that leaves one out is not complete.
MISSED = (VIDEO, HIDDEN_PHOTO, NO_ACCESS)
ANIMATION, PAGES = "animation, of which the first frame is read", "file of which page 1 is read"


@dataclass(frozen=True)
class Unread:
    """What of a source is not read.

    Parameters
    ----------
    left_out : dict of str to list of str
        Names of files and folders that are no photos, or were not looked at, by kind.
    notes : dict of str to list of str
        Names of photos that are read in part, by kind.
    """

    left_out: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def missed(self) -> bool:
        """Whether something that is left out may show faces."""
        return any(kind in MISSED for kind in self.left_out)

    def lines(self) -> list[str]:
        """Return a line a kind: how many, and the first names."""
        said = [f"left out: {line}" for line in count_kinds(self.left_out)]
        return said + [f"read in part: {line}" for line in count_kinds(self.notes)]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"left_out": self.left_out, "notes": self.notes, "missed": self.missed}

    def add(self, kind: str, name: str) -> None:
        """Leave out a file of a kind."""
        self.left_out.setdefault(kind, []).append(name)

    def look_at(self, path: str, name: str) -> bool:
        """Return whether a file may be a photo; else it is left out.

        One that cannot be opened may be one: reading it will say why not.
        """
        try:
            with open(path, "rb") as file:
                head = file.read(HEAD)
        except OSError:
            return True
        kind = kind_of(head)
        if not may_be_photo(kind, name):
            self.add(kind, name)
            return False
        in_part = _in_part(kind, head, path)
        if in_part is not None:
            self.notes.setdefault(in_part, []).append(name)
        return True


def look_through(folder: str | Path) -> tuple[list[str], Unread]:
    """Return the files of a folder that may be photos, and what else there is.

    Parameters
    ----------
    folder : str or Path
        Linked folders are followed, unless they lead back to one that they lie in.

    Returns
    -------
    names : list of str
        Relative to the folder, sorted, with ``/`` between folders.
    unread : Unread
    """
    unread = Unread()
    files = sorted(_files(os.fspath(folder), "", (), unread))
    return [name for name in files if unread.look_at(os.path.join(folder, name), name)], unread


def _files(folder: str, inside: str, above: tuple, unread: Unread) -> Iterator[str]:
    """Yield the regular files that are not hidden, and whatever cannot be told from one."""
    try:
        own = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        unread.add(NO_ACCESS, inside.rstrip("/") or folder)
        return
    here = (own.st_dev, own.st_ino)
    if here in above:
        unread.add(LOOP, inside.rstrip("/"))
        return
    for entry in entries:
        name = f"{inside}{entry.name}"
        if _is_folder(entry):
            if entry.name.startswith("."):
                unread.add(HIDDEN_FOLDER, name)
            else:
                yield from _files(entry.path, f"{name}/", (*above, here), unread)
        elif not _is_file(entry):
            unread.add(SPECIAL, name)
        elif entry.name.startswith("."):
            unread.add(_hidden_kind(entry.path), name)
        else:
            yield name


def _is_folder(entry: os.DirEntry) -> bool:
    with contextlib.suppress(OSError):
        return entry.is_dir()
    return False


def _is_file(entry: os.DirEntry) -> bool:
    """Return whether it is a regular file, or a link that leads nowhere."""
    try:
        return entry.is_file() or not os.path.exists(entry.path)
    except OSError:
        return True


def _hidden_kind(path: str) -> str:
    try:
        with open(path, "rb") as file:
            kind = kind_of(file.read(HEAD))
    except OSError:
        kind = UNKNOWN
    return HIDDEN_PHOTO if may_be_photo(kind, "") else HIDDEN


def _in_part(kind: str, head: bytes, path: str) -> str | None:
    """Return what of a photo is not read, if it has further frames or pages."""
    if kind == "WEBP":
        return ANIMATION if head[12:16] == b"VP8X" and head[20] & 2 else None
    if kind == "PNG":
        return ANIMATION if b"acTL" in head.partition(b"IDAT")[0] else None
    if kind == "AVIF":
        return ANIMATION if head[8:12] == b"avis" else None
    if kind in ("GIF", "TIFF"):
        # A broken file's reason is found when it is read.
        with contextlib.suppress(Exception), open_photo(path) as (image, _):
            if image.is_animated:
                return ANIMATION if kind == "GIF" else PAGES
    return None
