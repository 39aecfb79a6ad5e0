"""Controllable face privacy: the algebra on planted subspaces, then planted faces."""

import numpy as np
import pytest
from scipy.stats import special_ortho_group

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

from sfumato.errors import InputError  # noqa: E402
from sfumato.models import load, save  # noqa: E402
from sfumato.perturbers.controllable import (  # noqa: E402
    ControllableFacePrivacy,
    discriminant_subspaces,
    whitened,
)

DIMENSION = 8


def planted_codes(rng, n_each=10):
    """Return codes A @ (gender, race 1, race 2, noise ...), their classes, and A.

    Every class of gender is met by every one of race equally often, and noise is made
    uncorrelated with both, so that the attributes' directions are the first columns of A.
    """
    gender = np.repeat([0, 1], 3 * n_each)
    race = np.tile(np.repeat([0, 1, 2], n_each), 2)
    effects = np.column_stack([2.0 * gender - 1, np.eye(3)[race][:, :2]])
    effects -= effects.mean(axis=0)
    noise = rng.normal(size=(len(gender), DIMENSION - 3))
    noise -= noise.mean(axis=0)
    noise -= effects @ np.linalg.lstsq(effects, noise, rcond=None)[0]
    # A random matrix may be as good as singular; this one's singular values are in [0.5, 2].
    mixing = rng.uniform(0.5, 2, (DIMENSION, 1)) * special_ortho_group.rvs(DIMENSION, 1, rng)
    codes = np.hstack([effects, noise]) @ mixing
    return codes, {"gender": gender, "race": race}, mixing


def test_whitened_codes_have_unit_scatter_and_a_way_back(rng):
    codes = rng.normal(size=(50, 5)) @ rng.normal(size=(5, 7))  # rank 5 of 7
    white, unwhiten = whitened(codes)
    assert white.shape == (50, 5)
    np.testing.assert_allclose(np.cov(white.T), np.eye(5), atol=1e-9)
    np.testing.assert_allclose(white @ unwhiten, codes - codes.mean(axis=0), atol=1e-9)


def test_planted_subspaces_are_found(rng):
    codes, classes, mixing = planted_codes(rng)
    white, unwhiten = whitened(codes)
    directions, means = discriminant_subspaces(white, classes)
    assert directions["gender"].shape == (DIMENSION, 1)
    assert directions["race"].shape == (DIMENSION, 2)
    together = np.hstack(list(directions.values()))
    np.testing.assert_allclose(together.T @ together, np.eye(3), atol=1e-9)
    # From female to male is 2 along gender's row of the mixing, from race 0 to race 2 is
    # -1 along the first of race's.
    move = directions["gender"] @ (means["gender"][1] - means["gender"][0]) @ unwhiten
    np.testing.assert_allclose(move, 2 * mixing[0], atol=1e-6)
    move = directions["race"] @ (means["race"][2] - means["race"][0]) @ unwhiten
    np.testing.assert_allclose(move, -mixing[1], atol=1e-6)


def test_an_edit_leaves_other_attributes_and_identity_to_1e_6(rng):
    codes, classes, _ = planted_codes(rng)
    # Correlate them: drop some of one combination.
    kept = ~((classes["gender"] == 1) & (classes["race"] == 2) & (rng.uniform(size=60) < 0.7))
    codes, classes = codes[kept], {name: values[kept] for name, values in classes.items()}
    white, unwhiten = whitened(codes)
    directions, means = discriminant_subspaces(white, classes)
    together = np.hstack(list(directions.values()))
    np.testing.assert_allclose(together.T @ together, np.eye(3), atol=1e-9)
    model = ControllableFacePrivacy(amount=1.0)
    model.directions_, model.means_, model.unwhiten_ = directions, means, unwhiten
    changed = (codes - codes.mean(axis=0) + model._change({"gender": (0, 1)})) @ np.linalg.pinv(
        unwhiten
    )
    rest = np.linalg.svd(together)[0][:, 3:]
    np.testing.assert_allclose(changed @ directions["race"], white @ directions["race"], atol=1e-6)
    np.testing.assert_allclose(changed @ rest, white @ rest, atol=1e-6)
    # Women's mean coordinate is now men's.
    women = changed[classes["gender"] == 0] @ directions["gender"]
    np.testing.assert_allclose(women.mean(axis=0), means["gender"][1], atol=1e-6)
    # Two edits at once are the sum of both.
    both = model._change({"gender": (0, 1), "race": (1, 2)})
    one, other = model._change({"gender": (0, 1)}), model._change({"race": (1, 2)})
    np.testing.assert_allclose(both, one + other, atol=1e-12)


