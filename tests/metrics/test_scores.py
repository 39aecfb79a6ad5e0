import itertools

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

import sfumato.metrics.scores as module
from sfumato.errors import InputError
from sfumato.metrics.scores import all_pairs, all_vs_all, pair_scores

MATRIX = {"cosine": cosine_similarity, "euclidean": lambda a, b: -euclidean_distances(a, b)}


@pytest.fixture
def faces(rng):
    identity = rng.permutation(np.repeat(list("abcdefgh"), [1, 1, 2, 3, 4, 5, 6, 7]))
    X = rng.normal(size=(identity.size, 5))
    return X, X + rng.normal(size=X.shape), identity


@pytest.mark.parametrize("metric", MATRIX)
@pytest.mark.parametrize("dense_share", [0, 2])
@pytest.mark.parametrize("cells", [16 * 5, 8_000_000])
def test_all_vs_all_equals_the_matrix(faces, metric, dense_share, cells, monkeypatch):
    """By matrix products and by gathering, in one block and in many."""
    monkeypatch.setattr(module, "DENSE_SHARE", dense_share)
    monkeypatch.setattr(module, "BLOCK_CELLS", cells)
    X, other, identity = faces
    matrix = MATRIX[metric](X, other)
    upper = list(itertools.combinations(range(len(X)), 2))
    genuine = [matrix[a, b] for a, b in upper if identity[a] == identity[b]]
    impostor = [matrix[a, b] for a, b in upper if identity[a] != identity[b]]
    found = all_vs_all(X, identity, metric, other=other)
    np.testing.assert_allclose(np.sort(found.genuine), np.sort(genuine), atol=1e-9)
    np.testing.assert_allclose(found.impostor, impostor, atol=1e-9)
    assert found.n_impostor_all == len(impostor)


def test_pairs_carry_their_people(faces):
    X, _, identity = faces
    pairs, found = all_pairs(identity), all_vs_all(X, identity)
    names = np.unique(identity)
    for side in (0, 1):
        np.testing.assert_array_equal(names[found.genuine_identity], identity[pairs.genuine[side]])
        np.testing.assert_array_equal(
            names[found.impostor_identity[:, side]], identity[pairs.impostor[side]]
        )


def test_a_sample_is_uniform_distinct_and_seeded(rng):
    identity = np.repeat(np.arange(10), 3)
    every = all_pairs(identity).impostor
    seen = dict.fromkeys(zip(*every.tolist(), strict=True), 0)
    for seed in range(200):
        found = all_pairs(identity, max_impostor=81, seed=seed)
        chosen = list(zip(*found.impostor.tolist(), strict=True))
        assert len(set(chosen)) == 81 and found.n_impostor_all == 405
        assert chosen == sorted(chosen)
        for pair in chosen:
            seen[pair] += 1
    # Each of the 405 pairs comes up 40 times in 200 on average, deviation 5.7; 5 deviations.
    counts = np.array(list(seen.values()))
    assert len(seen) == 405 and counts.min() > 11 and counts.max() < 69
    again = all_pairs(identity, max_impostor=81, seed=199)
    np.testing.assert_array_equal(found.impostor, again.impostor)


def test_genuine_pairs_are_never_sampled(faces):
    X, _, identity = faces
    found = all_vs_all(X, identity, max_impostor=10)
    assert found.genuine.size == 1 + 3 + 6 + 10 + 15 + 21 and found.impostor.size == 10


def test_sampled_scores_are_those_of_their_rows(faces):
    X, _, identity = faces
    pairs = all_pairs(identity, max_impostor=50)
    expected = pair_scores(X, *pairs.impostor, "cosine")
    np.testing.assert_allclose(all_vs_all(X, identity, max_impostor=50).impostor, expected)


def test_float32_stays_float32(faces):
    X, _, identity = faces
    assert all_vs_all(X.astype(np.float32), identity).impostor.dtype == np.float32
    assert pair_scores(X.astype(np.float32), [0], [1]).dtype == np.float32


def test_pair_scores_by_hand():
    X, other = [[3.0, 4.0], [0.0, 2.0]], [[3.0, 0.0], [4.0, 3.0]]
    assert pair_scores(X, [0, 1], [1, 1]) == pytest.approx([0.8, 1.0])
    assert pair_scores(X, [0], [1], other=other) == pytest.approx([24 / 25])
    assert pair_scores(X, [0, 1], [0, 1], "euclidean", other=other) == pytest.approx(
        [-4.0, -np.sqrt(17)]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair_scores([[0.0, 0.0], [1, 1]], [0], [1]), "X, row 0: an embedding of zeros"),
        (lambda: pair_scores([[1.0]], [0], [1]), r"b must hold row numbers in 0..0"),
        (lambda: pair_scores([[1.0]], [0], [0.0]), "b must be a 1-d array of row numbers"),
        (lambda: pair_scores([[1.0]], [0], [0], "dot"), "metric must be one of cosine, euclidean"),
        (lambda: pair_scores([[1.0]], [0], [0], other=[[1.0, 2]]), "equally wide"),
        (lambda: all_pairs(["a", "b"]), "identity needs at least two people"),
        (lambda: all_pairs(["a", "a"]), "identity needs at least two people"),
        (lambda: all_pairs(np.array(["a", None, "a"])), "identity of row 1 is missing"),
        (
            lambda: all_pairs(["a", "a", "b"], max_impostor=0),
            "max_impostor must be an integer >= 1",
        ),
        (lambda: all_vs_all([[1.0]], ["a", "a", "b"]), "must have the same rows"),
    ],
)
def test_refuses_what_it_cannot_compare(call, message):
    with pytest.raises(InputError, match=message):
        call()
