"""Losses of SANs against values worked by hand."""

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.losses.san import gender_loss, matching_loss, pixel_loss  # noqa: E402


def test_pixel_loss_by_hand():
    # Two pictures of 2 x 1 pixels: 0.5^2 + 0.1^2 = 0.26, and none.
    x = torch.tensor([[0.5, 0.2], [1.0, 0.0]]).reshape(2, 1, 2, 1)
    same = torch.tensor([[1.0, 0.1], [1.0, 0.0]]).reshape(2, 1, 2, 1)
    torch.testing.assert_close(pixel_loss(x, same), torch.tensor([0.26, 0.0]))


def test_gender_loss_by_hand():
    # Odds 3 : 1. Right on both outputs, -2 log 0.75; wrong on both, -2 log 0.25.
    a, b = [math.log(3), 0.0], [0.0, math.log(3)]
    same, opposite = torch.tensor([a, a]), torch.tensor([b, b])
    expected = torch.tensor([-2 * math.log(0.75), -2 * math.log(0.25)])
    torch.testing.assert_close(gender_loss(same, opposite, torch.tensor([0, 1])), expected)


def test_gender_loss_tells_its_two_outputs_apart():
    # Class 0: X'_SM is read as 0 for sure, X'_OP too, so the second term costs 20.
    sure = torch.tensor([[20.0, 0.0]])
    found = gender_loss(sure, sure, torch.tensor([0]))
    torch.testing.assert_close(found, torch.tensor([20.0]), atol=1e-4, rtol=0)


def test_matching_loss_by_hand():
    # (1 - 0)^2 + (2 - 4)^2 = 5; unit rows at 60 degrees: 2 - 2 * 0.5 = 1.
    found = matching_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]]))
    assert found.tolist() == [5.0]
    unit = torch.tensor([[0.5, math.sqrt(0.75)]])
    torch.testing.assert_close(
        matching_loss(unit, torch.tensor([[1.0, 0.0]])), torch.tensor([1.0])
    )
