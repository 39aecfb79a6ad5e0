"""Dense networks as plain arrays: a trained eraser runs without the library that trained it.

A network is a dict ``{"weight_0": (n_out, n_in), "bias_0": (n_out,), "weight_1": ...}``; a
PReLU's slopes are ``"slope_0": (n_out,)`` or ``(1,)``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.validation import check_choice

CHUNK = 4096
ACTIVATIONS = ("linear", "relu", "tanh", "prelu")


def dense_arrays(layers: Any) -> Any:
    """Return torch linear layers (``weight`` and ``bias``) as a dict of float32 arrays."""
    network = {}
    for number, layer in enumerate(layers):
        network[f"weight_{number}"] = layer.weight.detach().cpu().numpy().astype(np.float32)
        network[f"bias_{number}"] = layer.bias.detach().cpu().numpy().astype(np.float32)
    return network


def dense_forward(
    network: dict[str, NDArray[Any]],
    X: NDArray[Any],
    *,
    activation: str = "relu",
    activate_last: bool = False,
) -> NDArray[Any]:
    """Return the network's output for each row, of the type of ``X``.

    Parameters
    ----------
    network : dict of str to ndarray
    X : ndarray of shape (n_samples, n_features)
    activation : {"linear", "relu", "tanh", "prelu"}, default="relu"
        After every layer but the last.
    activate_last : bool, default=False
        After the last layer too.

    Returns
    -------
    ndarray of shape (n_samples, n_out)
    """
    check_choice(activation, ACTIVATIONS, "activation")
    n_layers = sum(name.startswith("weight_") for name in network)
    network = {name: values.astype(X.dtype) for name, values in network.items()}
    out = np.empty((len(X), len(network[f"bias_{n_layers - 1}"])), dtype=X.dtype)
    for start in range(0, len(X), CHUNK):
        part = X[start : start + CHUNK]
        for number in range(n_layers):
            part = part @ network[f"weight_{number}"].T + network[f"bias_{number}"]
            if number < n_layers - 1 or activate_last:
                part = _activated(part, activation, network.get(f"slope_{number}"))
        out[start : start + CHUNK] = part
    return out


def _activated(part, activation, slope):
    if activation == "relu":
        return np.maximum(part, 0)
    if activation == "tanh":
        return np.tanh(part)
    return np.where(part > 0, part, slope * part) if activation == "prelu" else part
