"""Gender-privacy angular constraints: make the classes' directions overlap [1]_.

On frozen templates two layers are trained to minimise

    L_id + alpha angle(mean z_F, mean z_M) + beta ( E angle(z_F, W_M) + E angle(z_M, W_F) )

with L_id the softmax over people on cosines, means over the batch, and W_F, W_M the mean of the
weights of the women and of the men in that softmax.
"""

from typing import Any

from torch import Tensor

from sfumato._constraints import NOT_NEGATIVE, POSITIVE
from sfumato.erasers._adversarial import AdversarialEraser, primary_loss
from sfumato.training.update import update


class AngularEraser(AdversarialEraser):
    """Train two layers under constraints on the angles between classes [1]_.

    Parameters
    ----------
    centroid_weight : float, default=20.0
        Alpha, the weight of the angle between the classes' means, in radians (authors' code).
    opposite_weight : float, default=1.0
        Beta, the weight of the angles between rows and the other class's weights; the authors
        compare 0 and 1.
    n_hidden : int, default=256
    learning_rate : float, default=1e-3
        Of Adam; the authors' code has 0.01, from a random start.
    n_epochs : int, default=10
        The authors' code has 100.
    batch_size : int, default=128
        The authors' code.
    seed : int, default=0

    Attributes
    ----------
    encoder_ : dict of str to ndarray
        Weights and biases of the two layers.
    primary_task_ : {"identity", "template"}
        What the training kept.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised. Both angles fall, too, where all rows gather round one direction, and
    then the classes are told apart as before; and both are about means, so differences of the
    classes' spread stay.

    Choices where ours differs from the authors' code: the layers are ``x + W2 relu(W1 x + b1) +
    b2`` on rows scaled to a common length, the identity map at the start, not two layers with a
    leaky ReLU that start at random; the softmax has 16 times the cosine, not 64, and a person's
    weights start at the mean of that person's templates; batches are not balanced by class,
    but each class counts the same. Without identities the template itself is kept, and the
    means of the classes' templates take the place of the weights. More than two classes are
    compared by pairs; several attributes are crossed.

    References
    ----------
    .. [1] Rezgui, Strisciuglio, Veldhuis, "Gender privacy angular constraints for face
       recognition", IEEE TBIOM 6(3), 2024, doi:10.1109/TBIOM.2024.3390586.
    """

    constraints = {"centroid_weight": POSITIVE, "opposite_weight": NOT_NEGATIVE}
    uses = ("identity",)
    strength = ("centroid_weight", (5.0, 20.0, 80.0))

    def __init__(
        self,
        *,
        centroid_weight: float = 20.0,
        opposite_weight: float = 1.0,
        n_hidden: int = 256,
        learning_rate: float = 1e-3,
        n_epochs: int = 10,
        batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        self.centroid_weight = centroid_weight
        self.opposite_weight = opposite_weight
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.seed = seed

    def _train(self, game, progress):
        from sfumato.erasers._adversarial_training import Nets, adam, residual_arrays

        encoder = game.residual_encoder(self.n_hidden)
        nets = Nets(encoder, game.primary_head(encoder, self.n_hidden), [])
        centroids = _Centroids(game)
        game.play(
            lambda *players: step(
                *players,
                centroid_weight=self.centroid_weight,
                opposite_weight=self.opposite_weight,
                centroids=centroids(nets.primary),
            ),
            nets,
            adam(nets, self.learning_rate, self.learning_rate),
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            progress=progress,
        )
        return residual_arrays(encoder)


class _Centroids:
    """Means of the people's weights, or of the rows at the start, of each class."""

    def __init__(self, game: Any) -> None:
        (labels,) = game.protected
        self.n_classes = int(labels.max()) + 1
        self.fixed, self.labels = game.template, labels
        if game.primary is not None:
            # A person is of the class of any one of their rows.
            self.labels = labels.new_zeros(int(game.primary.max()) + 1)
            self.labels[game.primary] = labels
        else:
            self.fixed = self._means(game.template)

    def __call__(self, head: Any) -> Any:
        return self.fixed if head is None else self._means(head.weight)

    def _means(self, rows):
        from torch.nn import functional

        sums = rows.new_zeros(self.n_classes, rows.shape[1])
        return functional.normalize(sums.index_add(0, self.labels, functional.normalize(rows)))


def step(
    nets: Any,
    batch: Any,
    optimizers: Any,
    *,
    centroid_weight: float,
    opposite_weight: float,
    centroids: Tensor,
) -> dict[str, float]:
    """Make the one update of a batch, of the layers and the people's weights.

    Parameters
    ----------
    nets : Nets
        Encoder and primary head (None: keep the template).
    batch : Batch
    optimizers : Optimizers
    centroid_weight, opposite_weight : float
    centroids : Tensor of shape (n_classes, n_features)
        W of each class.

    Returns
    -------
    dict of str to float
        ``primary``, ``centroids`` and ``opposite`` (both in radians).
    """
    from sfumato.losses.angular import centroid_angle, opposite_angle

    (labels,) = batch.protected
    z = nets.encoder(batch.x)
    task = primary_loss(nets.primary, z, batch)
    first = centroid_angle(z, labels)
    second = opposite_angle(z, labels, centroids)
    loss = task + centroid_weight * first + opposite_weight * second
    update(loss, optimizers.encoder, optimizers.primary)
    return {"primary": task.item(), "centroids": first.item(), "opposite": second.item()}
