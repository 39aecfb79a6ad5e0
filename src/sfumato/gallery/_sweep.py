"""What lies in a folder besides the files that belong there, and its removal."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sfumato.errors import InputError, StorageError
from sfumato.files import fault_text


def strangers(folder: Path, files: frozenset[str]) -> Iterator[Path]:
    """Yield what is below a folder, but neither one of some files nor a folder that holds one.

    A folder without such files is yielded itself; nothing is looked for behind a symbolic link.

    Parameters
    ----------
    folder : Path
    files : frozenset of str
        With ``/``, below ``folder``; one that ends in ``/`` is a folder with all in it.

    Raises
    ------
    InputError
        If one of the files, or a folder of theirs, is a symbolic link.
    """
    yield from _strangers(folder, "", files, _places(files))


def _places(files):
    """Return the folders that hold one of some files."""
    found: set[str] = set()
    for file in files:
        place = file.rstrip("/").rpartition("/")[0]
        while place and place not in found:
            found.add(place)
            place = place.rpartition("/")[0]
    return found


def _strangers(folder, prefix, files, places):
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = prefix + entry.name
        if name in files or name in places:
            refuse_linked(entry)
        if name in files or f"{name}/" in files:
            continue
        if name in places and entry.is_dir(follow_symlinks=False):
            yield from _strangers(entry.path, f"{name}/", files, places)
        else:
            yield Path(entry.path)


def refuse_linked(file: Path | os.DirEntry) -> None:
    """Refuse a file or folder of a gallery's that lies elsewhere, beside files of others."""
    if file.is_symlink():
        raise InputError(
            f"{os.fspath(file)}: is a symbolic link; a gallery's files must lie in it."
        )


def remove_strangers(folder: Path, files: frozenset[str], state: str) -> None:
    """Remove what :func:`strangers` yields, and look again if there was something.

    Raises
    ------
    StorageError
        If something cannot be removed; ``state`` says what that means.
    """
    found = list(strangers(folder, files))
    for entry in found:
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{fault_text(error, entry).rstrip('.')}; {state}") from error
    left = next(strangers(folder, files), None) if found else None
    if left is not None:
        raise StorageError(f"{left}: is there again after it was removed; {state}")
