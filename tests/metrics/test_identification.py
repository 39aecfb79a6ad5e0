import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sfumato.metrics.identification as module
from sfumato.errors import InputError
from sfumato.metrics.identification import cmc, cmc_embeddings


def naive_cmc(scores, probe_identity, gallery_identity):
    people = sorted(set(gallery_identity))
    hits = np.zeros(len(people))
    for row, person in zip(scores, probe_identity, strict=True):
        best = {p: max(s for s, q in zip(row, gallery_identity, strict=True) if q == p)
                for p in people}  # fmt: skip
        rank = sum(best[p] >= best[person] for p in people)
        hits[rank - 1 :] += 1
    return hits / len(scores)


def test_cmc_by_hand():
    # Probe of a: best a 0.9, first. Probe of b: 0.5 ties with c, so second.
    scores = [[0.9, 0.1, 0.2, 0.3], [0.2, 0.4, 0.5, 0.5]]
    assert cmc(scores, ["a", "b"], ["a", "a", "b", "c"]).tolist() == [0.5, 1, 1]


@given(st.integers(0, 10_000))
def test_cmc_equals_its_slow_twin(seed):
    rng = np.random.default_rng(seed)
    gallery = np.concatenate([np.arange(5), rng.integers(5, size=4)])
    probe = rng.integers(5, size=7)
    scores = rng.integers(6, size=(7, 9)).astype(float)
    found = cmc(scores, probe, gallery)
    np.testing.assert_allclose(found, naive_cmc(scores, probe, gallery))
    assert found[-1] == 1 and (np.diff(found) >= 0).all()


@pytest.mark.parametrize("cells", [1, 30, 10_000])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_embeddings_in_blocks_equal_the_matrix(rng, cells, metric, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_CELLS", cells)
    gallery, probe = rng.normal(size=(12, 4)), rng.normal(size=(20, 4))
    people, who = rng.permutation(np.arange(12) % 6), rng.integers(6, size=20)
    scores = module.block_scores(
        module.comparable(probe, metric), module.comparable(gallery, metric), metric
    )
    np.testing.assert_allclose(
        cmc_embeddings(probe, who, gallery, people, metric), cmc(scores, who, people)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cmc([[1.0, 2.0]], ["x"], ["a", "b"]), "row 0: 'x' is not in the gallery"),
        (lambda: cmc([[1.0, 2.0]], ["a"], ["a"]), "gallery_identity must have 2 entries"),
        (lambda: cmc([[1.0, 2.0]], ["a", "b"], ["a", "b"]), "probe_identity must have shape"),
        (lambda: cmc_embeddings([[1.0]], ["a"], [[1.0, 2]], ["a"]), "probe has 1 features"),
    ],
)
def test_refuses_what_does_not_fit(call, message):
    with pytest.raises(InputError, match=message):
        call()
