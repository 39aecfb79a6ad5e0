"""Ordinal regression: the loss of each model, and the probabilities that its logits stand for.

A label is a rank ``0 .. K - 1``. Each model gives, for ``k = 1 .. K - 1``, the probability that
the rank is at least ``k``: its *levels*. In that order they should fall; CORAL's and CORN's
cannot rise, OR-CNN's may [2]_.

References
----------
.. [1] Niu, Zhou, Wang, Gao, Hua, "Ordinal regression with multiple output CNN for age
   estimation", CVPR 2016 (OR-CNN).
.. [2] Cao, Mirjalili, Raschka, "Rank consistent ordinal regression for neural networks with
   application to age estimation", Pattern Recognition Letters 2020, arXiv:1901.07884 (CORAL).
.. [3] Shi, Cao, Raschka, "Deep neural networks for rank-consistent ordinal regression based on
   conditional probabilities", 2021, arXiv:2111.08851 (CORN).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid


def levels(ranks: Tensor, n_ranks: int) -> Tensor:
    """Return the binary labels of ranks, ``1{rank >= k}`` for ``k = 1 .. K - 1``.

    Parameters
    ----------
    ranks : Tensor of int64 of shape (n_samples,)
        In ``0 .. n_ranks - 1``.
    n_ranks : int

    Returns
    -------
    Tensor of bool of shape (n_samples, n_ranks - 1)

    Examples
    --------
    >>> levels(torch.tensor([0, 2]), 4).int().tolist()
    [[0, 0, 0], [1, 1, 0]]
    """
    return ranks[:, None] > torch.arange(n_ranks - 1, device=ranks.device)


def ce_loss(logits: Tensor, ranks: Tensor, importance: None = None) -> Any:
    """Return the softmax cross-entropy, which knows no order (CE-CNN); mean over the rows.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_ranks)
    ranks : Tensor of int64 of shape (n_samples,)
    importance : None
        There are no binary tasks to weight.
    """
    return cross_entropy(logits, ranks)


def ce_levels(logits: Any) -> Any:
    """Return the probability of each level, tails of the softmax; shape (n_samples, K - 1)."""
    tails = logits.softmax(dim=1).flip(1).cumsum(dim=1).flip(1)
    return tails[:, 1:].clamp(max=1)


def or_loss(logits: Tensor, ranks: Tensor, importance: Tensor | None = None) -> Any:
    """Return OR-CNN's loss ([1]_, Eq. 2): a softmax of two for each level; mean over the rows.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_ranks - 1, 2)
        Of "below" and of "at least".
    ranks : Tensor of int64 of shape (n_samples,)
    importance : Tensor of shape (n_ranks - 1,), optional
        Weight of each level.
    """
    return coral_loss(_margin(logits), ranks, importance)


def or_levels(logits: Any) -> Any:
    """Return the probability of each level, which need not fall; shape (n_samples, K - 1)."""
    return _margin(logits).sigmoid()


def coral_loss(logits: Tensor, ranks: Tensor, importance: Tensor | None = None) -> Any:
    """Return CORAL's loss ([2]_, Eq. 4), mean over the rows.

    ``- sum_k lambda_k [y_k log s(g + b_k) + (1 - y_k) log(1 - s(g + b_k))]``

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_ranks - 1)
        ``g(x) + b_k``.
    ranks : Tensor of int64 of shape (n_samples,)
    importance : Tensor of shape (n_ranks - 1,), optional
        lambda, the weight of each level; default 1.
    """
    y = levels(ranks, logits.shape[1] + 1)
    each = -torch.where(y, logsigmoid(logits), logsigmoid(-logits))
    if importance is not None:
        each = each * importance
    return each.sum(dim=1).mean()


def coral_levels(logits: Any) -> Any:
    """Return the probability of each level; falls where the biases do."""
    return logits.sigmoid()


def corn_loss(logits: Tensor, ranks: Tensor, importance: Tensor | None = None) -> Any:
    """Return CORN's loss ([3]_, Eq. 9).

    Task k learns ``P(rank >= k | rank >= k - 1)`` from the rows whose rank is at least
    ``k - 1``. The sum is divided by the number of all tasks' rows.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_ranks - 1)
        Of the conditional probabilities.
    ranks : Tensor of int64 of shape (n_samples,)
    importance : Tensor of shape (n_ranks - 1,), optional
        Weight of each task; default 1.
    """
    y = levels(ranks, logits.shape[1] + 1)
    asked = torch.ones_like(y)
    asked[:, 1:] = y[:, :-1]
    each = -torch.where(y, logsigmoid(logits), logsigmoid(-logits)) * asked
    if importance is not None:
        each = each * importance
    return each.sum() / asked.sum()


def corn_levels(logits: Any) -> Any:
    """Return the probability of each level: products of the conditional ones, so they fall."""
    return logits.sigmoid().cumprod(dim=1)


def _margin(logits):
    """Return the logit of "at least" of pairs of logits."""
    return logits[..., 1] - logits[..., 0]
