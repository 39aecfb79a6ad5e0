"""MaxEnt-ARL: an encoder that drives its adversary to be undecided, a game of non-zero sum [1]_.

The discriminator q_D and the encoder E (with the predictor q_T of the task) minimise

    D:     E[ CE(q_D(s | E(x)), s) ]
    E, T:  (1 - alpha) E[ CE(q_T(t | E(x)), t) ] - alpha E[ H(q_D(. | E(x))) ]

so that the encoder asks for an undecided discriminator, not for a wrong one, which is what
reversing its gradient asks for and which a new attacker turns round ([1]_, Sect. 3).
"""

from numbers import Real
from typing import Any

from sfumato._constraints import NOT_NEGATIVE_INT, POSITIVE_INT, Interval
from sfumato.erasers._adversarial import AdversarialEraser, primary_loss
from sfumato.losses.adversarial import cross_entropy, entropy
from sfumato.training.update import update

HEAD_RATE = 1e-3


class MaxEntArlEraser(AdversarialEraser):
    """Train an encoder of templates until its adversary is undecided (MaxEnt-ARL [1]_).

    Parameters
    ----------
    alpha : float in (0, 1], default=0.8
        Weight of the entropy; the authors sweep 0.1 to 0.6 on a handful of target classes.
    n_adversary_steps : int, default=3
        Updates of the adversary a batch; the authors' code has 1.
    n_hidden : int, default=256
        Hidden units of the encoder and of the adversary.
    learning_rate : float, default=1e-4
        Of Adam for the encoder; heads learn at 1e-3 (the authors' code).
    n_epochs : int, default=12
        The authors' code has 150.
    head_epochs : int, default=3
        Passes of the adversary alone, before.
    batch_size : int, default=256
    seed : int, default=0

    Attributes
    ----------
    encoder_ : dict of str to ndarray
        Weights and biases of the two layers.
    primary_task_ : {"classes", "identity", "template"}
        What the training kept.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised: an adversary that fails says little about attackers trained afresh on
    the output; the authors train theirs afresh too.

    The paper encodes images and tables. Choices where it is silent on templates: the encoder is
    ``x + W2 relu(W1 x + b1) + b2`` on rows scaled to a common length, the identity map at the
    start, and its output is normalised; identity is a softmax of 16 times the cosine to a
    person's weights, which start at the mean of that person's templates; several attributes
    are crossed.

    References
    ----------
    .. [1] Roy, Boddeti, "Mitigating information leakage in image representations: a maximum
       entropy approach", CVPR 2019, arXiv:1904.05514.
    """

    constraints = {
        "alpha": Interval(Real, 0, 1, closed="right"),
        "n_adversary_steps": POSITIVE_INT,
        "head_epochs": NOT_NEGATIVE_INT,
    }
    strength = ("alpha", (0.5, 0.8, 0.9))

    def __init__(
        self,
        *,
        alpha: float = 0.8,
        n_adversary_steps: int = 3,
        n_hidden: int = 256,
        learning_rate: float = 1e-4,
        n_epochs: int = 12,
        head_epochs: int = 3,
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        self.alpha = alpha
        self.n_adversary_steps = n_adversary_steps
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.head_epochs = head_epochs
        self.batch_size = batch_size
        self.seed = seed

    def _train(self, game, progress):
        from sfumato.erasers._adversarial_training import adam, residual_arrays, residual_nets

        nets = residual_nets(game, self.n_hidden)
        optimizers = adam(nets, self.learning_rate, HEAD_RATE)
        game.pretrain(nets, optimizers, batch_size=self.batch_size, n_epochs=self.head_epochs)
        game.play(
            self._step,
            nets,
            optimizers,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            progress=progress,
        )
        return residual_arrays(nets.encoder)

    def _step(self, nets, batch, optimizers):
        return step(
            nets,
            batch,
            optimizers,
            alpha=self.alpha,
            n_adversary_steps=self.n_adversary_steps,
        )


def step(
    nets: Any, batch: Any, optimizers: Any, *, alpha: float, n_adversary_steps: int
) -> dict[str, float]:
    """Make the updates of one batch: the encoder's, then the adversary's.

    Parameters
    ----------
    nets : Nets
        Encoder E, predictor T (None: keep the template) and one adversary D.
    batch : Batch
    optimizers : Optimizers
    alpha : float
    n_adversary_steps : int

    Returns
    -------
    dict of str to float
        ``primary``, ``entropy`` (of the adversary's answers, in nats) and ``adversary``.
    """
    (adversary,), (labels,) = nets.adversaries, batch.protected
    # E and T: keep the task, leave D undecided.
    z = nets.encoder(batch.x)
    task, undecided = primary_loss(nets.primary, z, batch), entropy(adversary(z)).mean()
    update((1 - alpha) * task - alpha * undecided, optimizers.encoder, optimizers.primary)
    # D: the likelihood of the true classes, on the rows as E gave them.
    for _ in range(n_adversary_steps):
        likelihood = cross_entropy(adversary(z.detach()), labels).mean()
        update(likelihood, *optimizers.adversaries)
    return {
        "primary": task.item(),
        "entropy": undecided.item(),
        "adversary": likelihood.item(),
    }
