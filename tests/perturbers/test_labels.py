"""What faces show is asked of the shipped reader, in a perturber's own classes."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.errors import InputError  # noqa: E402
from sfumato.perturbers import _labels  # noqa: E402
from sfumato.perturbers._labels import read_codes  # noqa: E402
from sfumato.perturbers.base import Perturber  # noqa: E402
from sfumato.perturbers.choice import ATTRIBUTES  # noqa: E402
from sfumato.perturbers.controllable import ControllableFacePrivacy  # noqa: E402
from sfumato.perturbers.privacynet import PrivacyNetPerturber  # noqa: E402
from sfumato.perturbers.recipes import PerturberRecipe  # noqa: E402
from sfumato.readers.tasks import ClassTask, Reading  # noqa: E402


class Reader:
    """Red is male, green is the age, blue decides between asian and white."""

    crops = {"size": 8}

    def read(self, images):
        assert images.shape[1:] == (8, 8, 3) and images.dtype == np.uint8
        red, green, blue = images.reshape(len(images), -1, 3).mean(axis=1).T / 255
        race = np.stack([0.9 * blue, 0.1 * blue, 0.2 * (1 - blue)], axis=1)
        return {
            "gender": Reading(
                ClassTask("gender", ("male", "female")), np.stack([red, 1 - red], 1)
            ),
            "ethnicity": Reading(ClassTask("ethnicity", ("asian", "black", "white")), race),
            "age_years": SimpleNamespace(label=100 * green),
        }


@pytest.fixture(autouse=True)
def reader(monkeypatch):
    monkeypatch.setattr(_labels, "_reader", Reader)


def pictures(*colours, size=16):
    return torch.tensor(colours)[:, :, None, None].repeat(1, 1, size, size)


def test_classes_come_in_the_perturbers_own_order():
    x = pictures((0.9, 0.1, 0.1), (0.2, 0.4, 0.9), (0.7, 0.9, 0.5))
    found = read_codes(x, ATTRIBUTES)
    assert {name: codes.tolist() for name, codes in found.items()} == {
        "gender": [1, 0, 1],
        "race": [1, 0, 1],  # asian is not among the classes: the likelier of the two
        "age": [0, 1, 2],
    }


def test_what_the_reader_does_not_know_is_left_out():
    found = read_codes(
        pictures((0.9, 0.1, 0.1)), {"hat": ["no", "yes"], "gender": ["male", "female"]}
    )
    assert {name: codes.tolist() for name, codes in found.items()} == {"gender": [0]}
    assert read_codes(pictures((0.9, 0.1, 0.1)), {"race": ["here", "there"]}) == {}


def test_a_perturber_asks_it_where_told_to():
    rng = np.random.default_rng(0)
    known = {"gender": np.resize(["female", "male"], 8), "hat": np.resize(["no", "yes"], 8)}
    fit = {"recipe": PerturberRecipe(1, 4, n_rounds=1)}
    method = PrivacyNetPerturber(size=32, width=4)
    method.fit(rng.random((8, 3, 32, 32), dtype=np.float32), known, **fit)
    x = pictures((0.9, 0.1, 0.1), (0.1, 0.1, 0.1), size=32)
    own = method._read(x)
    method.set_params(labeller="reader")
    found = method._read(x)
    assert found["gender"].tolist() == [1, 0] and found["hat"].tolist() == own["hat"].tolist()


@pytest.mark.parametrize("kind", [PrivacyNetPerturber, ControllableFacePrivacy])
def test_an_unknown_labeller_is_refused(kind):
    x = np.zeros((2, 3, 32, 32), np.float32)
    with pytest.raises(InputError, match="labeller must be one of 'own', 'reader', got 'mine'"):
        kind(labeller="mine").fit(x, {"gender": ["female", "male"]})


def test_a_picture_that_comes_out_nan_is_no_result():
    class Broken(Perturber):
        attributes_, size_, seed = {"gender": ["female", "male"]}, 8, 0

        def fit(self):
            self.weights_ = 1
            return self

        def _codes(self, x):
            return {"gender": np.zeros(len(x), dtype=int)}

        def _perturb(self, x, now, then, hidden):
            return torch.where(torch.arange(len(x))[:, None, None, None] == 1, torch.nan, x)

    with pytest.raises(InputError, match="Broken made image 1 NaN; lower its strength"):
        Broken().fit().transform(np.zeros((3, 3, 8, 8), np.float32), hide="gender")


def test_a_method_is_not_asked_what_the_reader_knows():
    class Blind(Perturber):
        labeller, attributes_ = "reader", {"gender": ["female", "male"]}

    x = pictures((0.9, 0.1, 0.1), (0.1, 0.1, 0.1))
    assert Blind()._read(x)["gender"].tolist() == [1, 0]
