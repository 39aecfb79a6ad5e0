"""R-LACE: a linear adversarial game over projections of one rank [1]_.

A linear classifier ``(W, b)`` and a projection ``P`` of rank ``k`` play

    max_P  min_{W, b}   E[cross-entropy(y, W' (I - P) x + b)]           (Sect. 3.1)

where ``P`` is relaxed to the Fantope: symmetric, eigenvalues in [0, 1], trace ``k``
(Sect. 3.3). After every step ``P`` returns to it; at the end its leading ``k`` eigenvectors
are taken out.
"""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sfumato._constraints import POSITIVE, POSITIVE_INT, SEED, Interval, Optional
from sfumato._fitted import COUNT, Array
from sfumato.erasers._attributes import cross
from sfumato.erasers._low_rank import add_affine_map, apply_low_rank
from sfumato.erasers.base import Eraser
from sfumato.errors import InputError

EVALUATE_EVERY = 1000  # Steps; the authors' code.
ROUNDING = 1e-12  # Of rows whose features have mean square 1.


class RlaceEraser(Eraser):
    """Take out the directions that hurt the best linear classifier most [1]_.

    The defaults are those of the authors' code, where nothing else is said.

    Parameters
    ----------
    rank : int, optional
        Directions ``k`` to take out; default one less than there are classes (1 for two).
    n_iterations : int, default=75_000
        Steps at most, of each player in turn.
    batch_size : int, default=128
    learning_rate : float, default=0.005
        Of both players' plain gradient steps.
    weight_decay : float, default=1e-4
        Of both players.
    margin : float, default=0.0015
        Stop once a fresh classifier's accuracy on the fitted rows is within ``margin`` of the
        largest class's share.
    patience : int, default=10
        Stop after this many evaluations, one each 1,000 steps, whose loss was not greater by
        1e-4 than the best. Not in the authors' code.
    seed : int, default=0

    Attributes
    ----------
    basis_ : ndarray of shape (rank, n_features)
        Orthonormal rows spanning what is taken out.
    losses_ : ndarray of shape (n_evaluations,)
        Cross-entropy in nats of the fresh classifiers; the projection with the largest is kept.
    n_iter_ : int
        Steps made.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised: the game is played until the rules above stop it. For two classes and
    rank 1 its only solution is :class:`~sfumato.erasers.mean_projection.MeanProjectionEraser`
    (equal class means are necessary, LEACE, Theorem 3.1), which costs a thousandth. It differs
    where ``rank`` is less than the classes need. Attackers that are not linear read what is
    left.

    Where it departs from the authors' code: rows are centred and scaled by one factor to a mean
    square of 1 a feature, so that the learning rate suits embeddings of any scale; batches are
    drawn with replacement; one classifier is trained for an evaluation, by Newton's method,
    instead of three by stochastic gradients; several attributes are crossed.

    References
    ----------
    .. [1] Ravfogel, Twiton, Goldberg, Cotterell, "Linear adversarial concept erasure",
       ICML 2022, arXiv:2201.12091.
    """

    constraints = {
        "rank": Optional(POSITIVE_INT),
        "n_iterations": POSITIVE_INT,
        "batch_size": POSITIVE_INT,
        "learning_rate": POSITIVE,
        "weight_decay": Interval(Real, 0, 1, closed="left"),
        "margin": Interval(Real, 0, 1, closed="left"),
        "patience": POSITIVE_INT,
        "seed": SEED,
    }
    strength = ("rank", (1, 2, 4, 8, 16))

    fitted = {
        "n_features_in_": COUNT,
        "basis_": Array("k", "d"),
        "losses_": Array("i"),
        "n_iter_": COUNT,
    }

    def __init__(
        self,
        *,
        rank: int | None = None,
        n_iterations: int = 75_000,
        batch_size: int = 128,
        learning_rate: float = 0.005,
        weight_decay: float = 1e-4,
        margin: float = 0.0015,
        patience: int = 10,
        seed: int = 0,
    ) -> None:
        self.rank = rank
        self.n_iterations = n_iterations
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.margin = margin
        self.patience = patience
        self.seed = seed

    def _fit(self, X, y, *, identity, context, primary, progress):
        codes = cross(y).codes
        rank = self._checked_rank(codes.max() + 1)
        X = X - X.mean(axis=0)
        X /= np.sqrt(np.mean(X**2)) or 1
        majority = np.bincount(codes).max() / len(codes)
        losses, best, since_best = [], -np.inf, 0
        for n_steps, basis in self._play(X, codes, rank):
            loss, accuracy = _evaluate(X, codes, basis)
            losses.append(loss)
            since_best = 0 if loss > best + 1e-4 else since_best + 1
            if loss > best:
                self.basis_, best = basis, loss
            self.n_iter_ = n_steps
            if progress is not None:
                progress(n_steps, self.n_iterations, f"accuracy {accuracy:.3f}")
            if abs(accuracy - majority) < self.margin or since_best >= self.patience:
                break
        self.losses_ = np.array(losses)
        return self

    def _transform(self, X):
        return apply_low_rank(X, np.zeros(X.shape[1]), self.basis_, self.basis_)

    def _add_to(self, graph, x):
        return add_affine_map(graph, x, self._transform, self.n_features_in_)

    def _play(self, X, codes, rank):
        """Yield the number of steps and the leading directions, now and then."""
        n, d = X.shape
        targets = np.eye(codes.max() + 1)[codes]
        if targets.shape[1] == 2:
            targets = targets[:, 1:]  # One logit is enough.
        rng = np.random.default_rng(self.seed)
        P = 0.1 * rng.standard_normal((d, d))
        P = (P + P.T) / 2
        bound = 1 / np.sqrt(d)  # PyTorch's default, which the authors use.
        W = rng.uniform(-bound, bound, (d, targets.shape[1]))
        b = rng.uniform(-bound, bound, targets.shape[1])
        rate, keep = self.learning_rate, 1 - self.learning_rate * self.weight_decay
        for step in range(1, self.n_iterations + 1):
            rows = rng.integers(n, size=self.batch_size)
            slope = _slope(X[rows] @ (W - P @ W) + b, targets[rows])
            # d(loss) / dP = -X' slope W'; P climbs.
            uphill = X[rows].T @ slope @ W.T
            P = keep * P - rate / 2 * (uphill + uphill.T)
            if not np.isfinite(P).all():
                raise InputError(f"Training diverged at step {step}. Lower `learning_rate`.")
            P, vectors = fantope_projection(P, rank)
            rows = rng.integers(n, size=self.batch_size)
            left = X[rows] - X[rows] @ P
            slope = _slope(left @ W + b, targets[rows])
            W = keep * W - rate * left.T @ slope
            b = keep * b - rate * slope.sum(axis=0)
            if step % EVALUATE_EVERY == 0 or step == self.n_iterations:
                yield step, vectors[:, -rank:].T.copy()

    def _checked_rank(self, n_classes):
        d = self.n_features_in_
        rank = min(n_classes - 1, d) if self.rank is None else self.rank
        if not 1 <= rank <= d:
            raise InputError(f"rank must be in [1, n_features] = [1, {d}], got {rank}.")
        return rank


