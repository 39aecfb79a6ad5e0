"""What an attacker gets to see of embeddings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.metrics.comparators import comparator


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
    if not comparator(metric).needs_length:
        return {"template": X, "polar": X}
    length = np.linalg.norm(X, axis=1, keepdims=True).clip(np.finfo(X.dtype).tiny)
    # Rounding of templates that all have unit length is no feature.
    feature = np.log(length).round(4)
    return {"template": X, "polar": np.hstack([X / length, feature])}


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
