import numpy as np
import pytest

from sfumato.nets.dense import dense_arrays, dense_forward

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "prelu"])
@pytest.mark.parametrize("activate_last", [True, False])
def test_equals_torch(activation, activate_last):
    torch.manual_seed(0)
    kinds = {
        "linear": torch.nn.Identity,
        "relu": torch.nn.ReLU,
        "tanh": torch.nn.Tanh,
        "prelu": lambda: torch.nn.PReLU(init=0.3),
    }
    layers = [torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)]
    network = dense_arrays(layers)
    if activation == "prelu":
        network |= {f"slope_{n}": np.array([0.3], dtype=np.float32) for n in range(2)}
    steps = [layers[0], kinds[activation](), layers[1]]
    twin = torch.nn.Sequential(*steps, *([kinds[activation]()] if activate_last else []))
    X = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32)
    out = dense_forward(network, X, activation=activation, activate_last=activate_last)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, twin(torch.from_numpy(X)).detach().numpy(), atol=5e-6)
