"""Learning not to Learn on pixels: what moves, what is lost, and the schedule step by step."""

import copy

import numpy as np
import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.nets.mobilefacenet import MobileFaceNet  # noqa: E402
from sfumato.nets.vggface2 import ResNet50  # noqa: E402
from sfumato.training import lntl_encoder  # noqa: E402
from sfumato.training.lntl_encoder import UnlearningRecipe, embed_faces, lntl_step, unlearn  # noqa: E402

BRIEF = UnlearningRecipe(n_unfrozen=2, head_epochs=1, n_epochs=1, batch_size=16)
STRONG = UnlearningRecipe(
    n_unfrozen=2, head_epochs=20, n_epochs=15, learning_rate=1e-3, entropy_weight=1, batch_size=40
)


def conv(source, output, n_in, n_out, kernel, stride=1):
    arguments = {"in_channels": n_in, "out_channels": n_out, "kernel_size": kernel}
    arguments |= {"stride": stride, "bias": True}
    return {"kind": "conv", "inputs": [source], "output": output, "arguments": arguments}


def plain(kind, source, output):
    return {"kind": kind, "inputs": [source], "output": output, "arguments": {}}


@pytest.fixture
def encoder():
    """Return three blocks with weights drawn at random, for faces of 13 x 13 pixels."""
    layers = [
        conv("x", "a", 3, 16, 3, stride=2),
        plain("relu", "a", "b"),
        conv("b", "c", 16, 32, 2, stride=2),
        plain("relu", "c", "d"),
        conv("d", "e", 32, 24, 3),
        plain("flatten", "e", "f"),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MobileFaceNet(layers, size=13).eval()


def faces(rng, n_people, n_each=5, size=13):
    """Return photos with a pattern a person, brighter for one gender; gender and people."""
    who = np.repeat(np.arange(n_people), n_each)
    pattern = rng.normal(128, 30, size=(n_people, size, size, 3))[who]
    photos = pattern + rng.normal(0, 10, size=pattern.shape)
    photos[..., 0] += np.where(who % 2 == 1, 24, -24)[:, None, None]
    gender = np.where(who % 2 == 1, "male", "female")
    return photos.clip(0, 255).astype(np.uint8), gender, who


def recognised(encoder, images, who):
    X = embed_faces(encoder, images)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    scores = X @ X.T - 2 * np.eye(len(X))
    return np.mean(who[scores.argmax(axis=1)] == who)


def test_the_adversary_is_left_undecided_and_people_stay(encoder):
    """Attackers trained afresh are another matter, and nothing is promised of them."""
    rng, said = np.random.default_rng(0), []
    images, gender, who = faces(rng, 60)
    trained = unlearn(
        encoder, images, gender, who, STRONG, progress=lambda *a: said.append(figures(a[2]))
    )
    heads, after = said[STRONG.head_epochs - 1], said[-1]
    assert heads["adversary"] < 0.4  # It reads gender of the encoder as given ...
    assert after["adversary"] > 0.55 and after["entropy"] > 0.8 * np.log(2)  # ... and no longer.
    unseen, _, others = faces(rng, 60)
    assert recognised(trained, unseen, others) > 0.9


def figures(text):
    parts = (part.split() for part in text.split(": ")[1].split(", "))
    return {name: float(value) for name, value in parts}


def test_only_the_last_blocks_move(encoder, rng):
    images, gender, who = faces(rng, 8)
    given = copy.deepcopy(encoder.state_dict())
    trained = unlearn(encoder, images, gender, who, BRIEF).state_dict()
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, given[name])
        assert torch.equal(tensor, trained[name]) == name.startswith("blocks.0")


