"""Training of SensitiveNets in torch: Fig. 2 of the paper, one function a box."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from sfumato.losses.adversarial import sensitive_regulariser
from sfumato.losses.triplet import triplet_loss
from sfumato.outcomes import Progress
from sfumato.training.loop import make_fabric, run_epochs

LEARNING_RATE = 1e-3
DETECTOR_BATCH = 128


def train_layers(
    eraser: Any,
    X: NDArray[Any],
    codes: list[NDArray[Any]],
    fixed: list[int],
    X_primary: NDArray[Any],
    task: "Triplets | Labels",
    progress: Progress | None = None,
) -> list[Any]:
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
    task : Triplets or Labels
        The task that phi(x) of D-P must keep.

    Returns
    -------
    list of (weights, bias)
        float64 arrays of shapes (n_out, n_in) and (n_out,).
    """
    fabric, rng = make_fabric(), np.random.default_rng(eraser.seed)
    generator = torch.Generator().manual_seed(eraser.seed)
    sensitive = fabric.to_device(torch.from_numpy(X))
    primary = fabric.to_device(torch.from_numpy(X_primary))
    before, after_each = detector_passes(eraser.detector_epochs)

    def train_softmax(phi, y):
        return train_detector(fabric, phi, y, before, rng, generator)

    layers, n_steps = [], 2 * eraser.n_layers
    for number in range(eraser.n_layers):
        _report(progress, 2 * number, n_steps, f"detectors before layer {number + 1}")
        # Layer 1 starts orthogonal: with as many units as features or more its detectors see x up
        # to a rotation, with fewer a projection of x.
        layer = _orthogonal(sensitive.shape[1], eraser.n_units, generator)
        layer = fabric.to_device(layer)
        phi = unit(layer(sensitive).detach())
        detectors = [train_softmax(phi, y) for y in codes]
        task.start_layer(layer, primary, train_softmax)
        _report(progress, 2 * number + 1, n_steps, f"layer {number + 1}")

        def read_on(layer=layer, detectors=detectors, sensitive=sensitive):
            phi = unit(layer(sensitive).detach())
            for detector, y in zip(detectors, codes, strict=True):
                fit_detector(fabric, detector, phi, y, after_each, rng)

        options = {"after_pass": read_on} if after_each else {}
        train_layer(
            fabric, layer, detectors, fixed, primary, task, eraser.n_epochs, rng, **options
        )
        with torch.no_grad():
            sensitive, primary = layer(sensitive), layer(primary)
        layers.append((_array(layer.weight), _array(layer.bias)))
    _report(progress, n_steps, n_steps, "done")
    return layers


def train_detector(
    fabric: Any, phi: Any, y: NDArray[Any], n_epochs: Any, rng: Any, generator: Any
) -> Any:
    """Return a softmax layer trained to read the classes ``y`` of phi(x) (Sect. 4.2)."""
    detector = _linear(phi.shape[1], int(y.max()) + 1, generator)
    fit_detector(fabric, detector, phi, y, n_epochs, rng)
    return detector


def detector_passes(epochs: int | list[int]) -> tuple[int, int]:
    """Return the passes of a detector before a layer, and after each pass within it."""
    return (epochs, 0) if isinstance(epochs, int | np.integer) else (epochs[0], epochs[1])


def fit_detector(
    fabric: Any, detector: Any, phi: Any, y: NDArray[Any], n_epochs: int, rng: Any
) -> None:
    """Train a softmax layer in place, from where it stands; it is frozen afterwards."""
    codes = fabric.to_device(torch.from_numpy(y))
    detector.requires_grad_(True)
    wrapped, optimizer = fabric.setup(detector, _adam(detector.parameters()))

    def step(rows):
        rows = torch.from_numpy(rows)
        loss = functional.cross_entropy(wrapped(phi[rows]), codes[rows])
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return {"detector": loss.item()}

    run_epochs(step, len(phi), batch_size=DETECTOR_BATCH, n_epochs=n_epochs, rng=rng)
    detector.requires_grad_(False)


