"""What trained SANs give: pictures that show a class, and the classes that they see; torch."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfumato.nets.pixels import luminance
from sfumato.nets.san import SanAutoencoder, auxiliary_net


def networks(
    net_arrays: Any, classifier_arrays: Any, widths: Any, size: Any, prefix: str = ""
) -> tuple[Any, ...]:
    """Return an autoencoder and a classifier of their saved weights, in eval mode."""
    net = SanAutoencoder(widths)
    net.load_state_dict(state_of(net_arrays, prefix))
    classifier = auxiliary_net(state_of(classifier_arrays, prefix), size)
    return net.eval(), classifier


def shown(net: SanAutoencoder, x: Tensor, prototypes: Tensor, now: Tensor, then: Tensor) -> Tensor:
    """Return colour pictures that show the classes ``then`` in the place of ``now``.

    Parameters
    ----------
    net : SanAutoencoder
    x : Tensor of shape (n_images, 3, size, size)
        In [0, 1].
    prototypes : Tensor of shape (n_images, 3, 3, size, size)
        Of each picture: first class, second class, neutral.
    now, then : int64 Tensor of shape (n_images,)
        0, 1 or, of ``then``, 2: neutral.

    Returns
    -------
    Tensor of shape (n_images, 3, size, size)
        In [0, 1].
    """
    each = torch.arange(len(x))
    with torch.no_grad():
        (grey,) = net(luminance(x), prototypes[each, now], prototypes[each, then])
        return coloured(x, grey)


def as_tensors(prototypes: Any, groups: Any, now: Any, then: Any) -> tuple[Any, ...]:
    """Return each picture's prototypes and classes as :func:`shown` takes them."""
    own = torch.from_numpy(np.asarray(prototypes, dtype=np.float32)[groups])
    return own, torch.from_numpy(np.asarray(now)), torch.from_numpy(np.asarray(then))


def class_probabilities(classifiers: Any, x: Any) -> Any:
    """Return the classifiers' mean probabilities of colour pictures, (n_images, n_classes)."""
    with torch.no_grad():
        grey = luminance(x)
        return np.mean([net(grey).softmax(dim=1).numpy() for net in classifiers], axis=0)


def coloured(x: Any, grey: Any) -> Any:
    """Return colour pictures with the luminance ``grey``: its change is added to each channel."""
    return (x + grey - luminance(x)).clamp(0, 1)


def arrays_of(net: Any, prefix: str = "") -> dict[str, Any]:
    """Return a network's weights as arrays, float32, to be saved."""
    return {f"{prefix}{name}": v.detach().numpy().copy() for name, v in net.state_dict().items()}


def state_of(arrays: Any, prefix: str = "") -> dict[str, Any]:
    """Return the state_dict of those of the arrays whose names start with ``prefix``."""
    return {
        name.removeprefix(prefix): torch.tensor(np.asarray(values, dtype=np.float32))
        for name, values in arrays.items()
        if name.startswith(prefix)
    }


def pairs(perturber: Any, widths: Any) -> list[Any]:
    """Return autoencoder and classifier of each of several SANs, from ``nets_``."""
    n_sans = 1 + max(int(name.partition("/")[0]) for name in perturber.nets_)
    nets, classifiers, size = perturber.nets_, perturber.classifiers_, perturber.size_
    return [networks(nets, classifiers, widths, size, f"{k}/") for k in range(n_sans)]


def picked(outputs: list[Tensor], chosen: NDArray[Any]) -> Any:
    """Return for each picture the output of the chosen SAN, in a batch.

    Parameters
    ----------
    outputs : list of Tensor of shape (n_images, 3, size, size)
    chosen : ndarray of int of shape (n_images,)
    """
    return torch.stack([outputs[k][row] for row, k in enumerate(chosen)])
