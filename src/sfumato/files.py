"""Files of the user's: written whole or not at all, never replaced unasked, read in any encoding.

A file under way lies in the folder ``.sfumato-staging`` beside its place, locked by its writer.
Whoever writes there next removes what a killed writer left: the kernel has freed its lock.
"""

import codecs
import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from sfumato.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None  # type: ignore[assignment]

STAGING = ".sfumato-staging"
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
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path; on success it is moved to ``path``, on failure removed.

    Bytes reach the disk before the move. Permissions are those of any new file.

    Raises
    ------
    InputError
        If the folder is missing, or ``path`` is one.
    """
    path = check_free(path, overwrite=True)
    folder = path.parent / STAGING
    handle, temporary = _stage(folder, path.name)
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):  # Others are at work in it.
            folder.rmdir()


def sweep(folder: str | Path) -> list[Path]:
    """Remove what killed writers left in a folder's staging place; return what was removed."""
    place = Path(folder) / STAGING
    removed = [entry for entry in _entries(place) if _remove_abandoned(entry)]
    with contextlib.suppress(OSError):
        place.rmdir()
    return removed


@contextlib.contextmanager
def locked(path: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock file ``path``: alone, to write, or with others, to read.

    The kernel frees it when a process dies, whatever kills it. Locks of network file systems may
    not be seen by other machines.

    Parameters
    ----------
    path : Path
        Made if missing.
    alone : bool
    """
    # Each caller opens the file anew: the lock belongs to the open file, so threads of one
    # process exclude each other as well.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: str | Path) -> None:
    """Make the names of a folder's new files survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _stage(folder: Path, name: str) -> tuple[int, Path]:
    """Return a new locked file in a staging folder, which is swept."""
    while True:
        folder.mkdir(exist_ok=True)
        for entry in _entries(folder):
            _remove_abandoned(entry)
        temporary = folder / f"{secrets.token_hex(8)}-{name[-100:]}"
        try:
            handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:  # Another writer has just removed the folder.
            continue
        if fcntl is None or _locked(handle, temporary):
            return handle, temporary
        os.close(handle)


def _locked(handle: int, path: Path) -> bool:
    """Lock an open file; return whether it still has its name."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _remove_abandoned(entry: Path) -> bool:
    if fcntl is None:
        return False
    try:
        handle = os.open(entry, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not _locked(handle, entry):
            return False
        entry.unlink(missing_ok=True)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _lock_folder(folder: Path) -> int | None:
    while True:
        folder.mkdir(exist_ok=True)
        if fcntl is None:
            return None
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may just have finished, and removed the folder.
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"{folder}: another process is at work here; wait for it to end, or name another "
                "output."
            ) from None
        os.close(handle)
