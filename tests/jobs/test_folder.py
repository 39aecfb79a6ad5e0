"""Jobs into a folder: whole, resumed, with dying workers, the same as without them."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.manifest import MANIFEST
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError, SfumatoError
from sfumato.faces.sources import open_source
from sfumato.jobs.base import CRASHED, PhotoJob
from sfumato.jobs.folder import Folder
from sfumato.jobs.local import Here, Local
from sfumato.jobs.parts import Part
from sfumato.jobs.protect_templates import ProtectTemplates, protect_table
from sfumato.jobs.run import make_runner, run_job
from sfumato.models import load, save
from sfumato.outcomes import Reject

# Of the table in conftest.py.
D, GROUPS, ROWS = 6, 5, 40
SCHEMA = pa.schema([("image_id", pa.string()), ("size", pa.int64())])


def test_a_protected_folder_is_the_protected_table(table, model, tmp_path):
    protect_table(model, table, tmp_path / "whole.parquet")
    seen = []
    summary = run_job(
        ProtectTemplates(model, table),
        tmp_path / "parts",
        part_rows=ROWS + 1,
        progress=lambda *so_far: seen.append(so_far),
    )
    whole, parts = FaceTable(tmp_path / "whole.parquet"), FaceTable(tmp_path / "parts")
    assert len(parts.files) == 3 and summary["n_parts"] == 3
    assert summary["n_rows"] == summary["n_rows_in"] == GROUPS * ROWS
    assert not summary["n_rejects"] and seen[-1][:2] == (GROUPS * ROWS, GROUPS * ROWS)
    assert parts.columns == ["image_id", "identity", "embedding"] and parts.info == whole.info
    assert list(parts.column("image_id")) == list(whole.column("image_id"))
    np.testing.assert_array_equal(parts.embeddings(), whole.embeddings())
    assert pq.read_table(tmp_path / "parts").num_rows == GROUPS * ROWS  # rejects lie aside


def test_bad_rows_are_rejected_with_reasons_and_counts_add_up(table, model, tmp_path):
    rows = pq.read_table(table.path).to_pylist()
    rows[3]["embedding"], rows[50]["embedding"] = None, [np.nan] * D
    rows[51]["embedding"] = [1.0]
    kind = pa.list_(pa.float32())
    schema = table.schema.set(
        table.schema.get_field_index("embedding"), pa.field("embedding", kind)
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "bad.parquet")
    job = ProtectTemplates(model, FaceTable(tmp_path / "bad.parquet"))
    summary = run_job(job, tmp_path / "out", part_rows=1000)
    assert (summary["n_rows_in"], summary["n_rows"], summary["n_rejects"]) == (200, 197, 3)
    assert sorted(summary["reasons"].values()) == [1, 1, 1]
    rejects = pq.read_table(tmp_path / "out" / "_rejects").to_pylist()
    assert [row["image_id"] for row in rejects] == ["0-3", "1-10", "1-11"]
    assert "missing" in rejects[0]["reason"] and "1 features" in rejects[2]["reason"]
    good = [row["image_id"] for n, row in enumerate(rows) if n not in (3, 50, 51)]
    assert list(FaceTable(tmp_path / "out").column("image_id")) == good


class Failing(ProtectTemplates):
    """Part 2 fails, or kills its process, as long as the file ``trap`` is there."""

    how = trap = ""

    def rows(self, part):
        if part.number == 2 and os.path.exists(self.trap):
            if self.how == "dies once":
                os.remove(self.trap)
            if self.how == "fails":
                raise ValueError("a strange\nrow")
            os._exit(9)
        yield from super().rows(part)


@pytest.mark.parametrize("how", ["fails", "dies once", "dies"])
def test_a_part_that_fails_stops_no_other_and_is_gone_on_with(how, table, model, tmp_path):
    job = Failing(model, table)
    job.how, job.trap = how, str(tmp_path / "trap")
    (tmp_path / "trap").touch()
    out = tmp_path / "out"
    if how == "dies once":
        assert run_job(job, out, part_rows=ROWS, runner=Local(2))["n_rows"] == GROUPS * ROWS
        return  # with two workers, of which one dies
    failed = "1 of 5 parts failed, the first with: failed with ValueError: a strange row;"
    message = failed if how == "fails" else "died in 3"
    with pytest.raises(SfumatoError, match=message):
        run_job(job, out, part_rows=ROWS, runner=Local(1))
    assert len(list(out.glob("part-*.parquet"))) == GROUPS - 1
    with pytest.raises(InputError, match="unfinished run; go on with it"):
        FaceTable(out)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    (tmp_path / "trap").unlink()
    assert run_job(job, out, part_rows=ROWS, runner=Here())["n_rows"] == GROUPS * ROWS
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert len(set(FaceTable(out).check().column("image_id"))) == GROUPS * ROWS


class Sizes(PhotoJob):
    """The sizes of files; a photo named crash kills its process."""

    schema, info, settings = SCHEMA, TableInfo(source="x"), {"job": "sizes"}

    def batch(self, task, outcomes):
        named = zip(task.ids, outcomes, strict=True)
        good = [{"image_id": name, "size": n} for name, n in named if not isinstance(n, Reject)]
        return pa.RecordBatch.from_pylist(good, schema=SCHEMA)


def size_of(photo):
    if "crash" in photo:
        os._exit(9)
    return os.path.getsize(photo) or Reject("empty")


def test_a_photo_that_kills_its_process_is_a_reject(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in {"a": 3, "b": 0, "crash": 2, "d": 5, "e": 7}.items():
        (folder / f"{name}.jpg").write_bytes(b"x" * size)
    job = Sizes(open_source(folder), size_of)
    summary = run_job(job, tmp_path / "out", part_rows=2, runner=Local(1))
    found = pq.read_table(tmp_path / "out").to_pydict()
    assert dict(zip(found["image_id"], found["size"], strict=True)) == {
        "a.jpg": 3, "d.jpg": 5, "e.jpg": 7,
    }  # fmt: skip
    assert summary["reasons"] == {"empty": 1, CRASHED.reason: 1} and summary["n_rows_in"] == 5


def test_a_model_exchanged_between_two_runs_is_refused(table, model, tmp_path):
    path, out = tmp_path / "exchanged", tmp_path / "out"
    save(model, path)
    first = load(path)
    run_job(ProtectTemplates(first, table), out, part_rows=ROWS, runner=Here())
    # Another card and the same map: its fingerprint is the same, its file is not.
    save(replace(model, fitted_on={"source": "elsewhere"}), path)
    second = load(path)
    assert second.fingerprint == first.fingerprint
    said = f"model_sha256 '{first.sha256}' instead of '{second.sha256}'"
    with pytest.raises(InputError, match=said):
        run_job(ProtectTemplates(second, table), out, part_rows=ROWS, runner=Here())


def test_other_settings_and_foreign_folders_are_refused(table, model, tmp_path):
    job, out = ProtectTemplates(model, table), tmp_path / "out"
    run_job(job, out, part_rows=ROWS, runner=Here())
    before = (out / MANIFEST).read_text()
    with pytest.raises(InputError, match="part_rows 40 instead of 80"):
        run_job(job, out, part_rows=2 * ROWS)
    assert (out / MANIFEST).read_text() == before and len(list(out.glob("part-*"))) == GROUPS
    (out / "notes.txt").write_text("mine")
    assert run_job(job, out, part_rows=2 * ROWS, runner=Here(), overwrite=True)["n_parts"] == 3
    assert len(list(out.glob("part-*"))) == 3 and (out / "notes.txt").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "photo.jpg").touch()
    with pytest.raises(InputError, match="not empty and no job's"):
        run_job(job, other, part_rows=ROWS, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        run_job(job, f"{table.path}/", part_rows=ROWS)
    with pytest.raises(InputError, match="an integer >= 1"):
        run_job(job, tmp_path / "new", part_rows=0)
    for bad, message in (
        ({"workers": 0}, "must be an integer >= 1"),
        ({"name": "spark"}, "runner must be one of native, ray"),
        ({"address": "here:1"}, "of a Ray cluster"),
    ):
        with pytest.raises(InputError, match=message):
            make_runner(**bad)
    assert not (tmp_path / "new").exists()


def test_a_part_written_twice_is_there_once(tmp_path):
    folder, part = Folder(tmp_path / "out"), Part(0, 3)
    folder.open({"a": 1}, [part])
    first = pa.RecordBatch.from_pylist([{"image_id": "a", "size": 1}], schema=SCHEMA)
    reject = {"image_id": "b", "path": None, "reason": "bad"}

    def cut_off():
        yield first, [reject]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write(part, cut_off(), SCHEMA, TableInfo())
    assert not folder.has(part) and not list((tmp_path / "out").glob("*.parquet"))
    for _ in range(2):
        folder.write(part, [(first, [reject]), (first, [])], SCHEMA, TableInfo())
    summary = folder.close([part])
    assert (summary["n_rows"], summary["n_rejects"]) == (2, 1)
    folder.write(part, [(first, []), (first, []), (first, [])], SCHEMA, TableInfo())
    assert folder.close([part])["n_rejects"] == 0


KILLED = """
import sys, time
from sfumato.jobs.protect_templates import ProtectTemplates
from sfumato.jobs.run import make_runner, run_job
from sfumato.data.tables import FaceTable
from sfumato.models import load
class Slow(ProtectTemplates):
    def rows(self, part):
        time.sleep(0.8)
        yield from super().rows(part)
