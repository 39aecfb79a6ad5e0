"""The simulator keeps its promises: reproducible, leaking as said, realistic to verify."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sfumato.data import gaussian
from sfumato.data.gaussian import load_gaussian_model
from sfumato.data.planted import KINDS, planted
from sfumato.data.simulate import (
    BLOCK_ROWS,
    simulate,
    simulate_batches,
    simulated_info,
    write_simulated,
)
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.metrics.verification import eer

SHIPPED = gaussian.files("sfumato.data") / "lfw_gaussian.safetensors"


@pytest.fixture(scope="module")
def faces():
    drawn = simulate(1000, 3, seed=1)
    person = np.repeat(np.arange(1000), 3)
    return drawn["embedding"], (drawn["gender"] == "female").astype(int), person


def rows_of(batches):
    return [row for batch in batches for row in batch.to_pylist()]


def attack(model, X, y, unseen):
    model.fit(X[~unseen], y[~unseen])
    return balanced_accuracy_score(y[unseen], model.predict(X[unseen]))


def project_out(X, y):
    """Least-squares concept erasure by hand: no direction covaries with y afterwards."""
    covariance = np.cov(X.T)
    cross = (X - X.mean(0)).T @ (y - y.mean()) / (len(X) - 1)
    gain = cross / (cross @ np.linalg.solve(covariance, cross))
    keep = np.linalg.solve(covariance, cross)
    return lambda Z: Z - np.outer((Z - X.mean(0)) @ keep, gain)


def test_columns_labels_and_unit_length():
    drawn = simulate(12, 4, seed=3)
    assert list(drawn) == ["image_id", "identity", "gender", "race", "embedding"]
    assert drawn["embedding"].shape == (48, 128) and drawn["embedding"].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(drawn["embedding"], axis=1), 1, atol=1e-6)
    assert len(set(drawn["image_id"])) == 48 and len(set(drawn["identity"])) == 12
    assert drawn["identity"][4] == "s3-0000001" and drawn["image_id"][5] == "s3-0000001-001"
    for name in ("gender", "race"):  # a person has one gender and one race
        assert (drawn[name].reshape(12, 4) == drawn[name].reshape(12, 4)[:, :1]).all()


def test_every_run_of_six_people_holds_every_group_once():
    drawn = simulate(600, 1)
    groups = (drawn["gender"] + drawn["race"]).reshape(100, 6)
    assert all(len(set(run)) == 6 for run in groups)


def test_estimated_races_keep_genders_equal_and_lfw_mostly_white():
    drawn = simulate(6000, 1, races="estimated")
    female = drawn["gender"] == "female"
    assert abs(female.mean() - 0.5) < 0.03  # 4.6 standard deviations
    # Shares among women in the shipped file: 999 of 1471 people are white.
    assert abs((drawn["race"][female] == "white").mean() - 999 / 1471) < 0.05


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_rows_do_not_depend_on_the_batches(n_identities, images, batch_rows, seed):
    whole = rows_of(simulate_batches(n_identities, images, seed=seed))
    parts = list(simulate_batches(n_identities, images, seed=seed, batch_rows=batch_rows))
    assert all(part.num_rows == batch_rows for part in parts[:-1])
    assert rows_of(parts) == whole and len(whole) == n_identities * images


@pytest.mark.parametrize("images", [1, 3, 3000])
def test_rows_do_not_depend_on_the_batches_across_blocks(images):
    people = 2 * BLOCK_ROWS // images + 3
    whole = np.concatenate(
        [b.column("embedding").flatten() for b in simulate_batches(people, images)]
    ).reshape(-1, 128)
    odd = simulate_batches(people, images, batch_rows=BLOCK_ROWS - 77)
    start = 0
    for batch in odd:
        part = np.asarray(batch.column("embedding").flatten()).reshape(-1, 128)
        np.testing.assert_array_equal(part, whole[start : start + len(part)])
        start += len(part)
    assert start == len(whole)


def test_fewer_rows_are_a_prefix_and_another_seed_differs():
    whole = rows_of(simulate_batches(20, 3))
    assert rows_of(simulate_batches(20, 3, n_rows=31)) == whole[:31]
    assert rows_of(simulate_batches(10, 3)) == whole[:30]
    other = simulate(20, 3, seed=1)["embedding"]
    assert not np.isclose(other, simulate(20, 3)["embedding"]).all(axis=1).any()


def test_gender_leaks_linearly_and_after_linear_erasure_quadratically(faces):
    X, y, person = faces
    unseen = person < 333
    rbf = make_pipeline(StandardScaler(), SVC(C=3))
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    assert attack(rbf, X, y, unseen) >= 0.85 and attack(linear, X, y, unseen) > 0.7
    erased = project_out(X[~unseen], y[~unseen])(X)
    assert attack(linear, erased, y, unseen) < 0.6
    assert attack(rbf, erased, y, unseen) > 0.75


def test_race_leaks(faces):
    X, _, person = faces
    race, unseen = simulate(1000, 3, seed=1)["race"], person < 333
    assert attack(make_pipeline(StandardScaler(), SVC(C=3)), X, race, unseen) > 0.6


def test_verification_is_as_hard_as_on_lfw(faces):
    X, _, person = faces
    first, second = np.triu_indices(len(X), 1)
    scores, same = (X @ X.T)[first, second], person[first] == person[second]
    assert 0.002 < eer(scores[same], scores[~same]).value < 0.05


def test_moments_are_those_of_the_model():
    # The covariance of one photo a person is B + W, up to the scaling to unit length, which
    # hardly turns it: compare its entries' pattern.
    model = load_gaussian_model()
    groups = list(zip(model.genders, model.races, strict=True))
    number = groups.index(("male", "white"))
    drawn = simulate(12_000, 1)
    X = drawn["embedding"][(drawn["gender"] == "male") & (drawn["race"] == "white")]
    expected = sum(f[number] @ f[number].T for f in (model.between, model.within))
    got = np.cov(X.T)
    lower = np.tril_indices(128)
    assert np.corrcoef(got[lower], expected[lower])[0, 1] > 0.95


def test_only_aggregates_of_a_hundred_people_ship():
    with safe_open(SHIPPED, framework="numpy") as file:
        header = json.loads(file.metadata()["sfumato"])
        shapes = {name: file.get_tensor(name).shape for name in file.keys()}  # noqa: SIM118
    assert min(group["people"] for group in header["groups"]) >= 100
    assert "at least 100 people" in header["privacy"]
    assert shapes == {"means": (6, 128), "between": (6, 8256), "within": (6, 8256)}
    assert SHIPPED.stat().st_size < 600_000


def test_written_table_opens_checks_and_says_where_it_comes_from(tmp_path):
    path = tmp_path / "sim.parquet"
    assert write_simulated(path, 9, 2, seed=4, n_rows=17) == 17
    table = FaceTable(path).check()
    assert table.info == simulated_info() and table.info.source == "simulated"
    assert table.info.encoder_version == load_gaussian_model().fingerprint
    np.testing.assert_array_equal(table.embeddings(), simulate(9, 2, seed=4)["embedding"][:17])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_identities": 0}, r"n_identities must be an integer in \[1, .*got 0"),
        ({"n_identities": 2, "images_per_identity": 1.5}, "images_per_identity must be"),
        ({"n_identities": 2, "seed": -1}, "seed must be an integer in"),
        ({"n_identities": 2, "races": "all"}, "races must be one of balanced, estimated"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        simulate(**arguments)


def test_foreign_model_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_gaussian_model(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(InputError, match="not a file of simulation aggregates"):
        load_gaussian_model(tmp_path / "bad.safetensors")


def best(kind, *models, n_identities=600):
    """Return the best balanced accuracy on a third of the people, with a deviation of 0.02."""
    X, y, person = planted(kind, n_identities)
    return max(attack(model, X, y, person < n_identities / 3) for model in models)


NONLINEAR = (SVC(), KNeighborsClassifier(15))


@pytest.mark.parametrize("kind", ["linear", "variance", "xor", "clusters", "correlation"])
def test_planted_leaks_reach_their_strength(kind):
    assert 0.7 <= best(kind, *NONLINEAR) <= 0.95


def test_planted_subgroup_and_none():
    assert 0.53 <= best("subgroup", *NONLINEAR, n_identities=1500) <= 0.68
    assert best("none", *NONLINEAR, LogisticRegression()) < 0.6


@pytest.mark.parametrize("kind", ["tails", "skew"])
def test_planted_tails_and_skew_leave_means_and_covariances_equal(kind):
    X, y, _ = planted(kind, 8000, seed=1)
    sides = [X[y == label] for label in (0, 1)]
    assert np.abs(np.subtract(*(side.mean(axis=0) for side in sides))).max() < 0.1
    covariances = [np.cov(side.T) for side in sides]
    # Without a fourth moment (t of 3 degrees) a covariance is hardly known: 0.21 more here.
    assert np.trace(covariances[1]) == pytest.approx(np.trace(covariances[0]), rel=0.4)
    assert kind == "tails" or np.abs(np.subtract(*covariances)).max() < 0.2
    squares = [(side**2).sum(axis=1) for side in sides]
    if kind == "tails":  # Medians of the squared length: 15.3 and 6.7.
        assert np.median(squares[0]) > 2 * np.median(squares[1])
    else:  # Each of four directions has the third moment 2 * 0.7 ** 1.5 = 1.17, or its opposite.
        third = [
            (side * square[:, None]).mean(axis=0)
            for side, square in zip(sides, squares, strict=True)
        ]
        assert np.linalg.norm(np.subtract(*third)) == pytest.approx(4 * 1.17, rel=0.15)


def test_planted_correlations_change_their_sign():
    X, y, _ = planted("correlation", 2000)
    np.testing.assert_allclose(np.cov(X.T), np.eye(16), atol=0.1)
    largest = [np.linalg.eigvalsh(np.cov(X[y == label].T))[-1] for label in (0, 1)]
    np.testing.assert_allclose(largest, 1.8, atol=0.25)


def test_planted_one_cluster_leaks_there_alone():
    X, y, identity = planted("one cluster", 2000)
    place = KMeans(20, n_init=3, random_state=0).fit_predict(X)
    gaps = [
        np.linalg.norm(np.subtract(*(X[(place == k) & (y == v)].mean(axis=0) for v in (0, 1))))
        for k in range(20)
    ]
    assert sorted(gaps)[-2] < 1.5 < 3 < max(gaps)  # 5 where it leaks, unless clusters touch


@pytest.mark.parametrize("kind", ["none", "variance", "xor", "clusters", "tails", "correlation"])
def test_linear_attackers_miss_what_is_not_linear(kind):
    assert best(kind, LogisticRegression()) < 0.6


def test_planted_subgroup_leaks_only_where_said():
    X, y, _ = planted("subgroup", 2000)
    largest = X[:, 0] > np.quantile(X[:, 0], 0.8)
    difference = [
        X[mask & (y == 1), 1].mean() - X[mask & (y == 0), 1].mean() for mask in (largest, ~largest)
    ]
    # Deviations of about 0.06 and 0.03.
    assert abs(difference[0] - 5) < 0.4 and abs(difference[1]) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_planted_shapes_seeds_and_identities(kind):
    X, y, person = planted(kind, 40, 3, 8, seed=5)
    assert X.shape == (120, 8) and y.sum() == 60
    assert all(len(set(y[person == i])) == 1 for i in range(40))
    again = planted(kind, 40, 3, 8, seed=5)[0]
    assert (again == X).all() and np.any(planted(kind, 40, 3, 8, seed=6)[0] != X)
    X, _, person = planted(kind, 500, 4, 8)  # people are recognisable in every kind
    near = NearestNeighbors(n_neighbors=1).fit(X[::4]).kneighbors(X[1::4])[1][:, 0]
    assert np.mean(near == np.arange(500)) > 10 / 500


@pytest.mark.parametrize("bad", [{"kind": "odd"}, {"n_identities": 1}, {"n_features": 3}])
def test_planted_refuses(bad):
    with pytest.raises(InputError, match="must be"):
        planted(**{"kind": "xor", **bad})
