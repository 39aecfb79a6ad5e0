"""Training of SensitiveNets in torch: Fig. 2 of the paper, one function a box."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sfumato.losses.adversarial import sensitive_regulariser
from sfumato.losses.triplet import triplet_loss
from sfumato.training.loop import make_fabric, run_epochs

LEARNING_RATE = 1e-3
DETECTOR_BATCH = 128
TRIPLET_BATCH = 256


def train_layers(eraser, X, codes, fixed, X_primary, triplets, progress=None):
    """Train the layers in sequence, each against detectors of the representation before it.

    Parameters
    ----------
    eraser : SensitiveNetsEraser
        Holds the parameters.
    X : ndarray of shape (n_samples, n_features)
        Rows of D-S, of unit length.
    codes : list of ndarray of shape (n_samples,)
        Class numbers of each attribute.
    fixed : list of int
        Number of each attribute's fixed class D.
    X_primary : ndarray of shape (n_primary, n_features)
        Rows of D-P, of unit length.
    triplets : ndarray of shape (n_triplets, 3)
        Rows of ``X_primary``.

    Returns
    -------
    list of (weights, bias)
        float64 arrays of shapes (n_out, n_in) and (n_out,).
    """
    fabric, rng = make_fabric(), np.random.default_rng(eraser.seed)
    generator = torch.Generator().manual_seed(eraser.seed)
    sensitive = fabric.to_device(torch.from_numpy(X))
    primary = fabric.to_device(torch.from_numpy(X_primary))
    labels = [fabric.to_device(torch.from_numpy(numbers)) for numbers in codes]
    layers, n_steps = [], 2 * eraser.n_layers
    for number in range(eraser.n_layers):
        _report(progress, 2 * number, n_steps, f"detectors before layer {number + 1}")
        # Layer 1 starts as an isometry, so its detectors see x up to a rotation.
        layer = _orthogonal(sensitive.shape[1], eraser.n_units, generator)
        phi = functional.normalize(fabric.to_device(layer)(sensitive).detach())
        detectors = [
            train_detector(fabric, phi, y, eraser.detector_epochs, rng, generator) for y in labels
        ]
        _report(progress, 2 * number + 1, n_steps, f"layer {number + 1}")
        train_layer(fabric, layer, detectors, fixed, primary, triplets, eraser, rng)
        with torch.no_grad():
            sensitive, primary = layer(sensitive), layer(primary)
        layers.append((_array(layer.weight), _array(layer.bias)))
    _report(progress, n_steps, n_steps, "done")
    return layers


def train_detector(fabric, phi, y, n_epochs, rng, generator):
    """Train a softmax layer to read an attribute of phi(x); returned frozen (Sect. 4.2)."""
    detector = _linear(phi.shape[1], int(y.max()) + 1, generator)
    detector, optimizer = fabric.setup(
        detector, torch.optim.Adam(detector.parameters(), lr=LEARNING_RATE)
    )

    def step(rows):
        rows = torch.from_numpy(rows)
        loss = functional.cross_entropy(detector(phi[rows]), y[rows])
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return {"detector": loss.item()}

    run_epochs(step, len(phi), batch_size=DETECTOR_BATCH, n_epochs=n_epochs, rng=rng)
    return detector.module.requires_grad_(False)


def train_layer(fabric, layer, detectors, fixed, primary, triplets, eraser, rng):
    """Train one layer in place on Eq. 4, the attributes taking turns batch by batch."""
    optimizer = torch.optim.Adam(layer.parameters(), lr=LEARNING_RATE)
    wrapped, optimizer = fabric.setup(layer, optimizer)
    turn = 0

    def step(numbers):
        nonlocal turn
        attribute, turn = turn % len(detectors), turn + 1
        rows = torch.from_numpy(triplets[numbers].T.reshape(-1))
        phi = functional.normalize(wrapped(primary[rows]))
        anchor, positive, negative = phi.chunk(3)
        identity = triplet_loss(anchor, positive, negative, eraser.alpha).mean()
        probability = detectors[attribute](phi).softmax(dim=1)[:, fixed[attribute]]
        # Lambda_A + Lambda_P + Lambda_N, averaged over the triplets.
        sensitive = 3 * sensitive_regulariser(probability).mean()
        optimizer.zero_grad()
        fabric.backward(identity + sensitive)
        optimizer.step()
        return {"triplet": identity.item(), "sensitive": sensitive.item()}

    return run_epochs(
        step, len(triplets), batch_size=TRIPLET_BATCH, n_epochs=eraser.n_epochs, rng=rng
    )


def _orthogonal(n_in, n_out, generator):
    layer = _linear(n_in, n_out, generator)
    nn.init.orthogonal_(layer.weight, generator=generator)
    return layer


def _linear(n_in, n_out, generator):
    """Return a linear layer drawn from ``generator`` alone; the global seed stays untouched."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _array(parameter):
    return parameter.detach().cpu().numpy().astype(np.float64)


def _report(progress, n_done, n_total, what):
    if progress is not None:
        progress(n_done, n_total, what)
