"""Adversaries read drawn pictures, altered ones too, and go on where they were cut off."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")
pytest.importorskip("kornia", reason="needs the extra deep")

from sfumato.nets.attributes import AttributeNet  # noqa: E402
from sfumato.perturbers.adversaries import make_altered, train_adversaries  # noqa: E402
from sfumato.perturbers.recipes import PerturberRecipe  # noqa: E402

SIZE = 32


def draw(n, seed=0):
    """Return pictures whose red says the gender and whose brightness says the age."""
    rng = np.random.default_rng(seed)
    gender, age = rng.integers(2, size=n), rng.integers(3, size=n)
    images = 0.1 + 0.25 * age[:, None, None, None] + 0.1 * rng.random((n, 3, SIZE, SIZE))
    images[:, 0] += 0.3 * gender[:, None, None]
    labels = {
        "gender": np.array(["female", "male"])[gender],
        "age": np.array(["young", "middle", "old"])[age],
    }
    return images.clip(0, 1).astype(np.float32), labels


def train(n_iterations=16, **more):
    recipe = PerturberRecipe(n_iterations, 16, learning_rate=5e-3, n_rounds=2)
    images, labels = draw(200)
    return train_adversaries(images, labels, size=SIZE, width=4, recipe=recipe, **more)


def test_they_read_the_attributes():
    images, labels = draw(200, 1)
    for net in train(120):
        with torch.no_grad():
            logits = net(2 * torch.from_numpy(images) - 1).numpy()
        assert not net.training and logits.shape == (200, 4)
        # Both networks read 1.00 of both over 10 seeds; half as many steps left one at 0.83.
        assert ((logits[:, 0] > 0) == (labels["gender"] == "male")).mean() > 0.8
        said = np.array(["young", "middle", "old"])[logits[:, 1:].argmax(axis=1)]
        assert (said == labels["age"]).mean() > 0.6


def test_cut_off_they_end_the_same(tmp_path):
    def cut_off(done, total, what):
        if what.startswith("residual") and done == 10:
            raise KeyboardInterrupt

    whole = train()
    with pytest.raises(KeyboardInterrupt):
        train(folder=tmp_path, progress=cut_off)
    for one, other in zip(whole, train(folder=tmp_path), strict=True):
        for name, values in one.state_dict().items():
            assert torch.equal(values, other.state_dict()[name]), name


def test_the_seed_draws_the_weights_and_nothing_else():
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    a, b, other = AttributeNet(4, 4), AttributeNet(4, 4), AttributeNet(4, 4, seed=1)
    assert torch.equal(torch.rand(1), before)
    assert torch.equal(a.head.weight, b.head.weight)
    assert not torch.equal(a.head.weight, other.head.weight)


def test_pictures_are_altered_by_the_seed_and_gradients_pass():
    x = 2 * torch.from_numpy(draw(8)[0]) - 1
    x.requires_grad_()
    torch.manual_seed(0)
    first = make_altered()(x)
    torch.manual_seed(0)
    assert torch.equal(first, make_altered()(x)) and not torch.equal(first, make_altered()(x))
    assert first.shape == x.shape and first.abs().max() < 1.5
    assert torch.autograd.grad(first.sum(), x)[0].abs().sum() > 0
