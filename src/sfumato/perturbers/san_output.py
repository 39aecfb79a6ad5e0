"""What trained SANs give: pictures that show a class, and the classes that they see; torch."""

import numpy as np
import torch

from sfumato.nets.pixels import luminance
from sfumato.nets.san import SanAutoencoder, auxiliary_net


def networks(net_arrays, classifier_arrays, widths, size, prefix=""):
    """Return an autoencoder and a classifier of their saved weights, in eval mode."""
    net = SanAutoencoder(widths)
    net.load_state_dict(state_of(net_arrays, prefix))
    classifier = auxiliary_net(state_of(classifier_arrays, prefix), size)
    return net.eval(), classifier


def shown(net, x, prototypes, now, then):
    """Return colour pictures that show the classes ``then`` in the place of ``now``.

    Parameters
    ----------
    net : SanAutoencoder
    x : Tensor of shape (n_images, 3, size, size)
        In [0, 1].
    prototypes : ndarray of shape (n_images, 3, 3, size, size)
        Of each picture: first class, second class, neutral.
    now, then : ndarray of int of shape (n_images,)
        0, 1 or, of ``then``, 2: neutral.

    Returns
    -------
    Tensor of shape (n_images, 3, size, size)
    """
    each = np.arange(len(now))
    same, wanted = (torch.from_numpy(prototypes[each, codes]).to(x) for codes in (now, then))
    with torch.no_grad():
        return coloured(x, net(luminance(x), same, wanted)[0])


def class_probabilities(classifiers, x):
    """Return the classifiers' mean probabilities of colour pictures, (n_images, n_classes)."""
    with torch.no_grad():
        grey = luminance(x)
        return np.mean([net(grey).softmax(dim=1).numpy() for net in classifiers], axis=0)


def coloured(x, grey):
    """Return colour pictures with the luminance ``grey``: its change is added to each channel."""
    return (x + grey - luminance(x)).clamp(0, 1)


def arrays_of(net, prefix=""):
    """Return a network's weights as arrays, float32, to be saved."""
    return {f"{prefix}{name}": v.detach().numpy().copy() for name, v in net.state_dict().items()}


def state_of(arrays, prefix=""):
    """Return the state_dict of those of the arrays whose names start with ``prefix``."""
    return {
        name.removeprefix(prefix): torch.tensor(np.asarray(values, dtype=np.float32))
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
