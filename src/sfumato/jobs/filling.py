"""Do the parts of a job that its folder lacks."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfumato.data.files import is_url
from sfumato.errors import InputError, StorageError
from sfumato.files import alone_in, disk_faults
from sfumato.jobs.folder import Folder
from sfumato.jobs.running import run_parts
from sfumato.outcomes import Progress


@dataclass(frozen=True)
class How:
    """How a job is done, see :func:`sfumato.jobs.run.run_job`.

    Parameters
    ----------
    part_rows : int
    runner : Here, Local or OnRay
    overwrite : bool, default=False
    progress : callable, optional
    """

    part_rows: int
    runner: Any
    overwrite: bool = False
    progress: Progress | None = None


def fill_folder(job: Any, output: Path, how: How) -> dict[str, Any]:
    """Do every part of a job that its folder lacks.

    Returns
    -------
    dict
        The summary of :meth:`Folder.close`, and ``damaged``.
    """
    folder, (parts, before) = Folder(output), parts_and_stamps(job, how.part_rows)
    folder.check(job.inputs)
    with kept(folder, parts), alone_in(folder.path):
        settings = job.settings | {"part_rows": how.part_rows}
        damaged = folder.open(settings, parts, restart=how.overwrite)
        with unchanged(before, folder, parts):
            do_missing(job, folder, parts, how)
        return folder.close(parts, job.counts) | {"damaged": damaged}


def parts_and_stamps(job: Any, part_rows: int) -> tuple[list[Any], dict[Path, tuple | None]]:
    """Return a job's parts, and what changes when an input on this machine's disk is replaced."""
    before = {Path(name): _stamp(Path(name)) for name in job.inputs if not is_url(name)}
    parts = job.parts(part_rows)
    photos = (Path(file) for part in parts for file in part.files)
    return parts, before | {photo: _stamp(photo) for photo in photos}


def _stamp(path):
    try:
        found = path.stat()
    except OSError:
        return None
    # Of a folder of photos it would say that something else was put there, such as the output.
    return (found.st_ino, found.st_size, found.st_mtime_ns) if path.is_file() else None


def refuse_changed(before: dict[Path, tuple | None], state: str) -> None:
    """Raise InputError, which says ``state``, if inputs are not what they were."""
    for path in changed(before):
        raise InputError(f"{path}: changed while the job ran; {state}.")


def changed(before: dict[Path, tuple | None]) -> list[Path]:
    """Return the inputs that are not what they were."""
    return [path for path, stamp in before.items() if _stamp(path) != stamp]


@contextlib.contextmanager
def unchanged(
    before: dict[Path, tuple | None], folder: Folder, parts: Sequence[Any]
) -> Iterator[None]:
    """Take away what was done in the context if an input changed meanwhile.

    Of photos in files, those parts alone that have one which changed.

    Raises
    ------
    InputError
        If one did: parts of two tables would be one job's.
    """
    missing = [part for part in parts if not folder.has(part)]
    try:
        yield
    finally:
        others = {str(path) for path in changed(before)}
        for part in missing if others else ():
            if not part.files or others & {*part.files}:
                folder.drop(part)
        refuse_changed(before, "the parts done meanwhile are taken away, run it again")


@contextlib.contextmanager
def kept(folder: Folder, parts: Sequence[Any]) -> Iterator[None]:
    """Add to what a full or broken disk ends how many parts are kept."""
    try:
        with disk_faults(folder.path):
            yield
    except StorageError as error:
        n_done = sum(folder.has(part) for part in parts)
        raise StorageError(
            f"{error.reason.removesuffix(' and run it again')}; {n_done} of {len(parts)} parts "
            "are kept, run it again to go on."
        ) from error


def do_missing(job: Any, folder: Folder, parts: Sequence[Any], how: How) -> None:
    """Do the parts that an open folder lacks."""
    missing = [part for part in parts if not folder.has(part)]
    total = sum(part.n_rows for part in parts)
    done = total - sum(part.n_rows for part in missing)
    if how.progress is not None:
        how.progress(done, total, job.what)
    for part, _ in run_parts(job, functools.partial(folder.do, job), missing, how.runner):
        done += part.n_rows
        if how.progress is not None:
            how.progress(done, total, job.what)
