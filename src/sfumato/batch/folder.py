"""The folder that a batch job fills: parts of one table, rejects, and a manifest.

    part-000000.parquet ...      a face table in parts
    _rejects/part-000000.parquet what was left out of a part, with the reasons
    _manifest.json               what was asked for and, at the end, what came of it
    _unfinished                  while parts are missing

A part's file appears only when the part is done, after its rejects; whoever does a part again
replaces both by the same. Names that begin with ``_`` are no data to Arrow, Spark and Daft.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sfumato.data.files import UNFINISHED
from sfumato.data.tables import write_table
from sfumato.errors import InputError
from sfumato.faces.parts import REJECTS
from sfumato.files import atomic_path

MANIFEST = "_manifest.json"
REJECTED = "_rejects"


class BatchFolder:
    """The output of a batch job; plain and picklable, so that every worker has it.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path):
        self.path = Path(path)

    def open(self, settings, parts, *, restart=False):
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
        settings = json.loads(json.dumps(settings)) | {"n_parts": len(parts)}
        if self.path.is_file():
            raise InputError(f"{self.path}: is a file; a batch job writes a folder.")
        if not self.path.parent.is_dir():
            raise InputError(f"{self.path}: the folder {self.path.parent} does not exist.")
        known = self._known()
        if known is not None and known["settings"] != settings:
            if not restart:
                raise InputError(f"{self.path}: {_difference(known['settings'], settings)}")
            self._clear()
        elif known is None and self.path.is_dir() and any(self.path.iterdir()):
            raise InputError(f"{self.path}: is not empty and no batch job's; name another.")
        (self.path / REJECTED).mkdir(parents=True, exist_ok=True)
        if any(not self.has(part) for part in parts):
            (self.path / UNFINISHED).touch()
        if self._known() is None:
            self._write_manifest({"settings": settings})

    def has(self, part):
        """Tell whether this part is done."""
        return self._file(part.number).is_file()

    def write(self, part, results, schema, info):
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

        # Several may be at the same part, if a cluster took one for dead.
        name = f"_{part.number:06d}-{os.getpid()}-{os.urandom(4).hex()}.parquet"
        waiting = self.path / name
        try:
            write_table(waiting, rows(), schema, info)
            left_out = self._file(part.number, REJECTED)
            if rejects:
                with atomic_path(left_out) as temporary:
                    pq.write_table(pa.Table.from_pylist(rejects, schema=REJECTS), temporary)
            else:
                left_out.unlink(missing_ok=True)
            os.replace(waiting, self._file(part.number))
        finally:
            waiting.unlink(missing_ok=True)

    def close(self, parts, counts=()):
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
        rejects = [self._rejects(part) for part in parts]
        reasons = Counter(reason for table in rejects for reason in table["reason"].to_pylist())
        summary = {
            "n_rows_in": sum(part.n_rows for part in parts),
            "n_rows": sum(pq.read_metadata(self._file(part.number)).num_rows for part in parts),
            "n_rejects": sum(table.num_rows for table in rejects),
            "n_parts": len(parts),
            "reasons": dict(reasons.most_common()),
            **{name: self._sum(parts, name) for name in counts},
        }
        self._write_manifest(self._known() | {"summary": summary})
        for left in self.path.glob("_[0-9]*.parquet"):
            left.unlink(missing_ok=True)
        (self.path / UNFINISHED).unlink(missing_ok=True)
        return summary

    def _sum(self, parts, name):
        found = (pq.read_table(self._file(part.number), columns=[name]) for part in parts)
        return sum(pc.sum(table[name], min_count=0).as_py() for table in found)

    def _rejects(self, part):
        path = self._file(part.number, REJECTED)
        return pq.read_table(path) if path.is_file() else REJECTS.empty_table()

    def _file(self, number, kind=""):
        return self.path / kind / f"part-{number:06d}.parquet"

    def _known(self):
        try:
            return json.loads((self.path / MANIFEST).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path / MANIFEST}: not readable ({error}).") from error

    def _write_manifest(self, values):
        with atomic_path(self.path / MANIFEST) as path:
            path.write_text(json.dumps(values, indent=1) + "\n")

    def _clear(self):
        """Remove what a job wrote, and nothing else."""
        (self.path / UNFINISHED).touch()
        for place in (self.path, self.path / REJECTED):
            for file in [*place.glob("part-*.parquet"), *place.glob("_[0-9]*.parquet")]:
                file.unlink()
        (self.path / MANIFEST).unlink()


def _difference(known, settings):
    changed = [name for name in settings if known.get(name) != settings[name]]
    listed = ", ".join(f"{n} {known.get(n)!r} instead of {settings[n]!r}" for n in changed)
    return (
        f"holds a job of other settings ({listed}); repeat it with those, name another folder, "
        "or start anew with --force (overwrite=True)."
    )
