import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.distributions import Categorical  # noqa: E402
from torch.nn import functional  # noqa: E402

from sfumato.losses.adversarial import (  # noqa: E402
    cross_entropy,
    cross_entropy_to_uniform,
    embedding_distance,
    entropy,
    reverse_gradient,
)

logits = st.integers(2, 5).flatmap(
    lambda n: st.lists(st.lists(st.floats(-8, 8), min_size=n, max_size=n), min_size=1, max_size=4)
)


def test_by_hand():
    # p = (3/4, 1/4): H = 3/4 log(4/3) + 1/4 log 4; to uniform: -(log 3/4 + log 1/4) / 2.
    two = torch.tensor([[math.log(3), 0.0]])
    assert entropy(two).item() == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    uniform = -(math.log(0.75) + math.log(0.25)) / 2
    assert cross_entropy_to_uniform(two).item() == pytest.approx(uniform)
    assert cross_entropy(two, torch.tensor([1])).item() == pytest.approx(math.log(4))


@given(logits)
def test_undecided_adversaries_are_the_optimum(rows):
    rows = torch.tensor(rows, dtype=torch.float64)
    best = math.log(rows.shape[1])
    assert (entropy(rows) <= best + 1e-9).all()
    assert (cross_entropy_to_uniform(rows) >= best - 1e-9).all()
    flat = torch.zeros_like(rows)
    assert entropy(flat).tolist() == pytest.approx([best] * len(rows))
    assert cross_entropy_to_uniform(flat).tolist() == pytest.approx([best] * len(rows))


@given(logits)
def test_oracle_of_torch(rows):
    rows = torch.tensor(rows, dtype=torch.float64)
    labels = torch.arange(len(rows)) % rows.shape[1]
    torch.testing.assert_close(
        cross_entropy(rows, labels), functional.cross_entropy(rows, labels, reduction="none")
    )
    expected = Categorical(logits=rows).entropy()
    torch.testing.assert_close(entropy(rows), expected)


@given(st.floats(0, 5))
def test_the_gradient_is_reversed_and_scaled(scale):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    out = reverse_gradient(x, scale)
    assert torch.equal(out, x)
    (out * torch.tensor([3.0, 5.0])).sum().backward()
    assert x.grad.tolist() == pytest.approx([-3 * scale, -5 * scale], rel=1e-6)


def test_reversal_without_a_gradient_is_the_identity():
    x = torch.tensor([1.0, 2.0])
    assert torch.equal(reverse_gradient(x), x)


def test_embedding_distance_by_hand():
    # cos = 0.6 at whatever length; opposite rows are at 2; a zero row counts as orthogonal.
    z = torch.tensor([[3.0, 4.0], [-1.0, 0.0], [0.0, 0.0]])
    x = torch.tensor([[10.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert embedding_distance(z, x).tolist() == pytest.approx([0.4, 2, 1], abs=1e-6)
