import copy

import numpy as np
import pytest

from sfumato.erasers.lntl import LearningNotToLearnEraser, step
from sfumato.errors import InputError

torch = pytest.importorskip("torch")

from sfumato.erasers._adversarial_training import Batch, Nets, Optimizers  # noqa: E402

RATE = 0.1


def linear(n_out, seed):
    layer = torch.nn.Linear(3, n_out)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.normal_(generator=generator)
        layer.bias.normal_(generator=generator)
    return layer.double()


def game():
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    nets = Nets(linear(3, 0), linear(4, 1), [linear(2, 2), linear(3, 3)])
    rows = torch.arange(8)
    return nets, Batch(x, rows % 4, [rows % 2, rows % 3])


def move(net, gradients, sign=-1.0):
    with torch.no_grad():
        for parameter, gradient in zip(net.parameters(), gradients, strict=True):
            parameter += sign * RATE * gradient


def gradients(loss, net):
    return torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)


def twin(nets, batch, entropy_weight, reversal):
    """Two updates written out, with the signs of the min-max in place of a reversal layer."""
    f, g, (h0, h1) = nets
    ce = torch.nn.functional.cross_entropy

    def negative_entropy(h):
        q = h(f(batch.x)).softmax(dim=1)
        return (q * q.log()).sum(dim=1).mean()

    both = (negative_entropy(h0) + negative_entropy(h1)) / 2
    loss = ce(g(f(batch.x)), batch.primary) + entropy_weight * both
    of_f, of_g = gradients(loss, f), gradients(loss, g)
    move(f, of_f)
    move(g, of_g)
    z = f(batch.x)
    loss = ce(h0(z), batch.protected[0]) + ce(h1(z), batch.protected[1])
    of_f, of_h0, of_h1 = gradients(loss, f), gradients(loss, h0), gradients(loss, h1)
    move(f, of_f, sign=reversal)
    move(h0, of_h0)
    move(h1, of_h1)


@pytest.mark.parametrize(("entropy_weight", "reversal"), [(0.01, 0.1), (2.0, 1.5), (0, 0)])
def test_a_step_is_the_two_updates_written_out(entropy_weight, reversal):
    nets, batch = game()
    expected = copy.deepcopy(nets)
    twin(expected, batch, entropy_weight, reversal)
    sgd = [torch.optim.SGD(n.parameters(), RATE) for n in (nets[0], nets[1], *nets[2])]
    optimizers = Optimizers(sgd[0], sgd[1], sgd[2:])
    figures = step(nets, batch, optimizers, entropy_weight=entropy_weight, reversal=reversal)
    assert set(figures) == {"primary", "entropy", "adversary"}
    ours = torch.nn.ModuleList([nets[0], nets[1], *nets[2]])
    theirs = torch.nn.ModuleList([expected[0], expected[1], *expected[2]])
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_without_weights_templates_stay_and_that_is_refused():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 8)), np.repeat(["f", "m"], 100)
    X[:, 0] += np.where(y == "f", 1.0, -1.0)
    free = {"n_epochs": 20, "n_hidden": 8}
    with pytest.raises(InputError, match="LearningNotToLearnEraser erases nothing: .*1e-09"):
        LearningNotToLearnEraser(entropy_weight=1e-9, reversal=0, **free).fit(X, y)
    LearningNotToLearnEraser(**free).fit(X, y)
