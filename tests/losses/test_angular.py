import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from sfumato.losses.angular import angles, centroid_angle, opposite_angle  # noqa: E402

SLACK = 2e-3  # Of cosines that are kept off 1.


def at(*degrees):
    """Return rows of other lengths than 1 at these angles."""
    radians = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return 3 * torch.stack([radians.cos(), radians.sin()], dim=1)


@pytest.mark.parametrize("degrees", [0, 30, 90, 180])
def test_angles_by_hand(degrees):
    (found,) = angles(at(10), at(10 + degrees))
    assert found.item() == pytest.approx(math.radians(degrees), abs=SLACK)


def test_equal_directions_keep_a_gradient():
    x = at(20.0).requires_grad_()
    angles(x, at(20.0)).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_centroids_by_hand():
    # Means at 10, 40 and 130 degrees: the pairs are 30, 120 and 90 degrees apart.
    z, labels = at(0, 20, 40, 120, 140), torch.tensor([0, 0, 1, 2, 2])
    z = z * torch.tensor([[1.0], [5.0], [1.0], [0.1], [1.0]])  # Lengths play no part.
    assert centroid_angle(z, labels).item() == pytest.approx(math.radians(80), abs=SLACK)


def test_opposites_by_hand():
    # Class 0 is 90 and 70 from W_1, class 1 is 40 from W_0: 80 + 40.
    z, labels = at(0, 20, 40), torch.tensor([0, 0, 1])
    found = opposite_angle(z, labels, at(0, 90))
    assert found.item() == pytest.approx(math.radians(120), abs=SLACK)
    # A third class at 180: class 0 is 170 from it, class 1 140; means with W_1 and W_0.
    found = opposite_angle(z, labels, at(0, 90, 180))
    expected = (80 + 170) / 2 + (40 + 140) / 2
    assert found.item() == pytest.approx(math.radians(expected), abs=SLACK)


@settings(max_examples=10)
@given(st.floats(0.1, 10))
def test_a_batch_of_one_class_pulls_at_nothing_but_the_other_centroid(length):
    z = length * at(0, 30)
    assert centroid_angle(z, torch.tensor([1, 1])).item() == 0
    found = opposite_angle(z, torch.tensor([1, 1]), at(60, 0)).item()
    assert found == pytest.approx(math.radians(45), abs=SLACK)
