"""What LanceDB and Arrow raise, as errors of ours."""

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from sfumato.errors import DamageError, SfumatoError, StorageError
from sfumato.files import fault_text

_NUMBER = re.compile(r"\(os error (\d+)\)")


@contextlib.contextmanager
def lance_errors(folder: Path, *, verified: bool = False) -> Iterator[None]:
    """Raise LanceDB's and Arrow's errors as one line that names the gallery.

    Parameters
    ----------
    folder : Path
    verified : bool, default=False
        Whether the files were whole before, so that the disk is to blame.

    Raises
    ------
    StorageError
        For a disk that is full or fails.
    DamageError
        For rows that cannot be read.
    """
    try:
        yield
    except SfumatoError:
        raise
    except BaseException as error:
        if not _is_lances(error):
            raise
        said = " ".join(str(error).split())
        if number := _NUMBER.search(said):
            raise StorageError(fault_text(OSError(int(number[1]), ""), folder)) from error
        raise (StorageError if verified else DamageError)(
            f"{folder}: its rows cannot be read or written ({said[:150]}); sfumato gallery check "
            f"{folder} says what is damaged."
        ) from error


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the context ends.

    LanceDB works in threads of its own, which an interrupt does not end: they would go on to
    write, and to commit, after the lock is free.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple] = []
    signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


def _is_lances(error):
    # A panic of Rust's is no Exception; its class cannot be imported.
    if type(error).__name__ in ("PanicException", "RustPanic") or isinstance(
        error, pa.ArrowException
    ):
        return True
    if isinstance(error, OSError):
        return error.errno is None
    # They say where in LanceDB's source they come from.
    text = str(error).lower()
    known = any(mark in text for mark in ("lance", "/rustc/", ".cargo/"))
    return isinstance(error, RuntimeError | ValueError) and known
