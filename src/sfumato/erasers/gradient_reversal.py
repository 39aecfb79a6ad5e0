"""Gradient reversal: the encoder climbs where the adversary descends [1]_, [2]_.

One update a batch seeks the saddle point of

    E[ L_y(G_y(G_f(x)), y) ] - lambda E[ L_d(G_d(G_f(x)), d) ]                   ([1]_)

of which the encoder G_f and the task's head G_y seek the minimum, the adversary G_d the maximum.
"""

from typing import Any

from sfumato._constraints import NOT_NEGATIVE_INT, POSITIVE
from sfumato.erasers._adversarial import AdversarialEraser, primary_loss
from sfumato.losses.adversarial import cross_entropy, reverse_gradient
from sfumato.training.update import update

HEAD_RATE = 1e-3
HEAD_DECAY = 1.0


class GradientReversalEraser(AdversarialEraser):
    """Train an encoder of templates by gradient reversal (Ganin [1]_, Raff and Sylvester [2]_).

    Parameters
    ----------
    reversal : float, default=10.0
        Lambda; in [1]_ it grows to 1. Frozen templates need more.
    n_hidden : int, default=256
        Hidden units of the encoder and of each adversary.
    learning_rate : float, default=1e-4
        Of Adam for the encoder; heads learn at 1e-3.
    n_epochs : int, default=12
    head_epochs : int, default=3
        Passes of the adversaries alone, before.
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
    Nothing is promised. The encoder is paid for an adversary that is wrong, and whoever turns
    the wrong answer round reads the attribute; only the adversary's own updates prevent it.
    Audit with attackers trained afresh.

    Choices where the papers are silent on templates: the encoder is
    ``x + W2 relu(W1 x + b1) + b2`` on rows scaled to a common length, the identity map at the
    start, and its output is normalised; identity is a softmax of 16 times the cosine to a
    person's weights, which start at the mean of that person's templates; adversaries decay
    (AdamW, 1.0), as a sure adversary has no gradient to reverse, and are trained beforehand in
    the place of [1]_'s growing lambda; several attributes have an adversary each, their
    cross-entropies summed.

    References
    ----------
    .. [1] Ganin, Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015.
    .. [2] Raff, Sylvester, "Gradient reversal against discrimination: a fair neural network
       learning approach", DSAA 2018, arXiv:1807.00392.
    """

    constraints = {"reversal": POSITIVE, "head_epochs": NOT_NEGATIVE_INT}
    strength = ("reversal", (3.0, 10.0, 30.0))
    one_adversary_each = True

    def __init__(
        self,
        *,
        reversal: float = 10.0,
        n_hidden: int = 256,
        learning_rate: float = 1e-4,
        n_epochs: int = 12,
        head_epochs: int = 3,
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        self.reversal = reversal
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.head_epochs = head_epochs
        self.batch_size = batch_size
        self.seed = seed

    def _train(self, game, progress):
        from sfumato.erasers._adversarial_training import adam, residual_arrays, residual_nets

        nets = residual_nets(game, self.n_hidden)
        optimizers = adam(nets, self.learning_rate, HEAD_RATE, HEAD_DECAY)
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
        return step(nets, batch, optimizers, reversal=self.reversal)


def step(nets: Any, batch: Any, optimizers: Any, *, reversal: float) -> dict[str, float]:
    """Make the one update of a batch, of all networks.

    Parameters
    ----------
    nets : Nets
        Encoder G_f, head G_y (None: keep the template) and adversaries G_d.
    batch : Batch
    optimizers : Optimizers
    reversal : float

    Returns
    -------
    dict of str to float
        ``primary`` and ``adversary``.
    """
    z = nets.encoder(batch.x)
    task = primary_loss(nets.primary, z, batch)
    turned = reverse_gradient(z, reversal)
    adversary: Any = sum(
        cross_entropy(head(turned), labels).mean()
        for head, labels in zip(nets.adversaries, batch.protected, strict=True)
    )
    update(task + adversary, optimizers.encoder, optimizers.primary, *optimizers.adversaries)
    return {"primary": task.item(), "adversary": adversary.item()}
