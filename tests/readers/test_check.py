"""What unseen machines say before and after, with machines that say simple things."""

import pickle

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.faces.align import ARCFACE
from sfumato.faces.detect import Face
from sfumato.readers.check import THRESHOLDS, FaceCheck, Threshold, _uploaded
from sfumato.readers.own import OwnReader
from sfumato.readers.tasks import AgeTask, ClassTask, reading_of

pytest.importorskip("cv2", reason="needs the extra faces")

FACE = Face((44, 44, 156, 156), 1.0, ARCFACE + 44)


class MeanEncoder:
    """A template of two: the photo's mean red and green, as shares."""

    name, version, metric = "mean", "1", "euclidean"

    def encode(self, image, face):
        return (image[..., :2].mean(axis=(0, 1)) / 255).astype(np.float32)


class Lightness:
    """Reads off templates, or off pixels, whether red is above a half."""

    about: dict = {}

    def __init__(self, kind):
        self.kind, self.crops = kind, {"size": 16, "zoom": 0.72}

    def read(self, X):
        red = X[:, 0] if self.kind == "templates" else X[:, 8, 8, 0] / 255
        sign = np.where(red > 0.5, 3.0, -3.0)[:, None]
        return {
            "light": reading_of(ClassTask("light", ("dark", "bright")), np.hstack([-sign, sign])),
            "age_years": reading_of(AgeTask("age_years", (20, 30)), sign),
        }


@pytest.fixture
def check():
    readers = {"words": Lightness("templates"), "pixels": Lightness("pixels")}
    known = {"mean / 1": Threshold(-0.3, 1e-3)}
    return FaceCheck(MeanEncoder(), readers=readers, thresholds=known)


def colour(red, green=0):
    return np.full((200, 200, 3), (red, green, 0), np.uint8)


def test_a_check_by_hand(check):
    # Red from 0.4 to 0.6: another class; 0.2 apart, nearer than the threshold's 0.3.
    found = check.compare(colour(102), colour(153), FACE)
    for reader in ("words", "pixels"):
        light = found["readings"][reader]["light"]
        assert light["before"]["label"] == "dark" and light["after"]["label"] == "bright"
        age = found["readings"][reader]["age_years"]
        assert age["before"]["years"] == 20 and age["after"]["years"] == 30
    uploaded = found["match"].pop("uploaded")  # Of one colour, which a JPEG moves by a level.
    assert uploaded["score"] == pytest.approx(-0.2, abs=0.01) and uploaded["accepted"]
    assert found["readings"]["pixels"]["light"]["uploaded"]["label"] == "bright"
    assert found["match"] == {
        "encoder": "mean / 1",
        "metric": "euclidean",
        "score": -0.2,
        "threshold": -0.3,
        "fmr": 1e-3,
        "accepted": True,
    }
    # One colour of three is off by 0.2: -10 log10(0.04 / 3) = 18.75.
    assert found["psnr_db"] == 18.75


def test_after_an_upload_the_face_is_where_it_was():
    photo = np.zeros((400, 300, 3), np.uint8)
    photo[220:301, 120:201] = 255
    face = Face((120, 220, 200, 300), 1.0, np.tile([[160.0, 260.0]], (5, 1)))
    small, moved = _uploaded(photo, face)
    assert small.shape[0] < 200 and small.shape[1] < 150
    left, top, right, bottom = (round(edge) for edge in moved.box)
    assert {right - left, bottom - top} <= {39, 40, 41}
    assert small[top + 3 : bottom - 2, left + 3 : right - 2].min() > 230
    assert small[: top - 3].max() < 30 and small[:, : left - 3].max() < 30
    np.testing.assert_allclose(
        moved.landmarks[0], [(left + right) / 2, (top + bottom) / 2], atol=1
    )


def test_functions_of_ones_own_are_asked_on_all_looks():
    asked = []

    def ask(face):
        asked.append(face.shape)
        return {"gender": "female" if face.mean() > 40 else "male"}

    known = {"mean / 1": Threshold(-0.3, 1e-3)}
    own = FaceCheck(
        MeanEncoder(), readers={}, thresholds=known, more={"m:ask": OwnReader("a", ask)}
    )
    readings = own.compare(colour(102), colour(153), FACE)["readings"]
    said = {when: reading["label"] for when, reading in readings["m:ask"]["gender"].items()}
    assert said == {"before": "male", "after": "female", "uploaded": "female"}
    assert asked == [(224, 224, 3)] * 3


def test_another_person_is_refused(check):
    match = check.compare(colour(102), colour(204), FACE)["match"]
    assert match["score"] == -0.4 and not match["accepted"]


def test_the_threshold_itself_is_accepted():
    known = {"mean / 1": Threshold(0.0, 1e-3)}
    check = FaceCheck(MeanEncoder(), readers={}, thresholds=known)
    found = check.compare(colour(10), colour(10), FACE)
    assert found["match"]["accepted"] and found["readings"] == {}
    assert found["ssim"] == 1 and found["psnr_db"] is None


def test_an_encoder_without_a_threshold_is_refused():
    with pytest.raises(InputError, match="no threshold is known for the encoder mean / 1"):
        FaceCheck(MeanEncoder(), readers={}).load()


def test_a_check_goes_to_workers_unloaded(check):
    check.load()
    copy = pickle.loads(pickle.dumps(check))
    before, after = colour(102), colour(153)
    assert copy._loaded is None
    assert copy.compare(before, after, FACE) == check.compare(before, after, FACE)


def test_dlibs_threshold_is_of_the_shipped_encoder(shared):
    for module in ("dlib", "onnxruntime", "face_recognition_models"):
        pytest.importorskip(module, reason="needs the extra faces")
    encoder, readers, threshold = FaceCheck().load()
    assert f"{encoder.name} / {encoder.version}" in THRESHOLDS
    assert "dlib" in readers and threshold.fmr == 1e-3