def train_layer(
    fabric: Any,
    layer: Any,
    detectors: Any,
    fixed: Any,
    primary: Any,
    task: Any,
    n_epochs: Any,
    rng: Any,
    after_pass: Callable[[], None] | None = None,
) -> Any:
    """Train one layer in place on Eq. 4, the attributes taking turns batch by batch.

    ``after_pass()`` is called after each pass, for detectors that go on learning.
    """
    wrapped, optimizer = fabric.setup(layer, _adam([*layer.parameters(), *task.parameters()]))
    turn = 0

    def step(numbers):
        nonlocal turn
        attribute, turn = turn % len(detectors), turn + 1
        rows = torch.from_numpy(task.rows(numbers))
        phi = unit(wrapped(primary[rows]))
        utility = task.loss(phi, rows)
        probability = detectors[attribute](phi).softmax(dim=1)[:, fixed[attribute]]
        # A triplet has Lambda_A + Lambda_P + Lambda_N; the mean is over the images.
        sensitive = task.n_images * sensitive_regulariser(probability).mean()
        optimizer.zero_grad()
        fabric.backward(utility + sensitive)
        optimizer.step()
        return {"primary": utility.item(), "sensitive": sensitive.item()}

    def report(epoch, means):
        if after_pass is not None:
            after_pass()

    sizes = {"batch_size": task.batch_size, "n_epochs": n_epochs}
    return run_epochs(step, task.n_samples, rng=rng, report=report, **sizes)


class Triplets:
    """The primary task recognition: ``L0'`` is the triplet loss of Eq. 5.

    Parameters
    ----------
    triplets : ndarray of shape (n_triplets, 3)
        Rows of D-P.
    alpha : float
        Margin.
    """

    n_images, batch_size = 3, 256

    def __init__(self, triplets: NDArray[Any], alpha: float) -> None:
        self.triplets, self.alpha, self.n_samples = triplets, alpha, len(triplets)

    def start_layer(self, layer: Any, primary: Any, train_softmax: Any) -> None:
        """Do nothing: distances need no classifier."""

    def parameters(self) -> list[Any]:
        """Return what is trained together with the layer."""
        return []

    def rows(self, numbers: Any) -> Any:
        """Return the rows of D-P in a batch: all anchors, all positives, all negatives."""
        return self.triplets[numbers].T.reshape(-1)

    def loss(self, phi: Any, rows: Any) -> Any:
        """Return Eq. 5, averaged over the triplets."""
        anchor, positive, negative = phi.chunk(3)
        return triplet_loss(anchor, positive, negative, self.alpha).mean()


class Labels:
    """The primary task classification: ``L0'`` is cross-entropy (Sect. 4.4).

    Its classifier w_0 is trained like a detector before each layer, then with the layer. Of
    two classes, the softmax's cross-entropy is the binary one of the difference of the logits.

    Parameters
    ----------
    y : ndarray of int64 of shape (n_primary,)
        Class numbers.
    """

    n_images, batch_size = 1, DETECTOR_BATCH

    def __init__(self, y: NDArray[np.int64]) -> None:
        self.y, self.n_samples = y, len(y)

    def start_layer(self, layer: Any, primary: Any, train_softmax: Any) -> None:
        """Train the classifier on what the layer gives at its start."""
        phi = unit(layer(primary).detach())
        self.classifier = train_softmax(phi, self.y).requires_grad_(True)

    def parameters(self) -> Any:
        """Return what is trained together with the layer: the classifier."""
        return self.classifier.parameters()

    def rows(self, numbers: Any) -> Any:
        """Return the rows of D-P in a batch."""
        return numbers

    def loss(self, phi: Any, rows: Any) -> Any:
        """Return the mean cross-entropy."""
        y = torch.from_numpy(self.y)[rows].to(phi.device)
        return functional.cross_entropy(self.classifier(phi), y)


class _Unit(torch.autograd.Function):
    """h / |h|, with the gradient (g - phi (phi.g)) / |h| in few passes over the memory."""

    @staticmethod
    def forward(ctx: Any, h: Any) -> Any:
        length = torch.linalg.vector_norm(h, dim=1, keepdim=True).clamp(min=1e-12)
        phi = h / length
        ctx.save_for_backward(phi, length)
        return phi

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        phi, length = ctx.saved_tensors
        along = torch.linalg.vecdot(phi, gradient)[:, None]
        return torch.addcmul(gradient, phi, along, value=-1).div_(length)


def unit(h: Any) -> Any:
    """Return rows of unit length; a zero row stays zero."""
    return _Unit.apply(h)


def _adam(parameters):
    return torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)


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
