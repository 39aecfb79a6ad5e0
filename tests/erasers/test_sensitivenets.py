import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfumato.erasers.sensitivenets import SensitiveNetsEraser, fold_layers
from sfumato.errors import InputError

pytest.importorskip("torch")
SMALL = {"n_units": 24, "n_triplets": 2000, "n_epochs": 4, "detector_epochs": 20}


def people(seed=0, n_people=60, n_each=6, d=12):
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(n_people), n_each)
    y = np.where(identity % 2 == 0, "female", "male")
    means = rng.normal(size=(n_people, d))
    X = means[identity] + 0.3 * rng.normal(size=(len(identity), d))
    X[:, 0] += np.where(y == "male", 2.0, -2.0)
    return X, y, identity


def through_layers(eraser, X):
    h = X / np.linalg.norm(X, axis=1, keepdims=True)
    for weights, bias in eraser._layers:
        h = h @ weights.T + bias
    return h / np.linalg.norm(h, axis=1, keepdims=True)


def test_folded_output_equals_layered_output():
    X, y, identity = people()
    eraser = SensitiveNetsEraser(**SMALL).fit(X, y, identity=identity)
    assert len(eraser._layers) == 3
    np.testing.assert_allclose(eraser.transform(X), through_layers(eraser, X), atol=1e-5)
    assert eraser.weights_.shape == (24, 12)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(0, 2**31))
def test_folding_any_stack_of_layers(sizes, seed):
    rng = np.random.default_rng(seed)
    layers = [
        (rng.normal(size=(n_out, n_in)), rng.normal(size=n_out))
        for n_in, n_out in zip(sizes, sizes[1:], strict=False)
    ]
    x = expected = rng.normal(size=sizes[0])
    for weights, bias in layers:
        expected = weights @ expected + bias
    weights, bias = fold_layers(layers)
    scale = max(1, np.abs(weights).max() * np.abs(x).max() * len(x))
    np.testing.assert_allclose(weights @ x + bias, expected, atol=1e-5 * scale)


def test_output_has_unit_length_whatever_the_input_length():
    X, y, identity = people()
    eraser = SensitiveNetsEraser(**SMALL).fit(X, y, identity=identity)
    out = eraser.transform(X)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(eraser.transform(100 * X), out, atol=1e-6)


def test_neighbours_give_less_away_and_identity_stays():
    # A fresh linear attacker undoes an invertible linear map; distances do change.
    from sklearn.neighbors import KNeighborsClassifier

    X, y, identity = people()
    longer = SMALL | {"n_epochs": 30, "detector_epochs": 400}
    eraser = SensitiveNetsEraser(**longer).fit(X, y, identity=identity)
    Z, z, who = people(seed=1)

    def readable(A, B):
        return KNeighborsClassifier(15).fit(A, y).score(B, z)

    raw, blind = readable(X, Z), readable(eraser.transform(X), eraser.transform(Z))
    assert raw > 0.9
    assert blind < raw - 0.1, (raw, blind)
    distance = np.linalg.norm(eraser.transform(Z)[:, None] - eraser.transform(Z)[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(who[distance.argmin(axis=1)] == who) > 0.9


def test_detector_and_triplets_may_come_from_different_data():
    X, y, _ = people()
    Z, _, who = people(seed=1)
    eraser = SensitiveNetsEraser(**SMALL).fit(X, y, primary=(Z, who))
    same = SensitiveNetsEraser(**SMALL).fit(X, y, identity=np.arange(len(X)) % 60)
    assert np.abs(eraser.weights_ - same.weights_).max() > 1e-3


def test_several_attributes_take_turns():
    X, y, identity = people()
    race = np.where(identity % 3 == 0, "a", np.where(identity % 3 == 1, "b", "c"))
    both = np.column_stack([y, race])
    eraser = SensitiveNetsEraser(**SMALL, fixed_class=["male", "b"])
    out = eraser.fit(X, both, identity=identity).transform(X)
    assert out.shape == (len(X), 24)


def test_unknown_fixed_class_lists_the_known():
    X, y, identity = people()
    with pytest.raises(InputError, match="fixed_class must be one of female, male, got 'boy'"):
        SensitiveNetsEraser(**SMALL, fixed_class="boy").fit(X, y, identity=identity)


def test_global_random_state_is_untouched():
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    X, y, identity = people()
    SensitiveNetsEraser(**SMALL).fit(X, y, identity=identity)
    assert torch.equal(torch.rand(1), expected)
