import math

import pytest

torch = pytest.importorskip("torch")

from sfumato.losses.adversarial import sensitive_regulariser  # noqa: E402
from sfumato.losses.triplet import triplet_loss  # noqa: E402


def test_triplet_loss_by_hand():
    # |a - p|^2 = 1, |a - n|^2 = 4: 1 - 4 + 0.2 < 0, so 0; with n = p it is alpha.
    a, p, n = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert triplet_loss(a, p, n, 0.2).item() == 0
    assert triplet_loss(a, p, p, 0.2).item() == pytest.approx(0.2)
    assert triplet_loss(a, n, p, 0.2).item() == pytest.approx(4 - 1 + 0.2)


def test_sensitive_regulariser_by_hand():
    # Eq. 6: zero at 0.9, log(1.9) where the class is ruled out, log(1.1) where it is certain.
    values = sensitive_regulariser(torch.tensor([0.9, 0.0, 1.0]))
    assert values.tolist() == pytest.approx([0, math.log(1.9), math.log(1.1)], abs=1e-6)