def test_same_seed_same_encoder_whether_kept_or_computed_again(encoder, rng, monkeypatch):
    images, gender, who = faces(rng, 8)
    first = embed_faces(unlearn(encoder, images, gender, who, BRIEF), images)
    monkeypatch.setattr(lntl_encoder, "CACHE_BYTES", 0)
    again = embed_faces(unlearn(encoder, images, gender, who, BRIEF), images)
    np.testing.assert_allclose(first, again, atol=1e-5)
    other = UnlearningRecipe(n_unfrozen=2, head_epochs=1, n_epochs=1, batch_size=16, seed=1)
    assert np.abs(embed_faces(unlearn(encoder, images, gender, who, other), images) - first).max()


def test_resnet50_keeps_its_batch_statistics(rng):
    net = ResNet50(seed=0).eval()
    images, gender, who = faces(rng, 4, n_each=2, size=64)
    recipe = UnlearningRecipe(
        n_unfrozen=1, head_epochs=1, n_epochs=1, batch_size=8, learning_rate=1e-2
    )
    said: list = []
    trained = unlearn(net, images, gender, who, recipe, progress=lambda *a: said.append(a))
    moved = {
        name
        for (name, tensor), other in zip(
            net.state_dict().items(), trained.state_dict().values(), strict=True
        )
        if not torch.equal(tensor, other)
    }
    assert moved and all(name.startswith("layer4.2.") for name in moved)
    assert not any("running" in name for name in moved)
    assert embed_faces(trained, images).shape == (8, 2048)
    assert [text.split(":")[0] for _, _, text in said] == ["heads", "unlearning"]


def test_step_makes_the_two_updates_of_the_paper():
    torch.manual_seed(0)
    nets = [torch.nn.Linear(4, 4), torch.nn.Linear(4, 3), torch.nn.Linear(4, 2)]
    naive = copy.deepcopy(nets)
    batch = torch.randn(6, 4), torch.tensor([0, 1, 2] * 2), torch.tensor([0, 1] * 3)
    recipe, rate = UnlearningRecipe(entropy_weight=0.5, reversal=0.3), 0.1
    lntl_step(nets, batch, [torch.optim.SGD(net.parameters(), rate) for net in nets], recipe)

    def embed():
        z = naive[0](batch[0])
        return 2 * z / z.norm(dim=1, keepdim=True)  # Length sqrt(4).

    def descend(loss, moves):
        parameters = [(p, sign) for net, sign in moves for p in net.parameters()]
        slopes = torch.autograd.grad(loss, [p for p, _ in parameters])
        with torch.no_grad():
            for (parameter, sign), slope in zip(parameters, slopes, strict=True):
                parameter -= rate * sign * slope

    f, g, h = naive
    p = h(embed()).softmax(dim=1)
    negative_entropy = (p * p.log()).sum(dim=1).mean()
    task = torch.nn.functional.cross_entropy(g(embed()), batch[1])
    descend(task + 0.5 * negative_entropy, [(f, 1), (g, 1)])
    bias = torch.nn.functional.cross_entropy(h(embed()), batch[2])
    descend(bias, [(f, -0.3), (h, 1)])
    for net, other in zip(nets, naive, strict=True):
        for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_refuses_what_cannot_be_trained(encoder, rng):
    images, gender, who = faces(rng, 8)
    with pytest.raises(InputError, match="one length, got 40, 39 and 40"):
        unlearn(encoder, images, gender[:-1], who)
    with pytest.raises(InputError, match="n_unfrozen must be at most 3, got 5"):
        unlearn(encoder, images, gender, who)
    with pytest.raises(InputError, match="y"):
        unlearn(encoder, images, ["male"] * 40, who, BRIEF)
    wild = UnlearningRecipe(n_unfrozen=2, head_epochs=0, n_epochs=30, learning_rate=1e20)
    with pytest.raises(InputError, match="diverged at learning_rate=1e.20"):
        unlearn(encoder, images, gender, who, wild)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_epochs", 0),
        ("n_unfrozen", 0),
        ("reversal", -1),
        ("learning_rate", np.inf),
        ("learning_rate", 0),
    ],
)
def test_refuses_parameters_out_of_range(name, value):
    with pytest.raises(InputError, match=f"{name} must be"):
        UnlearningRecipe(**{name: value})
