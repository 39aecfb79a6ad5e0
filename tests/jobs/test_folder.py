"""Jobs into a folder: whole, resumed, with dying workers, the same as without them."""

import json
import os
import shutil
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
from sfumato.data.tables import IMAGE, FaceTable, table_batch, write_table
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError, SfumatoError
from sfumato.faces.sources import open_source
from sfumato.jobs.base import CRASHED, PhotoJob
from sfumato.jobs.checking import check_folder, require_whole
from sfumato.jobs.folder import Folder
from sfumato.jobs.local import Here, Local
from sfumato.jobs.parts import Part, PartReader, photo_parts, table_parts
from sfumato.jobs.protect_templates import ProtectTemplates, protect_table
from sfumato.jobs.run import make_runner, run_job
from sfumato.models import SavedModel, load, save
from sfumato.outcomes import Reject

D, GROUPS, ROWS = 6, 5, 40
SCHEMA = pa.schema([("image_id", pa.string()), ("size", pa.int64())])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    batches = [
        table_batch(
            {
                "image_id": [f"{group}-{row}" for row in range(ROWS)],
                "identity": [f"p{row // 2}" for row in range(ROWS)],
                "gender": rng.choice(["female", "male"], ROWS),
                "embedding": rng.normal(size=(ROWS, D)),
            }
        )
        for group in range(GROUPS)
    ]
    info = TableInfo(source="toy", encoder="e", dimension=D, metric="cosine")
    write_table(tmp_path / "raw.parquet", batches, batches[0].schema, info)
    return FaceTable(tmp_path / "raw.parquet")


@pytest.fixture
def model(table):
    eraser = LeaceEraser().fit(table.embeddings(), table.column("gender").astype(str))
    return SavedModel(eraser, ("gender",), table.info)


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
    assert run_job(job, out, part_rows=ROWS, runner=Local(1))["n_rows"] == GROUPS * ROWS
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
    run_job(ProtectTemplates(first, table), out, part_rows=ROWS, runner=Local(1))
    # Another card and the same map: its fingerprint is the same, its file is not.
    save(replace(model, fitted_on={"source": "elsewhere"}), path)
    second = load(path)
    assert second.fingerprint == first.fingerprint
    said = f"model_sha256 '{first.sha256}' instead of '{second.sha256}'"
    with pytest.raises(InputError, match=said):
        run_job(ProtectTemplates(second, table), out, part_rows=ROWS, runner=Local(1))


def test_other_settings_and_foreign_folders_are_refused(table, model, tmp_path):
    job, out = ProtectTemplates(model, table), tmp_path / "out"
    run_job(job, out, part_rows=ROWS, runner=Local(1))
    before = (out / MANIFEST).read_text()
    with pytest.raises(InputError, match="part_rows 40 instead of 80"):
        run_job(job, out, part_rows=2 * ROWS)
    assert (out / MANIFEST).read_text() == before and len(list(out.glob("part-*"))) == GROUPS
    (out / "notes.txt").write_text("mine")
    assert run_job(job, out, part_rows=2 * ROWS, runner=Local(1), overwrite=True)["n_parts"] == 3
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


def test_a_job_of_an_older_version_has_no_checksums(table, model, tmp_path):
    job, out = ProtectTemplates(model, table), tmp_path / "out"
    run_job(job, out, part_rows=ROWS, runner=Here())
    noted = json.loads((out / MANIFEST).read_text())["settings"]
    (out / MANIFEST).write_text(json.dumps({"settings": noted}))
    for act in (lambda: run_job(job, out, part_rows=ROWS), lambda: check_folder(out)):
        with pytest.raises(InputError, match=r"out: has no checksums, as an older .* --force"):
            act()
    assert FaceTable(out).n_rows == GROUPS * ROWS
    run_job(job, out, part_rows=ROWS, runner=Here(), overwrite=True)
    assert not check_folder(out)["damaged"]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 16
    path.write_bytes(content)


def exchange(one, other):
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


