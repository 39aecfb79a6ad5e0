"""PASS: an encoder that fights the worst of several adversaries [1]_.

The encoder M minimises, with the identity head C fixed,

    CE(C(M(x)), identity) + lambda max_k CE(uniform, D_k(M(x)))

while the discriminators D_1 ... D_K learn one at a time: those off duty remember what the
encoder did before, so that it cannot go back to it.
"""

from typing import Any

from sfumato._constraints import POSITIVE, POSITIVE_INT
from sfumato.erasers._adversarial import AdversarialEraser, primary_loss
from sfumato.losses.adversarial import cross_entropy, cross_entropy_to_uniform
from sfumato.nets.dense import dense_forward
from sfumato.training.update import update

N_HIDDEN = 128
HEAD_RATE = 1e-3
HEAD_EPOCHS = 2
DUTY_BATCHES = 120


class PassEraser(AdversarialEraser):
    """Train a layer on templates against an ensemble of adversaries (PASS [1]_).

    Parameters
    ----------
    uniform_weight : float, default=10.0
        Lambda (the authors' configuration).
    n_adversaries : int, default=5
        K, of one hidden layer of 128 SELU units (the authors' configuration).
    n_units : int, default=256
        Features of the output (the authors' encoder: 512 to 256).
    learning_rate : float, default=1e-4
        Of Adam for the encoder; discriminators learn at 1e-3 (the authors' configuration).
    n_epochs : int, default=12
    restart_epochs : int, default=4
        After so many epochs all discriminators start anew. The authors restart every 30 turns.
    batch_size : int, default=128
        The authors have 40.
    seed : int, default=0

    Attributes
    ----------
    encoder_ : dict of str to ndarray
        Weights, biases and slope of the layer.
    primary_task_ : {"classes", "identity", "template"}
        What the training kept.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised: adversaries that fail say little about attackers trained afresh on the
    output. Output and input cannot be compared unless ``n_units`` is the number of features,
    and not usefully then.

    Choices where the authors' code is silent or slow: encoder and discriminator on duty take
    turns batch by batch, not 120 batches each; duty passes on after 120 batches; rows are
    scaled to a common length and the output is normalised; the layer starts with orthonormal
    weights; identity is a softmax of 16 times the cosine to a person's mean encoded template at
    the start, which stays fixed as the authors' head does; several attributes are crossed.

    References
    ----------
    .. [1] Dhar, Gleason, Roy, Castillo, Chellappa, "PASS: protected attribute suppression
       system for mitigating bias in face recognition", ICCV 2021.
    """

    constraints = {
        "uniform_weight": POSITIVE,
        "n_adversaries": POSITIVE_INT,
        "n_units": POSITIVE_INT,
        "restart_epochs": POSITIVE_INT,
    }
    strength = ("uniform_weight", (3.0, 10.0, 30.0))

    def __init__(
        self,
        *,
        uniform_weight: float = 10.0,
        n_adversaries: int = 5,
        n_units: int = 256,
        learning_rate: float = 1e-4,
        n_epochs: int = 12,
        restart_epochs: int = 4,
        batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        self.uniform_weight = uniform_weight
        self.n_adversaries = n_adversaries
        self.n_units = n_units
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.restart_epochs = restart_epochs
        self.batch_size = batch_size
        self.seed = seed

    def _train(self, game, progress):
        from sfumato.erasers._adversarial_training import adam, ensemble_nets, prelu_arrays

        nets = ensemble_nets(game, self.n_units, N_HIDDEN, self.n_adversaries)
        optimizers = adam(nets, self.learning_rate, HEAD_RATE)
        for start in range(0, self.n_epochs, self.restart_epochs):
            if start:
                nets = nets._replace(adversaries=game.ensemble(nets, N_HIDDEN))
                fresh = adam(nets, self.learning_rate, HEAD_RATE)
                optimizers = optimizers._replace(adversaries=fresh.adversaries)
            game.pretrain(nets, optimizers, batch_size=self.batch_size, n_epochs=HEAD_EPOCHS)
            game.play(
                _Duty(self.uniform_weight),
                nets,
                optimizers,
                batch_size=self.batch_size,
                n_epochs=min(self.restart_epochs, self.n_epochs - start),
                progress=_later(progress, start, self.n_epochs),
            )
        return prelu_arrays(nets.encoder)

    def _encode(self, x):
        return dense_forward(self.encoder_, x, activation="prelu", activate_last=True)

    def _add_encoder(self, graph, x):
        return graph.dense(x, self.encoder_, activation="prelu", activate_last=True)


class _Duty:
    """A step that passes the duty on."""

    def __init__(self, uniform_weight: Any) -> None:
        self.uniform_weight = uniform_weight
        self.n_batches = 0

    def __call__(self, nets: Any, batch: Any, optimizers: Any) -> Any:
        on_duty = self.n_batches // DUTY_BATCHES % len(nets.adversaries)
        self.n_batches += 1
        return step(nets, batch, optimizers, uniform_weight=self.uniform_weight, on_duty=on_duty)


def step(
    nets: Any, batch: Any, optimizers: Any, *, uniform_weight: float, on_duty: int
) -> dict[str, float]:
    """Make the updates of one batch: the encoder's, then one discriminator's.

    Parameters
    ----------
    nets : Nets
        Encoder M, head C (None: keep the template; never updated) and discriminators D_k.
    batch : Batch
    optimizers : Optimizers
    uniform_weight : float
    on_duty : int
        The number of the discriminator that learns.

    Returns
    -------
    dict of str to float
        ``primary``, ``worst`` (the largest cross-entropy to uniform) and ``adversary``.
    """
    (labels,) = batch.protected
    # M: keep identity, and leave even the surest discriminator undecided.
    z = nets.encoder(batch.x)
    task = primary_loss(nets.primary, z, batch)
    losses = [cross_entropy_to_uniform(head(z)).mean() for head in nets.adversaries]
    worst = max(losses)
    update(task + uniform_weight * worst, optimizers.encoder)
    # D_k on duty: the true classes, on M as it is now.
    likelihood = cross_entropy(
        nets.adversaries[on_duty](nets.encoder(batch.x).detach()), labels
    ).mean()
    update(likelihood, optimizers.adversaries[on_duty])
    return {"primary": task.item(), "worst": worst.item(), "adversary": likelihood.item()}


def _later(progress, start, n_total):
    if progress is None:
        return None
    return lambda n_done, _, what: progress(start + n_done, n_total, what)
