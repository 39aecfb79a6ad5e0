import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.erasers._low_rank import apply_low_rank
from sfumato.erasers.leace import LeaceEraser, LeaceFitter
from sfumato.errors import InputError


def correlated(rng, n=400, d=7):
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + np.eye(3, d)[y] * 2 + 5
    return X, y


def cross_covariance(X, z):
    return (X - X.mean(axis=0)).T @ (z - z.mean(axis=0)) / len(X)


def test_same_map_as_the_concept_erasure_package(rng):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("concept_erasure")
    X, y = correlated(rng)
    z = torch.from_numpy(np.eye(3)[y])
    fitter = package.LeaceFitter.fit(torch.from_numpy(X), z, shrinkage=False)
    expected = fitter.eraser(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(LeaceEraser().fit(X, y).transform(X), expected, atol=1e-8)


def test_by_hand():
    # Two features, uncorrelated within the sample, unit variance; the class is the sign of the
    # first. Whitening is the identity, so the first feature is replaced by its mean.
    X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    erased = LeaceEraser().fit(X, [1, 1, 0, 0]).transform(X)
    np.testing.assert_allclose(erased, [[0, 1], [0, -1], [0, 1], [0, -1]], atol=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(2, 8))
def test_cross_covariance_vanishes_and_nothing_closer_is_lost(seed, n_classes, d):
    rng = np.random.default_rng(seed)
    y = np.arange(60) % n_classes
    X = rng.normal(size=(60, d)) + rng.normal(size=(n_classes, d))[y]
    erased = LeaceEraser().fit(X, y).transform(X)
    np.testing.assert_allclose(cross_covariance(erased, np.eye(n_classes)[y]), 0, atol=1e-9)
    np.testing.assert_allclose(erased.mean(axis=0), X.mean(axis=0), atol=1e-9)
    # Plain projection of the mean differences erases too, but moves the rows further.
    means = np.stack([X[y == k].mean(axis=0) for k in range(n_classes)]) - X.mean(axis=0)
    basis = np.linalg.svd(means, full_matrices=False)[2][: min(n_classes - 1, d)]
    projected = X - (X - X.mean(axis=0)) @ basis.T @ basis
    assert np.sum((erased - X) ** 2) <= np.sum((projected - X) ** 2) + 1e-9


@settings(max_examples=30)
@given(st.lists(st.integers(1, 199), max_size=5), st.booleans())
def test_partial_fit_equals_fit_for_any_cut(cuts, ordered):
    rng = np.random.default_rng(1)
    X, y = correlated(rng, n=200)
    names = np.array(["a", "b", "c"])[np.sort(y) if ordered else y]
    fitter = LeaceFitter(LeaceEraser(), {"class": False})
    for rows in np.split(np.arange(200), sorted(set(cuts))):
        if len(rows):
            fitter.partial_fit(X[rows], names[rows])
    streamed = fitter.finish()
    whole = LeaceEraser().fit(X, names)
    np.testing.assert_allclose(streamed.transform(X), whole.transform(X), atol=1e-9)


def test_fit_forgets_an_earlier_fit(rng):
    X, y = correlated(rng)
    twice = LeaceEraser().fit(X + 100, 2 - y).fit(X, y)
    np.testing.assert_array_equal(twice.transform(X), LeaceEraser().fit(X, y).transform(X))


def test_several_attributes_categorical_and_continuous(rng):
    X, y = correlated(rng)
    age = X[:, 3] * 2 + rng.normal(size=len(X))
    both = np.empty((len(X), 2), dtype=object)
    both[:, 0], both[:, 1] = [f"class {k}" for k in y], age.tolist()
    erased = LeaceEraser().fit(X, both).transform(X)
    np.testing.assert_allclose(cross_covariance(erased, np.eye(3)[y]), 0, atol=1e-9)
    np.testing.assert_allclose(cross_covariance(erased, age[:, None]), 0, atol=1e-9)
    only_age = LeaceEraser().fit(X, age).transform(X)
    assert np.abs(cross_covariance(only_age, np.eye(3)[y])).max() > 0.01


def test_directions_without_variance_do_no_harm(rng):
    X, y = correlated(rng)
    X = np.column_stack([X, np.full(len(X), 3.0), X[:, 0]])
    erased = LeaceEraser().fit(X, y).transform(X)
    np.testing.assert_allclose(cross_covariance(erased, np.eye(3)[y]), 0, atol=1e-7)
    np.testing.assert_allclose(erased[:, 7], 3.0, atol=1e-6)


def test_large_mean_costs_no_digits(rng):
    X, y = correlated(rng)
    far = LeaceEraser().fit((X + 1000).astype(np.float32), y).transform((X + 1000).astype("f4"))
    near = LeaceEraser().fit(X, y).transform(X)
    np.testing.assert_allclose(far - 1000, near, atol=0.01)


def test_affine_map_is_the_same_map(rng):
    X, y = correlated(rng)
    eraser = LeaceEraser().fit(X, y)
    A, b = eraser.affine_map()
    np.testing.assert_allclose(X @ A + b, eraser.transform(X), atol=1e-9)


def test_low_rank_update_by_hand():
    # (x - mean) . c = (3 - 1) * 1 = 2; the update takes 2 * (0, 5) away.
    X, mean = np.array([[3.0, 4.0]]), np.array([1.0, 0.0])
    out = apply_low_rank(X, mean, np.array([[1.0, 0.0]]), np.array([[0.0, 5.0]]))
    np.testing.assert_array_equal(out, [[3.0, -6.0]])


def test_attribute_count_must_stay(rng):
    X, y = correlated(rng)
    fitter = LeaceEraser().fitter({"class": False})
    with pytest.raises(InputError, match="y has 2 attributes where 1 are expected"):
        fitter.partial_fit(X, np.column_stack([y, y]))


def test_parts_of_one_class_are_refused_by_name(rng):
    fitter = LeaceEraser().fitter({"gender": False, "age_years": True})
    y = np.array([["m", 0.5], ["m", 1.5], ["m", 2.5]], dtype=object)
    fitter.partial_fit(rng.normal(size=(3, 4)), y)
    with pytest.raises(InputError, match="gender is m in every row; it cannot be read or erased"):
        fitter.finish()


def test_whole_numbers_are_classes_if_few_and_a_scale_if_many(rng):
    # Three classes; the middle one has its own mean, which no straight line through 0, 1, 2 sees.
    y = rng.integers(0, 3, 600)
    X = rng.normal(size=(600, 4)) + np.array([0, 3, 0])[y][:, None]
    text = LeaceEraser().fit(X, y.astype(str)).transform(X)
    for numbers in (y, y.astype(float), y.astype(object)):
        np.testing.assert_array_equal(LeaceEraser().fit(X, numbers).transform(X), text)
    assert np.ptp([text[y == k].mean(axis=0) for k in range(3)], axis=0).max() < 1e-9
    ages = np.arange(600) % 50
    erased = LeaceEraser().fit(X, ages)
    assert len(erased.coefficients_) == 1


@pytest.mark.parametrize("age", [np.inf, -np.inf, 1e200])
def test_parts_with_a_number_that_has_no_square_are_refused(rng, age):
    X, ages = rng.normal(size=(30, 4)), rng.uniform(18, 80, 30)
    ages[7] = age
    with pytest.raises(InputError, match="age, row 7: must be at most 1e\\+15 in size"):
        LeaceFitter(LeaceEraser(), {"age": True}).partial_fit(X, ages)
