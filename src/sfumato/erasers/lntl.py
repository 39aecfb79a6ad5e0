"""Learning not to Learn: an encoder that unlearns a bias while it learns a task [1]_.

The encoder f and the primary head g minimise, adversaries h maximise,

    E[ L_c(g(f(x)), primary) + lambda sum_b Q(b|f(x)) log Q(b|f(x)) - L_b(h(f(x)), b) ]

with Q the softmax of h and L_c, L_b cross-entropies: the bound on the mutual information of
the embedding and the bias ([1]_, Sect. 3; [2]_, Eq. 5). Gradient reversal plays both sides.
"""

from typing import Any

from sfumato._constraints import NOT_NEGATIVE, NOT_NEGATIVE_INT, POSITIVE
from sfumato.erasers._adversarial import AdversarialEraser, primary_loss
from sfumato.losses.adversarial import (
    cross_entropy,
    entropy,
    reverse_gradient,
)
from sfumato.training.update import update

DROPS = (0.4, 0.8)


class LearningNotToLearnEraser(AdversarialEraser):
    """Train an encoder of templates by Learning not to Learn [1]_, [2]_.

    Parameters
    ----------
    entropy_weight : float, default=1.0
        Lambda. The authors' code has 0.01, for whole networks trained from scratch.
    reversal : float, default=0.1
        The adversaries' gradient reaches the encoder multiplied by minus this (the authors'
        code).
    n_hidden : int, default=256
        Hidden units of the encoder and of each head.
    learning_rate : float, default=0.01
        Of stochastic gradient descent with momentum 0.9 and weight decay 5e-4; a tenth after
        40 % and again after 80 % of the epochs (the authors' code: after 40 and 80 of 100).
    n_epochs : int, default=15
        The authors' code has 100.
    head_epochs : int, default=3
        Passes of the adversaries alone, before.
    batch_size : int, default=128
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
    the output. The authors' lambda of 0.01 leaves the leak of frozen templates as it was.

    The paper trains a network from pixels, and its use on faces [2]_ the last layers of a
    ResNet-50. Choices where the papers are silent on templates: the encoder is
    ``x + W2 relu(W1 x + b1) + b2`` on rows scaled to a common length, the identity map at the
    start, and its output is normalised; identity is a softmax of 16 times the cosine to a
    person's weights, which start at the mean of that person's templates, so only the
    adversaries are trained beforehand; several attributes have an adversary each, their
    negative entropies averaged and their cross-entropies summed, as in the authors' code.

    References
    ----------
    .. [1] Kim, Kim, Kim, Kim, Kim, "Learning not to learn: training deep neural networks with
       biased data", CVPR 2019.
    .. [2] Peña, Fierrez, Lapedriza, Morales, "Learning emotional-blinded face
       representations", ICPR 2020, Sect. III-B.
    """

    constraints = {
        "entropy_weight": POSITIVE,
        "reversal": NOT_NEGATIVE,
        "head_epochs": NOT_NEGATIVE_INT,
    }
    strength = ("entropy_weight", (0.3, 1.0, 3.0))
    one_adversary_each = True

    def __init__(
        self,
        *,
        entropy_weight: float = 1.0,
        reversal: float = 0.1,
        n_hidden: int = 256,
        learning_rate: float = 0.01,
        n_epochs: int = 15,
        head_epochs: int = 3,
        batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        self.entropy_weight = entropy_weight
        self.reversal = reversal
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.head_epochs = head_epochs
        self.batch_size = batch_size
        self.seed = seed

    def _train(self, game, progress):
        from sfumato.erasers._adversarial_training import residual_arrays, residual_nets, sgd

        nets = residual_nets(game, self.n_hidden)
        optimizers = sgd(nets, self.learning_rate)
        game.pretrain(nets, optimizers, batch_size=self.batch_size, n_epochs=self.head_epochs)
        game.play(
            self._step,
            nets,
            optimizers,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            progress=progress,
            drops=DROPS,
        )
        return residual_arrays(nets.encoder)

    def _step(self, nets, batch, optimizers):
        return step(
            nets,
            batch,
            optimizers,
            entropy_weight=self.entropy_weight,
            reversal=self.reversal,
        )


def step(
    nets: Any, batch: Any, optimizers: Any, *, entropy_weight: float, reversal: float
) -> dict[str, float]:
    """Make the two updates of one batch; return the losses before them.

    Parameters
    ----------
    nets : Nets
        Encoder f, primary head g (None: keep the template) and adversaries h.
    batch : Batch
        Rows, their primary classes and each protected attribute's classes.
    optimizers : Optimizers
    entropy_weight, reversal : float

    Returns
    -------
    dict of str to float
        ``primary``, ``entropy`` (of the adversaries' answers, in nats) and ``adversary``.
    """
    # Update 1, of f and g: the task, and undecided adversaries (E[Q log Q] = -entropy).
    z = nets.encoder(batch.x)
    task = primary_loss(nets.primary, z, batch)
    undecided: Any = sum(entropy(head(z)).mean() for head in nets.adversaries) / len(
        nets.adversaries
    )
    update(task - entropy_weight * undecided, optimizers.encoder, optimizers.primary)
    # Update 2, of f and h, on f as update 1 left it: h descends on L_b, f ascends.
    z = reverse_gradient(nets.encoder(batch.x), reversal)
    bias: Any = sum(
        cross_entropy(head(z), labels).mean()
        for head, labels in zip(nets.adversaries, batch.protected, strict=True)
    )
    update(bias, optimizers.encoder, *optimizers.adversaries)
    return {"primary": task.item(), "entropy": undecided.item(), "adversary": bias.item()}
