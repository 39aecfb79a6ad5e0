import copy

import pytest

from sfumato.erasers.gradient_reversal import step

torch = pytest.importorskip("torch")

from sfumato.erasers._adversarial_training import Batch, Nets, Optimizers  # noqa: E402

RATE = 0.1


def linear(n_out, seed):
    layer = torch.nn.Linear(3, n_out, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.normal_(generator=generator)
        layer.bias.normal_(generator=generator)
    return layer


def move(net, loss):
    gradients = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    return [p - RATE * g for p, g in zip(net.parameters(), gradients, strict=True)]


def put(net, values):
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(value)


@pytest.mark.parametrize("reversal", [0.0, 0.5, 3.0])
def test_a_step_is_the_saddle_points_update_written_out(reversal):
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    rows = torch.arange(8)
    batch = Batch(x, rows % 4, [rows % 2, rows % 3])
    nets = Nets(linear(3, 0), linear(4, 1), [linear(2, 2), linear(3, 3)])
    encoder, head, (first, second) = expected = copy.deepcopy(nets)

    z, ce = encoder(x), torch.nn.functional.cross_entropy
    task = ce(head(z), rows % 4)
    adversaries = ce(first(z), rows % 2) + ce(second(z), rows % 3)
    # The encoder minimises L_y - lambda L_d, each head its own loss.
    new = [
        move(encoder, task - reversal * adversaries),
        move(head, task),
        move(first, adversaries),
        move(second, adversaries),
    ]
    every = [expected[0], expected[1], *expected[2]]
    for net, values in zip(every, new, strict=True):
        put(net, values)

    ours = [nets[0], nets[1], *nets[2]]
    sgd = [torch.optim.SGD(net.parameters(), RATE) for net in ours]
    figures = step(nets, batch, Optimizers(sgd[0], sgd[1], sgd[2:]), reversal=reversal)
    assert figures["adversary"] == pytest.approx(adversaries.item())
    for one, other in zip(ours, every, strict=True):
        for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs)
