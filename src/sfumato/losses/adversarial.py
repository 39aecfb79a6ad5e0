"""Losses that blind an embedding to a protected attribute."""


def sensitive_regulariser(probability, target=0.9):
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
