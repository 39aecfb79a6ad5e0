"""Folders of jobs that are damaged, exchanged, linked elsewhere or not whole."""

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.data.manifest import MANIFEST
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError, SfumatoError
from sfumato.jobs.checking import check_folder, require_whole
from sfumato.jobs.local import Here
from sfumato.jobs.protect_templates import ProtectTemplates
from sfumato.jobs.run import run_job

# Of the table in conftest.py.
D, GROUPS, ROWS = 6, 5, 40


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
