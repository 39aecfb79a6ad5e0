import copy

import pytest

from sfumato.erasers.maxent_arl import step

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


@pytest.mark.parametrize(("alpha", "n_steps"), [(0.3, 1), (0.8, 3), (0.0, 1), (1.0, 1)])
def test_a_step_is_the_games_updates_written_out(alpha, n_steps):
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    rows = torch.arange(8)
    batch = Batch(x, rows % 4, [rows % 2])
    nets = Nets(linear(3, 0), linear(4, 1), [linear(2, 2)])
    encoder, predictor, (adversary,) = copy.deepcopy(nets)

    z, ce = encoder(x), torch.nn.functional.cross_entropy
    q = adversary(z).softmax(dim=1)
    entropy = -(q * q.log()).sum(dim=1).mean()
    loss = (1 - alpha) * ce(predictor(z), rows % 4) - alpha * entropy
    new_encoder, new_predictor = move(encoder, loss), move(predictor, loss)
    # The adversary learns on the rows as the encoder gave them before its update.
    for _ in range(n_steps):
        put(adversary, move(adversary, ce(adversary(z.detach()), rows % 2)))
    put(encoder, new_encoder)
    put(predictor, new_predictor)

    sgd = [torch.optim.SGD(n.parameters(), RATE) for n in (nets[0], nets[1], nets[2][0])]
    optimizers = Optimizers(sgd[0], sgd[1], sgd[2:])
    figures = step(nets, batch, optimizers, alpha=alpha, n_adversary_steps=n_steps)
    assert figures["entropy"] == pytest.approx(entropy.item())
    for one, other in zip(
        [nets[0], nets[1], nets[2][0]], [encoder, predictor, adversary], strict=True
    ):
        for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)
