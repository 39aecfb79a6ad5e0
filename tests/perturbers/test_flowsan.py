"""FlowSAN on drawn pictures: "gender" is a bright bar; longer flows change more."""

import numpy as np
import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.models import load, save  # noqa: E402
from sfumato.nets.pixels import luminance  # noqa: E402
from sfumato.nets.san import SanAutoencoder  # noqa: E402
from sfumato.perturbers._san_training import follow  # noqa: E402
from sfumato.perturbers.flowsan import FlowSan  # noqa: E402
from sfumato.perturbers.recipes import PerturberRecipe  # noqa: E402

SAN = {
    "widths": (4, 4, 16, 16),
    "classifier_widths": (8, 8, 16),
    "pixel_weight": 2.0,
    "pretraining": 0.3,
}
TINY = PerturberRecipe(n_iterations=3, batch_size=4, learning_rate=0.01, n_rounds=1)
BAR = (slice(None), slice(None), slice(2, 5), slice(2, 14))


def draw(seed, n=100):
    """Return noisy pictures with a bar that is bright or not."""
    rng = np.random.default_rng(seed)
    male = rng.integers(2, size=n)
    male[:2] = 0, 1  # Both classes, whatever is drawn.
    x = rng.uniform(0.25, 0.35, size=(n, 3, 16, 16))
    x[BAR] += 0.5 * male[:, None, None, None]
    return x.astype(np.float32), np.array(["female", "male"])[male]


@pytest.fixture(scope="module")
def trained():
    x, gender = draw(0)
    recipe = PerturberRecipe(n_iterations=200, batch_size=8, learning_rate=0.02, n_rounds=1)
    return FlowSan(size=16, n_steps=2, san=SAN).fit(x, {"gender": gender}, recipe=recipe)


@pytest.fixture
def tiny():
    x, gender = draw(0, 12)
    return FlowSan(size=16, n_steps=3, san=SAN).fit(x, {"gender": gender}, recipe=TINY)


def test_every_length_turns_the_bar_round(trained):
    x, gender = draw(1, 40)
    for length in (1, 2):
        trained.set_params(length=length)
        bar = trained.transform(x, hide="gender", labels={"gender": gender})[BAR]
        bar = bar.mean(axis=(1, 2, 3))
        assert bar[gender == "female"].min() > 0.55 > bar[gender == "male"].max()
    trained.set_params(length=None)


def test_without_labels_its_classifiers_tell_the_classes(trained):
    x, gender = draw(1, 20)
    found = trained.transform(x, hide="gender")
    given = trained.transform(x, hide="gender", labels={"gender": gender})
    np.testing.assert_array_equal(found, given)


def test_length_is_the_number_of_sans_applied(tiny):
    x, gender = draw(1, 6)
    outputs = {}
    for length in (1, 2, 3, None):
        tiny.set_params(length=length)
        outputs[length] = tiny.transform(x, hide="gender", labels={"gender": gender})
    np.testing.assert_array_equal(outputs[3], outputs[None])
    assert not np.allclose(outputs[1], outputs[2]) and not np.allclose(outputs[2], outputs[3])
    for length, message in (
        (0, "length must be an integer >= 1, or None, got 0"),
        (4, r"length must be in 1 to 3 \(n_steps\), got 4"),
    ):
        with pytest.raises(InputError, match=message):
            tiny.set_params(length=length).transform(x, hide="gender")


