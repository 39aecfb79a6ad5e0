"""The folder that a job fills: parts of one table, rejects, and a manifest.

    part-000000.parquet ...      a face table in parts
    _rejects/part-000000.parquet what was left out of a part, with the reasons
    _records/part-000000.json    checksums of a part and its rejects, while parts are missing
    _manifest.json               what was asked for and, at the end, what came of it: the records
    _unfinished                  while parts are missing

A part's file appears only when the part is done, after its rejects and its record; whoever does
a part again replaces all three by the same. Parts that are there are kept only if they have the
SHA-256 of their records. Names that begin with ``_`` are no data to Arrow, Spark and Daft.
"""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sfumato.data.files import UNFINISHED, is_url, open_parquet
from sfumato.data.manifest import (
    FORMAT,
    MANIFEST,
    RECORDS,
    REJECTED,
    Place,
    footer_sha256,
    job_name,
    part_file,
    write_sealed,
)
from sfumato.errors import InputError, SfumatoError
from sfumato.files import (
    STAGING,
    make_folder,
    mark,
    refuse_link,
    sweep,
    sync,
)
from sfumato.jobs.checking import find_damage, read_manifest, read_records
from sfumato.jobs.part_files import REJECTS, read_part, write_part

#: What jobs write here, the last two in version 0.1.0.
OURS = ("part-*.parquet", "_[0-9]*.parquet", "._[0-9]*-*.parquet*")


