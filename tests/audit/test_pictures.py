"""What machines say of pictures: scores by hand, pairings, restorations, trained attacks."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfumato.audit.picture_attacks import (
    RESTORATIONS,
    Inversion,
    blurred,
    denoised,
    detected,
    resampled,
    retrained,
)
from sfumato.audit.pictures import (
    Seen,
    attribute_figures,
    look,
    pairing_figures,
    to_bytes,
)
from sfumato.errors import InputError
from sfumato.readers.recipes import Architecture, ReaderRecipe
from sfumato.readers.tasks import AgeTask, ClassTask, reading_of

TINY = Architecture("iresnet", {"widths": (4, 8, 8, 16), "n_blocks": (1, 1, 1, 1)})


class ColourReader:
    """Red is how male a face is, green how white, blue the age; "other" takes the rest."""

    kind = "pixels"

    def read(self, pixels):
        red, green, blue = (pixels[..., n].mean(axis=(1, 2)) / 255 for n in range(3))
        two = np.log(np.stack([1 - red, red], axis=1).clip(1e-9))
        half = np.stack([0.5 * (1 - green), 0.5 * green, np.full_like(green, 0.5)], axis=1)
        levels = np.where(blue[:, None] > np.array([0.2, 0.6]), 9.0, -9.0)
        return {
            "gender": reading_of(ClassTask("gender", ("female", "male")), two),
            "ethnicity": reading_of(
                ClassTask("ethnicity", ("black", "white", "other")), np.log(half.clip(1e-9))
            ),
            "age_years": reading_of(AgeTask("age_years", (20, 40, 60)), levels),
        }


class MeanEncoder:
    metric = "cosine"

    def encode(self, image, face):
        self.face = face
        return image.mean(axis=(0, 1)).astype(np.float32)


def colours(*rows):
    return np.array(rows, dtype=np.float32)[:, :, None, None] * np.ones((1, 1, 8, 8), np.float32)


def test_scores_and_templates_by_hand():
    encoder = MeanEncoder()
    images = colours((0.2, 0.4, 1.0), (1.0, 0.8, 0.0))
    seen = look(images, {"colour": ColourReader()}, {"mean": encoder})
    np.testing.assert_allclose(seen.scores["colour", "gender"], [0.2, 1.0], atol=0.01)
    # Black 0.3 and white 0.2 of what is not "other": 0.4.
    np.testing.assert_allclose(seen.scores["colour", "race"], [0.4, 0.8], atol=0.01)
    assert seen.scores["colour", "age"].tolist() == [60, 20]
    np.testing.assert_allclose(seen.templates["mean"][0], [51, 102, 255])
    assert encoder.face.box == (0, 0, 8, 8) and seen.metrics == {"mean": "cosine"}
    with pytest.raises(InputError, match="reader dlib needs the encoder dlib"):
        look(images, {"dlib": SimpleNamespace(kind="templates")}, {})


def test_figures_by_hand():
    scores = {
        ("r", "gender"): np.array([0.1, 0.9, 0.2, 0.8]),
        ("r", "race"): np.array([0.9, 0.1, 0.5, 0.5]),
        ("r", "age"): np.array([20.0, 30.0, 40.0, 50.0]),
    }
    labels = {
        "gender": np.array(["female", "male", "male", "female"]),
        "race": np.array(["black", "white", "asian", "other"]),
        "age": np.array([25, 30, 40, 60]),
    }
    found = attribute_figures(Seen(scores), labels)
    # Men 0.9 and 0.2, women 0.1 and 0.8: one of each is wrong. Races the wrong way round.
    assert found["r", "gender EER"] == pytest.approx(0.5)
    assert found["r", "race EER"] == pytest.approx(1.0)
    assert found["r", "age MAE"] == (5 + 0 + 0 + 10) / 4


def test_four_pairings():
    rng = np.random.default_rng(0)
    people = np.repeat(rng.normal(size=(40, 8)), 2, axis=0)
    X = people + 0.01 * rng.normal(size=people.shape)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    seen = [Seen({}, {"e": Z}, {"e": "cosine"}) for Z in (X, X @ turn)]
    found = pairing_figures(*seen, np.repeat(np.arange(40), 2))
    # A rotation keeps each side apart and nothing between them.
    assert found["e", "O-O TMR@1e-2"] == found["e", "P-P TMR@1e-3"] == 1
    assert found["e", "O-P TMR@1e-2"] < 0.2 and found["e", "P-O TMR@1e-2"] < 0.2


@settings(max_examples=25)
@given(arrays(np.float32, (2, 3, 9, 8), elements=st.floats(0, 1, width=32)))
def test_restorations_keep_shape_range_and_what_is_plain(images):
    for restore in RESTORATIONS.values():
        found = restore(images)
        assert found.shape == images.shape and found.min() >= 0 and found.max() <= 1
        plain = np.full_like(images, 0.25)
        np.testing.assert_allclose(restore(plain), plain, atol=1e-6)


def test_restorations_take_out_what_they_are_for():
    flat = np.full((1, 3, 32, 32), 0.5, np.float32)
    checks = flat + 0.2 * (np.indices((32, 32)).sum(axis=0) % 2 - 0.5).astype(np.float32)
    assert np.abs(blurred(checks) - flat).max() < 0.02
    assert np.abs(resampled(checks) - flat).max() < 1e-5
    spot = flat.copy()
    spot[..., 10, 10] = 1
    np.testing.assert_array_equal(denoised(spot), flat)


def test_bytes_are_rounded():
    assert to_bytes(colours((0, 0.5, 1)))[0, 0, 0].tolist() == [0, 128, 255]


def test_trained_attacks_read_what_is_there_and_not_what_is_not():
    torch = pytest.importorskip("torch", reason="needs the extra deep")
    pytest.importorskip("kornia", reason="needs the extra deep")
    assert torch
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=240)
    images = rng.random((240, 3, 64, 64)).astype(np.float32) * 0.5
    marked = images.copy()
    marked[y == 1, :, :32] += 0.3
    recipe = ReaderRecipe(4, 16, 5e-3)
    names = np.array(["female", "male"])[y]
    scores = retrained(marked[:160], names[:160], marked[160:], TINY, recipe)
    # 1.00 on two seeds.
    assert ((scores > 0.5) == y[160:]).mean() > 0.9
    blind = retrained(images[:160], names[:160], images[160:], TINY, recipe)
    # Chance on 80 pictures is 0.5 with a deviation of 0.056.
    assert ((blind > 0.5) == y[160:]).mean() < 0.8
    lighter = (images + 0.3).clip(0, 1)
    sides = images[:80], lighter[80:160], (images[160:200], lighter[200:])
    assert detected(*sides, TINY, recipe) < 0.05


def test_an_inversion_undoes_a_known_change():
    pytest.importorskip("torch", reason="needs the extra deep")
    from sfumato.perturbers.recipes import PerturberRecipe

    rng = np.random.default_rng(0)
    original = np.kron(rng.random((48, 3, 8, 8)), np.ones((8, 8))).astype(np.float32) * 0.6
    protected = original + 0.3
    attack = Inversion(size=64, width=8).fit(
        protected[:40], original[:40], PerturberRecipe(60, 8, learning_rate=3e-3, n_rounds=1)
    )
    found = attack.restore(protected[40:])
    assert found.shape == (8, 3, 64, 64)
    before, after = (np.abs(x - original[40:]).mean() for x in (protected[40:], found))
    assert after < before / 3
