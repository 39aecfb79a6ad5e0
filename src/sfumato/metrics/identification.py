"""Closed-set identification: how often the right person is among the k most alike."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.data.labels import as_names
from sfumato.errors import InputError
from sfumato.metrics.scores import BLOCK_CELLS, block_scores, comparable, identity_codes
from sfumato.validation import check_embeddings


def cmc(scores: ArrayLike, probe_identity: ArrayLike, gallery_identity: ArrayLike) -> NDArray[Any]:
    """Return the cumulative match curve from a matrix of scores.

    Parameters
    ----------
    scores : array-like of shape (n_probe, n_gallery)
        Score of each probe with each template of the gallery; higher means more alike.
    probe_identity : array-like of shape (n_probe,)
    gallery_identity : array-like of shape (n_gallery,)
        A person may have several templates; the best one counts.

    Returns
    -------
    ndarray of shape (n_gallery_identities,)
        At position ``k - 1`` the share of probes whose person is among the ``k`` most alike,
        rising to 1. Other people with the same score come first: ties count against the
        matcher.

    Raises
    ------
    InputError
        For a probe whose person is not in the gallery, or shapes that do not fit.
    """
    scores = check_embeddings(scores, "scores")
    gallery = _Gallery(gallery_identity, scores.shape[1])
    wanted = gallery.find(probe_identity, scores.shape[0])
    return gallery.curve(gallery.ranks(scores, wanted))


def cmc_embeddings(
    probe: ArrayLike,
    probe_identity: ArrayLike,
    gallery: ArrayLike,
    gallery_identity: ArrayLike,
    metric: str = "cosine",
) -> Any:
    """Return :func:`cmc` from embeddings, in blocks of probes.

    Parameters
    ----------
    probe : array-like of shape (n_probe, n_features)
    probe_identity : array-like of shape (n_probe,)
    gallery : array-like of shape (n_gallery, n_features)
    gallery_identity : array-like of shape (n_gallery,)
    metric : str, default="cosine"
        See :func:`~sfumato.metrics.scores.pair_scores`.
    """
    A, B = comparable(probe, metric, "probe"), comparable(gallery, metric, "gallery")
    if A.shape[1] != B.shape[1]:
        raise InputError(f"probe has {A.shape[1]} features, gallery {B.shape[1]}.")
    index = _Gallery(gallery_identity, len(B))
    wanted = index.find(probe_identity, len(A))
    step = max(BLOCK_CELLS // len(B), 1)
    ranks = [
        index.ranks(block_scores(A[i : i + step], B, metric), wanted[i : i + step])
        for i in range(0, len(A), step)
    ]
    return index.curve(np.concatenate(ranks))


class _Gallery:
    """Which columns of a score matrix belong to which person."""

    def __init__(self, identity: ArrayLike, n_gallery: Any) -> None:
        code, self.n_people = identity_codes(identity)
        if code.size != n_gallery:
            raise InputError(f"gallery_identity must have {n_gallery} entries, got {code.size}.")
        self.names = np.unique(as_names(identity, "gallery_identity"))
        self.order = np.argsort(code, kind="stable")
        self.starts = np.searchsorted(code[self.order], np.arange(self.n_people))

    def find(self, identity: ArrayLike, n_probe: Any) -> Any:
        """Return the number of each probe's person."""
        identity = as_names(identity, "probe_identity")
        if identity.shape != (n_probe,):
            raise InputError(f"probe_identity must have shape {(n_probe,)}, got {identity.shape}.")
        known = np.isin(identity, self.names)
        if not known.all():
            row = int(np.flatnonzero(~known)[0])
            raise InputError(
                f"probe_identity, row {row}: '{identity[row]}' is not in the gallery; drop the "
                "probe or enrol the person."
            )
        return np.searchsorted(self.names, identity)

    def ranks(self, scores: Any, wanted: Any) -> Any:
        """Return the rank, from 1, of each probe's person."""
        best = np.maximum.reduceat(scores[:, self.order], self.starts, axis=1)
        own = np.take_along_axis(best, wanted[:, None], axis=1)
        return (best >= own).sum(axis=1)

    def curve(self, ranks: Any) -> Any:
        """Return the share of ranks at most k, for k in 1..n_people."""
        counts = np.bincount(ranks - 1, minlength=self.n_people)
        return np.cumsum(counts) / ranks.size
