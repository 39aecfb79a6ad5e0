"""The erasers that are bundled, on real faces: a reader no longer reads, people still match."""

import json

import numpy as np
import pytest

from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.metrics.verification import eer
from sfumato.models import bundled, load
from sfumato.models.files import FOLDERS
from sfumato.readers.files import reader_of_templates

N = 160


def test_these_are_bundled_small_and_with_a_card():
    assert list(bundled("eraser")) == ["gender"]
    card = (FOLDERS["eraser"] / "README.md").read_text()
    for name, path in bundled("eraser").items():
        model = load(name, "eraser")
        assert path.stat().st_size < 3e6 and f"## {name}\n" in card
        assert model.likeness is not None  # It says when people are unlike the fitted ones.
        assert model.attributes == (name,) and model.eraser.n_features_in_ == 128
        about = json.loads(path.with_suffix(".json").read_text())
        assert about["encoder"] == model.info.space and model.fitted_on["limits"]
        assert about["fitted_on"]["rows"] == model.fitted_on["rows"]
        for side in ("raw", "measured"):
            for found in about[side].values():
                _, best, low, high = found["strongest"]
                assert f"{best:.3f} [{low:.3f}, {high:.3f}]" in card


@pytest.fixture(scope="module")
def people(request, tmp_path_factory):
    """Return dlib's templates of LFW's first photos, which no bundled eraser was fitted on."""
    for module in ("dlib", "onnxruntime", "PIL"):
        pytest.importorskip(module, reason="needs the extra faces")
    import pyarrow.parquet as pq

    from sfumato.jobs.embed import embed

    folder = tmp_path_factory.mktemp("shipped")
    rows = pq.ParquetFile(request.getfixturevalue("shared")("data/lfw.parquet")).read_row_group(0)
    pq.write_table(rows.slice(0, N), folder / "photos.parquet")
    embed(folder / "photos.parquet", folder / "people.parquet", workers=1)
    return folder / "people.parquet"


def test_on_real_faces(people, tmp_path):
    protect_table("gender", people, tmp_path / "out.parquet")
    raw, out = FaceTable(people), FaceTable(tmp_path / "out.parquet")
    gender, who = raw.column("gender").astype(str), raw.column("identity")
    reader = reader_of_templates(raw.info.space)
    right = reader.read(raw.embeddings())["gender"].label == gender
    assert right.mean() > 0.95  # The leak first.
    X = out.embeddings()
    for unit in (X, X * np.linalg.norm(raw.embeddings(), axis=1).mean()):
        label = reader.read(unit.astype(np.float32))["gender"].label
        share = [np.mean(label[gender == each] == each) for each in ("female", "male")]
        assert np.mean(share) < 0.75
    scores = X @ X.T
    same = who[:, None] == who[None]
    upper = np.triu(np.ones_like(same), 1)
    assert eer(scores[same & (upper > 0)], scores[~same & (upper > 0)]).value < 0.08


def test_templates_of_another_encoder_are_refused(tmp_path):
    from sfumato.data.simulate import write_simulated

    write_simulated(tmp_path / "people.parquet", 20, 2)
    with pytest.raises(InputError, match=r"cannot go through barycentre.*sfumato fit"):
        protect_table("gender", tmp_path / "people.parquet", tmp_path / "out.parquet")
