import pytest

torch = pytest.importorskip("torch")

from sfumato.training.update import update  # noqa: E402


def test_only_the_named_networks_move_and_old_gradients_are_cleared():
    # loss = a * b at a = 2, b = 3: d/da = 3, d/db = 2; rate 0.1 takes a to 1.7.
    a, b = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    of_a, of_b = torch.optim.SGD([a], 0.1), torch.optim.SGD([b], 0.1)
    update(a * b, of_a, None)
    assert (a.item(), b.item()) == (pytest.approx(1.7), 3)
    # b holds a gradient of the first loss; its own update must not count it: 3 - 0.1 * 1.7.
    update(a * b, of_b)
    assert b.item() == pytest.approx(2.83)
    assert a.item() == pytest.approx(1.7)
