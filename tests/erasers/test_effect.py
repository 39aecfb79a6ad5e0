"""Maps that erase nothing are found out, honest and unlucky ones are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.erasers._attributes import read_attributes
from sfumato.erasers._effect import Sample, erases_nothing, moved
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError


def two_classes(n=200, d=8, gap=4.0, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, d))
    X[:, 0] += gap * y
    return X, y


def idle(transform, X, y):
    return erases_nothing(transform, X, read_attributes(y, len(X), continuous=True))


def turn(X):
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(X.shape[1], 16)).T)[0]
    return 3 * X @ rotation.T + 7


@pytest.mark.parametrize(
    "transform",
    [lambda X: X, turn, lambda X: X / np.linalg.norm(X, axis=1, keepdims=True)],
    ids=["identity", "isometry", "unit length"],
)
def test_rows_that_keep_their_distances_erase_nothing(transform):
    assert idle(transform, *two_classes())


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_labels_that_nobody_reads_accuse_no_map(seed):
    X, y = two_classes(gap=0.0, seed=seed)
    assert not idle(lambda X: X, X, np.random.default_rng(seed).permutation(y))


def test_a_method_without_labels_has_to_change_rows():
    X, _ = two_classes()
    assert erases_nothing(lambda X: 3 * X, X, [])
    # One feature's order is all that such a method may change; distances do not show it.
    assert not erases_nothing(lambda X: X[:, ::-1], X, [])


def test_few_rows_accuse_no_map():
    X, y = two_classes(n=18)
    assert not idle(lambda X: X, X, y)


def test_a_direction_too_small_to_show_in_distances_counts_when_it_is_erased():
    # All else is 10,000 times as wide.
    X, y = two_classes()
    X[:, 1:] *= 1e4

    def without_the_first(X):
        return X * np.array([0.0, 1, 1, 1, 1, 1, 1, 1])

    assert moved(X, without_the_first(X)) < 1e-4
    assert idle(lambda X: X, X, y)
    assert not idle(without_the_first, X, y)


def test_what_only_a_quadratic_reader_reads_counts():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    X = rng.normal(size=(400, 3)) * np.where(y, 5.0, 1.0)[:, None]
    assert idle(lambda X: X, X, y)


def test_numbers_on_a_scale_are_read_too():
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 80, 300)
    X = rng.normal(size=(300, 5))
    X[:, 2] += age / 10
    assert idle(lambda X: X, X, age)
    assert not idle(LeaceEraser().fit(X, age).transform, X, age)


def test_a_refused_eraser_is_unfitted(monkeypatch):
    X, y = two_classes()
    monkeypatch.setattr(LeaceEraser, "_transform", lambda self, X: X)
    eraser = LeaceEraser()
    with pytest.raises(InputError, match=r"LeaceEraser erases nothing: .* rtol=1e-05"):
        eraser.fit(X, y)
    assert not [name for name in vars(eraser) if name.endswith("_")]


def test_a_sample_holds_all_rows_alike():
    # 4,000 rows in parts of 500: a quarter of each part, with a deviation of 9.
    sample = Sample()
    for part in range(8):
        sample.add(np.full((500, 1), part), [np.full(500, part)])
    assert sample.X.shape == (1000, 1)
    np.testing.assert_array_equal(sample.X[:, 0], sample.columns[0])
    assert abs(np.bincount(sample.columns[0]) - 125).max() < 45


def test_a_map_that_makes_all_rows_one_is_refused():
    # As many classes as rows: their means span all features, and LEACE removes them all.
    X = np.random.default_rng(0).normal(size=(60, 16))
    with pytest.raises(InputError, match="LeaceEraser leaves nothing: all rows become one"):
        LeaceEraser().fit(X, [f"photo {n}" for n in range(60)])


def test_classes_of_fewer_rows_than_features_are_read_too():
    X, y = two_classes(n=40, d=128, gap=20.0)
    assert idle(lambda X: X, X, y)


def test_a_class_at_one_point_is_no_error():
    X, y = two_classes()
    X[y == 1] = X[1]
    assert idle(lambda X: X, X, y)
