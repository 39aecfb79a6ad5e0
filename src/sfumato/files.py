"""Files of the user's: written whole or not at all, never replaced unasked, read in any encoding.

A file under way lies in the folder ``.sfumato-staging`` beside its place, locked by its writer.
Whoever writes there next removes what a killed writer left: the kernel has freed its lock. What
was written survives a power cut: a file's bytes reach the disk before its name does.
"""

import codecs
import contextlib
import functools
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from sfumato._disk import (
    CLOEXEC,
    NOFOLLOW,
    READ_ONLY,
    STAGING,
    disk_faults,
    entries,
    fault_text,
    fcntl,
    locked,
    new_file,
    new_folder,
    new_or_found,
    refuse_link,
    refuse_special,
    remove_abandoned,
    staged,
    sync,
)
from sfumato.errors import InputError

__all__ = [
    "CLOEXEC",
    "NOFOLLOW",
    "READ_ONLY",
    "STAGING",
    "alone_in",
    "atomic_folder",
    "atomic_path",
    "check_free",
    "check_replaceable",
    "disk_faults",
    "encoding_of",
    "fault_text",
    "locked",
    "make_folder",
    "mark",
    "read_text",
    "refuse_link",
    "refuse_special",
    "scratch_folder",
    "sweep",
    "sync",
    "write_text",
]
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def check_free(
    path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Path:
    """Return the path of an output, or refuse it.

    Parameters
    ----------
    path : str or Path
        Of the file to write.
    overwrite : bool, default=False
        Whether an existing file may be replaced.
    inputs : iterable of (str or Path)
        Files that are read; none of them may be replaced.

    Raises
    ------
    InputError
        If its folder is missing, it is a folder, it exists, or it is one of the inputs.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file.")
    check_replaceable(path, overwrite=overwrite, inputs=inputs)
    return path


def check_replaceable(
    path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Refuse a path that exists unless it may be replaced, and one of the inputs always.

    Parameters and errors are those of :func:`check_free`, but its folder may be missing.
    """
    path = Path(path)
    if not path.exists():
        return
    for source in inputs:
        if os.path.exists(source) and path.samefile(source):
            raise InputError(f"{path}: is an input of this command; give another name.")
    if not overwrite:
        raise InputError(
            f"{path} exists already; give another name, or replace it with --force "
            "(overwrite=True)."
        )


@contextlib.contextmanager
def atomic_path(path: str | Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Give a temporary path; on success it is moved to ``path``, on failure removed.

    Bytes reach the disk before the move, and the new name after it. A symbolic link is replaced,
    not written through.

    Parameters
    ----------
    path : str or Path
    mode : int, default=0o666
        Permissions from the first moment on, less those that the umask takes away.

    Raises
    ------
    InputError
        If the folder is missing, or ``path`` is one.
    StorageError
        If the disk is full or fails; what was at ``path`` is untouched.
    """
    path = check_free(path, overwrite=True)
    with staged(path, functools.partial(new_file, mode=mode)) as temporary:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8 by :func:`atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder; on success it is moved to ``path``, on failure removed.

    Raises
    ------
    InputError
        If ``path`` exists, or the folder that would hold it does not.
    StorageError
        If the disk is full or fails.
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} exists already; give another folder.")
    check_free(path)
    with staged(path, new_folder) as temporary:
        yield temporary
        for entry in temporary.iterdir():
            sync(entry)
        sync(temporary)
        os.rename(temporary, path)
        sync(path.parent)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder that only this user reads, and that is gone afterwards.

    What killed processes left of theirs goes first.

    Raises
    ------
    InputError
        If the place for it is somebody else's.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    place = Path(tempfile.gettempdir()) / f"sfumato-{user}"
    refuse_link(place)
    place.mkdir(0o700, exist_ok=True)
    if place.stat().st_uid != user:
        raise InputError(f"{place}: is another user's; set TMPDIR to a folder of yours.")
    # The place itself stays: other processes may be about to make something in it.
    with staged(place / "scratch", new_folder) as temporary:
        yield temporary


def make_folder(path: str | Path) -> Path:
    """Make a folder whose name survives a power cut, unless it is there; return it.

    Raises
    ------
    InputError
        Where a file is in its place.
    """
    path = Path(path)
    refuse_link(path)
    try:
        with disk_faults(path):
            if new_or_found(path):
                sync(path.parent)
    except FileExistsError as error:
        raise InputError(f"{path}: is a file, where a folder is needed; name another.") from error
    return path


def mark(path: str | Path) -> None:
    """Make an empty file whose name survives a power cut, unless it is there."""
    refuse_special(path)
    with disk_faults(path):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | NOFOLLOW | CLOEXEC, 0o666))
        sync(Path(path).parent)


def sweep(folder: str | Path) -> list[Path]:
    """Remove what killed writers left in a folder's staging place; return what was removed."""
    place = Path(folder) / STAGING
    refuse_link(place)
    removed = [entry for entry in entries(place) if remove_abandoned(entry)]
    with contextlib.suppress(OSError):
        place.rmdir()
    return removed


@contextlib.contextmanager
def alone_in(folder: str | Path) -> Iterator[None]:
    """Make a folder and have it to this process alone; the kernel frees it if the process dies.

    Raises
    ------
    InputError
        If another process has it.
    """
    folder = Path(folder)
    handle = _lock_folder(folder)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def encoding_of(start: bytes) -> str:
    """Return the encoding that the byte order mark at the start of a text names, else UTF-8.

    Examples
    --------
    >>> encoding_of(b"image_id,gender"), encoding_of("a".encode("utf-16"))
    ('utf-8', 'utf-16')
    """
    return next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")


def read_text(path: str | Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or has another encoding.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    encoding = encoding_of(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not {encoding.upper()} text (byte {error.start}); save it as UTF-8."
        ) from error
    if "\0" in text:
        raise InputError(f"{path}: not text (it has NUL characters); save it as UTF-8.")
    return text


def _lock_folder(folder: Path) -> int | None:
    while True:
        if not folder.is_dir():  # It may be a link to a larger disk.
            make_folder(folder)
        if fcntl is None:
            return None
        try:
            handle = os.open(folder, os.O_RDONLY | CLOEXEC)
        except FileNotFoundError:  # Whoever had it has just removed it.
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may just have finished, and removed the folder.
            if os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"{folder}: another process is at work here; wait for it to end, or name another "
                "output."
            ) from None
        os.close(handle)
