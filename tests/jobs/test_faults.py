"""A disk that is full or fails at any write: a line, nothing half, and the next run goes on."""

import errno
import io
import os
import signal

import pyarrow.parquet as pq
import pytest

from sfumato.data.tables import FaceTable
from sfumato.errors import StorageError
from sfumato.files import STAGING
from sfumato.jobs.checking import check_folder
from sfumato.jobs.local import Here
from sfumato.jobs.run import run_job
from sfumato.models import save

ROWS = 20
#: What writes, and so can meet a full or broken disk.
CALLS = [
    (os, "open"),
    (os, "mkdir"),
    (os, "fsync"),
    (os, "replace"),
    (io, "open"),
    (pq.ParquetWriter, "write_batch"),
    (pq.ParquetWriter, "write_table"),
    (pq.ParquetWriter, "close"),
]


class Disk:
    """Fails at one of its writes."""

    def __init__(self, patch, fails_at, number):
        self.fails_at, self.number, self.n_writes = fails_at, number, 0
        for place, name in CALLS:
            patch.setattr(place, name, self.wrap(name, getattr(place, name)))

    def wrap(self, name, call):
        def wrapped(*args, **options):
            reads = name == "open" and not self.writes(*args)
            if not reads:
                self.n_writes += 1
                if self.n_writes == self.fails_at:
                    if self.number is None:
                        os.kill(os.getpid(), signal.SIGKILL)
                    raise OSError(self.number, "a library's own words", None)
            return call(*args, **options)

        return wrapped

    @staticmethod
    def writes(_, how="r", *__):
        return how & (os.O_WRONLY | os.O_RDWR) if isinstance(how, int) else how[0] in "wax"


def fail_everywhere(act, number, monkeypatch, check):
    """Act with a disk that fails at its first write, its second, ..., until it does not."""
    said = []
    for fails_at in range(1, 500):
        with monkeypatch.context() as patch:
            disk = Disk(patch, fails_at, number)
            try:
                act()
            except StorageError as error:
                said.append(str(error))
            finally:
                n_writes = disk.n_writes
        if n_writes < fails_at:
            return said
        check()
    raise AssertionError("never ends")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_every_write_of_a_batch_job(number, table_job, tmp_path, monkeypatch):
    out = tmp_path / "out"
    expected = run_job(table_job, tmp_path / "whole", part_rows=2 * ROWS, runner=Here())
    kept = {}

    def check():
        """What is there stays there, and is whole."""
        found = {p.name: p.read_bytes() for p in out.rglob("part-*.parquet")}
        assert kept.items() <= found.items()
        kept.update(found)

    def act():
        run_job(table_job, out, part_rows=2 * ROWS, runner=Here())

    said = fail_everywhere(act, number, monkeypatch, check)
    assert len(said) > 20
    for text in said:
        assert "\n" not in text and f"({errno.errorcode[number]})" in text and str(out) in text
        assert (
            text.endswith(" of 3 parts are kept, run it again to go on.") and STAGING not in text
        )
    assert not check_folder(out)["damaged"]
    assert FaceTable(out).n_rows == expected["n_rows"]
    assert sorted(p.name for p in out.rglob("*")) == sorted(
        p.name for p in (tmp_path / "whole").rglob("*")
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_every_write_of_a_table_and_of_a_model(number, table_job, tmp_path, monkeypatch):
    table, model = tmp_path / "t.parquet", tmp_path / "m.safetensors"
    table.write_bytes(b"old")
    model.write_bytes(b"old")
    for path, act in [
        (table, lambda: run_job(table_job, table, runner=Here(), overwrite=True)),
        (model, lambda: save(table_job.model, model)),
    ]:

        def check(path=path):
            old = path.read_bytes() == b"old"
            # The folder could not be synced: the new file is there, and whole.
            assert old or path == model or FaceTable(path).check().n_rows == 98
            path.write_bytes(b"old")

        said = fail_everywhere(act, number, monkeypatch, check)
        assert said and all(str(tmp_path) in text and STAGING not in text for text in said)
    assert FaceTable(table).check().n_rows == 98
    assert not (tmp_path / STAGING).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_killed_at_every_write_a_job_leaves_what_is_named_alone(
    name, table_job, tmp_path, monkeypatch
):
    """SIGKILL before the first write, the second, ...; the last run finds it all and ends."""
    expected, out = tmp_path / "whole", tmp_path / "here" / name
    out.parent.mkdir()
    run_job(table_job, expected, part_rows=2 * ROWS, runner=Here())
    n_kills = 0
    for fails_at in range(1, 500):
        child = os.fork()
        if child == 0:
            Disk(monkeypatch, fails_at, None)
            run_job(table_job, out, part_rows=2 * ROWS, runner=Here(), overwrite=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
        n_kills += 1
    assert n_kills > 10
    assert FaceTable(out).n_rows == FaceTable(expected).n_rows == 98
    if name == "out":
        names = sorted(str(p.relative_to(out)) for p in out.rglob("*"))
        assert names == sorted(str(p.relative_to(expected)) for p in expected.rglob("*"))
        assert not check_folder(out)["damaged"]
    beside = {name, "out.rejects.parquet"} if name != "out" else {name}
    assert {p.name for p in out.parent.iterdir()} == beside
