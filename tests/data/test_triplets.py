import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.data.triplets import hard_triplets
from sfumato.errors import InputError


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.5))
def test_every_triplet_satisfies_equation_3(seed, alpha):
    rng = np.random.default_rng(seed)
    identity = rng.integers(0, 12, 60)
    X = rng.normal(size=(60, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    a, p, n = hard_triplets(X, identity, alpha=alpha, n_triplets=300, seed=seed).T
    counts = np.bincount(identity)
    assert (identity[a] == identity[p]).all() and (identity[a] != identity[n]).all()
    assert (a != p)[counts[identity[a]] > 1].all()
    genuine = np.sum((X[a] - X[p]) ** 2, axis=1)
    impostor = np.sum((X[a] - X[n]) ** 2, axis=1)
    assert (impostor - genuine < alpha + 1e-9).all()


def test_without_repeated_people_the_anchor_is_its_own_positive(rng):
    X = rng.normal(size=(30, 3))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    a, p, n = hard_triplets(X, np.arange(30), alpha=1.0, n_triplets=50).T
    assert (a == p).all() and (a != n).all()


def test_one_person_makes_no_triplet(rng):
    with pytest.raises(InputError, match="at least 2 people"):
        hard_triplets(rng.normal(size=(5, 3)), np.zeros(5))


def test_no_hard_triplet_is_an_error():
    X = np.repeat(np.eye(2), 5, axis=0)
    with pytest.raises(InputError, match="no hard triplet within alpha=0.2"):
        hard_triplets(X, np.repeat([0, 1], 5))
