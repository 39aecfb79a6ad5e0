"""``sfumato batch protect``: the kind of model picks the work; what does not fit is refused."""

import json

import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.info import TableInfo
from sfumato.data.simulate import simulate
from sfumato.data.tables import table_batch, write_table
from sfumato.erasers.mean_projection import MeanProjectionEraser
from sfumato.errors import InputError
from sfumato.models import SavedModel, registry, save
from sfumato.readers.files import WEIGHTS


def refused(*arguments):
    done = CliRunner().invoke(app, ["batch", "protect", *map(str, arguments)])
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)


@pytest.fixture
def table(tmp_path):
    faces = simulate(20, 2)
    batch = table_batch({"image_id": [str(n) for n in range(40)], "gender": faces["gender"]})
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo())
    eraser = MeanProjectionEraser().fit(faces["embedding"], faces["gender"])
    save(SavedModel(eraser, ("gender",)), tmp_path / "eraser")
    return tmp_path / "t.parquet"


def test_an_eraser_takes_templates(table, tmp_path):
    out = ("-o", tmp_path / "out")
    assert "has no column embedding" in refused(tmp_path / "eraser", table, *out)
    said = refused(tmp_path / "eraser", table, "--hide", "gender", "--at-random", *out)
    assert said.startswith("--hide, --at-random: for photos only")
    assert "file:///nowhere/t.parquet: no such file" in refused(
        tmp_path / "eraser", "file:///nowhere/t.parquet", *out
    )


def test_a_perturber_takes_photos(brighten, table, monkeypatch, tmp_path):
    monkeypatch.setitem(registry.PERTURBERS, "brighten", "brighten:BrightenPerturber")
    save(brighten.BrightenPerturber().fit(), tmp_path / "model")
    out = ("-o", tmp_path / "out")
    assert "give --hide" in refused(tmp_path / "model", tmp_path, *out)
    hide = ("--hide", "gender", "--strength", "2")
    assert "has no strength that can be set" in refused(tmp_path / "model", table, *hide, *out)
    assert "has no column image" in refused(tmp_path / "model", table, "--hide", "gender", *out)
    assert not (tmp_path / "out").exists()


def test_a_reader_protects_nothing(table, tmp_path):
    said = refused(WEIGHTS / "dlib.safetensors", table, "-o", tmp_path / "out")
    assert "a reader; give an eraser or a perturber" in said


def test_a_damaged_folder_is_found_told_and_mended(tmp_path):
    faces = simulate(20, 2)
    columns = {name: faces[name] for name in ("gender", "embedding")}
    batch = table_batch({"image_id": [str(n) for n in range(40)], **columns})
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo())
    eraser = MeanProjectionEraser().fit(faces["embedding"], faces["gender"])
    save(SavedModel(eraser, ("gender",)), tmp_path / "eraser")
    out = tmp_path / "out"

    def batch_run(*arguments):
        return CliRunner().invoke(app, ["batch", *map(str, arguments)])

    protect = ("protect", tmp_path / "eraser", tmp_path / "t.parquet", "-o", out)
    assert batch_run(*protect).exit_code == 0
    done = batch_run("check", out)
    assert done.exit_code == 0
    assert "40 rows in 1 parts, 0 rejects: every checksum is right." in done.output
    assert json.loads(batch_run("check", out, "--json").output)["damaged"] == []
    part = out / "part-000000.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    said = f"{part}: damaged: it does not have the SHA-256 that was recorded"
    done = batch_run("check", out, "--json")
    assert str(done.exception) == f"{said}; run the job again, which makes it anew."
    assert json.loads(done.stdout)["damaged"] == [
        {"file": str(part), "problem": said.removeprefix(f"{part}: ")}
    ]
    done = batch_run(*protect)
    assert done.exit_code == 0 and f"done again: {said}" in done.stderr
    assert batch_run("check", out).exit_code == 0
    assert "is no folder of parts" in str(batch_run("check", tmp_path / "t.parquet").exception)
    assert "no batch job filled it" in str(batch_run("check", tmp_path).exception)
