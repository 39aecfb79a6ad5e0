import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import sfumato.metrics.comparators as module
from sfumato.data.info import METRICS, check_metric
from sfumato.errors import InputError
from sfumato.metrics.comparators import comparator
from sfumato.metrics.scores import all_vs_all, pair_scores


def slow_blocks(probe, reference, size):
    """One pair: align the probe's blocks to the reference's by the Hungarian method; cosine."""
    probe, reference = (x / np.linalg.norm(x) for x in (probe, reference))
    n_blocks = len(probe) // size
    cost = np.empty((n_blocks, n_blocks))
    for i in range(n_blocks):
        for j in range(n_blocks):
            left, right = probe[i * size : (i + 1) * size], reference[j * size : (j + 1) * size]
            cost[i, j] = np.sqrt(np.sum((left - right) ** 2))
    aligned = np.empty_like(probe)
    for i, j in zip(*linear_sum_assignment(cost), strict=True):
        aligned[j * size : (j + 1) * size] = probe[i * size : (i + 1) * size]
    return aligned @ reference


def slow(metric, a, b):
    if metric.startswith("blocks:"):
        return slow_blocks(a, b, int(metric.split(":")[1]))
    same = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    return {
        "cosine": a @ b / np.linalg.norm(a) / np.linalg.norm(b),
        "euclidean": -np.sqrt(np.sum((a - b) ** 2)),
        "agreement": same,
    }[metric]


# The blocks: one, few by trying all orders, and many by the Hungarian method.
@pytest.mark.parametrize("metric", [*METRICS, "blocks:18", "blocks:6", "blocks:3", "blocks:2"])
def test_pairs_and_matrix_equal_a_slow_twin(metric, rng, monkeypatch):
    monkeypatch.setattr(module, "TILE", 4)
    monkeypatch.setattr(module, "ROWS", 5)
    monkeypatch.setattr(module, "ONE_HOT_ROWS", 3)
    if metric == "agreement":
        A, B = rng.integers(0, 4, size=(2, 11, 18)).astype(float)
    else:
        A, B = rng.normal(size=(2, 11, 18))
    found = comparator(metric)
    expected = np.array([[slow(metric, a, b) for b in B] for a in A])
    prepared = found.prepare(A), found.prepare(B)
    np.testing.assert_allclose(found.matrix(*prepared), expected, atol=1e-7)
    np.testing.assert_allclose(found.pairs(*prepared), expected.diagonal(), atol=1e-7)
    a, b = np.triu_indices(11, 1)
    np.testing.assert_allclose(pair_scores(A, a, b, metric, other=B), expected[a, b], atol=1e-7)
    np.testing.assert_allclose(found.prepare(prepared[0]), prepared[0])


def test_blocks_by_hand():
    # Blocks (3, 0) and (0, 4) against (0, 3) and (4, 0): as they stand the cosine is 0. The
    # distances are sqrt(18), 1, 1, sqrt(32) fifths: swapped they are least, and the cosine is
    # (3 * 4 + 4 * 3) / 25.
    score = pair_scores([[3, 0, 0, 4], [0, 3, 4, 0]], [0], [1], "blocks:2")
    assert score[0] == pytest.approx(24 / 25)


def test_the_assignment_is_by_distance_not_by_its_square():
    # Distances as they stand 0 and sqrt(8), together 2.83; swapped sqrt(5) and 1, together 3.24.
    # Their squares, 8 and 6, would prefer the swap and a cosine of 2/5.
    score = pair_scores([[0, 1, 0, 2], [0, 1, 2, 0]], [0], [1], "blocks:2")
    assert score[0] == pytest.approx(1 / 5)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 4, 6]))
def test_shuffling_blocks_changes_nothing(seed, size):
    # Blocks of one feature are left out: on a line many assignments are equally good.
    rng = np.random.default_rng(seed)
    X, other = rng.normal(size=(2, 5, 12))
    shuffled = np.stack(
        [row.reshape(-1, size)[rng.permutation(12 // size)].ravel() for row in other]
    )
    found = comparator(f"blocks:{size}")
    A, B, C = (found.prepare(x) for x in (X, other, shuffled))
    np.testing.assert_allclose(found.matrix(A, B), found.matrix(A, C), atol=1e-12)
    np.testing.assert_allclose(found.matrix(A, B), found.matrix(B, A).T, atol=1e-12)
    np.testing.assert_allclose(found.pairs(B, C), 1)


@pytest.mark.parametrize("metric", ["blocks:4", "agreement"])
@pytest.mark.parametrize("dense_share", [0, 1e9])
def test_all_vs_all_by_matrix_and_by_pairs(metric, dense_share, rng, monkeypatch):
    monkeypatch.setattr("sfumato.metrics.scores.DENSE_SHARE", dense_share)
    X = rng.integers(1, 4, size=(12, 8)).astype(np.float32)
    identity = np.arange(12) % 4
    found = all_vs_all(X, identity, metric)
    a, b = np.triu_indices(12, 1)
    expected = np.array([slow(metric, X[i], X[j]) for i, j in zip(a, b, strict=True)])
    genuine = identity[a] == identity[b]
    np.testing.assert_allclose(np.sort(found.genuine), np.sort(expected[genuine]), atol=1e-6)
    np.testing.assert_allclose(np.sort(found.impostor), np.sort(expected[~genuine]), atol=1e-6)


@pytest.mark.parametrize("metric", ["blocks:4", "agreement"])
def test_float32_gives_float32(metric):
    X = np.eye(8, dtype=np.float32)
    assert pair_scores(X, [0, 1], [1, 2], metric).dtype == np.float32
    assert all_vs_all(X, np.arange(8) % 4, metric).impostor.dtype == np.float32


def test_every_metric_has_a_comparator():
    for metric in (*METRICS, "blocks:1"):
        assert check_metric(metric) == metric
        comparator(metric)


@pytest.mark.parametrize(
    "metric", ["dot", "blocks", "blocks:", "blocks:0", "blocks:-2", "blocks:x", "blocks:02", 3]
)
def test_unknown_metrics_list_the_known(metric):
    with pytest.raises(InputError, match="metric must be one of cosine, .* blocks:N with the"):
        comparator(metric)


def test_templates_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="blocks:3 compares .* whole blocks of 3 features, got 8"):
        pair_scores(np.eye(8), [0], [1], "blocks:3")
    with pytest.raises(InputError, match="X, row 1: an embedding of zeros cannot be"):
        pair_scores([[1, 0], [0, 0]], [0], [1], "blocks:1")
    for strange in (0.5, -1, 256):
        with pytest.raises(InputError, match="row 1: agreement compares templates of whole num"):
            pair_scores([[0, 1], [1, strange]], [0], [1], "agreement")


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_embeddings_beyond_floats_are_refused(metric):
    huge = np.ones((3, 4), np.float32)
    huge[2] = 1e25
    with pytest.raises(InputError, match="X, row 2: the embedding's length overflows float32"):
        pair_scores(huge, [0], [1], metric)
    if metric == "cosine":
        with pytest.raises(InputError, match="X, row 2: .* length vanishes in float32"):
            pair_scores(1 / huge, [0], [1], metric)
