"""The folder that a job fills: parts of one table, rejects, and a manifest.

    part-000000.parquet ...      a face table in parts
    _rejects/part-000000.parquet what was left out of a part, with the reasons
    _manifest.json               what was asked for and, at the end, what came of it
    _unfinished                  while parts are missing

A part's file appears only when the part is done, after its rejects; whoever does a part again
replaces both by the same. Names that begin with ``_`` are no data to Arrow, Spark and Daft.
"""

import functools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sfumato.data.files import UNFINISHED, is_url
from sfumato.data.tables import ROW_GROUP, write_table
from sfumato.errors import InputError
from sfumato.files import STAGING, alone_in, atomic_path, sweep
from sfumato.jobs.running import run_parts
from sfumato.outcomes import Progress

REJECTS = pa.schema([("image_id", pa.string()), ("path", pa.string()), ("reason", pa.string())])
MANIFEST = "_manifest.json"
REJECTED = "_rejects"
#: Rows of a row group with photos.
IMAGE_ROWS = 2_000
#: What jobs write here, the second in version 0.1.0.
OURS = ("part-*.parquet", "_[0-9]*.parquet")


def fill_folder(
    job: Any,
    output: Any,
    *,
    part_rows: Any,
    runner: Any,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Do every part of a job that its folder lacks; parameters as for ``run_job``.

    Returns
    -------
    dict
        The summary of :meth:`Folder.close`.
    """
    folder, parts = Folder(output), job.parts(part_rows)
    folder.check(job.inputs)
    with alone_in(folder.path):
        settings = job.settings | {"part_rows": part_rows}
        folder.open(settings, parts, restart=overwrite)
        do_missing(job, folder, parts, runner, progress)
        return folder.close(parts, job.counts)


def do_missing(
    job: Any, folder: Any, parts: Any, runner: Any, progress: Progress | None = None
) -> None:
    """Do the parts that an open folder lacks."""
    missing = [part for part in parts if not folder.has(part)]
    total = sum(part.n_rows for part in parts)
    done = total - sum(part.n_rows for part in missing)
    if progress is not None:
        progress(done, total, job.what)
    for part, _ in run_parts(job, functools.partial(folder.do, job), missing, runner):
        done += part.n_rows
        if progress is not None:
            progress(done, total, job.what)


class Folder:
    """The output of a job; plain and picklable, so that every worker has it.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def check(self, inputs: Sequence[Any] = ()) -> None:
        """Refuse a file in the folder's place, a folder that would be nowhere, and an input's."""
        if self.path.is_file():
            raise InputError(f"{self.path}: is a file; give the name of a folder.")
        if not self.path.parent.is_dir():
            raise InputError(
                f"{self.path}: the folder {self.path.parent} does not exist; create it."
            )
        place = self.path.resolve()
        for source in inputs:
            if not is_url(source) and place in (found := Path(source).resolve(), *found.parents):
                raise InputError(f"{self.path}: is an input of this job; name another folder.")

    def open(self, settings: dict[str, Any], parts: list[Any], *, restart: bool = False) -> None:
        """Begin a job, or go on with it.

        Parameters
        ----------
        settings : dict
            Plain values that decide what the parts hold.
        parts : list of Part
        restart : bool, default=False
            Throw away what a job of other settings left instead of refusing it.

        Raises
        ------
        InputError
            If the folder holds something else, or a job of other settings.
        """
        self.check()
        settings = json.loads(json.dumps(settings)) | {"n_parts": len(parts)}
        known = self._known()
        if known is not None and _differs(known["settings"], settings):
            if not restart:
                raise InputError(f"{self.path}: {_difference(known['settings'], settings)}")
            self.clear()
        elif known is None and self._is_foreign():
            raise InputError(f"{self.path}: is not empty and no job's; name another.")
        (self.path / REJECTED).mkdir(parents=True, exist_ok=True)
        self._sweep()
        if any(not self.has(part) for part in parts):
            (self.path / UNFINISHED).touch()
        if known is None or known["settings"] != settings:
            self._write_manifest({"settings": settings})

    def has(self, part: Any) -> Any:
        """Tell whether this part is done."""
        return self._file(part.number).is_file()

    def do(self, job: Any, part: Any) -> None:
        """Write a part of a job, unless it is there."""
        # Another worker may have done it before it was taken for dead.
        if not self.has(part):
            self.write(part, job.rows(part), job.schema, job.info)

    def write(self, part: Any, results: Iterable[Any], schema: pa.Schema, info: Any) -> None:
        """Write a part.

        Parameters
        ----------
        part : Part
        results : iterable of (RecordBatch, list of dict)
            Rows, and rejects with ``image_id``, ``path`` and ``reason``.
        schema : pyarrow.Schema
        info : TableInfo
        """
        rejects: list[dict] = []

        def rows():
            for batch, bad in results:
                rejects.extend(bad)
                yield batch
            # Before the part's own file, which says that it is done.
            self._write_rejects(part, rejects)

        write_table(self._file(part.number), regroup(rows(), schema), schema, info)

    def _write_rejects(self, part, rejects):
        path = self._file(part.number, REJECTED)
        if not rejects:
            path.unlink(missing_ok=True)
            return
        with atomic_path(path) as temporary:
            pq.write_table(pa.Table.from_pylist(rejects, schema=REJECTS), temporary)

    def close(self, parts: list[Any], counts: Sequence[str] = ()) -> dict[str, Any]:
        """End a job of which every part is done; return the summary, which the manifest keeps.

        Parameters
        ----------
        parts : list of Part
        counts : sequence of str
            Columns of whole numbers to add up.

        Returns
        -------
        dict
            ``n_rows_in``, ``n_rows``, ``n_rejects``, ``n_parts`` and ``reasons``, counts by
            reason, and the sums of ``counts``.
        """
        rejects = self.rejects(parts)
        reasons = Counter(rejects["reason"].to_pylist())
        summary = {
            "n_rows_in": sum(part.n_rows for part in parts),
            "n_rows": sum(pq.read_metadata(self._file(part.number)).num_rows for part in parts),
            "n_rejects": rejects.num_rows,
            "n_parts": len(parts),
            "reasons": dict(reasons.most_common()),
            **{name: self._sum(parts, name) for name in counts},
        }
        self._write_manifest(self._known() | {"summary": summary})
        self._sweep()
        (self.path / UNFINISHED).unlink(missing_ok=True)
        return summary

    def rejects(self, parts: Any) -> Any:
        """Return the rejects of all parts as one table."""
        paths = (self._file(part.number, REJECTED) for part in parts)
        tables = [pq.read_table(path) for path in paths if path.is_file()]
        return pa.concat_tables([REJECTS.empty_table(), *tables])

    def batches(self, parts: Any) -> Iterator[Any]:
        """Yield the rows of all parts in order, row groups as they lie there."""
        for part in parts:
            with pq.ParquetFile(self._file(part.number)) as file:
                for number in range(file.num_row_groups):
                    yield from file.read_row_group(number).combine_chunks().to_batches()

    def clear(self) -> None:
        """Remove what a job wrote, and nothing else."""
        (self.path / UNFINISHED).touch()
        for place in (self.path, self.path / REJECTED):
            for pattern in OURS:
                for file in place.glob(pattern):
                    file.unlink()
        (self.path / MANIFEST).unlink(missing_ok=True)

    def _file(self, number, place=""):
        return self.path / place / f"part-{number:06d}.parquet"

    def _is_foreign(self):
        return self.path.is_dir() and any(e.name != STAGING for e in self.path.iterdir())

    def _sweep(self):
        """Remove what killed workers left."""
        for place in (self.path, self.path / REJECTED):
            sweep(place)
            for left in place.glob("_[0-9]*.parquet"):  # Version 0.1.0 wrote there.
                left.unlink(missing_ok=True)

    def _sum(self, parts, name):
        found = (pq.read_table(self._file(part.number), columns=[name]) for part in parts)
        return sum(pc.sum(table[name], min_count=0).as_py() for table in found)

    def _known(self):
        """Return what the manifest says, None without one."""
        try:
            return json.loads((self.path / MANIFEST).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path / MANIFEST}: not readable ({error}).") from error

    def _write_manifest(self, values):
        with atomic_path(self.path / MANIFEST) as path:
            path.write_text(json.dumps(values, indent=1) + "\n")


def regroup(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[Any]:
    """Yield the rows of small batches in larger ones, each to be a row group.

    Parameters
    ----------
    batches : iterable of RecordBatch
    schema : pyarrow.Schema
        With photos, row groups have fewer rows.
    """
    n_wanted = IMAGE_ROWS if "image" in schema.names else ROW_GROUP
    waiting, n_rows = [], 0
    for batch in batches:
        waiting.append(batch)
        n_rows += batch.num_rows
        if n_rows >= n_wanted:
            yield _joined(waiting)
            waiting, n_rows = [], 0
    if n_rows:
        yield _joined(waiting)


def _joined(batches):
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _differs(known, settings):
    """Tell whether two jobs differ; a setting that version 0.1.0 did not note says nothing."""
    return any(known[name] != value for name, value in settings.items() if name in known)


def _difference(known, settings):
    changed = [name for name in settings if name in known and known[name] != settings[name]]
    listed = ", ".join(f"{n} {known[n]!r} instead of {settings[n]!r}" for n in changed)
    return (
        f"holds a job with other settings ({listed}); repeat it with those, name another folder, "
        "or start anew with --force (overwrite=True)."
    )
