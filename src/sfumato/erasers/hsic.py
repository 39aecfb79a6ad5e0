"""Minimise the Hilbert-Schmidt independence criterion of embeddings and attribute [1]_.

An encoder f minimises, over batches,

    4 (1 - cos(f(x), x)) + lambda sqrt( HSIC(f(x), s) ),    HSIC = || C_(phi(f(x)), s) ||^2_HS,

with phi random Fourier features of a Gaussian kernel and C
the cross-covariance ([2]_, Definition 2). The supremum over a reproducing kernel Hilbert space
is taken in closed form, so that no adversary is trained: dependence is measured in the space of
the output, as iterative erasure does ([1]_; its released code takes the root, too), and not
linearly in the output of a kernel encoder, as closed-form solutions need it ([3]_).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import POSITIVE, POSITIVE_INT
from sfumato.erasers._adversarial import AdversarialEraser, primary_loss
from sfumato.losses.dependence import fourier_features, hsic
from sfumato.training.update import update


class HsicEraser(AdversarialEraser):
    """Train an encoder of templates until kernels find no dependence on the attribute [1]_.

    Parameters
    ----------
    dependence_weight : float, default=300.0
        Lambda.
    bandwidth : float, default=0.5
        The kernel's sigma as a multiple of the median distance of rows (1 in the authors' code).
    n_frequencies : int, default=512
        Random Fourier features, drawn anew for each batch.
    n_hidden : int, default=256
        Hidden units of the encoder.
    learning_rate : float, default=3e-3
        Of Adam.
    n_epochs : int, default=40
    batch_size : int, default=4096
        Large, since the estimate of few rows is mostly noise.
    seed : int, default=0

    Attributes
    ----------
    encoder_ : dict of str to ndarray
        Weights and biases of the two layers.
    primary_task_ : {"template"}
        What the training kept; identities are not asked for.
    n_features_in_ : int

    Notes
    -----
    Small dependence in the kernel's space bounds what regressions of small norm in that space
    read on the fitted rows. Nothing is promised against others, nor on other rows: a quadratic
    attacker reads differences of the classes' covariances that are spread over many directions,
    which a Gaussian kernel hardly sees.

    The paper erases from text, in two alternating steps: an encoder that minimises HSIC, and an
    eigenproblem that aligns it with what is to be kept. Ours is the first step alone, with the
    distance from the template in the place of its HSIC terms for utility. Choices where it is
    silent on templates: the encoder is ``x + W2 relu(W1 x + b1) + b2`` on rows scaled to a
    common length, the identity map at the start, and its output is normalised; several
    attributes are crossed; classes weigh by their share.

    References
    ----------
    .. [1] Akbari, Afshari, Boddeti, "Obliviator reveals the cost of nonlinear guardedness in
       concept erasure", NeurIPS 2025, arXiv:2603.07529.
    .. [2] Gretton, Bousquet, Smola, Schölkopf, "Measuring statistical dependence with
       Hilbert-Schmidt norms", ALT 2005.
    .. [3] Sadeghi, Dehdashtian, Boddeti, "On characterizing the trade-off in invariant
       representation learning", TMLR 2022, arXiv:2109.03386.
    """

    constraints = {
        "dependence_weight": POSITIVE,
        "bandwidth": POSITIVE,
        "n_frequencies": POSITIVE_INT,
    }
    uses = ()
    strength = ("dependence_weight", (100.0, 300.0, 1000.0))

    def __init__(
        self,
        *,
        dependence_weight: float = 300.0,
        bandwidth: float = 0.5,
        n_frequencies: int = 512,
        n_hidden: int = 256,
        learning_rate: float = 3e-3,
        n_epochs: int = 40,
        batch_size: int = 4096,
        seed: int = 0,
    ) -> None:
        self.dependence_weight = dependence_weight
        self.bandwidth = bandwidth
        self.n_frequencies = n_frequencies
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.seed = seed

    def _train(self, game, progress):
        from sfumato.erasers._adversarial_training import Nets, adam, residual_arrays

        encoder = game.residual_encoder(self.n_hidden)
        nets = Nets(encoder, game.primary_head(encoder, self.n_hidden), [])
        kernel = _Kernel(game, self.n_frequencies, self.bandwidth)
        game.play(
            lambda *players: step(
                *players, dependence_weight=self.dependence_weight, kernel=kernel.draw()
            ),
            nets,
            adam(nets, self.learning_rate, self.learning_rate),
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            progress=progress,
        )
        return residual_arrays(encoder)


class _Kernel:
    """Draws frequencies and phases of a Gaussian kernel on rows of length ``sqrt(n_features)``."""

    def __init__(self, game: Any, n_frequencies: Any, bandwidth: Any) -> None:
        self.game, self.shape = game, (n_frequencies, game.x.shape[1])
        self.sigma = bandwidth * median_distance(game.x.cpu().numpy())

    def draw(self) -> Any:
        frequencies = self.game.rng.normal(size=self.shape) / self.sigma
        phases = self.game.rng.uniform(0, 2 * np.pi, self.shape[0])
        return tuple(self.game.tensor(a.astype(np.float32)) for a in (frequencies, phases))


def median_distance(X: NDArray[Any], n_rows: int = 1000) -> Any:
    """Return the median distance of the first rows from each other, 1 where it vanishes."""
    X = X[:n_rows].astype(np.float64)
    squares = np.sum(X**2, axis=1)
    distances = squares[:, None] + squares - 2 * X @ X.T
    median = np.median(distances[np.triu_indices(len(X), 1)])
    return float(np.sqrt(median)) if median > 1e-12 else 1.0


def step(
    nets: Any, batch: Any, optimizers: Any, *, dependence_weight: float, kernel: Any
) -> dict[str, float]:
    """Make the one update of a batch, of the encoder.

    Parameters
    ----------
    nets : Nets
        Encoder f alone.
    batch : Batch
    optimizers : Optimizers
    dependence_weight : float
    kernel : (frequencies, phases)
        See :func:`~sfumato.losses.dependence.fourier_features`.

    Returns
    -------
    dict of str to float
        ``primary`` (the distance from the template) and ``dependence`` (the root of HSIC).
    """
    (labels,) = batch.protected
    z = nets.encoder(batch.x)
    task = primary_loss(None, z, batch)
    features = fourier_features(z, *kernel)
    indicators = (labels[:, None] == labels.unique()).to(z.dtype)
    dependence = (hsic(features, indicators) + 1e-12).sqrt()
    update(task + dependence_weight * dependence, optimizers.encoder)
    return {"primary": task.item(), "dependence": dependence.item()}
