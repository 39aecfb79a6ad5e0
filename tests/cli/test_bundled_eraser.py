"""``sfumato protect TABLE --eraser NAME``: a bundled eraser in place of a model."""

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.simulate import write_simulated
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.models import files, load
from sfumato.models.tables import fit_table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a table, and an eraser of its space that is bundled as gender."""
    write_simulated(tmp_path / "people.parquet", 60, 3)
    (tmp_path / "weights").mkdir()
    fit_table("leace", tmp_path / "people.parquet", ["gender"], tmp_path / "weights/m")
    (tmp_path / "weights/m").rename(tmp_path / "weights/gender.safetensors")
    monkeypatch.setitem(files.FOLDERS, "eraser", tmp_path / "weights")
    return tmp_path


def protect(*arguments):
    done = CliRunner().invoke(app, ["protect", *map(str, arguments)])
    if isinstance(done.exception, InputError):
        raise done.exception
    return done


def test_a_bundled_eraser_protects_a_table(folder):
    out, twin = folder / "out.parquet", folder / "twin.parquet"
    done = protect(folder / "people.parquet", "--eraser", "gender", "-o", out)
    assert done.exit_code == 0 and "180 protected embeddings" in done.stdout
    protect(folder / "weights/gender.safetensors", folder / "people.parquet", "-o", twin)
    assert (FaceTable(out).embeddings() == FaceTable(twin).embeddings()).all()
    (step,) = FaceTable(out).info.transformations
    assert step == load("gender", "eraser").step and "gender" not in FaceTable(out).columns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["people.parquet", "--eraser", "mood"], "--eraser must be one of gender, got 'mood'"),
        (["m", "people.parquet", "--eraser", "gender"], "--eraser gender stands in place of .* m"),
        (["people.parquet", "--eraser", "gender", "--hide", "age"], "--hide: for photos only"),
        (["other.parquet", "--eraser", "gender"], r"of \[another .* sfumato fit"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    rows = pq.read_table("people.parquet")
    info = rows.schema.metadata[b"sfumato"].replace(b'"encoder": "', b'"encoder": "another ')
    pq.write_table(rows.replace_schema_metadata({b"sfumato": info}), "other.parquet")
    with pytest.raises(InputError, match=message) as caught:
        protect(*arguments, "-o", "out.parquet")
    assert "\n" not in str(caught.value) and not (folder / "out.parquet").exists()
