"""What a full or failing disk leaves of a change to a gallery, in words."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sfumato.errors import SfumatoError, StorageError
from sfumato.files import disk_faults
from sfumato.gallery._calibration import Calibration

UNKNOWN = "whether it is done is not known; sfumato gallery check and list say what is there"


@contextlib.contextmanager
def saying(path: Path, state: Callable[[], str]) -> Iterator[None]:
    """Add to an error of the disk what ``state`` then says, which looks at the gallery.

    Raises
    ------
    StorageError
        Of one line.
    """
    try:
        with disk_faults(path):
            yield
    except StorageError as error:
        try:
            left = state()
        except (OSError, SfumatoError):
            left = UNKNOWN
        said = StorageError(f"{str(error).rstrip('.')}; {left}.")
        said.state = left
        raise said from error


def enrolled(folder: Any, done: Any, n_rows: int) -> str:
    """Return how many templates are in the gallery."""
    n = done.n_enrolled
    if done.under_way:
        with folder.reading() as store:
            n += len(store.known(done.under_way))
    return f"{n:,} of {n_rows:,} templates were enrolled" if n else "nothing was enrolled"


def deleted(folder: Any, person: str) -> str:
    """Return whether a person is in the gallery, or in its files."""
    with folder.reading() as store:
        here, finished = store.holds(person), store.finished
    if here:
        return f"nothing was deleted, {person!r} is still enrolled"
    if finished:
        return f"{person!r} is in no search and in no file of the rows any more"
    return (
        f"{person!r} is in no search any more, but files that are left may still hold them: make "
        f"room and run sfumato gallery delete {folder.path} once more, for anybody"
    )


def indexed(folder: Any) -> str:
    """Return whether there is an index."""
    with folder.reading() as store:
        whole = store.has_index and folder.index.exists()
    return "the index is built" if whole else "there is no index, search is exact"


def calibrated(folder: Any, wanted: Any) -> str:
    """Return which calibration is there."""
    with folder.reading():
        if not folder.calibration.exists():
            return "there is no calibration"
        there = Calibration.load(folder.calibration)
    same = there.counts == wanted.counts and (there.impostor == wanted.impostor).all()
    return "the new calibration is in place" if same else "the earlier calibration is kept"