def test_a_flow_is_its_sans_one_after_another(tiny):
    """Against the definition, written out with the saved weights."""
    x, gender = draw(1, 6)
    now, expected = (gender == "male").astype(int), torch.from_numpy(x)
    prototypes = torch.from_numpy(tiny.prototypes_[0])
    for k in range(3):
        net = SanAutoencoder(SAN["widths"])
        state = {n[2:]: torch.tensor(v) for n, v in tiny.nets_.items() if n[0] == str(k)}
        net.load_state_dict(state)
        with torch.no_grad():
            out = net(luminance(expected), prototypes[now], prototypes[1 - now])[0]
        expected = (expected + out - luminance(expected)).clamp(0, 1)
    found = tiny.transform(x, hide="gender", labels={"gender": gender})
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_in_training_predecessors_show_one_class_from_first_to_last():
    torch.manual_seed(0)
    nets = [SanAutoencoder((2, 2, 4, 4)).requires_grad_(False) for _ in range(2)]
    x, own = torch.rand(12, 3, 8, 8), torch.rand(12, 3, 3, 8, 8)
    y, each = torch.arange(12) % 2, torch.arange(12)
    ways = []
    for then in (y, 1 - y):
        out = x
        for net in nets:
            (grey,) = net(luminance(out), own[each, y], own[each, then])
            out = (out + grey - luminance(out)).clamp(0, 1)
        ways.append(out)
    found = follow(nets)(x, y, own)
    along = [[torch.allclose(f, w) for f, w in zip(found, way, strict=True)] for way in ways]
    assert [a + b for a, b in zip(*along, strict=True)] == [1] * 12
    assert 0 < sum(along[0]) < 12
    assert follow([]) is None


def test_each_san_is_trained_on_what_its_predecessors_give(monkeypatch):

    x, gender = draw(0, 12)
    from sfumato.perturbers import _san_training

    seen, step = [], _san_training.san_step

    def spy(nets, batch, *others):
        seen.append(torch.equal(batch.x, batch.reference))
        assert not torch.equal(batch.same, batch.opposite)
        return step(nets, batch, *others)

    monkeypatch.setattr(_san_training, "san_step", spy)
    FlowSan(size=16, n_steps=2, san=SAN).fit(x, {"gender": gender}, recipe=TINY)
    # Three batches each; the first SAN's input is what the matcher compares with.
    assert seen == [True] * 3 + [False] * 3


def test_later_sans_leave_earlier_ones_as_they_were():
    x, gender = draw(0, 12)
    short, long = (
        FlowSan(size=16, n_steps=n, san=SAN).fit(x, {"gender": gender}, recipe=TINY)
        for n in (1, 2)
    )
    assert all(np.array_equal(long.nets_[name], value) for name, value in short.nets_.items())
    first, second = (long.classifiers_[f"{k}/head.4.weight"] for k in (0, 1))
    assert not np.array_equal(first, second)


def test_saved_and_loaded_it_does_the_same(trained, tmp_path):
    save(trained, tmp_path / "flow")
    again = load(tmp_path / "flow")
    x, gender = draw(2, 10)
    for hide in ("gender", {"gender": "neutral"}):
        found, expected = (p.transform(x, hide=hide) for p in (again, trained))
        np.testing.assert_allclose(found, expected, atol=5e-3)


def test_interrupted_in_a_later_san_it_ends_with_the_same_weights(tmp_path):
    x, gender = draw(0, 12)
    labels = {"gender": gender}

    def cut_off(n_done, n_total, what):
        if what.startswith("SAN 2 of 2: san") and n_done == 2:
            raise KeyboardInterrupt

    make = {"size": 16, "n_steps": 2, "san": SAN}
    whole = FlowSan(**make).fit(x, labels, recipe=TINY)
    with pytest.raises(KeyboardInterrupt):
        FlowSan(**make).fit(x, labels, recipe=TINY, folder=tmp_path, progress=cut_off)
    again = FlowSan(**make).fit(x, labels, recipe=TINY, folder=tmp_path)
    assert all(np.array_equal(again.nets_[name], v) for name, v in whole.nets_.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_steps": 0}, "n_steps must be an integer >= 1, got 0"),
        ({"share": 1.5}, r"share must be a number in \(0, 1\)"),
        ({"n_copies": 1}, "n_copies must be an integer >= 2"),
        ({"san": {"pixel_weight": -1}}, "SanPerturber: pixel_weight must be a number >= 0"),
        ({"san": {"seed": 3}}, "a parameter in san must be one of .*widths, got 'seed'"),
    ],
)
def test_bad_parameters_are_refused(change, message):
    x, gender = draw(0, 4)
    with pytest.raises(InputError, match=message):
        FlowSan(**({"size": 16} | change)).fit(x, {"gender": gender}, recipe=TINY)
