"""One table as the output of a job: complete or not there, with its rejects beside it.

The parts of an unfinished job lie in ``<output>.parts``, a :class:`~sfumato.jobs.folder.Folder`;
the same job goes on there. A job whose parts cost next to nothing writes its table at once.
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sfumato.data.files import DAMAGED
from sfumato.data.info import TableInfo
from sfumato.data.tables import write_table
from sfumato.errors import InputError
from sfumato.files import alone_in, check_free, mark, refuse_link
from sfumato.jobs.filling import (
    How,
    do_missing,
    kept,
    parts_and_stamps,
    refuse_changed,
    unchanged,
)
from sfumato.jobs.folder import Folder
from sfumato.jobs.part_files import REJECTS, regroup

#: In the folder of parts: the rejects beside the output are this job's.
JOINING = "_joining"


def fill_table(job: Any, output: Path, how: How) -> dict[str, Any]:
    """Do a job into one table.

    Returns
    -------
    dict
        The summary of :meth:`sfumato.jobs.folder.Folder.close`, and ``damaged``.
    """
    output = check_free(output, overwrite=how.overwrite, inputs=job.inputs)
    parts, before = parts_and_stamps(job, how.part_rows)
    folder = Folder(f"{output}.parts")
    refuse_link(folder.path)
    if not how.overwrite and not (folder.path / JOINING).exists():
        check_free(rejects_path(output))
    if not job.keeps_parts:
        return _write_at_once(job, parts, output, how.progress, before)
    with kept(folder, parts), alone_in(folder.path):
        settings = job.settings | {"part_rows": how.part_rows}
        damaged = _open(folder, settings, parts, how.overwrite)
        with unchanged(before, folder, parts):
            do_missing(job, folder, parts, how)
        summary = folder.close(parts, job.counts)
        mark(folder.path / JOINING)
        _write_rejects(folder.rejects(parts), output, job.info)
        rows = regroup(folder.batches(parts), job.schema)
        write_table(output, rows, job.schema, job.info)
        shutil.rmtree(folder.path)
    return summary | {"damaged": damaged}


def rejects_path(output: Any) -> Any:
    """Return the file beside a table that lists what was left out of it."""
    return Path(output).with_name(f"{Path(output).stem}.rejects.parquet")


def _open(folder, settings, parts, overwrite):
    if (folder.path / "manifest.json").exists():
        if not overwrite:
            raise InputError(
                f"{folder.path}: an unfinished run of version 0.1.0, which cannot be gone on "
                "with; delete the folder or start anew with --force (overwrite=True)."
            )
        for left in folder.path.iterdir():
            left.unlink()
    return folder.open(settings, parts, restart=overwrite)


def _write_at_once(job, parts, output, progress, before):
    """Write the table in this process, without parts on disk; return the summary."""
    total, rejects = sum(part.n_rows for part in parts), []
    n_done = 0

    def rows():
        nonlocal n_done
        for part in parts:
            for batch, bad in job.rows(part):
                rejects.extend(bad)
                yield batch
                n_done += batch.num_rows + len(bad)
                if progress is not None:
                    progress(n_done, total, job.what)
        refuse_changed(before, "nothing is written, run it again")
        _write_rejects(pa.Table.from_pylist(rejects, schema=REJECTS), output, job.info)

    n_rows = write_table(output, regroup(rows(), job.schema), job.schema, job.info)
    return {
        "n_rows_in": total,
        "n_rows": n_rows,
        "n_rejects": len(rejects),
        "n_parts": 1,
        "reasons": dict(Counter(bad["reason"] for bad in rejects).most_common()),
        "damaged": [],
    }


def _write_rejects(rejects, output, info):
    """Write a table's rejects; without any, remove those of a table that is replaced."""
    path = rejects_path(output)
    if rejects.num_rows:
        batches = rejects.combine_chunks().to_batches()
        write_table(path, batches, REJECTS, TableInfo(source=info.source))
    elif path.exists() and _lists_rejects(path):
        path.unlink()


def _lists_rejects(path):
    try:
        return pq.read_schema(path).names == REJECTS.names
    except DAMAGED:
        return False
