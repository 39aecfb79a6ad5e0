"""The disk: what its faults are called, what survives a power cut, and files under way.

A file under way lies in the folder ``.sfumato-staging`` beside its place, locked by its writer;
the kernel frees the lock of one that was killed.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sfumato.errors import InputError, StorageError

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None  # type: ignore[assignment]

STAGING = ".sfumato-staging"
#: Without locks, seconds after which a file that nobody changed counts as left by a killed writer.
ABANDONED = 86_400
#: What is wrong with a disk, and what helps.
_FAULTS = {
    errno.ENOSPC: ("the disk is full", "make room and run it again"),
    errno.EDQUOT: ("your share of the disk is full", "make room and run it again"),
    errno.EFBIG: ("files may not grow so large here", "raise the limit and run it again"),
    errno.EIO: ("the disk cannot be read or written", "check the disk and run it again"),
}
_REMEDIES = {
    errno.EACCES: "give yourself the right, or name another place",
    errno.EROFS: "name another place",
    errno.ENAMETOOLONG: "give a shorter name",
}
#: Errors of a file or folder that may not be written.
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
NOFOLLOW, CLOEXEC = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_CLOEXEC", 0)


def refuse_link(path: str | Path) -> None:
    """Refuse a symbolic link where sfumato makes a file or folder of its own."""
    if Path(path).is_symlink():
        raise InputError(
            f"{path}: is a symbolic link, and nothing is written through those; remove it."
        )


def refuse_special(path: str | Path) -> None:
    """Refuse a link, folder, pipe, socket or device where a file of sfumato's belongs.

    To open a pipe would wait for its other end.
    """
    refuse_link(path)
    if os.path.lexists(path) and not Path(path).is_file():
        raise InputError(f"{path}: is no regular file; remove it.")


def sync(path: str | Path) -> None:
    """Make a file's bytes, or the names in a folder, survive a power cut."""
    if fcntl is None and Path(path).is_dir():  # Windows opens no folder.
        return
    # Windows syncs only what may be written.
    handle = os.open(path, (os.O_RDWR if fcntl is None else os.O_RDONLY) | CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # Some file systems cannot.
            raise
    finally:
        os.close(handle)


def fault_text(error: OSError, path: str | Path | None = None) -> str:
    """Return an operating system's error as a line: which file, what, and what helps.

    Parameters
    ----------
    error : OSError
    path : str or Path, optional
        The file that is written where the error names none; that of a file in staging is not
        the user's.
    """
    named = error.filename2 or error.filename
    if named is None or STAGING in Path(os.fsdecode(named)).parts:
        named = path
    number = error.errno or 0
    text = "" if named is None else f"{os.fsdecode(named)}: "
    if number not in _FAULTS:
        # What libraries say besides is long, and about the file under way.
        remedy = _REMEDIES.get(number, "--debug prints where")
        return f"{text}{os.strerror(number)} ({remedy})."
    what, remedy = _FAULTS[number]
    return f"{text}{what} ({errno.errorcode[number]}); {remedy}."


@contextlib.contextmanager
def disk_faults(path: str | Path) -> Iterator[None]:
    """Raise what a full or broken disk does to a file as a StorageError that names it.

    That the staging place may not be written to is said of the file, too.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FAULTS:
            if (
                error.errno in READ_ONLY
                and STAGING in Path(os.fsdecode(error.filename or "")).parts
            ):
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise
        raise StorageError(fault_text(error, path)) from error


@contextlib.contextmanager
def locked(path: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock file ``path``: alone, to write, or with others, to read.

    The kernel frees it when a process dies, whatever kills it. Locks of network file systems may
    not be seen by other machines.

    Parameters
    ----------
    path : Path
        Made if missing; a reader who may not do so goes without. A lock that only its owner may
        read (it is made so) keeps nobody else's readers out.
    alone : bool
    """
    # Each caller opens the file anew: the lock belongs to the open file, so threads of one
    # process exclude each other as well.
    handle = _lock_file(path, alone)
    try:
        if fcntl is not None and handle is not None:
            fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock_file(path, alone):
    """Return an open lock file, or None where there is none and none can be made to read."""
    refuse_special(path)
    if not alone:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            return os.open(path, os.O_RDONLY | CLOEXEC | NOFOLLOW)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | CLOEXEC | NOFOLLOW, 0o600)
    except OSError as error:
        if alone or error.errno not in READ_ONLY:
            raise
        return None


@contextlib.contextmanager
def staged(path: Path, new: Callable[[Path], int]) -> Iterator[Path]:
    """Give a new locked file or folder in the staging place beside a path, which is swept.

    Unless it was moved away it is removed at the end.
    """
    place = path.parent / STAGING
    with disk_faults(path):
        handle, temporary = _stage(place, path.name, new)
        try:
            if fcntl is None:  # Windows moves no open file.
                os.close(handle)
            yield temporary
        finally:
            _remove(temporary)
            if fcntl is not None:
                os.close(handle)
            with contextlib.suppress(OSError):  # Others are at work in it.
                place.rmdir()


def _stage(place: Path, name: str, new: Callable[[Path], int]) -> tuple[int, Path]:
    end = os.fsdecode(os.fsencode(name)[-100:])
    while True:
        refuse_link(place)
        new_or_found(place)
        for entry in entries(place):
            remove_abandoned(entry)
        temporary = place / f"{secrets.token_hex(8)}-{end}"
        try:
            handle = new(temporary)
        except FileNotFoundError:  # Another writer has just removed the folder.
            continue
        if fcntl is None or _locked(handle, temporary):
            return handle, temporary
        os.close(handle)


def new_or_found(folder: Path) -> bool:
    """Make a folder unless it is there; return whether it is new.

    Unlike ``mkdir(exist_ok=True)`` it bears that others remove the folder at the same moment.
    """
    while True:
        try:
            folder.mkdir()
            return True
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):  # Gone again: make it.
                if stat.S_ISDIR(os.lstat(folder).st_mode):
                    return False
                raise


def new_file(path: Path, *, mode: int) -> int:
    """Make a file and return it open."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | CLOEXEC, mode)


def new_folder(path: Path) -> int:
    """Make a folder and return it open; without locks, something else that is open."""
    path.mkdir()
    return os.open(path if fcntl is not None else os.devnull, os.O_RDONLY | CLOEXEC)


def _locked(handle: int, path: Path) -> bool:
    """Lock an open file; return whether it still has its name."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing if there is none."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _remove(entry: Path) -> None:
    with contextlib.suppress(OSError):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def remove_abandoned(entry: Path) -> bool:
    """Remove what no living writer has; return whether it is gone."""
    try:
        if fcntl is None:
            if time.time() - entry.lstat().st_mtime > ABANDONED:
                _remove(entry)
            return not entry.exists()
        # A pipe would wait for its other end.
        handle = os.open(entry, os.O_RDONLY | os.O_NONBLOCK | CLOEXEC | NOFOLLOW)
    except OSError:
        if entry.is_symlink():
            _remove(entry)
        return not os.path.lexists(entry)
    try:
        if _locked(handle, entry):
            _remove(entry)
        return not entry.exists()
    finally:
        os.close(handle)
