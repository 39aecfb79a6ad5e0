"""``sfumato perturb``: the photo half of ``protect``, which goes on to take photos."""

import numpy as np
import pytest
from typer.testing import CliRunner

from sfumato.cli import app
from sfumato.cli import commands as _  # noqa: F401
from sfumato.errors import InputError
from sfumato.faces.photos import read_photo
from sfumato.faces.sources import is_face_table
from sfumato.jobs import protect_files
from sfumato.models import registry, save

Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")


@pytest.fixture
def photo(brighten, monkeypatch, photo_of, tmp_path):
    monkeypatch.setitem(registry.PERTURBERS, "brighten", "brighten:BrightenPerturber")
    monkeypatch.setattr(
        protect_files, "make_detector", lambda spec, **options: brighten.RedDetector()
    )
    save(brighten.BrightenPerturber().fit(), tmp_path / "model")
    path = tmp_path / "a.png"
    Image.fromarray(photo_of((40, 60, 80), (220, 120, 50))).save(path)
    return path


def run(command, *arguments):
    options = ["--detector", "mtcnn", "--workers", "1", "--no-check"]
    done = CliRunner().invoke(app, [command, *map(str, arguments), *options])
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def test_perturb_is_the_photo_half_of_protect(photo, tmp_path):
    model = ("--perturber", tmp_path / "model", "-o")
    done = run(
        "perturb", photo, "--hide", "gender", "--hide", "age=old", *model, tmp_path / "b.png"
    )
    assert "b.png: 2 faces changed" in done.stdout and "Note:" not in done.stderr
    old = run("protect", photo, "--hide", "gender,age=old", *model, tmp_path / "c.png")
    assert "for photos there is `sfumato perturb`" in old.stderr
    found, again = read_photo(tmp_path / "b.png"), read_photo(tmp_path / "c.png")
    np.testing.assert_array_equal(found, again)
    assert (found != read_photo(photo)).any()


def test_perturb_takes_photos_and_tables_apart(tmp_path, photo_of):
    assert is_face_table("faces.parquet") and is_face_table("s3://bucket/faces.parquet")
    assert not is_face_table("a.png") and not is_face_table(tmp_path / "missing")
    (tmp_path / "part-0.parquet").touch()
    assert is_face_table(tmp_path)
    Image.fromarray(photo_of((40, 60, 80))).save(tmp_path / "a.png")
    assert not is_face_table(tmp_path)


def test_a_table_that_is_missing_is_refused(photo, tmp_path):
    done = CliRunner().invoke(
        app, ["perturb", "none.parquet", "--hide", "gender", "-o", "x.parquet"]
    )
    with pytest.raises(InputError, match="none.parquet: no such folder or file"):
        raise done.exception
