"""PFRNet: an autoencoder parts a template into identity and attribute [1]_.

The code of a row x has two parts, z for identity and a for the attribute s. Encoder, decoder D
and a classifier h of the attribute part minimise together

    |x - D(z, a)|^2  +  lambda M(z, s)  +  mu CE(h(a), s)

with M the distance between the classes' moments in z. Only z is kept: a carries the attribute
away, and since x must come back from both, z has to hold whatever a does not.
"""

from typing import Any

from sfumato._constraints import NOT_NEGATIVE, POSITIVE, POSITIVE_INT
from sfumato.erasers._adversarial import AdversarialEraser
from sfumato.losses.adversarial import cross_entropy
from sfumato.losses.dependence import moment_gap
from sfumato.training.update import update


class PfrNetEraser(AdversarialEraser):
    """Keep the identity part of an autoencoder's code, with equal moments of the classes [1]_.

    Parameters
    ----------
    moment_weight : float, default=100.0
        Lambda.
    attribute_weight : float, default=0.1
        Mu.
    n_units : int, default=16
        Length of the attribute part.
    n_hidden : int, default=256
        Hidden units of encoder, decoder and classifier.
    learning_rate : float, default=3e-3
        Of Adam.
    n_epochs : int, default=30
    batch_size : int, default=2048
        Large, since the covariance of few rows is mostly noise.
    seed : int, default=0

    Attributes
    ----------
    encoder_ : dict of str to ndarray
        Weights and biases of the two layers that make the identity part.
    primary_task_ : {"template"}
        The identities are not asked for.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised; what the classes' higher moments say stays, and equal moments of the
    fitted rows are not equal moments of other people.

    We had the paper's abstract and others' descriptions at hand, not its text, so all weights
    and sizes are our choice. So are: moments are the mean and the whole covariance, of each
    class against all rows of a batch; the identity part is ``x + W2 relu(W1 x + b1) + b2`` on
    rows scaled to a common length, the identity map at the start, and is normalised, so that it
    is compared by cosine as the template is; the decoder adds to it; several attributes are
    crossed.

    References
    ----------
    .. [1] Bortolato, Ivanovska, Rot, Križaj, Terhörst, Damer, Peer, Štruc, "Learning
       privacy-enhancing face representations through feature disentanglement", FG 2020.
    """

    constraints = {
        "moment_weight": POSITIVE,
        "attribute_weight": NOT_NEGATIVE,
        "n_units": POSITIVE_INT,
    }
    uses = ()
    strength = ("moment_weight", (10.0, 100.0, 1000.0))

    def __init__(
        self,
        *,
        moment_weight: float = 100.0,
        attribute_weight: float = 0.1,
        n_units: int = 16,
        n_hidden: int = 256,
        learning_rate: float = 3e-3,
        n_epochs: int = 30,
        batch_size: int = 2048,
        seed: int = 0,
    ) -> None:
        self.moment_weight = moment_weight
        self.attribute_weight = attribute_weight
        self.n_units = n_units
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.seed = seed

    def _train(self, game, progress):
        from sfumato.erasers._adversarial_training import Nets, adam, residual_arrays
        from sfumato.nets.split import SplitAutoencoder

        autoencoder = game.place(
            SplitAutoencoder(game.x.shape[1], self.n_hidden, self.n_units, game.generator)
        )
        nets = Nets(autoencoder, game.adversary(0, self.n_units, self.n_hidden), [])
        game.play(
            self._step,
            nets,
            adam(nets, self.learning_rate, self.learning_rate),
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            progress=progress,
        )
        return residual_arrays(autoencoder.encoder)

    def _step(self, nets, batch, optimizers):
        return step(
            nets,
            batch,
            optimizers,
            moment_weight=self.moment_weight,
            attribute_weight=self.attribute_weight,
        )


def step(
    nets: Any, batch: Any, optimizers: Any, *, moment_weight: float, attribute_weight: float
) -> dict[str, float]:
    """Make the one update of a batch, of autoencoder and classifier.

    Parameters
    ----------
    nets : Nets
        ``encoder`` is the autoencoder, ``primary`` the attribute part's classifier h.
    batch : Batch
    optimizers : Optimizers
    moment_weight, attribute_weight : float

    Returns
    -------
    dict of str to float
        ``reconstruction`` (mean squared error), ``moments`` and ``attribute`` (cross-entropy).
    """
    (labels,) = batch.protected
    z, a, decoded = nets.encoder(batch.x)
    reconstruction = (decoded - batch.x).square().mean()
    moments = moment_gap(z, labels)
    attribute = cross_entropy(nets.primary(a), labels).mean()
    update(
        reconstruction + moment_weight * moments + attribute_weight * attribute,
        optimizers.encoder,
        optimizers.primary,
    )
    return {
        "reconstruction": reconstruction.item(),
        "moments": moments.item(),
        "attribute": attribute.item(),
    }
