"""Files that survive a power cut, and one writer or many readers of a folder.

LanceDB's own commits would keep two appends apart, but not the check that a template id is new,
and its clean-up of old versions deletes files that another process is writing or reading. So
writers take a file lock alone and readers share it. The kernel frees it when a process dies,
whatever kills it. Locks of network file systems may not be seen by other machines.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sfumato.files import atomic_path


@contextlib.contextmanager
def locked(path: Path, *, alone: bool) -> Iterator[Any]:
    """Hold the lock file ``path``: alone, to write, or with others, to read.

    Parameters
    ----------
    path : Path
    alone : bool
    """
    import fcntl

    # Each caller opens the file anew: the lock belongs to the open file, so threads of one
    # process exclude each other as well.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Any) -> None:
    """Make the names of a folder's new files survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, text: str) -> None:
    """Write a text file, whole or not at all, and onto the disk."""
    with atomic_path(path) as temporary, open(temporary, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