def fantope_projection(M: NDArray[Any], rank: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the nearest matrix of the Fantope, and its eigenvectors ([1]_, Sect. 3.3).

    The nearest in Frobenius norm has the eigenvectors of ``M`` and its eigenvalues less one
    number, clipped to [0, 1], such that they add up to ``rank``.

    Parameters
    ----------
    M : ndarray of shape (n_features, n_features)
        Symmetric.
    rank : int in [1, n_features]

    Returns
    -------
    P : ndarray of shape (n_features, n_features)
    vectors : ndarray of shape (n_features, n_features)
        Columns, by ascending eigenvalue.
    """
    values, vectors = np.linalg.eigh(M)
    # The sum falls with the shift, linearly between these knots.
    knots = np.sort(np.concatenate([values, values - 1]))
    sums = np.clip(values - knots[:, None], 0, 1).sum(axis=1)
    shift = np.interp(rank, sums[::-1], knots[::-1])
    return (vectors * np.clip(values - shift, 0, 1)) @ vectors.T, vectors


def _slope(logits, targets):
    """Return the derivative of the batch's mean cross-entropy by the logits."""
    probabilities = expit(logits) if targets.shape[1] == 1 else softmax(logits, axis=1)
    return (probabilities - targets) / len(targets)


def _evaluate(X, codes, basis):
    """Return loss and accuracy of a fresh classifier on the rows without the directions."""
    left = X - X @ basis.T @ basis
    shares = np.bincount(codes) / len(codes)
    pull = left.T @ (np.eye(len(shares))[codes] - shares) / len(codes)
    if np.abs(pull).max() < ROUNDING:
        # With equal class means no linear classifier beats the shares (LEACE, Theorem 3.1), and
        # Newton's method, which starts from them, warns that it finds no better ones.
        return entropy(shares), shares.max()
    classifier = LogisticRegression(solver="newton-cholesky", max_iter=200).fit(left, codes)
    probabilities = classifier.predict_proba(left)
    loss = log_loss(codes, probabilities, labels=classifier.classes_)
    return loss, np.mean(probabilities.argmax(axis=1) == codes)
