"""How far groups of people are apart in the errors of one matcher at one threshold.

Every function takes the groups along the last axis, so that resamples go through at once. FMR
and FNMR are fractions. What cannot be computed, such as a ratio to a rate of 0, is NaN.

- Ratios: worst rate by the geometric mean, and by the lowest rate (ISO/IEC 19795-10 [1]_ calls
  such differences differential performance; NIST reports the former).
- Gini coefficient with Deltas' correction, and GARBE, its mean over FMR and FNMR [2]_.
- FDR, the fairness discrepancy rate [3]_: 1 is fair.

.. [1] ISO/IEC 19795-10:2024, Quantifying biometric system performance variation across
   demographic groups.
.. [2] Howard, Laird, Sirotin, Rubin, Tipton, Vemury, "Evaluating Proposed Fairness Models for
   Face Recognition Algorithms", 2022, arXiv:2203.05051.
.. [3] de Freitas Pereira, Marcel, "Fairness in Biometrics: A Figure of Merit to Assess Biometric
   Verification Systems", IEEE TBIOM 4(1), 2022, arXiv:2011.02395.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import SHARE, check_argument
from sfumato.errors import InputError


def worst_by_geometric_mean(rates: ArrayLike) -> Any:
    """Return the highest rate divided by the geometric mean of all, >= 1.

    Examples
    --------
    >>> round(float(worst_by_geometric_mean([0.01, 0.04])), 6)
    2.0
    """
    rates = _groups(rates, "rates")
    return _ratio(rates.max(axis=-1), np.exp(_log(rates).mean(axis=-1)))


def worst_by_best(rates: ArrayLike) -> Any:
    """Return the highest rate divided by the lowest, >= 1.

    Examples
    --------
    >>> float(worst_by_best([0.01, 0.04]))
    4.0
    """
    rates = _groups(rates, "rates")
    return _ratio(rates.max(axis=-1), rates.min(axis=-1))


def gini(rates: ArrayLike) -> Any:
    """Return the Gini coefficient: 0 if all rates are equal, 1 if one group has all errors.

    ``n / (n - 1) * sum_ij |x_i - x_j| / (2 n^2 mean(x))``; 0 if no group has an error.

    Examples
    --------
    >>> float(gini([0.0, 0.02])), float(gini([0.02, 0.02]))
    (1.0, 0.0)
    """
    rates = _groups(rates, "rates")
    n = rates.shape[-1]
    apart = np.abs(rates[..., :, None] - rates[..., None, :]).sum(axis=(-2, -1))
    mean = rates.mean(axis=-1)
    scale = np.where(mean == 0, 1.0, 2 * n * (n - 1) * mean)
    return apart / scale


def garbe(fmr: ArrayLike, fnmr: ArrayLike, alpha: float = 0.5) -> Any:
    """Return ``alpha * gini(fmr) + (1 - alpha) * gini(fnmr)``, 0 if fair.

    Examples
    --------
    >>> float(garbe([0.0, 0.02], [0.02, 0.02]))
    0.5
    """
    check_argument(alpha, SHARE, "alpha")
    return alpha * gini(fmr) + (1 - alpha) * gini(fnmr)


def fairness_discrepancy_rate(fmr: ArrayLike, fnmr: ArrayLike, alpha: float = 0.5) -> Any:
    """Return ``1 - alpha * range(fmr) - (1 - alpha) * range(fnmr)``, 1 if fair.

    The largest difference between two groups counts. Of small rates it is always near 1.

    Examples
    --------
    >>> round(float(fairness_discrepancy_rate([0.0, 0.02], [0.1, 0.2])), 3)
    0.94
    """
    check_argument(alpha, SHARE, "alpha")
    ranges = [
        np.ptp(_groups(rates, name), axis=-1) for rates, name in ((fmr, "fmr"), (fnmr, "fnmr"))
    ]
    return 1 - alpha * ranges[0] - (1 - alpha) * ranges[1]


def inequity_rate(fmr: ArrayLike, fnmr: ArrayLike, alpha: float = 0.5) -> Any:
    """Return ``worst_by_best(fmr)^alpha * worst_by_best(fnmr)^(1 - alpha)``, 1 if fair.

    Examples
    --------
    >>> float(inequity_rate([0.01, 0.04], [0.1, 0.1]))
    2.0
    """
    check_argument(alpha, SHARE, "alpha")
    return worst_by_best(fmr) ** alpha * worst_by_best(fnmr) ** (1 - alpha)


def _groups(rates: ArrayLike, name: str) -> NDArray[np.float64]:
    rates = np.asarray(rates, dtype=np.float64)
    if rates.ndim == 0 or rates.shape[-1] < 2:
        raise InputError(f"{name} needs at least 2 groups, got shape {rates.shape}.")
    return rates


def _log(rates):
    return np.log(np.where(rates > 0, rates, np.nan))


def _ratio(above, below):
    return above / np.where(below > 0, below, np.nan)
