"""One table as the output: whole or not there, one process at a time, nobody else's files."""

import os
import subprocess
import sys
from subprocess import PIPE

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.manifest import MANIFEST
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.files import STAGING, alone_in
from sfumato.jobs.embed import embed
from sfumato.jobs.protect_templates import protect_table
from sfumato.jobs.run import is_folder
from sfumato.models import SavedModel


@pytest.fixture
def photos(tmp_path, png):
    """Two photos with a face, one without."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, red in {"a": 1, "b": 0, "c": 1}.items():
        (folder / f"{name}.png").write_bytes(png(red))
    return folder


class Killed(BaseException):
    """Not an Exception, so nothing in the pipeline may catch it."""


def kill(*_):
    raise Killed


def cut_off(photos, output, **options):
    with pytest.raises(Killed):
        embed(photos, output, **options, progress=kill)


def test_one_process_at_a_time_and_what_is_there_stays(photos, tmp_path, fakes):
    output, parts = tmp_path / "t.parquet", tmp_path / "t.parquet.parts"
    cut_off(photos, output, **fakes)
    with (
        alone_in(parts),
        pytest.raises(InputError, match=r"t\.parquet\.parts: another process is at work"),
    ):
        embed(photos, output, **fakes, all_faces=True, overwrite=True)
    assert (parts / MANIFEST).is_file()
    assert embed(photos, output, **fakes).n_templates == 2
    assert sorted(os.listdir(tmp_path)) == ["photos", "t.parquet", "t.rejects.parquet"]


HOLD = """
import sys
from sfumato.files import alone_in
with alone_in(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_nothing(photos, tmp_path, fakes):
    command = [sys.executable, "-c", HOLD, f"{tmp_path}/t.parquet.parts"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process"):
            embed(photos, tmp_path / "t.parquet", **fakes)
        process.kill()
    assert embed(photos, tmp_path / "t.parquet", **fakes).n_templates == 2


def test_what_killed_jobs_left_is_swept(photos, tmp_path, fakes):
    out = tmp_path / "out"
    embed(photos, out, **fakes)
    (out / "part-000000.parquet").unlink()
    for place in (out, out / "_rejects"):
        (place / STAGING).mkdir()
        (place / STAGING / "abc-part-000000.parquet").write_bytes(b"half a part")
    embed(photos, out, **fakes)
    assert sorted(os.listdir(out)) == [MANIFEST, "_rejects", "part-000000.parquet"]
    assert os.listdir(out / "_rejects") == ["part-000000.parquet"]


def test_rejects_of_something_else_stay(photos, tmp_path, fakes):
    """A name's rejects, without its table, are somebody else's: told before any work."""
    other = tmp_path / "mine2.rejects.parquet"
    pq.write_table(pa.table({"title": ["my notes"]}), other)
    before = other.read_bytes()
    with pytest.raises(InputError, match=r"mine2\.rejects\.parquet exists already; .*--force"):
        embed(photos / "a.png", tmp_path / "mine2.parquet", **fakes)
    assert other.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["mine2.rejects.parquet", "photos"]
    # Without rejects of its own even a forced run removes only what lists rejects.
    embed(photos / "a.png", tmp_path / "mine2.parquet", **fakes, overwrite=True)
    assert other.read_bytes() == before
    embed(photos, tmp_path / "mine2.parquet", **fakes, overwrite=True)
    assert pq.read_table(other)["reason"].to_pylist() == ["no face found"]
    embed(photos / "a.png", tmp_path / "mine2.parquet", **fakes, overwrite=True)
    assert not other.exists()


def test_cut_off_between_its_two_files_a_job_goes_on(photos, tmp_path, fakes, monkeypatch):
    output = tmp_path / "t.parquet"
    with monkeypatch.context() as patch:
        patch.setattr("sfumato.jobs.table.regroup", kill)
        with pytest.raises(Killed):
            embed(photos, output, **fakes)
    assert (tmp_path / "t.rejects.parquet").exists() and not output.exists()
    assert embed(photos, output, **fakes).n_rejects == 1
    assert sorted(os.listdir(tmp_path)) == ["photos", "t.parquet", "t.rejects.parquet"]


def test_an_unfinished_run_of_the_last_version_starts_anew_when_told(photos, tmp_path, fakes):
    parts = tmp_path / "t.parquet.parts"
    parts.mkdir()
    (parts / "manifest.json").write_text("{}")
    (parts / "00000000.templates.parquet").touch()
    with pytest.raises(InputError, match="unfinished run of version 0.1.0.*--force") as caught:
        embed(photos, tmp_path / "t.parquet", **fakes)
    assert "\n" not in str(caught.value) and len(os.listdir(parts)) == 2
    embed(photos, tmp_path / "t.parquet", **fakes, overwrite=True)
    assert not parts.exists()


def test_an_input_is_no_output(photos, tmp_path, fakes):
    embed(photos, tmp_path / "in.parquet", **fakes, keep_images=True)
    embed(photos, tmp_path / "in", **fakes, keep_images=True)
    for source in ("in.parquet", "in"):
        with pytest.raises(InputError, match="is an input"):
            embed(tmp_path / source, tmp_path / source, **fakes, overwrite=True)
        assert FaceTable(tmp_path / source).n_rows == 2
    with pytest.raises(InputError, match="is an input"):
        embed(photos, photos, **fakes, overwrite=True)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("t.parquet", False),
        ("T.PARQUET", False),
        ("t.parquet/", True),
        ("t", True),
        ("v1.2", True),
    ],
)
def test_the_name_tells_a_table_from_a_folder(tmp_path, name, folder):
    assert is_folder(f"{tmp_path}/{name}") is folder
    (tmp_path / name.rstrip("/")).mkdir()
    assert is_folder(tmp_path / name)


def test_rows_without_a_good_embedding_are_rejects_of_a_table_too(tmp_path, rng):
    X = rng.normal(size=(40, 4)).astype(np.float32)
    gender = np.array(["f", "m"] * 20)
    eraser = LeaceEraser().fit(X, gender)
    X[7, 2] = np.nan
    batch = table_batch({"image_id": [f"{n}" for n in range(40)], "embedding": X})
    info = TableInfo(source="toy", encoder="e", dimension=4)
    write_table(tmp_path / "in.parquet", [batch], batch.schema, info)
    model, seen = SavedModel(eraser, ("gender",), info), []
    done = protect_table(
        model,
        tmp_path / "in.parquet",
        tmp_path / "out.parquet",
        progress=lambda *n: seen.append(n),
    )
    assert (done["n_rows"], done["n_rejects"]) == (39, 1) and seen[-1] == (40, 40, "rows")
    (reject,) = pq.read_table(done["rejects_path"]).to_pylist()
    assert reject["image_id"] == "7" and "NaN" in reject["reason"]
    assert "7" not in list(FaceTable(tmp_path / "out.parquet").check().column("image_id"))
