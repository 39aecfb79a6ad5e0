"""Losses of PrivacyNet, worked by hand."""

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.losses.gan import (  # noqa: E402
    attribute_loss,
    critic_loss,
    generator_source_loss,
    gradient_penalty,
    matching_loss,
    reconstruction_loss,
)


def test_source_losses_by_hand():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.5, 1.5])
    assert critic_loss(real, fake).item() == 1 - 2
    assert generator_source_loss(fake).item() == -1


def test_penalty_of_a_linear_critic_is_that_of_its_slope():
    # D(x) = <w, x>: the gradient is w everywhere, its norm 5, so (5 - 1)^2.
    w = torch.zeros(1, 3, 2, 2)
    w[0, 0, 0, 0], w[0, 2, 1, 1] = 3.0, 4.0
    x, y = torch.rand(7, 3, 2, 2), torch.rand(7, 3, 2, 2)
    found = gradient_penalty(lambda x: (w * x).sum(dim=(1, 2, 3)), x, y, torch.rand(7))
    assert found.item() == pytest.approx(16)


def test_penalty_looks_between_real_and_fake():
    # D(x) = x^2 / 2 of one pixel: the gradient is x. Mixed a quarter real, x = 1 * 3/4.
    real, fake = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    found = gradient_penalty(
        lambda x: (x**2 / 2).sum(dim=(1, 2, 3)), real, fake, torch.tensor([0.25])
    )
    assert found.item() == pytest.approx((0.75 - 1) ** 2)


def test_penalty_reaches_the_critics_weights():
    w = torch.tensor(3.0, requires_grad=True)
    x = torch.ones(2, 1, 1, 1)
    # The gradient by x is w, so d/dw (w - 1)^2 = 4.
    gradient_penalty(lambda x: w * x.sum(dim=(1, 2, 3)), x, x, torch.rand(2)).backward()
    assert w.grad.item() == pytest.approx(4)


def test_attribute_loss_by_hand():
    layout = {"gender": (0, 2), "age": (1, 3)}
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(3), math.log(2), 0.0, 0.0]])
    codes = {"gender": torch.tensor([1, 0]), "age": torch.tensor([2, 0])}
    # Gender: log 2 and -log(1/4); age: log 3 and -log(2/4).
    expected = (math.log(2) + math.log(4)) / 2 + (math.log(3) + math.log(2)) / 2
    assert attribute_loss(logits, codes, layout).item() == pytest.approx(expected)


def test_matching_and_reconstruction_by_hand():
    a, b = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert matching_loss(a, b).item() == 1  # 2 and 0
    assert reconstruction_loss(torch.zeros(1, 3, 1, 2), torch.full((1, 3, 1, 2), -0.5)) == 0.5