DAMAGES = {
    "flip": (lambda out: flip(out / "part-000001.parquet"), 1, "does not have the SHA-256"),
    "copy of another part": (
        lambda out: shutil.copy(out / "part-000000.parquet", out / "part-000001.parquet"),
        1,
        "is part 0 of the job",
    ),
    "exchanged": (
        lambda out: exchange(out / "part-000000.parquet", out / "part-000001.parquet"),
        2,
        "is part 1 of the job",
    ),
    "link": (
        lambda out: (
            shutil.copy(out / "part-000001.parquet", out.parent / "mine"),
            (out / "part-000001.parquet").unlink(),
            (out / "part-000001.parquet").symlink_to(out.parent / "mine"),
        ),
        1,
        "is not the file that the job wrote",
    ),
    "rejects": (lambda out: flip(out / "_rejects" / "part-000000.parquet"), 1, "its rejects"),
    "rejects gone": (
        lambda out: (out / "_rejects" / "part-000000.parquet").unlink(),
        1,
        "its rejects",
    ),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_part_is_told_and_done_again(how, table, model, tmp_path):
    rows = pq.read_table(table.path).to_pylist()
    rows[3]["embedding"] = [np.nan] * D
    pq.write_table(
        pa.Table.from_pylist(rows, schema=table.schema),
        tmp_path / "bad.parquet",
        row_group_size=ROWS,
    )
    job, out = ProtectTemplates(model, FaceTable(tmp_path / "bad.parquet")), tmp_path / "out"
    first = run_job(job, out, part_rows=ROWS, runner=Here())
    assert not first["damaged"] and not check_folder(out)["damaged"]
    before = {path.name: path.read_bytes() for path in sorted(out.rglob("*.parquet"))}
    act, n_damaged, said = DAMAGES[how]
    act(out)
    found = check_folder(out)["damaged"]
    assert len(found) == n_damaged and said in found[0]["problem"]
    with pytest.raises(InputError, match=f"{said}.*; run the job again"):
        require_whole(check_folder(out))
    again = run_job(job, out, part_rows=ROWS, runner=Here())
    assert again["damaged"] == found and again["n_rows"] == first["n_rows"]
    assert {path.name: path.read_bytes() for path in sorted(out.rglob("*.parquet"))} == before
    assert not check_folder(out)["damaged"] and not (out / "part-000001.parquet").is_symlink()


def test_an_input_that_changed_behind_its_size_and_time_is_refused(table, model, tmp_path):
    source, out = tmp_path / "source.parquet", tmp_path / "out"
    rows = pq.read_table(table.path).to_pylist()

    def write():
        content = pa.Table.from_pylist(rows, schema=table.schema)
        plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
        pq.write_table(content, source, row_group_size=ROWS, **plain)
        return os.stat(source)

    before = write()
    run_job(ProtectTemplates(model, FaceTable(source)), out, part_rows=ROWS, runner=Here())
    os.utime(source, (0, 0))  # As of a copy; its content is the same.
    run_job(ProtectTemplates(model, FaceTable(source)), out, part_rows=ROWS, runner=Here())
    rows[0]["embedding"][0] += 1
    assert write().st_size == before.st_size
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InputError, match="holds a job with other settings .content "):
        run_job(ProtectTemplates(model, FaceTable(source)), out, part_rows=ROWS, runner=Here())


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_an_input_that_changes_while_its_job_runs_is_refused(name, table, model, tmp_path):
    source, out = tmp_path / "source.parquet", tmp_path / name
    shutil.copy(table.path, source)
    here = {"part_rows": ROWS, "runner": Here()}

    def replace_input(n_done, *_):
        if n_done == 2 * ROWS:
            shutil.copy(other, tmp_path / "new.parquet")
            os.replace(tmp_path / "new.parquet", source)

    # The same ids with other embeddings.
    other, first = tmp_path / "other.parquet", pq.read_table(table.path)
    rows = first.set_column(
        first.schema.get_field_index("embedding"),
        first.schema.field("embedding"),
        pa.chunked_array([first["embedding"].combine_chunks()[::-1]]),
    )
    pq.write_table(rows, other, row_group_size=ROWS)
    with pytest.raises(InputError, match=r"source\.parquet: changed while the job ran; "):
        run_job(ProtectTemplates(model, FaceTable(source)), out, **here, progress=replace_input)
    assert name == "out" or not out.exists()
    shutil.copy(table.path, source)
    run_job(ProtectTemplates(model, FaceTable(source)), out, **here)
    run_job(ProtectTemplates(model, table), tmp_path / "whole.parquet", **here)
    whole = FaceTable(tmp_path / "whole.parquet").embeddings()
    assert np.array_equal(FaceTable(out).embeddings(), whole)