if __name__ == "__main__":
    run_job(Slow(load(sys.argv[1]), FaceTable(sys.argv[2])), sys.argv[3], part_rows=40)
"""


def children_of(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()]


def test_killed_it_goes_on_and_nothing_is_lost_or_doubled(table, model, tmp_path):
    save(model, tmp_path / "m.safetensors")
    (tmp_path / "killed.py").write_text(KILLED)
    out = tmp_path / "out"
    names = [str(path) for path in (tmp_path / "m.safetensors", table.path, out)]
    process = subprocess.Popen([sys.executable, str(tmp_path / "killed.py"), *names])
    while not list(out.glob("part-*.parquet")):
        assert process.poll() is None
        time.sleep(0.02)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert workers
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.05)
    done = len(list(out.glob("part-*.parquet")))
    assert done < GROUPS
    job = ProtectTemplates(load(tmp_path / "m.safetensors"), table)
    summary = run_job(job, out, part_rows=40, runner=Here())
    assert summary["n_rows"] == GROUPS * ROWS
    assert sorted(FaceTable(out).column("image_id")) == sorted(table.column("image_id"))
    assert not list(out.glob("_[0-9]*")) and not (out / "_unfinished").exists()


ON_RAY = """
import json, os, sys
from sfumato.jobs.protect_templates import ProtectTemplates
from sfumato.jobs.run import make_runner, run_job
from sfumato.data.tables import FaceTable
from sfumato.models import load
class Dying(ProtectTemplates):
    def rows(self, part):
        if part.number == 1 and not os.path.exists(self.trap):
            open(self.trap, "w").close()
            os._exit(9)
        yield from super().rows(part)
if __name__ == "__main__":
    job = Dying(load(sys.argv[1]), FaceTable(sys.argv[2]))
    job.trap = sys.argv[4]
    print(json.dumps(run_job(job, sys.argv[3], part_rows=40, runner=make_runner("ray", None, 2))))
"""


def test_a_ray_cluster_of_which_a_worker_dies_gives_the_same(table, model, tmp_path):
    pytest.importorskip("ray", reason="needs the extra ray")
    save(model, tmp_path / "m.safetensors")
    (tmp_path / "on_ray.py").write_text(ON_RAY)
    names = [str(path) for path in (tmp_path / "m.safetensors", table.path, tmp_path / "ray")]
    command = [sys.executable, str(tmp_path / "on_ray.py"), *names, str(tmp_path / "died")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["n_rows"] == GROUPS * ROWS
    assert (tmp_path / "died").exists()
    protect_table(model, table, tmp_path / "whole.parquet")
    whole, parts = FaceTable(tmp_path / "whole.parquet"), FaceTable(tmp_path / "ray")
    assert list(parts.column("image_id")) == list(whole.column("image_id"))
    np.testing.assert_array_equal(parts.embeddings(), whole.embeddings())
