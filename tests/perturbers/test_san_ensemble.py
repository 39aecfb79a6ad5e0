"""The ensemble of SANs: selection rules by hand, prototypes by group, diversity."""

import numpy as np
import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.models import load, save  # noqa: E402
from sfumato.perturbers._san_data import oversampled  # noqa: E402
from sfumato.perturbers.recipes import PerturberRecipe  # noqa: E402
from sfumato.perturbers.san_ensemble import (  # noqa: E402
    SanEnsemble,
    confidence,
    drawn,
    gibbs,
)

SAN = {
    "widths": (4, 4, 16, 16),
    "classifier_widths": (8, 8, 16),
    "pixel_weight": 2.0,
    "pretraining": 0.3,
}
TINY = PerturberRecipe(n_iterations=3, batch_size=4, learning_rate=0.01, n_rounds=1)
BAR = (slice(None), slice(None), slice(2, 5), slice(2, 14))


def draw(seed, n=100):
    """Return pictures with a bar that is bright or not, and labels of four groups."""
    rng = np.random.default_rng(seed)
    male = np.arange(n) % 2
    x = rng.uniform(0.25, 0.35, size=(n, 3, 16, 16))
    x[BAR] += 0.5 * male[:, None, None, None]
    labels = {
        "gender": np.array(["female", "male"])[male],
        "age": np.array(["young", "middle", "young", "old"])[np.arange(n) // 2 % 4],
        "race": np.array(["black", "white"])[np.arange(n) // 4 % 2],
    }
    return x.astype(np.float32), labels


def of(ensemble, selection, **others):
    return ensemble.set_params(selection=selection, **others)


@pytest.fixture(scope="module")
def trained():
    x, labels = draw(0)
    recipe = PerturberRecipe(n_iterations=100, batch_size=8, learning_rate=0.03, n_rounds=1)
    return SanEnsemble(size=16, n_sans=2, san=SAN).fit(
        x, {"gender": labels["gender"]}, recipe=recipe
    )


@pytest.fixture(scope="module")
def grouped():
    x, labels = draw(0, 16)
    return SanEnsemble(size=16, n_sans=3, san=SAN).fit(x, labels, recipe=TINY)


@pytest.mark.parametrize("selection", ["random", "average", "gibbs"])
def test_every_rule_turns_the_bar_round(trained, selection):
    x, labels = draw(1, 40)
    out = of(trained, selection).transform(x, hide="gender")
    bar, male = out[BAR].mean(axis=(1, 2, 3)), labels["gender"] == "male"
    assert bar[~male].min() > 0.55 > bar[male].max()


def each_output(ensemble, x, labels):
    """Return what each SAN gives, by drawing from it alone."""
    from sfumato.perturbers import san_ensemble

    found = []
    for k in range(ensemble.n_sans):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(san_ensemble, "drawn", lambda w, u, k=k: np.full(len(u), k))
            found.append(of(ensemble, "random").transform(x, hide="gender", labels=labels))
    return np.stack(found)


def test_average_is_the_mean_and_random_is_one_of_them(grouped):
    x, labels = draw(1, 40)
    each = each_output(grouped, x, labels)
    average = of(grouped, "average").transform(x, hide="gender", labels=labels)
    np.testing.assert_allclose(average, each.mean(axis=0), atol=1e-5)
    one = of(grouped, "random").transform(x, hide="gender", labels=labels)
    which = np.abs(each - one).max(axis=(2, 3, 4))
    assert (which.min(axis=0) < 1e-5).all()
    assert set(which.argmin(axis=0)) == {0, 1, 2}


def test_a_draw_depends_on_the_picture_alone(grouped):
    x, labels = draw(1, 40)
    out = of(grouped, "random").transform(x, hide="gender", labels=labels)
    labels = {name: values[::-1] for name, values in labels.items()}
    turned = grouped.transform(x[::-1], hide="gender", labels=labels)
    np.testing.assert_allclose(turned[::-1], out, atol=1e-5)


def test_a_cold_gibbs_takes_the_san_that_confounds_most(trained):
    x, labels = draw(1, 30)
    each = each_output(trained, x, labels)
    from sfumato.perturbers.san_output import class_probabilities

    other = (labels["gender"] == "female") * 1
    sure = np.stack([
        class_probabilities(trained._networks()[1], torch.from_numpy(out))[np.arange(30), other]
        for out in each
    ])  # fmt: skip
    best = each[sure.argmax(axis=0), np.arange(30)]
    cold = of(trained, "gibbs", temperature=1e-9)
    found = cold.transform(x, hide="gender", labels=labels)
    of(trained, "gibbs", temperature=0.1)
    clear = np.ptp(sure, axis=0) > 1e-6
    assert clear.any()
    np.testing.assert_allclose(found[clear], best[clear], atol=1e-5)


def test_gibbs_by_hand():
    # Confidences 0.9 and 0.6 at temperature 0.3: odds of exp(1).
    found = gibbs(np.array([[0.9, 0.6]]), 0.3)
    np.testing.assert_allclose(found, [[1, np.exp(-1)]])


def test_confidence_by_hand():
    p = np.array([[0.7, 0.3]] * 3)
    np.testing.assert_allclose(confidence(p, np.array([0, 1, 2])), [0.7, 0.3, 0.6])


def test_draws_follow_the_weights():
    rng = np.random.default_rng(0)
    weights = np.tile([3.0, 0.0, 1.0], (20_000, 1))
    shares = np.bincount(drawn(weights, rng.random(20_000)), minlength=3) / 20_000
    np.testing.assert_allclose(shares, [0.75, 0, 0.25], atol=0.015)


def test_eight_prototypes_and_the_groups_are_seen(grouped):
    x, labels = draw(0, 16)
    assert grouped.groups_ == ["old x black", "old x white", "young x black", "young x white"]
    assert grouped.prototypes_.shape == (4, 3, 3, 16, 16)
    # "middle" counts as old.
    own = (np.isin(labels["age"], ["middle", "old"])) & (labels["race"] == "white")
    own &= labels["gender"] == "male"
    np.testing.assert_allclose(grouped.prototypes_[1, 1], x[own].mean(axis=0), atol=1e-6)
    assert grouped.group_reader_["head.4.weight"].shape[0] == 4


def test_two_prototypes_without_age_and_race(trained):
    assert trained.groups_ == ["all"] and trained.prototypes_.shape == (1, 3, 3, 16, 16)
    assert trained.group_reader_ == {}


def test_a_random_subset_is_duplicated_for_each_classifier():
    rows = oversampled(20, 0.25, 4, seed=0)
    counts = np.bincount(rows, minlength=20)
    assert sorted(counts) == [1] * 15 + [4] * 5
    other = np.bincount(oversampled(20, 0.25, 4, seed=1), minlength=20)
    assert not np.array_equal(counts, other)


def test_the_sans_and_their_classifiers_differ(grouped):
    for arrays, layer in ((grouped.nets_, "combiner.weight"),
                          (grouped.classifiers_, "head.4.weight")):  # fmt: skip
        first, second, third = (arrays[f"{k}/{layer}"] for k in range(3))
        assert not np.array_equal(first, second) and not np.array_equal(second, third)


@pytest.mark.parametrize("name", ["trained", "grouped"])
def test_saved_and_loaded_it_does_the_same(name, request, tmp_path):
    ensemble = of(request.getfixturevalue(name), "average")
    save(ensemble, tmp_path / "e")
    again = load(tmp_path / "e")
    x, labels = draw(2, 10)
    found, expected = (p.transform(x, hide="gender", labels=labels) for p in (again, ensemble))
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_interrupted_it_ends_with_the_same_weights(tmp_path):
    x, labels = draw(0, 16)
    make = {"size": 16, "n_sans": 2, "san": SAN}

    def cut_off(n_done, n_total, what):
        if what.startswith("SAN 2 of 2: classifier") and n_done == 2:
            raise KeyboardInterrupt

    whole = SanEnsemble(**make).fit(x, labels, recipe=TINY)
    with pytest.raises(KeyboardInterrupt):
        SanEnsemble(**make).fit(x, labels, recipe=TINY, folder=tmp_path, progress=cut_off)
    again = SanEnsemble(**make).fit(x, labels, recipe=TINY, folder=tmp_path)
    for first, second in ((whole.nets_, again.nets_), (whole.group_reader_, again.group_reader_)):
        assert all(np.array_equal(first[key], second[key]) for key in first)


def test_bad_input_is_refused():
    x, labels = draw(0, 16)
    with pytest.raises(InputError, match="selection must be one of 'average', 'gibbs', 'random'"):
        SanEnsemble(size=16, selection="best").fit(x, labels)
    with pytest.raises(InputError, match="age must be one of young, middle, old, got 'kid'"):
        SanEnsemble(size=16).fit(x, labels | {"age": np.array(["kid"] * 16)})
    white = (labels["gender"] == "male") & (labels["race"] == "white")
    race = np.where(white, "black", labels["race"])
    with pytest.raises(InputError, match="no picture of old x white x male"):
        SanEnsemble(size=16).fit(x, labels | {"race": race})