def test_reading_a_folder_finds_what_is_not_its_jobs(table, model, tmp_path):
    out = tmp_path / "out"
    run_job(ProtectTemplates(model, table), out, part_rows=ROWS, runner=Here())
    first, second = (out / f"part-00000{n}.parquet" for n in (0, 1))
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(InputError, match="part 2 of its job, where part 1 belongs"):
        FaceTable(out)
    second.write_bytes(kept)
    exchange(first, second)
    with pytest.raises(InputError, match="part 1 of its job, where part 0 belongs"):
        FaceTable(out)
    exchange(first, second)
    last = out / "part-000004.parquet"
    last.rename(tmp_path / "last")
    with pytest.raises(InputError, match="4 of 5 parts"):
        FaceTable(out)
    (tmp_path / "last").rename(last)
    content = bytearray(kept)
    content[-20] ^= 1  # In the footer, which no checksum of a page covers.
    second.write_bytes(content)
    with pytest.raises(InputError):
        FaceTable(out)
    second.write_bytes(kept)
    flip(second)
    with pytest.raises(InputError, match=r"part-000001\.parquet: damaged"):
        FaceTable(out).embeddings()
    second.write_bytes(kept)
    (out / "part-000009.parquet").write_bytes(kept)
    for act in (
        lambda: FaceTable(out),
        lambda: run_job(ProtectTemplates(model, table), out, part_rows=ROWS, runner=Here()),
        lambda: require_whole(check_folder(out)),
    ):
        with pytest.raises(InputError, match=r"part-000009\.parquet: .*part"):
            act()


@pytest.mark.parametrize("name", ["_rejects", "_records", "_unfinished", ".sfumato-staging"])
def test_nothing_is_written_through_a_link(name, table, model, tmp_path):
    job, out, mine = ProtectTemplates(model, table), tmp_path / "out", tmp_path / "mine"
    run_job(job, out, part_rows=ROWS, runner=Here())
    mine.mkdir()
    (mine / "part-000000.parquet").touch()
    shutil.rmtree(out / name, ignore_errors=True)
    (out / name).symlink_to(tmp_path / "made" if name == "_unfinished" else mine)
    (out / "part-000000.parquet").unlink()
    with pytest.raises(InputError, match=f"{name}: is a symbolic link"):
        run_job(job, out, part_rows=ROWS, runner=Here())
    with pytest.raises(InputError, match="is a symbolic link"):
        run_job(job, out, part_rows=2 * ROWS, runner=Here(), overwrite=True)
    assert os.listdir(mine) == ["part-000000.parquet"] and not (tmp_path / "made").exists()


def test_a_damaged_manifest_is_one_line(table, model, tmp_path):
    job, out = ProtectTemplates(model, table), tmp_path / "out"
    run_job(job, out, part_rows=ROWS, runner=Here())
    text = (out / MANIFEST).read_text()
    for damaged in (text.replace('"n_rows": 40', '"n_rows": 41', 1), text[:-30], "[]", "", "{}"):
        (out / MANIFEST).write_text(damaged)
        for act in (
            lambda: run_job(job, out, part_rows=ROWS, runner=Here()),
            lambda: check_folder(out),
            lambda: FaceTable(out),
        ):
            with pytest.raises(InputError, match=r"_manifest\.json: damaged: .*--force"):
                act()
    run_job(job, out, part_rows=ROWS, runner=Here(), overwrite=True)
    assert not check_folder(out)["damaged"]
    (out / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"is not empty and no job's .it has no _manifest\.json"):
        run_job(job, out, part_rows=ROWS, runner=Here())


def test_a_manifest_of_a_later_version_is_not_called_old(table, model, tmp_path):
    job, out = ProtectTemplates(model, table), tmp_path / "out"
    run_job(job, out, part_rows=ROWS, runner=Here())
    (out / MANIFEST).write_text('{"format": 3, "pieces": []}')
    for act in (
        lambda: run_job(job, out, part_rows=ROWS, runner=Here()),
        lambda: check_folder(out),
        lambda: FaceTable(out),
    ):
        with pytest.raises(InputError, match=r"format 3, this version reads up to 2; update"):
            act()


