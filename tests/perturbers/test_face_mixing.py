"""Face mixing on planted faces whose width and colour are known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

from sfumato.errors import InputError  # noqa: E402
from sfumato.models import load, save  # noqa: E402
from sfumato.perturbers.face_mixing import FaceMixing, mixed  # noqa: E402

SQUARE = np.array([(8.0, 8.0), (24.0, 8.0), (24.0, 24.0), (8.0, 24.0)])


def half_widths(planes):
    return np.array([2 * np.nonzero(face > 0.5)[1].std() for face in planes[:, 1]])


def reds(planes):
    return planes[:, 0, 14:18, 14:18].mean(axis=(1, 2))


@pytest.fixture
def faces(planted_faces):
    return planted_faces(80)


@pytest.fixture
def mixing(faces):
    return FaceMixing(size=32).fit(*faces)


def test_a_morph_by_hand():
    plain = np.full((32, 32, 3), 0.2, np.float32)
    others = [plain + 0.6, plain + 0.2]
    # The others' mean is (0.8 + 0.4) / 2 = 0.6; a quarter of it and three of 0.2 is 0.3.
    found = mixed(plain, SQUARE, others, [SQUARE, SQUARE], 0.25)
    np.testing.assert_allclose(found, 0.3, atol=1e-6)
    # Where the mask is 0 nothing is mixed.
    left = np.zeros((32, 32), np.float32)
    left[:, :16] = 1
    found = mixed(plain, SQUARE, others, [SQUARE, SQUARE], 0.25, lambda shape, size: left)
    np.testing.assert_allclose(found[:, :16], 0.3, atol=1e-6)
    np.testing.assert_allclose(found[:, 16:], 0.2, atol=1e-6)


def test_a_morph_has_the_shape_in_between():
    one, other = np.zeros((2, 32, 32, 3), np.float32)
    one[8, 8] = other[12, 12] = 1
    # Landmarks at 8 and at 12: with a half both lie at 10, and each gives half its light.
    found = mixed(one, SQUARE, [other], [SQUARE + 4], 0.5)
    assert found[10, 10] == pytest.approx(1, abs=1e-5)
    found = mixed(one, SQUARE, [other], [SQUARE + 4], 0.25)
    assert found[9, 9] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("region", ["face", "picture"])
@pytest.mark.parametrize("candidates", ["mean", "faces"])
def test_hardly_mixed_it_is_the_picture(faces, region, candidates):
    planes, labels = faces
    mixing = FaceMixing(size=32, amount=1e-6, region=region, candidates=candidates)
    found = mixing.fit(planes, labels).transform(planes[:5], hide="gender")
    np.testing.assert_allclose(found, planes[:5], atol=1e-4)


@pytest.mark.parametrize("candidates", ["mean", "faces"])
def test_the_whole_candidate_shows_its_shape(faces, candidates):
    planes, labels = faces
    mixing = FaceMixing(size=32, amount=1.0, candidates=candidates).fit(planes, labels)
    widths = half_widths(planes)
    assert widths[labels["gender"] == "male"].min() > 8.3
    assert widths[labels["gender"] == "female"].max() < 8.3
    shown = half_widths(mixing.transform(planes, hide={"gender": "male"}, labels=labels))
    expected = widths[labels["gender"] == "male"].mean()
    np.testing.assert_allclose(shown, expected, atol=0.7)
    half = mixing.set_params(amount=0.5).transform(planes, hide={"gender": "male"}, labels=labels)
    np.testing.assert_allclose(half_widths(half), (widths + expected) / 2, atol=0.7)


def test_hidden_classes_are_misread_and_others_are_not(faces, mixing):
    planes, labels = faces
    before = mixing._codes(torch.tensor(planes))
    assert (before["gender"] == (labels["gender"] == "male")).all()
    mixing.set_params(amount=0.8)
    after = mixing._codes(torch.tensor(mixing.transform(planes, hide="gender")))
    assert (after["gender"] != before["gender"]).mean() > 0.9


def test_two_attributes_take_the_morph_of_both_candidates(faces):
    planes, labels = faces
    mixing = FaceMixing(size=32, amount=1.0).fit(planes, labels)
    means = {
        (name, value): reds(planes)[labels[name] == value].mean()
        for name in labels
        for value in np.unique(labels[name])
    }
    wanted = {"gender": "male", "mood": "happy"}
    shown = mixing.transform(planes[:6], hide=wanted, labels=labels_of(labels, 6))
    expected = (means["gender", "male"] + means["mood", "happy"]) / 2
    np.testing.assert_allclose(reds(shown), expected, atol=0.02)


def labels_of(labels, n):
    return {name: values[:n] for name, values in labels.items()}


def test_an_attribute_of_three_classes(planted_faces):
    planes, labels = planted_faces(60)
    size = np.digitize(half_widths(planes), (7.5, 9.5))
    names = np.array(["large", "medium", "small"])[2 - size]
    mixing = FaceMixing(size=32, amount=1.0).fit(planes, {"build": names})
    widths = {
        name: half_widths(mixing.transform(planes[:8], hide={"build": name})).mean()
        for name in ("small", "medium", "large")
    }
    assert widths["small"] + 0.5 < widths["medium"] < widths["large"] - 0.5


def test_the_default_keeps_nobody_and_faces_keep_some(faces, mixing):
    planes, labels = faces
    seen = {face.tobytes() for face in stored(planes)}
    kept = mixing.candidate_faces_["gender"]
    assert kept.shape == (2, 1, 32, 32, 3)
    assert not any(face.tobytes() in seen for face in kept.reshape(-1, 32, 32, 3))
    some = FaceMixing(size=32, candidates="faces", n_candidates=3).fit(planes, labels)
    for n, name in enumerate(["female", "male"]):
        own = {face.tobytes() for face in stored(planes[labels["gender"] == name])}
        assert all(face.tobytes() in own for face in some.candidate_faces_["gender"][n])


def stored(planes):
    return np.rint(planes.transpose(0, 2, 3, 1) * 255).astype(np.uint8)


def test_the_candidate_is_the_nearest_by_shape(faces):
    planes, labels = faces
    mixing = FaceMixing(size=32, candidates="faces", n_candidates=40).fit(planes, labels)
    shapes = mixing.candidate_shapes_["gender"][1]
    for n in (0, len(shapes) - 1):
        _, found = mixing._candidate("gender", 1, shapes[n] + 0.01)
        np.testing.assert_array_equal(found, shapes[n])


def test_only_the_face_is_mixed_by_default(faces, mixing):
    planes, labels = faces
    planes = planes[:4].copy()
    planes[:, 0, :, :2] = 0.77
    found = mixing.transform(planes, hide="gender", labels=labels_of(labels, 4))
    np.testing.assert_allclose(found[:, 0, 8:24, 0], 0.77, atol=0.01)
    mixing.set_params(region="picture")
    found = mixing.transform(planes, hide="gender", labels=labels_of(labels, 4))
    np.testing.assert_allclose(found[:, 0, 8:24, 0], 0.77 / 2, atol=0.01)


def test_saved_and_loaded_it_works_the_same(faces, mixing, tmp_path):
    planes, _ = faces
    save(mixing, tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert loaded.get_params() == mixing.get_params()
    found = [m.transform(planes[:8], hide=["gender", "mood"]) for m in (mixing, loaded)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_the_seed_decides(faces):
    planes, labels = faces

    def fitted(seed):
        return FaceMixing(size=32, max_faces=40, seed=seed).fit(planes, labels)

    found = [fitted(seed).candidate_shapes_["gender"] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_pictures_go_row_by_row_and_stay_as_they_were(faces, mixing):
    planes, labels = faces
    before = planes.copy()
    together = mixing.transform(planes[:6], hide={"gender": "male"})
    np.testing.assert_array_equal(planes, before)
    for n in range(6):
        alone = mixing.transform(planes[n : n + 1], hide={"gender": "male"})
        np.testing.assert_allclose(alone[0], together[n], atol=1e-6)
    assert together.dtype == np.float32 and together.min() >= 0 and together.max() <= 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"amount": 1.5}, r"amount must be a number in \(0, 1\], got 1.5"),
        ({"n_candidates": 0}, "n_candidates must be an integer >= 1"),
        ({"candidates": "all"}, "candidates must be one of 'faces', 'mean'"),
        ({"region": "hair"}, "region must be one of 'face', 'picture'"),
    ],
)
def test_bad_parameters_are_refused(faces, parameters, message):
    with pytest.raises(InputError, match=message):
        FaceMixing(size=32, **parameters).fit(*faces)


def test_bad_labels_are_refused(faces):
    planes, labels = faces
    mixing = FaceMixing(size=32)
    with pytest.raises(InputError, match="at least one attribute"):
        mixing.fit(planes, {})
    with pytest.raises(InputError, match="gender must have one label an image, 80, got 3"):
        mixing.fit(planes, {"gender": ["female", "male", "male"]})
    gender = labels["gender"].astype(object)
    gender[3] = None
    with pytest.raises(InputError, match="gender, row 3: no label"):
        mixing.fit(planes, {"gender": gender})
    with pytest.raises(InputError, match="at least 2 classes"):
        mixing.fit(planes, {"gender": ["male"] * 80})
    gender = np.array(["male"] * 79 + ["female"])
    with pytest.raises(InputError, match=r"gender has [01] faces of female among the 20 drawn"):
        FaceMixing(size=32, max_faces=20).fit(planes, {"gender": gender})
    with pytest.raises(InputError, match="gender has 1 faces of female"):
        mixing.fit(planes[:2], {"gender": ["female", "male"]})


def test_few_or_like_faces(faces, planted_faces):
    planes, labels = faces
    few = FaceMixing(size=32).fit(planes[:4], {"gender": labels["gender"][:4]})
    assert np.isfinite(few.transform(planes[:4], hide="gender")).all()
    with pytest.raises(InputError, match="images: all 6 are alike"):
        FaceMixing(size=32).fit(planes[[0] * 6], {"gender": ["female", "male"] * 3})


def test_classes_are_in_the_usual_order(faces):
    planes, _ = faces
    labels = {"age": ["old", "young"] * 40, "mood": ["sad", "glad"] * 40}
    found = FaceMixing(size=32).fit(planes, labels).attributes_
    assert found == {"age": ["young", "old"], "mood": ["glad", "sad"]}


def test_landmarks_of_no_face_are_refused(faces, mixing, monkeypatch):
    def collapsed(images, zoom):
        return np.full((len(images), 68, 2), 3.0)

    monkeypatch.setattr("sfumato.faces.landmarks.find_landmarks", collapsed)
    with pytest.raises(InputError, match="row 0: they enclose 0 square pixels, no face"):
        mixing.transform(faces[0][:2], hide="gender")
