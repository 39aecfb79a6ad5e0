"""Ages as ranks: any first age, gaps allowed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.errors import InputError


class Ranks:
    """The ages that a reader can say, in order; a rank is a place in them.

    Parameters
    ----------
    ages_years : array-like of int
        Different, rising; they need not follow one another.

    Examples
    --------
    >>> ranks = Ranks([21, 22, 25])
    >>> ranks.of([25, 21])
    array([2, 0])
    >>> ranks.ages_years[1]
    np.int64(22)
    """

    def __init__(self, ages_years: ArrayLike) -> None:
        self.ages_years = np.asarray(ages_years, dtype=np.int64)
        if self.ages_years.ndim != 1 or len(self.ages_years) < 2:
            raise InputError(f"ages_years needs at least 2 ages, got {self.ages_years.tolist()}.")
        if not (np.diff(self.ages_years) > 0).all():
            raise InputError("ages_years must rise, each age once; sort them and drop repeats.")

    @classmethod
    def seen(cls, ages_years: Any) -> Any:
        """Return the ranks of the ages that occur."""
        return cls(np.unique(ages_years))

    def __len__(self):
        return len(self.ages_years)

    def of(self, ages_years: Any) -> Any:
        """Return the rank of each age, int64 of shape (n_samples,).

        Raises
        ------
        InputError
            For an age that is not among the ranks'.
        """
        ages = np.asarray(ages_years)
        places = np.searchsorted(self.ages_years, ages).clip(max=len(self) - 1)
        wrong = self.ages_years[places] != ages
        if wrong.any():
            raise InputError(
                f"ages_years has {ages[wrong][0]}, which is none of the {len(self)} ages from "
                f"{self.ages_years[0]} to {self.ages_years[-1]}; leave the row out or merge ages."
            )
        return places

    def importance(self, ranks: ArrayLike) -> NDArray[np.float32]:
        """Return CORAL's task importance weights ([1]_, Eq. 7).

        ``lambda_k = sqrt(m_k) / max_i sqrt(m_i)`` with ``m_k = max(S_k, n - S_k)``, ``S_k`` being
        the number of rows whose rank is at least ``k``.

        Parameters
        ----------
        ranks : array-like of int of shape (n_samples,)
            Of the training rows.

        Returns
        -------
        float32 ndarray of shape (n_ranks - 1,)
            In (0, 1], one of them 1.

        Notes
        -----
        The authors' code goes through all years from the first age to the last and puts their
        weights one after the other; where an age does not occur, all later weights belong to
        another level. Here they go by rank.

        References
        ----------
        .. [1] Cao, Mirjalili, Raschka, "Rank-consistent ordinal regression for neural networks",
           arXiv:1901.07884v3.
        """
        ranks = np.asarray(ranks)
        if not len(ranks):
            raise InputError("ranks must have at least one row.")
        at_least = len(ranks) - np.cumsum(np.bincount(ranks, minlength=len(self)))[:-1]
        m = np.sqrt(np.maximum(at_least, len(ranks) - at_least))
        return (m / m.max()).astype(np.float32)
