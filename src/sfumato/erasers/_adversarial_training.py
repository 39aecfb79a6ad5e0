"""The game that the adversarially trained erasers play, in torch: rows, networks, optimizers.

A method adds its ``step(nets, batch, optimizers)``, which shows its whole schedule.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sfumato.losses.adversarial import cross_entropy
from sfumato.nets.dense import dense_arrays
from sfumato.nets.heads import AttributeHead, CosineHead, PReluEncoder, ResidualEncoder
from sfumato.outcomes import Progress
from sfumato.training.loop import make_fabric, run_epochs
from sfumato.training.update import update

IDENTITY_SCALE = 16.0
# A softmax over tens of thousands of people would take most of a fit.
N_SAMPLED_PEOPLE = 4096


class Nets(NamedTuple):
    """The players: ``primary`` is None where the template itself is kept."""

    encoder: torch.nn.Module
    primary: torch.nn.Module | None
    adversaries: list


class Optimizers(NamedTuple):
    """One optimizer a network."""

    encoder: Any
    primary: Any
    adversaries: list


class Batch(NamedTuple):
    """Rows ``x``, their classes in the primary task and in each protected attribute.

    ``template`` is what the encoder made of the rows at the start, if that is to be kept.
    """

    x: torch.Tensor
    primary: Any
    protected: list
    template: torch.Tensor | None = None


class Game:
    """Rows on the device, random numbers and the makers of the networks.

    Parameters
    ----------
    X : ndarray of float32 of shape (n_samples, n_features)
        Rows of length ``sqrt(n_features)``.
    protected : list of ndarray of int64 of shape (n_samples,)
        Class numbers, one array an adversary's task.
    primary : ndarray of int64 of shape (n_samples,) or None
    task : {"classes", "identity", "template"}
    seed : int
    """

    def __init__(
        self,
        X: NDArray[np.float32],
        protected: list[NDArray[np.int64]],
        primary: NDArray[np.int64] | None,
        task: str,
        seed: int,
    ) -> None:
        self.fabric, self.rng = make_fabric(), np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.task = task
        self.x = self.tensor(X)
        self.protected = [self.tensor(codes) for codes in protected]
        self.primary = None if primary is None else self.tensor(primary)
        self.template: torch.Tensor | None = None

    def batch(self, rows: Any) -> Batch:
        """Return the rows of these numbers, an int64 array."""
        rows = torch.from_numpy(rows).to(self.x.device)
        primary, template = (
            None if kept is None else kept[rows] for kept in (self.primary, self.template)
        )
        return Batch(self.x[rows], primary, [c[rows] for c in self.protected], template)

    def residual_encoder(self, n_hidden: Any) -> Any:
        """Return an encoder that starts as the identity."""
        return self.place(ResidualEncoder(self.x.shape[1], n_hidden, self.generator))

    def prelu_encoder(self, n_units: Any) -> Any:
        """Return one layer that starts orthonormal, with a PReLU."""
        return self.place(PReluEncoder(self.x.shape[1], n_units, self.generator))

    def primary_head(self, encoder: Any, n_hidden: Any) -> Any:
        """Return the head of the primary task, or None where the template itself is kept.

        A person's weights start at the mean of their encoded rows ("imprinting").
        """
        with torch.no_grad():
            z = encoder(self.x)
        if self.primary is None:
            self.template = z
            return None
        n_classes = int(self.primary.max()) + 1
        if self.task == "classes":
            return self._head(z.shape[1], n_hidden, n_classes)
        sums = torch.zeros(n_classes, z.shape[1], device=z.device).index_add_(0, self.primary, z)
        return CosineHead(
            sums, IDENTITY_SCALE, n_sampled=N_SAMPLED_PEOPLE, generator=self.generator
        )

    def adversary(
        self, number: Any, n_in: Any, n_hidden: Any, activation: Any = torch.relu
    ) -> Any:
        """Return an untrained reader of a protected attribute."""
        return self._head(n_in, n_hidden, int(self.protected[number].max()) + 1, activation)

    def ensemble(self, nets: Any, n_hidden: Any) -> list[Any]:
        """Return as many untrained SELU readers of the one attribute as ``nets`` has."""
        n_in = nets.adversaries[0].hidden.in_features
        return [self.adversary(0, n_in, n_hidden, torch.selu) for _ in nets.adversaries]

    def pretrain(self, nets: Any, optimizers: Any, *, batch_size: Any, n_epochs: Any) -> Any:
        """Train the adversaries, and a head of classes, on the encoder as it is, detached."""

        def step(rows):
            batch = self.batch(rows)
            with torch.no_grad():
                z = nets.encoder(batch.x)
            losses = {}
            for number, (head, optimizer) in enumerate(
                zip(nets.adversaries, optimizers.adversaries, strict=True)
            ):
                # An ensemble has more adversaries than attributes, all on the same one.
                loss = cross_entropy(head(z), batch.protected[number % len(batch.protected)])
                update(loss.mean(), optimizer)
                losses[f"adversary {number}"] = loss.mean().item()
            if self.task == "classes":
                update(cross_entropy(nets.primary(z), batch.primary).mean(), optimizers.primary)
            return losses

        return run_epochs(
            step, len(self.x), batch_size=batch_size, n_epochs=n_epochs, rng=self.rng
        )

    def play(
        self,
        step: Any,
        nets: Any,
        optimizers: Any,
        *,
        batch_size: Any,
        n_epochs: Any,
        progress: Progress | None,
        drops: Sequence[Any] = (),
    ) -> Any:
        """Run ``step(nets, batch, optimizers)`` over the epochs; return their mean figures.

        After each fraction of the epochs in ``drops`` all learning rates fall to a tenth.
        """
        every = [optimizers.encoder, optimizers.primary, *optimizers.adversaries]
        ends = [round(fraction * n_epochs) for fraction in drops]

        def report(epoch, means):
            for _ in range(ends.count(epoch + 1)):
                for optimizer in filter(None, every):
                    for group in optimizer.param_groups:
                        group["lr"] *= 0.1
            if progress is not None:
                progress(epoch + 1, n_epochs, "epochs")

        return run_epochs(
            lambda rows: step(nets, self.batch(rows), optimizers),
            len(self.x),
            batch_size=batch_size,
            n_epochs=n_epochs,
            rng=self.rng,
            report=report,
        )

    def _head(self, n_in, n_hidden, n_classes, activation=torch.relu):
        return self.place(AttributeHead(n_in, n_hidden, n_classes, self.generator, activation))

    def place(self, module: Any) -> Any:
        """Return a network on the device."""
        return self.fabric.to_device(module)

    def tensor(self, array: Any) -> Any:
        """Return an array on the device."""
        return self.fabric.to_device(torch.from_numpy(array))


def residual_nets(game: Any, n_hidden: Any) -> Nets:
    """Return an encoder that starts as the identity, its primary head, an adversary a task."""
    encoder = game.residual_encoder(n_hidden)
    n_features = game.x.shape[1]
    return Nets(
        encoder,
        game.primary_head(encoder, n_hidden),
        [game.adversary(number, n_features, n_hidden) for number in range(len(game.protected))],
    )


def ensemble_nets(game: Any, n_units: Any, n_hidden: Any, n_adversaries: Any) -> Nets:
    """Return a PReLU encoder, its primary head and several adversaries on one attribute."""
    encoder = game.prelu_encoder(n_units)
    heads = [game.adversary(0, n_units, n_hidden, torch.selu) for _ in range(n_adversaries)]
    return Nets(encoder, game.primary_head(encoder, n_hidden), heads)


def residual_arrays(encoder: Any) -> Any:
    """Return a residual encoder's two layers as arrays."""
    return dense_arrays([encoder.first, encoder.second])


