"""What an attacker gets to see of embeddings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.data.info import by_direction
from sfumato.metrics.comparators import comparator

#: Name and view of the attacker with pairs of raw and protected templates.
PAIRED = "paired original"


def attack_views(X: NDArray[Any], metric: str) -> dict[str, NDArray[Any]]:
    """Return what an attacker gets to see of embeddings, by kind of attacker.

    Linear attackers and the similarity attack see the template as it is. The others, which no
    affine map stops anyway, see templates that are compared by angle in polar form: the unit
    vector and the logarithm of the length. Nothing is lost, neighbours are found by angle, and
    the length, which leaks too (women's and men's differ on LFW), is a feature of its own.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    metric : str

    Returns
    -------
    dict of str to ndarray
        ``"template"`` and ``"polar"``.
    """
    if not by_direction(metric):
        return {"template": X, "polar": X}
    length = np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    length = length.clip(np.finfo(X.dtype).tiny)
    # Rounding of templates that all have unit length, 2e-7 in single precision, is no feature.
    feature = np.log(length).round(6)
    return {"template": X, "polar": np.hstack([X / length, feature]).astype(X.dtype)}


@dataclass(frozen=True)
class Pairs:
    """How rows hold pairs: the protected features, the raw ones, and who it is.

    Parameters
    ----------
    n_protected : int
        Columns of the protected template.
    metric, protected_metric : str
        How two raw, and two protected templates are compared.
    """

    n_protected: int
    metric: str = "cosine"
    protected_metric: str = "cosine"

    def join(
        self, protected: NDArray[Any], raw: NDArray[Any], identity: NDArray[Any]
    ) -> NDArray[Any]:
        """Return the rows to fit on; those to predict are protected templates alone."""
        who = np.unique(identity, return_inverse=True)[1].astype(np.float32)
        return np.hstack([protected, raw, who[:, None]])

    def part(self, X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return protected templates, raw ones and people of joined rows."""
        return X[:, : self.n_protected], X[:, self.n_protected : -1], X[:, -1]


def side_views(
    train: Any, tested: Any, side: str, metrics: dict[str, str], *, fitted: Any = slice(None)
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], Pairs | None]:
    """Return what attackers see of one side, on development and on test rows.

    Parameters
    ----------
    train, tested : Rows
    side : {"X", "protected"}
    metrics : dict of str to str
        By side.
    fitted : index, optional
        Development rows that attackers are fitted on; default all.

    Returns
    -------
    development, test : dict of str to ndarray
        As of :func:`attack_views`. Of the protected side also :data:`PAIRED`: the joined rows,
        and of the test rows, whose raw templates the attacker does not have, protected ones alone.
    pairs : Pairs or None
        How the joined rows are laid out.
    """
    X, X_test = (getattr(rows, side) for rows in (train, tested))
    if comparator(metrics[side]).rotatable:
        basis = span(X[fitted])
        X, X_test = X @ basis, X_test @ basis
    views, test_views = (attack_views(part, metrics[side]) for part in (X, X_test))
    if side != "protected":
        return views, test_views, None
    pairs = Pairs(X.shape[1], metrics["X"], metrics["protected"])
    views[PAIRED] = pairs.join(X, train.X, train.identity)
    return views, test_views | {PAIRED: X_test}, pairs


def span(X: NDArray[Any], *, seed: int = 0) -> Any:
    """Return an orthonormal basis, shape (n_features, rank), of the rows' span.

    Attackers on ``X @ basis`` see the same distances in fewer columns: a linear eraser may
    return 1,024 features of rank 128. The basis is turned at random, so that scaling its
    columns does not whiten.
    """
    _, s, vt = np.linalg.svd(X, full_matrices=False)
    rank = max(int((s > s[0] * np.finfo(X.dtype).eps * max(X.shape)).sum()), 1)
    if rank == X.shape[1]:
        return np.eye(rank, dtype=X.dtype)
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((rank, rank)))[0]
    return vt[:rank].T @ rotation.astype(X.dtype)
