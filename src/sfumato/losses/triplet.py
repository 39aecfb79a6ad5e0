"""Triplet losses: pull a person's embeddings together, push others away."""

from torch import Tensor


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, alpha: float) -> Tensor:
    """Return the triplet loss of each triplet (SensitiveNets, Eq. 5, hinged as in its ref. [20]).

    Parameters
    ----------
    anchor, positive, negative : Tensor of shape (n_triplets, n_features)
    alpha : float
        Margin between squared distances.

    Returns
    -------
    Tensor of shape (n_triplets,)
        ``max(0, |a - p|^2 - |a - n|^2 + alpha)``; Eq. 5 prints it without the maximum, which
        has no lower bound on embeddings of free length.
    """
    genuine = (anchor - positive).square().sum(dim=1)
    impostor = (anchor - negative).square().sum(dim=1)
    return (genuine - impostor + alpha).clamp(min=0)
