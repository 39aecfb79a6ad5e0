"""``sfumato check``: a pair of tables, a pair of photos, one sentence."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from sfumato.cli import app
from sfumato.cli import commands as _  # noqa: F401
from sfumato.data.simulate import write_simulated
from sfumato.errors import InputError
from sfumato.jobs import check_photos as module
from sfumato.jobs.check_photos import check_photos
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Return a raw table, one that hides gender linearly, and a copy that hides nothing."""
    folder = tmp_path_factory.mktemp("check")
    raw, hidden, noise = (folder / f"{name}.parquet" for name in ("raw", "hidden", "noise"))
    write_simulated(raw, 400, 3, seed=0)
    fit_table("ldp-noise", raw, ["gender"], folder / "m", parameters={"epsilon": 0.01})
    protect_table(folder / "m", raw, hidden)
    fit_table("cosine-noise", raw, ["gender"], folder / "n", parameters={"cosine": 0.9999})
    protect_table(folder / "n", raw, noise)
    return raw, hidden, noise


def run(*arguments, code):
    done = CliRunner().invoke(app, ["check", *map(str, arguments)])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == code, (done.output, done.exception)
    return done


def test_tables_are_one_sentence_an_attribute(tables):
    raw, hidden, noise = tables
    said = " ".join(run(raw, hidden, "-a", "gender", code=0).stdout.split())
    assert said.startswith("gender: the strongest of 3 attackers reads ")
    assert "(chance 0.50); matching costs an EER of " in said and said.count(". ") == 0
    done = run(raw, noise, "-a", "gender", "--json", code=1)
    found = json.loads(done.stdout)
    assert found["hidden"] == {"gender": False} and "after" in found["attributes"]["gender"]


class Check:
    """Readers that see a face's brightness."""

    def compare(self, before, after, face):
        said = [
            {"label": "light" if image[0, 0, 0] > 130 else "dark"} for image in (before, after)
        ]
        readings = {"gender": dict(zip(("before", "after"), said, strict=True))}
        return {"readings": {"eye": readings}, "match": {"accepted": True}}


def test_photos_are_one_sentence(brighten, photo_of, tmp_path, monkeypatch):
    Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")
    monkeypatch.setattr("sfumato.readers.check.FaceCheck", Check)
    monkeypatch.setattr(module, "photo_detector", lambda name: brighten.RedDetector())
    pixels = photo_of((40, 60, 80))
    a, b, c = (tmp_path / f"{name}.png" for name in "abc")
    Image.fromarray(pixels).save(a)
    Image.fromarray(np.minimum(pixels, 195) + 60).save(b)
    Image.fromarray(pixels[:-1]).save(c)
    said = run(a, b, "-a", "gender", code=0).stdout
    assert "b.png: 1 face; gender hidden: 0 of 1 readers still read gender" in said
    assert "1 of 1 readers still read gender" in run(a, a, "-a", "gender", code=1).stdout
    with pytest.raises(InputError, match="give a photo and its copy"):
        run(a, c, "-a", "gender", code=2)
    with pytest.raises(InputError, match="attribute of photos must be one of gender, race, age"):
        run(a, b, "-a", "hair", code=2)
    Image.fromarray(np.zeros_like(pixels)).save(c)
    with pytest.raises(InputError, match="no face found"):
        check_photos(c, c, ["gender"], detector=brighten.RedDetector(), check=Check())
