import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from sfumato.losses.ordinal import (  # noqa: E402
    ce_levels,
    ce_loss,
    coral_levels,
    coral_loss,
    corn_levels,
    corn_loss,
    levels,
    or_levels,
    or_loss,
)
from sfumato.metrics.ordinal import n_inconsistencies  # noqa: E402

seeds = st.integers(0, 2**31)


def draw(seed, *shape):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def draw_ranks(seed, n, n_ranks):
    return torch.randint(n_ranks, (n,), generator=torch.Generator().manual_seed(seed))


def test_losses_by_hand():
    # One row of rank 1 of three: y = (1, 0); s(0) = 1/2, s(log 3) = 3/4.
    logits, rank = torch.tensor([[0.0, math.log(3)]]), torch.tensor([1])
    half, quarter = math.log(2), math.log(4)
    assert coral_loss(logits, rank).item() == pytest.approx(half + quarter)
    weighted = coral_loss(logits, rank, torch.tensor([1.0, 0.5])).item()
    assert weighted == pytest.approx(half + quarter / 2)
    pairs = torch.stack([torch.zeros_like(logits), logits], dim=2) + 7
    assert or_loss(pairs, rank).item() == pytest.approx(half + quarter)
    assert corn_loss(logits, rank).item() == pytest.approx((half + quarter) / 2)
    # Of rank 0 the second task asks nothing.
    assert corn_loss(logits, torch.tensor([0])).item() == pytest.approx(half)


def test_levels_by_hand():
    logits = torch.tensor([[0.0, math.log(3)]])
    torch.testing.assert_close(coral_levels(logits), torch.tensor([[0.5, 0.75]]))
    torch.testing.assert_close(corn_levels(logits), torch.tensor([[0.5, 0.375]]))
    three = torch.tensor([[0.2, 0.5, 0.3]]).log()
    torch.testing.assert_close(ce_levels(three), torch.tensor([[0.8, 0.3]]))


@settings(max_examples=30)
@given(seeds, st.integers(1, 20), st.integers(2, 12))
def test_losses_are_those_of_the_authors_package(seed, n, n_ranks):
    reference = pytest.importorskip("coral_pytorch")
    from coral_pytorch.dataset import levels_from_labelbatch
    from coral_pytorch.losses import coral_loss as coral_oracle
    from coral_pytorch.losses import corn_loss as corn_oracle

    assert reference
    logits, ranks = draw(seed, n, n_ranks - 1), draw_ranks(seed, n, n_ranks)
    y = levels_from_labelbatch(ranks, n_ranks, dtype=torch.float64)
    assert torch.equal(levels(ranks, n_ranks).double(), y)
    importance = torch.rand(n_ranks - 1, dtype=torch.float64)
    for weights in (None, importance):
        expected = coral_oracle(logits, y, importance_weights=weights)
        assert coral_loss(logits, ranks, weights).item() == pytest.approx(
            expected.item(), abs=1e-6
        )
    expected = corn_oracle(logits, ranks, n_ranks)
    assert corn_loss(logits, ranks).item() == pytest.approx(expected.item(), abs=1e-6)


@settings(max_examples=30)
@given(seeds)
def test_or_loss_is_the_sum_of_softmax_cross_entropies(seed):
    logits, ranks = draw(seed, 6, 4, 2), draw_ranks(seed, 6, 5)
    y = levels(ranks, 5).long()
    expected = sum(ce_loss(logits[:, k], y[:, k]) for k in range(4))
    torch.testing.assert_close(or_loss(logits, ranks), expected)
    torch.testing.assert_close(or_levels(logits), logits.softmax(dim=2)[..., 1])


def test_losses_survive_sure_answers():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    for loss in (coral_loss, corn_loss):
        value = loss(logits, torch.tensor([0]))
        (gradient,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(value) and torch.isfinite(gradient).all()
        assert value > 100


@settings(max_examples=50)
@given(seeds, st.integers(2, 9))
def test_corn_and_ce_never_contradict_themselves_and_coral_does_not_with_falling_biases(seed, k):
    g, biases = draw(seed, 20, 1), draw(seed + 1, k).sort(descending=True).values
    for found in (
        coral_levels(g + biases),
        corn_levels(draw(seed, 20, k)),
        ce_levels(draw(seed, 20, k + 1)),
    ):
        assert found.shape == (20, k)
        assert n_inconsistencies(found.numpy()).sum() == 0
        assert ((found >= 0) & (found <= 1)).all()


def test_or_cnn_can_contradict_itself():
    assert n_inconsistencies(or_levels(draw(0, 50, 8, 2)).numpy()).sum() > 0


def test_coral_biases_end_ordered_though_they_start_otherwise():
    """Theorem 1: at the optimum b_1 >= b_2 >= ...; from reversed biases, on drawn rows."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(300, 1)))
    ranks = torch.from_numpy(np.digitize(x[:, 0].numpy() + rng.normal(size=300), [-1, 0, 0.5, 2]))
    weight = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor([-1.0, -0.5, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100)

    def loss():
        optimizer.zero_grad()
        value = coral_loss(x @ weight + bias, ranks)
        value.backward()
        return value

    optimizer.step(loss)
    assert bias.grad.abs().max() < 1e-3
    assert (bias.diff() < 0).all()