def test_no_attribute_goes_first(rng):
    codes, classes, _ = planted_codes(rng)
    white, _ = whitened(codes[:45])
    classes = {name: values[:45] for name, values in classes.items()}
    one, _ = discriminant_subspaces(white, classes)
    other, _ = discriminant_subspaces(white, dict(reversed(classes.items())))
    for name in classes:
        np.testing.assert_allclose(one[name] @ one[name].T, other[name] @ other[name].T, atol=1e-8)


def test_attributes_that_say_the_same_are_refused(rng):
    codes, classes, _ = planted_codes(rng)
    white, _ = whitened(codes)
    with pytest.raises(InputError, match="gender, sex need 2 separate directions, .* have 1"):
        discriminant_subspaces(white, {"gender": classes["gender"], "sex": 1 - classes["gender"]})


def half_widths(planes):
    return np.array([2 * np.nonzero(face > 0.5)[1].std() for face in planes[:, 1]])


def reds(planes):
    return planes[:, 0, 14:18, 14:18].mean(axis=(1, 2))


@pytest.fixture
def faces(planted_faces):
    return planted_faces(80)


@pytest.fixture
def model(faces):
    return ControllableFacePrivacy(size=32, n_shape=2, n_texture=3).fit(*faces)


def difference(values, labels, name):
    first, second = np.unique(labels[name])
    return values[labels[name] == second].mean() - values[labels[name] == first].mean()


def test_gender_changes_width_and_mood_changes_red(faces, model):
    planes, labels = faces
    hidden = model.transform(planes, hide="gender", labels=labels)
    # The classes' mean widths change places, 3 apart; reds stay.
    assert difference(half_widths(planes), labels, "gender") == pytest.approx(3, abs=0.3)
    assert difference(half_widths(hidden), labels, "gender") == pytest.approx(-3, abs=0.6)
    assert difference(reds(hidden), labels, "mood") == pytest.approx(0.4, abs=0.05)
    hidden = model.transform(planes, hide="mood", labels=labels)
    assert difference(reds(hidden), labels, "mood") == pytest.approx(-0.4, abs=0.05)
    assert difference(half_widths(hidden), labels, "gender") == pytest.approx(3, abs=0.4)
    hidden = model.transform(planes, hide=["gender", "mood"], labels=labels)
    assert difference(half_widths(hidden), labels, "gender") == pytest.approx(-3, abs=0.6)
    assert difference(reds(hidden), labels, "mood") == pytest.approx(-0.4, abs=0.05)


def test_half_the_way_makes_the_means_equal(faces, model):
    planes, labels = faces
    hidden = model.set_params(amount=0.5).transform(planes, hide="mood", labels=labels)
    assert abs(difference(reds(hidden), labels, "mood")) < 0.03
    unchanged = model.set_params(amount=1e-6).transform(planes, hide="mood", labels=labels)
    np.testing.assert_allclose(unchanged, planes, atol=1e-4)


def test_its_own_readers_are_turned_round(faces, model):
    planes, labels = faces
    before = model._codes(torch.tensor(planes))
    assert (before["gender"] == (labels["gender"] == "male")).all()
    assert (before["mood"] == (labels["mood"] == "happy")).all()
    after = model._codes(torch.tensor(model.transform(planes, hide="gender")))
    assert (after["gender"] != before["gender"]).mean() > 0.9
    assert (after["mood"] == before["mood"]).mean() > 0.9


