"""The rows of a gallery in LanceDB. The caller holds the gallery's lock."""

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from sfumato.data.columns import embedding_array
from sfumato.data.names import whole_numbers
from sfumato.errors import DamageError, StorageError
from sfumato.files import mark, sync
from sfumato.gallery._ids import TakenIds
from sfumato.gallery._manifest import BrokenManifestError, Manifests, manifest_names
from sfumato.gallery._sweep import remove_strangers
from sfumato.validation import need

NAME = "templates"
INDEX = "vector_idx"
PURGE = "purge.json"  # While it is there, a deletion is not finished.
MAX_FRAGMENTS = 64
FRAGMENT = 1 << 32  # Row addresses of a fragment.
LEFT = "it may hold vectors of people who are deleted."
DISTANCES = {"cosine": "cosine", "euclidean": "l2"}
# Compressed, a name might outlive its row in a symbol table, and no search of the files for it
# would prove that it is gone.
PLAIN = {"lance-encoding:compression": "none"}


def schema(dimension: Any) -> Any:
    """Return the columns of a gallery of templates of ``dimension`` features."""
    return pa.schema(
        [
            pa.field("person", pa.string(), metadata=PLAIN),
            pa.field("template_id", pa.string(), metadata=PLAIN),
            pa.field("enrolled", pa.timestamp("us", "UTC")),
            pa.field("vector", pa.list_(pa.float32(), dimension), metadata=PLAIN),
        ]
    )


def matrix(column: Any) -> Any:
    """Return a column of vectors as a float32 matrix."""
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


