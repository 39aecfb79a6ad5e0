"""The PrivacyNet that comes along, on real faces: misread when hidden, read when kept, matched."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="needs the extra deep")
pytest.importorskip("dlib", reason="needs the extra faces")

from sfumato.audit.pictures import attribute_figures, look, pairing_figures  # noqa: E402
from sfumato.faces.crops import crop_face  # noqa: E402
from sfumato.faces.detect import make_detector  # noqa: E402
from sfumato.faces.encoders import make_encoder  # noqa: E402
from sfumato.faces.photos import read_photo  # noqa: E402
from sfumato.models.pictures import WEIGHTS, shipped_perturber  # noqa: E402
from sfumato.perturbers.choice import ATTRIBUTES  # noqa: E402
from sfumato.readers.describe import shipped_reader  # noqa: E402

ROWS = 160


@pytest.fixture(scope="module")
def faces(request):
    """Return crops of 128 pixels of people with two photos, their gender and identity."""
    table = request.getfixturevalue("shared")("data/lfw.parquet")
    rows = pq.ParquetFile(table).read_row_group(0, ["image_id", "identity", "gender", "image"])
    rows = [row for row in rows.to_pylist()[:ROWS] if row["gender"] is not None]
    detector, crops, kept = make_detector("dlib"), [], []
    for row in rows:
        photo = read_photo(io.BytesIO(row["image"]["bytes"]).getvalue())
        found = detector.detect(photo)
        if found:
            crops.append(crop_face(photo, found[0].landmarks, 128))
            kept.append(row)
    images = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32) / 255
    return images, *(np.array([row[name] for row in kept]) for name in ("gender", "identity"))


def test_it_is_small_and_shows_all_classes():
    perturber, about = shipped_perturber()
    assert {name: tuple(c) for name, c in perturber.attributes_.items()} == ATTRIBUTES
    assert (WEIGHTS / "privacynet.safetensors").stat().st_size < 10e6
    assert about["recipe"]["n_iterations"] > 0 and about["trained_on"]["gender"]
    assert perturber.labeller == "reader"


def test_on_real_faces(faces):
    images, gender, identity = faces
    perturber, _ = shipped_perturber()
    readers = {"pixels": shipped_reader("pixels")}
    encoders = {"dlib": make_encoder("dlib")}
    before = look(images, readers, encoders)
    seen = {name: look(perturber.transform(images, hide=name), readers, encoders)
            for name in ("gender", "race")}  # fmt: skip

    def eer(found):
        return attribute_figures(found, {"gender": gender})["pixels", "gender EER"]

    # The leak first: it is read, and is read still when something else is hidden.
    assert eer(before) < 0.1 and eer(seen["race"]) < 0.15
    assert eer(seen["gender"]) > 0.3
    pairs = pairing_figures(before, seen["gender"], identity)
    assert pairs["dlib", "O-O TMR@1e-2"] - pairs["dlib", "O-P TMR@1e-2"] < 0.1