class Folder:
    """The output of a job; plain and picklable, so that every worker has it.

    Parameters
    ----------
    path : str or Path

    Attributes
    ----------
    job_name_ : str
        Of the job that it was opened for.
    n_parts_ : int
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

    def open(
        self, settings: dict[str, Any], parts: list[Any], *, restart: bool = False
    ) -> list[dict[str, str]]:
        """Begin a job, or go on with it; parts that are not what it wrote are taken away.

        Parameters
        ----------
        settings : dict
            Plain values that decide what the parts hold.
        parts : list of Part
        restart : bool, default=False
            Throw away what a job of other settings left instead of refusing it.

        Returns
        -------
        list of dict
            ``file`` and ``problem`` of the parts that were taken away.

        Raises
        ------
        InputError
            If the folder holds something else, or a job of other settings.
        """
        self.check()
        settings = json.loads(json.dumps(settings)) | {"n_parts": len(parts)}
        self.job_name_, self.n_parts_ = job_name(settings), len(parts)
        known = self._known(settings, restart)
        if known is None:
            # Before anything else, so that what a killed run left is known as a job's.
            self.path.mkdir(exist_ok=True)
            self._write_manifest({"settings": settings})
        for place in (REJECTED, RECORDS):
            make_folder(self.path / place)
        self._sweep()
        damaged = [] if known is None else self._remove_damaged(parts, known)
        if not all(self.has(part) for part in parts):
            mark(self.path / UNFINISHED)
        return damaged

    def has(self, part: Any) -> bool:
        """Tell whether this part is done."""
        path = self._file(part.number)
        return path.is_file() and not path.is_symlink()

    def do(self, job: Any, part: Any) -> None:
        """Write a part of a job, unless it is there."""
        # Another worker may have done it before it was taken for dead.
        if not self.has(part):
            self.write(part, job.rows(part), job.schema, job.info)

    def drop(self, part: Any) -> None:
        """Take a part away, so that it is done anew."""
        self._file(part.number).unlink(missing_ok=True)

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
        write_part(self.path, self._place(part), results, schema, info)

    def _place(self, part):
        return Place(self.job_name_, part.number, self.n_parts_, part.n_rows)

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
        known = read_manifest(self.path)
        if known is None:
            raise SfumatoError(
                f"{self.path}: its {MANIFEST} was removed while the job ran; name another folder."
            )
        records = read_records(self.path, known)
        self._check_records(parts, records)
        rejects = self.rejects(parts)
        reasons = Counter(rejects["reason"].to_pylist())
        summary = {
            "n_rows_in": sum(part.n_rows for part in parts),
            "n_rows": sum(records[part.number].n_rows for part in parts),
            "n_rejects": rejects.num_rows,
            "n_parts": len(parts),
            "reasons": dict(reasons.most_common()),
            **{name: self._sum(parts, name) for name in counts},
        }
        merged = {"parts": [asdict(records[part.number]) for part in parts], "summary": summary}
        self._write_manifest({"settings": known["settings"]} | merged)
        self._remove_records()
        self._sweep()
        (self.path / UNFINISHED).unlink(missing_ok=True)
        sync(self.path)
        return summary

    def _check_records(self, parts, records):
        """Refuse parts that somebody exchanged since they were done."""
        for part in parts:
            record, file = records.get(part.number), self._file(part.number)
            if (
                record is None
                or record.place != self._place(part)
                or file.stat().st_size != record.n_bytes
                or footer_sha256(file) != record.footer
            ):
                raise SfumatoError(f"{file}: changed while the job ran; run it again.")

    def rejects(self, parts: Any) -> pa.Table:
        """Return the rejects of all parts as one table."""
        paths = (self._file(part.number, REJECTED) for part in parts)
        tables = [read_part(path) for path in paths if path.is_file()]
        return pa.concat_tables([REJECTS.empty_table(), *tables])

    def batches(self, parts: Any) -> Iterator[Any]:
        """Yield the rows of all parts in order, row groups as they lie there."""
        for part in parts:
            with open_parquet(self._file(part.number)) as file:
                for number in range(file.num_row_groups):
                    yield from file.read_row_group(number).combine_chunks().to_batches()

    def clear(self) -> None:
        """Remove what a job wrote, and nothing else; the manifest is written anew."""
        refuse_link(self.path / REJECTED)
        mark(self.path / UNFINISHED)
        for place in (self.path, self.path / REJECTED):
            for pattern in OURS:
                for file in place.glob(pattern):
                    file.unlink()
        self._remove_records()

    def _file(self, number, place=""):
        return self.path / place / part_file(number)

    def _known(self, settings, restart):
        """Return what the manifest of the same job says, None for a new job."""
        try:
            known = read_manifest(self.path)
        except InputError:
            if not restart:
                raise
            self.clear()
            return None
        if known is None:
            left = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()
            if left - {STAGING}:
                raise InputError(
                    f"{self.path}: is not empty and no job's (it has no {MANIFEST}); name another."
                )
            return None
        if not (difference := _difference(known["settings"], settings)):
            return known
        if not restart:
            raise InputError(
                f"{self.path}: holds a job with other settings ({difference}); repeat it with "
                "those, name another folder, or start anew with --force (overwrite=True)."
            )
        self.clear()
        return None

    def _remove_damaged(self, parts, known):
        """Take away the parts that are not what this job wrote; return which, and why."""
        names = {part_file(part.number) for part in parts}
        for place in (self.path, self.path / REJECTED):
            for file in place.glob("part-*.parquet"):
                if file.name not in names:
                    raise InputError(f"{file}: is no part of this job; remove it.")
        there = [self._place(part) for part in parts if self._file(part.number).exists()]
        damaged = find_damage(self.path, there, read_records(self.path, known))
        if damaged:
            mark(self.path / UNFINISHED)
        for damage in damaged:
            for file in (Path(damage.file), self.path / REJECTED / Path(damage.file).name):
                if file.is_dir() and not file.is_symlink():
                    raise InputError(f"{file}: is a folder where a job's file belongs; remove it.")
                file.unlink(missing_ok=True)
        return [asdict(damage) for damage in damaged]

    def _remove_records(self):
        refuse_link(self.path / RECORDS)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path / RECORDS)

    def _sweep(self):
        """Remove what killed workers left."""
        for place in ("", REJECTED, RECORDS):
            sweep(self.path / place)

    def _sum(self, parts, name):
        found = (read_part(self._file(part.number), [name]) for part in parts)
        return sum(pc.sum(table[name], min_count=0).as_py() for table in found)

    def _write_manifest(self, values):
        write_sealed(self.path / MANIFEST, {"format": FORMAT} | values)


def _difference(known, settings):
    """Return how two jobs differ, empty if they do not."""
    names = sorted(known.keys() | settings.keys())
    changed = [name for name in names if known.get(name) != settings.get(name)]
    return ", ".join(f"{n} {known.get(n)!r} instead of {settings.get(n)!r}" for n in changed)