class Store:
    """One LanceDB table; see :func:`schema`.

    Parameters
    ----------
    folder : Path
    dimension : int, optional
        Make the table anew.
    """

    def __init__(self, folder: Path, dimension: int | None = None) -> None:
        lancedb = need("lancedb", "gallery")
        self.folder = folder
        self._pending, self._spill = folder / PURGE, folder / "spill"
        self._manifests, self._taken = Manifests(folder / f"{NAME}.lance"), TakenIds()
        database = lancedb.connect(folder, read_consistency_interval=timedelta(0))
        if dimension is None:
            self._manifest()  # LanceDB's words for none are few.
            self._table = database.open_table(NAME)
        else:
            self._table = database.create_table(NAME, schema=schema(dimension))

    @property
    def n_rows(self) -> Any:
        """Number of templates."""
        return self._table.count_rows()

    def add(self, people: Any, ids: Any, X: ArrayLike, enrolled: Any) -> None:
        """Add rows in one commit: all or none, whatever happens."""
        columns = [
            pa.array(people, pa.string()),
            pa.array(ids, pa.string()),
            pa.array([enrolled] * len(ids), pa.timestamp("us", "UTC")),
            embedding_array(X),
        ]
        before = self._manifests.newest()
        self._table.add(pa.Table.from_arrays(columns, schema=self._table.schema))
        self.give_up_what_is_short()
        self._taken.added(ids, before, self._manifests.newest())

    def tidy(self) -> None:
        """Merge the small files of many enrolments, and remove those that it replaces."""
        if self._table.stats()["fragment_stats"]["num_fragments"] > MAX_FRAGMENTS:
            self._optimize()

    def scan(self, columns: Any, where: Any = None, batch_rows: int = 65_536) -> Iterator[Any]:
        """Yield record batches of some columns, of the rows where an SQL condition holds."""
        query = self._table.search().select(list(columns))
        yield from (query if where is None else query.where(where)).to_batches(batch_rows)

    def known(self, ids: Any) -> Any:
        """Return which of some template ids are taken."""
        found: set[str] = set()
        every = (batch.column(0) for batch in self.scan(["template_id"]))
        wanted = pa.array(ids, pa.string())
        if not self._taken.may_hold(wanted, self._manifests.newest(), every):
            return found
        for names in (batch.column(0) for batch in self.scan(["template_id"])):
            found.update(names.filter(pc.is_in(names, value_set=wanted)).to_pylist())
        return found

    def delete(self, person: Any) -> int:
        """Delete a person's rows, and their bytes with them.

        Returns
        -------
        int
            Number of rows; nothing is touched if there are none.

        Notes
        -----
        LanceDB only marks rows as deleted, writes the condition into its history, and does not
        rewrite a file that lost few rows. So the index goes, files that lost rows are rewritten
        whole, and everything that the newest version does not name is removed. That this is
        under way is noted beforehand: :meth:`finish` does the rest when this was killed.
        """
        where = is_person([person])
        n_rows = self._table.count_rows(where)
        if not n_rows:
            return 0
        mark(self._pending)
        self.drop_index()
        self._table.delete(where)
        self.give_up_what_is_short()
        self.finish()
        return n_rows

    def holds(self, person: str) -> bool:
        """Return whether a person has rows."""
        return self._table.count_rows(is_person([person])) > 0

    def numbers_meant(self, people: Any) -> dict[str, str]:
        """Return the whole number that each text such as ``"7.0"`` names, unless enrolled."""
        meant = whole_numbers(people)
        taken: set = set()
        for batch in self.scan(["person"], is_person(sorted(meant))) if meant else ():
            taken.update(batch.column("person").unique().to_pylist())
        return {name: number for name, number in meant.items() if name not in taken}

    @property
    def finished(self) -> bool:
        """Whether no deletion has left anything to do."""
        return not (self._pending.exists() or self._manifest().unfinished)

    def finish(self) -> bool:
        """Do what a killed deletion left to do; return whether there was something.

        Raises
        ------
        StorageError
            If deleted rows, or a file that the newest version does not name, are still there.
        """
        if self.finished:
            return False
        unfinished = self._manifest().unfinished
        mark(self._pending)
        # An update writes its rows elsewhere; a file without rows is given up. One of no rows
        # makes a version, too, whose history does not name the person.
        for here in [_in_fragment(number) for number in unfinished] or ["false"]:
            self._table.update(where=here, values_sql={"person": "person"})
        self._optimize()  # Which sweeps at last.
        if self._manifest().unfinished:
            raise StorageError(
                f"{self.folder}: deleted rows are still in the files; update lancedb, or export "
                "the gallery, make a new one and remove this folder."
            )
        self._pending.unlink()
        sync(self.folder)
        return True

    def sweep(self) -> None:
        """Remove every file that the newest version does not name, whatever its name is.

        Those are what killed processes left, and older versions. Needs the gallery to itself.
        """
        self.give_up_what_is_short()
        files = self.files
        if self._pending.exists():
            files |= {PURGE}
        remove_strangers(self.folder, files, LEFT)

    def give_up_what_is_short(self):
        """Go back to the version before if the disk has cut a file of the newest one short.

        LanceDB may not notice that a write fails.

        Raises
        ------
        StorageError
            If it did; this object must be made anew.
        DamageError
            If the version before is not whole, either.
        """
        table = self.folder / f"{NAME}.lance"
        names = manifest_names(table)
        fault = self._fault_of(table, names[0]) if names else "no version of the rows is there"
        if fault is None:
            return
        if len(names) < 2 or self._fault_of(table, names[1]) is not None:
            raise DamageError(f"{self.folder}: {fault}; restore the gallery from a backup.")
        (table / names[0]).unlink()
        raise StorageError(f"{table / names[0]}: {fault}; the disk failed to write it")

    def _fault_of(self, table, name):
        try:
            short = self._manifests.read(name).cut_short(table)
        except BrokenManifestError as error:
            return str(error)
        return None if short is None else f"{short} is missing or cut short"

    @property
    def files(self) -> frozenset[str]:
        """Names of the files of which the newest version consists, below the rows' folder."""
        return frozenset(f"{NAME}.lance/{name}" for name in self._manifest().files)

    def _manifest(self):
        try:
            return self._manifests.read()
        except BrokenManifestError as error:
            raise DamageError(f"{self.folder}: {error}; restore it from a backup.") from error

    def _optimize(self):
        with warnings.catch_warnings(), self._spilling_here():
            # It warns that other readers and writers would fail; the lock keeps them out.
            warnings.simplefilter("ignore", UserWarning)
            self._table.optimize(cleanup_older_than=timedelta(days=36_500))
        self.sweep()

    def drop_index(self) -> None:
        """Remove the index, if there is one, from the newest version."""
        if self.has_index:
            self._table.drop_index(INDEX)

    @property
    def has_index(self) -> Any:
        """Whether LanceDB has an index of the vectors."""
        return any(index.name == INDEX for index in self._table.list_indices())

    def build_index(self, metric: Any, n_partitions: Any) -> None:
        """Part the vectors into cells (IVF) around centroids; they are kept whole (flat)."""
        IvfFlat = need("lancedb.index", "gallery").IvfFlat
        # A quarter of LanceDB's sample and fewer rounds: the recall is measured afterwards.
        config = IvfFlat(
            distance_type=DISTANCES[metric],
            num_partitions=n_partitions,
            sample_rate=64,
            max_iterations=20,
        )
        self.drop_index()
        self._optimize()  # Not afterwards: it would write the index once more.
        with self._spilling_here():
            self._table.create_index("vector", config=config, name=INDEX)

    @contextlib.contextmanager
    def _spilling_here(self):
        """Let LanceDB put the vectors that it sorts below the gallery, not into a shared folder.

        If it is killed they stay there, and the next writer removes them.
        """
        before = os.environ.get("TMPDIR")
        self._spill.mkdir(exist_ok=True)
        os.environ["TMPDIR"] = str(self._spill.absolute())
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before
            shutil.rmtree(self._spill)

    def nearest(self, x: Any, metric: Any, n_rows: Any, n_probes: Any) -> Any:
        """Return about the ``n_rows`` rows nearest to ``x``, by the index, a pyarrow.Table."""
        query = self._table.search(x, vector_column_name="vector", query_type="vector")
        query = query.distance_type(DISTANCES[metric]).nprobes(n_probes).limit(n_rows)
        # Unless _distance is named, LanceDB prints a warning a query.
        return query.select(["person", "template_id", "vector", "_distance"]).to_arrow()


def is_person(people: Any) -> str:
    """Return the SQL condition that a row is of one of some people."""
    quoted = ", ".join("'" + person.replace("'", "''") + "'" for person in people)
    return f"person IN ({quoted})"


def _in_fragment(number):
    start = number * FRAGMENT
    return f"_rowaddr >= {start} AND _rowaddr < {start + FRAGMENT}"
