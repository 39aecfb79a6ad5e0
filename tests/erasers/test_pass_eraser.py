import copy

import numpy as np
import pytest

from sfumato.erasers import pass_eraser
from sfumato.erasers.pass_eraser import PassEraser, step

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


def game():
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    rows = torch.arange(8)
    nets = Nets(linear(3, 0), linear(4, 1), [linear(2, seed) for seed in (2, 3, 4)])
    return nets, Batch(x, rows % 4, [rows % 2])


@pytest.mark.parametrize("on_duty", [0, 1, 2])
def test_a_step_fights_the_worst_and_trains_the_one_on_duty(on_duty):
    nets, batch = game()
    encoder, head, adversaries = expected = copy.deepcopy(nets)

    z, ce = encoder(batch.x), torch.nn.functional.cross_entropy
    half = torch.full((8, 2), 0.5, dtype=torch.float64)
    worst = torch.stack([ce(adversary(z), half) for adversary in adversaries]).max()
    put(encoder, move(encoder, ce(head(z), batch.primary) + 2.0 * worst))
    # The discriminator sees the encoder after its update; head and the others rest.
    adversary = adversaries[on_duty]
    put(adversary, move(adversary, ce(adversary(encoder(batch.x).detach()), batch.protected[0])))

    ours = [nets[0], nets[1], *nets[2]]
    sgd = [torch.optim.SGD(net.parameters(), RATE) for net in ours]
    optimizers = Optimizers(sgd[0], sgd[1], sgd[2:])
    figures = step(nets, batch, optimizers, uniform_weight=2.0, on_duty=on_duty)
    assert figures["worst"] == pytest.approx(worst.item())
    for one, other in zip(ours, [expected[0], expected[1], *expected[2]], strict=True):
        for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs)


def test_duty_passes_on_and_comes_back(monkeypatch):
    served = []
    monkeypatch.setattr(
        pass_eraser, "step", lambda *_, uniform_weight, on_duty: served.append(on_duty)
    )
    monkeypatch.setattr(pass_eraser, "DUTY_BATCHES", 2)
    duty, (nets, batch) = pass_eraser._Duty(1.0), game()
    for _ in range(8):
        duty(nets, batch, None)
    assert served == [0, 0, 1, 1, 2, 2, 0, 0]


def test_discriminators_start_anew(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), np.repeat(["f", "m"], 30)
    seen, real = [], pass_eraser.step

    def spy(nets, *arguments, **options):
        seen.append(nets.adversaries)
        return real(nets, *arguments, **options)

    monkeypatch.setattr(pass_eraser, "step", spy)
    size = {"n_units": 8, "n_adversaries": 2, "batch_size": 60}
    PassEraser(n_epochs=5, restart_epochs=2, **size).fit(X, y)
    # Epochs 1-2, 3-4 and 5, of one batch each.
    groups = [seen.index(adversaries) for adversaries in seen]
    assert groups == [0, 0, 2, 2, 4]


def test_the_output_has_as_many_features_as_asked_for():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), np.repeat(["f", "m"], 30)
    eraser = PassEraser(n_units=8, n_epochs=1, n_adversaries=2).fit(X, y)
    assert eraser.transform(X).shape == (60, 8)