def test_what_the_components_do_not_carry_stays(faces, model):
    planes, labels = faces
    rows = {name: values[:4] for name, values in labels.items()}
    planes = planes[:4] * np.float32(0.8) + np.float32(0.1)
    marked = planes.copy()
    marked[:, 2, 16, 16] += 0.05
    found = [model.transform(p, hide="mood", labels=rows) for p in (planes, marked)]
    # Mood moves landmarks by next to nothing, so that the mark stays where it is.
    np.testing.assert_allclose(found[1] - found[0], marked - planes, atol=0.03)
    assert (found[1] - found[0])[:, 2, 16, 16].min() > 0.02


def test_components_of_no_variance_are_left_out(faces):
    # Only width and, by pixels cut off, height vary: two of the twenty components asked for.
    model = ControllableFacePrivacy(size=32, n_shape=20, n_texture=3).fit(*faces)
    assert model.code_["shape_basis"].shape == (2, 136)
    # There are not more components than coordinates, whatever is asked for.
    assert len(model.set_params(n_shape=500).fit(*faces).code_["shape_basis"]) == 2


def test_an_attribute_of_three_classes(planted_faces):
    planes, _ = planted_faces(80)
    size = np.digitize(half_widths(planes), (7.5, 9.5))
    labels = {"build": np.array(["small", "medium", "large"])[size]}
    model = ControllableFacePrivacy(size=32, n_shape=2, n_texture=3).fit(planes, labels)
    assert model.directions_["build"].shape[1] == 2
    widths = {
        name: half_widths(model.transform(planes, hide={"build": name}, labels=labels)).mean()
        for name in ("small", "medium", "large")
    }
    assert widths["small"] + 0.5 < widths["medium"] < widths["large"] - 0.5


def test_only_the_face_changes_if_asked(faces):
    planes, labels = faces
    planes = planes.copy()
    # A bright background where people are happy.
    planes[:, 0, :, :3] = 0.6 * (labels["mood"] == "happy")[:, None, None]
    rows = {name: values[:8] for name, values in labels.items()}
    change = {}
    for region in ("face", "picture"):
        model = ControllableFacePrivacy(size=32, n_shape=2, n_texture=4, region=region)
        found = model.fit(planes, labels).transform(planes[:8], hide="mood", labels=rows)
        change[region] = np.abs(found - planes[:8])[:, 0, 8:24, 0].mean()
    assert change["picture"] > 0.4 and change["face"] < 0.05


def test_saved_and_loaded_it_works_the_same(faces, model, tmp_path):
    planes, _ = faces
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert loaded.get_params() == model.get_params()
    found = [m.transform(planes[:8], hide=["gender", "mood"]) for m in (model, loaded)]
    np.testing.assert_allclose(found[0], found[1], atol=5e-3)


def test_the_seed_decides(faces):
    planes, labels = faces

    def fitted(seed):
        return ControllableFacePrivacy(
            size=32, n_shape=2, n_texture=3, max_faces=40, seed=seed
        ).fit(planes, labels)

    found = [fitted(seed).code_["mean_shape"] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_pictures_go_row_by_row_and_stay_as_they_were(faces, model):
    planes, _ = faces
    before = planes.copy()
    together = model.transform(planes[:6], hide={"gender": "male"})
    np.testing.assert_array_equal(planes, before)
    for n in range(6):
        alone = model.transform(planes[n : n + 1], hide={"gender": "male"})
        np.testing.assert_allclose(alone[0], together[n], atol=1e-6)
    assert together.dtype == np.float32 and together.min() >= 0 and together.max() <= 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"amount": -0.5}, "amount must be a number > 0, got -0.5"),
        ({"n_texture": 0}, "n_texture must be an integer >= 1, got 0"),
        ({"region": "hair"}, "region must be one of 'face', 'picture'"),
    ],
)
def test_bad_parameters_are_refused(faces, parameters, message):
    with pytest.raises(InputError, match=message):
        ControllableFacePrivacy(size=32, **parameters).fit(*faces)