def prelu_arrays(encoder: Any) -> Any:
    """Return a PReLU encoder's layer and slope as arrays."""
    slope = encoder.slope.detach().cpu().numpy().copy()
    return dense_arrays([encoder.layer]) | {"slope_0": slope}


def sgd(nets: Any, learning_rate: Any, weight_decay: float = 5e-4) -> Any:
    """Return stochastic gradient descent with momentum 0.9 for every network."""
    return _optimizers(
        nets,
        lambda net: torch.optim.SGD(
            net.parameters(), learning_rate, momentum=0.9, weight_decay=weight_decay
        ),
    )


def adam(nets: Any, learning_rate: Any, head_rate: Any, weight_decay: float = 0.0) -> Any:
    """Return Adam for every network; heads learn at ``head_rate`` and may decay (AdamW)."""
    made = _optimizers(
        nets, lambda net: torch.optim.AdamW(net.parameters(), head_rate, weight_decay=weight_decay)
    )
    encoder = torch.optim.AdamW(nets.encoder.parameters(), learning_rate, weight_decay=0.0)
    primary = nets.primary and torch.optim.AdamW(
        nets.primary.parameters(), head_rate, weight_decay=0.0
    )
    return made._replace(encoder=encoder, primary=primary)


def _optimizers(nets, make):
    primary = None if nets.primary is None else make(nets.primary)
    return Optimizers(make(nets.encoder), primary, [make(head) for head in nets.adversaries])
