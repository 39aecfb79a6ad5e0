"""Run a job into one table or a folder of parts, on this machine or on a cluster."""

import os
import time
from pathlib import Path
from typing import Any

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.data.files import is_url
from sfumato.data.manifest import REJECTED
from sfumato.errors import InputError
from sfumato.jobs.filling import How, fill_folder
from sfumato.jobs.local import Local, check_workers, local_runner
from sfumato.jobs.on_ray import OnRay
from sfumato.jobs.table import fill_table, rejects_path
from sfumato.outcomes import Progress
from sfumato.validation import check_choice

RUNNERS = ("native", "ray")
#: Endings that name another kind of file, never a folder.
OTHERS = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".npy",
    ".npz",
    ".arrow",
    ".feather",
    ".lance",
)


def run_job(
    job: Any,
    output: str | Path,
    *,
    part_rows: int | None = None,
    workers: int | None = None,
    runner: Any = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Do every part of a job that is not done yet.

    Parameters
    ----------
    job : Job
    output : str or Path
        One table, ``name.parquet``; or a folder of parts, see :func:`is_folder`. With what an
        interrupted run of the same job left there, the job goes on.
    part_rows : int, optional
        Rows or photos of a part; default: the job's.
    workers : int, optional
        Processes of this machine, by default one a core; for a single one, or a single part, it
        is this process.
    runner : Here, Local or OnRay, optional
        Instead of ``workers``.
    overwrite : bool, default=False
        Replace an existing table; throw away what a job of other settings left.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``, rows or photos.

    Returns
    -------
    dict
        ``n_rows_in``, ``n_rows``, ``n_rejects``, ``n_parts``, ``reasons`` (counts by reason), the
        sums of the job's ``counts``, ``output``, ``rejects_path`` (None without rejects),
        ``seconds``, ``unread`` (:meth:`sfumato.faces.folders.Unread.to_dict`) and ``damaged``,
        the ``file`` and ``problem`` of kept parts that were not what the job wrote, and that were
        done again.

    Raises
    ------
    InputError
        For a bad output or number.
    SfumatoError
        If a part fails, after all others were done, or workers die again and again.
    """
    part_rows = job.part_rows if part_rows is None else part_rows
    check_argument(part_rows, POSITIVE_INT, "part_rows")
    started = time.perf_counter()
    in_parts = is_folder(output)
    fill = fill_folder if in_parts else fill_table
    if runner is None:
        runner = local_runner(workers, len(job.parts(part_rows)))
    summary = fill(job, Path(output), How(part_rows, runner, overwrite, progress))
    rejects = Path(output) / REJECTED if in_parts else rejects_path(output)
    return summary | {
        "output": str(output),
        "rejects_path": str(rejects) if summary["n_rejects"] else None,
        "seconds": time.perf_counter() - started,
        "unread": job.unread.to_dict(),
    }


def is_folder(output: Any) -> Any:
    """Return whether an output is a folder of parts: one that exists, ends in ``/``, or no table.

    Raises
    ------
    InputError
        For a URL, and the ending of another kind of file.
    """
    if is_url(output):
        raise InputError(f"{output}: is a URL; write to a disk.")
    suffix = Path(output).suffix.lower()
    if str(output).endswith(("/", os.sep)) or Path(output).is_dir():
        return True
    if suffix in OTHERS:
        raise InputError(
            f"{output}: the output is a face table, name it ….parquet, or a folder of its parts."
        )
    return suffix != ".parquet"


def make_runner(
    name: str = "native", address: str | None = None, workers: int | None = None
) -> Any:
    """Return the runner of a name.

    Parameters
    ----------
    name : {"native", "ray"}
        Processes of this machine, or a Ray cluster (needs the extra ``ray``), of which every
        machine must have the same paths.
    address : str, optional
        Of a Ray cluster; default: the one that ``RAY_ADDRESS`` names, or one of this machine
        alone, started for the job.
    workers : int, optional
        Processes; default one a core, of the cluster's with "ray".
    """
    check_choice(name, RUNNERS, "runner")
    if address is not None and name != "ray":
        raise InputError("an address is of a Ray cluster; add --runner ray.")
    if workers is not None:
        check_workers(workers)
    return Local(workers) if name == "native" else OnRay(address, workers)
