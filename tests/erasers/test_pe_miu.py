import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from sfumato.audit.matching import match_pairs
from sfumato.audit.protocol import audit
from sfumato.data.pairs import JoinedPairs
from sfumato.erasers.pe_miu import PeMiuEraser
from sfumato.errors import InputError
from sfumato.metrics.scores import pair_scores


@given(st.integers(6, 12), st.integers(1, 5), st.integers(0, 2**63))
def test_a_template_keeps_its_blocks_in_another_order(n_features, size, seed):
    X = np.random.default_rng(0).normal(size=(6, n_features))
    shuffled = PeMiuEraser(block_size=size, seed=seed).fit_transform(X)
    n_blocks = -(-n_features // size)
    assert shuffled.shape == (6, n_blocks * size)
    for row, stored in zip(X, shuffled, strict=True):
        whole = np.zeros(n_blocks * size)
        whole[:n_features] = row
        blocks = sorted(map(tuple, whole.reshape(n_blocks, size)))
        assert sorted(map(tuple, stored.reshape(n_blocks, size))) == blocks


def test_every_order_is_equally_likely():
    # 6,000 templates, 6 orders: 1,000 each with a deviation of 29.
    X = np.arange(6000.0)[:, None] + [0.1, 0.2, 0.3]
    order = (PeMiuEraser(block_size=1).fit_transform(X) - X[:, :1]).argsort(axis=1)
    _, counts = np.unique(order, axis=0, return_counts=True)
    assert len(counts) == 6 and abs(counts - 1000).max() < 150


def test_other_seeds_give_other_orders(rng):
    X = rng.normal(size=(50, 8))
    one, two = (PeMiuEraser(block_size=2, seed=seed).fit_transform(X) for seed in (1, 2))
    # One order in 24 is the same by chance.
    assert (one != two).any(axis=1).mean() > 0.8


def faces(seed=0, n_people=200, n_features=16):
    """Templates with blocks of their own place and a label in each of them."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(n_people), 4)
    y = identity % 2
    place = 3 * np.sign(rng.normal(size=n_features))
    sign = np.where(np.arange(n_features) % 4 == 0, 1, 0) * np.where(
        np.arange(n_features) < n_features // 2, 1, -1
    )
    X = place + rng.normal(size=(n_people, n_features))[identity]
    X = X + 0.3 * rng.normal(size=X.shape) + 1.5 * np.outer(2 * y - 1, sign)
    return X, y, identity


def test_own_comparator_matches_as_before_and_the_cosine_does_not():
    X, _, identity = faces(n_people=100)
    a = np.arange(0, 400, 4)
    genuine = np.repeat([True, False], 100)
    pairs = JoinedPairs(
        np.tile(a, 2), np.append(a + 1, np.roll(a, 1)), genuine, identity, None, None, 0
    )
    eraser = PeMiuEraser(block_size=4).fit(X)
    protected = eraser.transform(X)

    def eer(X, metric):
        found = match_pairs(X, pairs, metric=metric, n_resamples=0, fmr=0.1)
        return found["original-original"].result["eer"]["value"]

    before = eer(X, "cosine")
    assert before < 0.05
    assert eer(protected, eraser.metric) < before + 0.03
    assert eer(protected, "cosine") > 0.2


def test_the_right_order_gives_back_the_cosine():
    X, _, _ = faces(n_people=20)
    eraser = PeMiuEraser(block_size=4).fit(X)
    same = pair_scores(X, np.arange(80), np.arange(80), eraser.metric, other=eraser.transform(X))
    np.testing.assert_allclose(same, 1)


def test_the_order_stops_a_linear_attacker_and_the_matcher_reads_on():
    X, y, identity = faces()
    eraser = PeMiuEraser(block_size=4).fit(X)
    protected = eraser.transform(X)
    result = audit(
        X,
        y,
        identity=identity,
        protected=protected,
        protected_metric=eraser.metric,
        attackers=["logistic regression", "similarity"],
        n_resamples=50,
    )
    before, after = (
        {name: found.balanced_accuracy for name, found in side.attacks.items()}
        for side in (result.before, result.after)
    )
    assert min(before.values()) > 0.85
    assert after["logistic regression"] < 0.65
    assert after["similarity"] > before["similarity"] - 0.05
    assert result.after.strongest == "similarity"


def test_whoever_sorts_the_blocks_undoes_it():
    # No seed is needed: every template's blocks are assigned to those of one of them.
    X, y, identity = faces()
    protected = PeMiuEraser(block_size=4).fit_transform(X).reshape(len(X), 4, 4)
    reference = protected[0]
    cost = np.linalg.norm(protected[:, :, None] - reference, axis=3)
    order = np.array([linear_sum_assignment(c.T)[1] for c in cost])
    undone = np.take_along_axis(protected, order[:, :, None], axis=1).reshape(len(X), -1)
    result = audit(
        X, y, identity=identity, protected=undone,
        attackers=["logistic regression"], n_resamples=50,
    )  # fmt: skip
    assert result.after.headline.balanced_accuracy > 0.8


def test_metric_says_the_size_of_the_blocks():
    assert PeMiuEraser(block_size=16).metric == "blocks:16"


def test_a_single_block_would_stay_where_it_is():
    with pytest.raises(InputError, match="below the number of features.*X has 4 .* is 4"):
        PeMiuEraser(block_size=4).fit(np.eye(4))