def test_a_manifest_that_goes_while_its_job_runs_is_said(table, model, tmp_path):
    out = tmp_path / "out"

    def remove(n_done, *_):
        if n_done == table.n_rows:
            (out / MANIFEST).unlink()

    with pytest.raises(SfumatoError, match=r"its _manifest\.json was removed while the job ran"):
        run_job(
            ProtectTemplates(model, table), out, part_rows=ROWS, runner=Here(), progress=remove
        )


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("place", ["", "_rejects"])
def test_pipes_and_folders_in_a_parts_place_are_said(make, place, table, model, tmp_path):
    job, out = ProtectTemplates(model, table), tmp_path / "out"
    run_job(job, out, part_rows=ROWS, runner=Here())
    file = out / place / "part-000001.parquet"
    file.unlink(missing_ok=True)
    make(file)
    (found,) = check_folder(out)["damaged"]
    assert str(file) in found["file"] + found["problem"]
    if make is os.mkdir:
        with pytest.raises(InputError, match=r"part-000001\.parquet: is a folder .* remove it"):
            run_job(job, out, part_rows=ROWS, runner=Here())
        file.rmdir()
    assert run_job(job, out, part_rows=ROWS, runner=Here())["n_rows"] == table.n_rows
    assert not check_folder(out)["damaged"]
    (out / MANIFEST).unlink()
    make(out / MANIFEST)
    with pytest.raises(InputError, match=r"_manifest\.json: is no regular file"):
        check_folder(out)


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


def test_parts_are_whole_row_groups_and_plain_values(table, tmp_path):
    parts = table_parts(table, ROWS + 1)
    assert [part.n_rows for part in parts] == [80, 80, 40]
    assert [g for part in parts for g in part.groups] == [(0, n) for n in range(GROUPS)]
    assert [Part.read(json.loads(json.dumps(vars(part)))) for part in parts] == parts
    for name in "cab":
        (tmp_path / f"{name}.jpg").touch()
    parts = photo_parts(open_source(tmp_path), 2)
    assert [part.ids for part in parts] == [("a.jpg", "b.jpg"), ("c.jpg",)]


@pytest.mark.parametrize("part_rows", [1, 3, 7, 100])
def test_parts_of_a_tables_photos_are_all_of_them_once(part_rows, tmp_path):
    names, start = [], 0
    batches = []
    for n_rows in (5, 1, 7):
        own = [f"p{n}" for n in range(start, start + n_rows)]
        images = pa.array([{"bytes": b"x", "path": n} for n in own], IMAGE)
        columns = [pa.array(own), images]
        batches.append(pa.RecordBatch.from_arrays(columns, names=["image_id", "image"]))
        names, start = names + own, start + n_rows
    write_table(tmp_path / "t.parquet", batches, batches[0].schema, TableInfo())
    source = open_source(tmp_path / "t.parquet")
    parts = photo_parts(source, part_rows)
    assert [Part.read(json.loads(json.dumps(vars(part)))) for part in parts] == parts
    reader = PartReader(source, 2)
    found = [[n for b in reader.batches(part) for n in b.ids] for part in parts]
    # Another reader meets them in another order, and leaves some out.
    other = PartReader(source, 2)
    for part in (*parts[::2], *parts[::-1]):
        assert [n for b in other.batches(part) for n in b.ids] == found[part.number]
    assert [len(own) for own in found] == [part.n_rows for part in parts]
    assert all(0 < len(own) <= part_rows for own in found)
    assert [name for own in found for name in own] == names


@pytest.mark.parametrize("n_photos", [40, 300, 2000])
def test_parts_of_photos_shrink_towards_the_end(n_photos, tmp_path):
    files = [f"{n}.jpg" for n in range(n_photos)]
    (tmp_path / "list.txt").write_text("\n".join(files))
    parts = photo_parts(open_source(tmp_path / "list.txt"), 256)
    sizes = [part.n_rows for part in parts]
    assert [name for part in parts for name in part.ids] == files
    assert sizes == sorted(sizes, reverse=True) and max(sizes) <= 256
    # A fourth of what is left at most, by hand for 300: 75, 56 of 225, 42 of 169, 32 of 127, ...
    assert n_photos != 300 or sizes == [75, 56, 42, 32, 32, 32, 31]
    assert sizes[-1] <= 32


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
    summary = run_job(job, out, part_rows=40, runner=Local(1))
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
