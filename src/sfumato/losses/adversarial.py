"""Losses that blind an embedding to a protected attribute."""

from typing import Any

from torch import Tensor


def sensitive_regulariser(probability: Tensor, target: float = 0.9) -> Tensor:
    """Return SensitiveNets' regulariser of each row (Eq. 6).

    Parameters
    ----------
    probability : Tensor of shape (n_samples,)
        ``P_k(D | phi(x))``: the detector's probability of the fixed class D, in [0, 1].
    target : float, default=0.9
        The probability that costs nothing. The paper's 0.9 makes 1 cost ``log(1.1)``.

    Returns
    -------
    Tensor of shape (n_samples,)
        ``log(1 + |target - P|)``.
    """
    return (target - probability).abs().log1p()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each row, ``-log p(label)``.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
    labels : Tensor of int64 of shape (n_samples,)

    Returns
    -------
    Tensor of shape (n_samples,)
    """
    return -logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of each row's softmax, in nats; at most ``log(n_classes)``.

    Maximal where an adversary is undecided: the term of MaxEnt-ARL and, with a minus, of
    Learning not to Learn (``E[sum p log p]``).

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)

    Returns
    -------
    Tensor of shape (n_samples,)
    """
    log_p = logits.log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


def cross_entropy_to_uniform(logits: Tensor) -> Tensor:
    """Return the cross-entropy of the uniform distribution and each row's softmax.

    Least, ``log(n_classes)``, where an adversary is undecided, and without an upper bound where
    it is sure (PASS).

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)

    Returns
    -------
    Tensor of shape (n_samples,)
    """
    return -logits.log_softmax(dim=1).mean(dim=1)


def reverse_gradient(x: Tensor, scale: float = 1.0) -> Any:
    """Return ``x`` unchanged; its gradient comes back multiplied by ``-scale``.

    The gradient reversal layer of Ganin and Lempitsky (ICML 2015): what follows descends on a
    loss, what lies before ascends on ``scale`` times the loss.

    Parameters
    ----------
    x : Tensor
    scale : float, default=1.0
    """
    out = x.view_as(x)
    if out.requires_grad:
        out.register_hook(lambda gradient: -scale * gradient)
    return out


def embedding_distance(z: Tensor, x: Tensor) -> Tensor:
    """Return ``1 - cos(z, x)`` of each row, in [0, 2]: how far a map moves a template.

    Parameters
    ----------
    z, x : Tensor of shape (n_samples, n_features)

    Returns
    -------
    Tensor of shape (n_samples,)
    """
    lengths = z.norm(dim=1) * x.norm(dim=1)
    return 1 - (z * x).sum(dim=1) / lengths.clamp(min=1e-12)
