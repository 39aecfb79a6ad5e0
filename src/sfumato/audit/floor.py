"""What protection costs in matching, beside what any eraser of the attribute must cost.

See :mod:`sfumato.metrics.floor` for the floor itself.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sfumato.data.labels import N_GROUPS, as_classes
from sfumato.data.pairs import JoinedPairs
from sfumato.errors import InputError
from sfumato.metrics.floor import pairs_of_one_class, resample_rates, resolves
from sfumato.metrics.intervals import percentile_interval, rule_of_three
from sfumato.metrics.scores import PairRows, all_pairs, all_vs_all

FMRS = (1e-2, 1e-3, 1e-4)
CROSSED = " x "
MAX_IMPOSTOR, MAX_RESAMPLES = 2_000_000, 200


class Measured(NamedTuple):
    """A figure and its 95 % interval over people, None without resamples."""

    value: float
    ci95: list | None


@dataclass(frozen=True)
class Cost:
    """One error rate: of raw and protected templates, its floor, and the ratios.

    Attributes
    ----------
    fmr : float or None
        The rate is FNMR at this FMR; None: it is EER.
    raw, floor : Measured
        Raw templates with all impostors, and with those of one class.
    floor_by_raw : Measured or None
        What a perfect eraser costs, as a multiple of the raw rate; None where that is 0.
    protected, protected_by_floor : Measured or None
        What the method costs, as a rate and as a multiple of the floor.
    """

    fmr: float | None
    raw: Measured
    floor: Measured
    floor_by_raw: Measured | None
    protected: Measured | None = None
    protected_by_floor: Measured | None = None

    @property
    def name(self) -> str:
        """``EER`` or ``FNMR@1e-3``."""
        return "EER" if self.fmr is None else f"FNMR@{_power(self.fmr)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = {
            key: value._asdict() if isinstance(value, Measured) else value
            for key, value in vars(self).items()
        }
        return {"rate": self.name} | found


@dataclass(frozen=True)
class Floor:
    """The price floor of one attribute, or of several crossed.

    Attributes
    ----------
    attributes : tuple of str
    n_impostor, n_impostor_raw : int
        Impostor pairs of one class, and all.
    costs : list of Cost
        EER, and FNMR at the FMRs that the pairs resolve.
    notes : list of str
    """

    attributes: tuple
    n_impostor: int
    n_impostor_raw: int
    costs: list
    notes: list

    @property
    def name(self) -> str:
        """The attributes, joined by ``" x "``."""
        return CROSSED.join(self.attributes)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return vars(self) | {
            "attributes": list(self.attributes),
            "costs": [cost.to_dict() for cost in self.costs],
        }


def price_floor(
    X: ArrayLike,
    pairs: PairRows,
    y: dict[str, Any],
    protected: ArrayLike | None = None,
    *,
    metric: str = "cosine",
    protected_metric: str | None = None,
    n_resamples: int = 200,
    seed: int = 0,
) -> Floor:
    """Match raw templates with impostors of one class, and compare protected ones with that.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    pairs : PairRows
        From :func:`~sfumato.metrics.scores.all_pairs` or :func:`listed_rows`.
    y : dict of str to array-like of shape (n_samples,)
        Labels by attribute; impostors are alike in all of them. Continuous numbers are cut into
        three groups.
    protected : array-like of shape (n_samples, n_features_out), optional
        The same rows after an eraser.
    metric, protected_metric : str
        See :func:`sfumato.audit.matching.match_all`.
    n_resamples : int, default=200
        Bootstrap resamples over people; 0 for no intervals.
    seed : int, default=0

    Returns
    -------
    Floor
    """
    classes = [as_classes(values, name, n_groups=N_GROUPS) for name, values in y.items()]
    alike = pairs_of_one_class(pairs, np.stack(classes, axis=1))
    tests = [all_vs_all(X, None, metric, pairs=part) for part in (pairs, alike)]
    if protected is not None:
        tests.append(all_vs_all(protected, None, protected_metric or metric, pairs=pairs))
    n_impostor = len(tests[1].impostor)
    fmrs = [fmr for fmr in FMRS if resolves(fmr, n_impostor)]
    left_out = ", ".join(_power(fmr) for fmr in FMRS if fmr not in fmrs)
    notes = [f"no FNMR at FMR {left_out}: {n_impostor:,} impostor pairs of one class are too few"]
    values = resample_rates(tests, fmrs, n_resamples=n_resamples, seed=seed)
    bound = rule_of_three(np.unique(tests[0].genuine_identity).size)
    costs = [_cost(fmr, values[:, :, k], bound) for k, fmr in enumerate([None, *fmrs])]
    return Floor(tuple(y), n_impostor, len(tests[0].impostor), costs, notes if left_out else [])


def price_floors(
    X: ArrayLike, pairs: PairRows, y: dict[str, Any], *args: Any, **options: Any
) -> dict[str, Floor]:
    """Return the :func:`price_floor` of each attribute and of all crossed, by name.

    One without an impostor pair of one class has no costs; its ``notes`` say why.
    """
    found = [_try(X, pairs, {name: y[name]}, *args, **options) for name in y]
    if len(y) > 1:
        found.append(_try(X, pairs, y, *args, **options))
    return {floor.name: floor for floor in found}


def _try(X, pairs, y, *args, **options):
    try:
        return price_floor(X, pairs, y, *args, **options)
    except InputError as error:
        return Floor(tuple(y), 0, pairs.impostor.shape[1], [], [str(error).rstrip(".")])


def listed_rows(pairs: JoinedPairs, used: Any) -> PairRows:
    """Return the ``used`` ones (bool) of listed pairs in the form of all pairs."""
    a, b = np.minimum(pairs.a, pairs.b), np.maximum(pairs.a, pairs.b)
    order = np.argsort(a, kind="stable")
    rows = np.stack([a, b])[:, order]
    genuine, used = pairs.genuine[order], used[order]
    return PairRows(
        rows[:, genuine & used],
        rows[:, ~genuine & used],
        pairs.identity,
        int(pairs.identity.max()) + 1,
        int((~genuine & used).sum()),
    )


def _power(fmr):
    return f"{fmr:.0e}".replace("e-0", "e-")


def _cost(fmr, values, bound):
    raw, floor = values[:2]
    cost = Cost(fmr, _rate(raw, bound), _rate(floor, bound), _ratio(floor, raw))
    if len(values) == 2:
        return cost
    protected = values[2]
    return replace(
        cost, protected=_rate(protected, bound), protected_by_floor=_ratio(protected, floor)
    )


def _rate(values, bound):
    value, resampled = float(values[0]), values[1:]
    resampled = resampled[np.isfinite(resampled)]
    if not resampled.size:
        return Measured(value, None)
    low, high = percentile_interval(resampled)
    return Measured(value, [low, max(high, bound) if value == 0 else high])


def _ratio(above, below):
    if below[0] == 0:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = above / below
    # A resample without an error has no ratio; where many have none, an interval would mislead.
    resampled = ratios[1:][np.isfinite(ratios[1:])]
    if resampled.size <= len(ratios[1:]) * 0.9:
        return Measured(float(ratios[0]), None)
    return Measured(float(ratios[0]), list(percentile_interval(resampled)))


def floors_of(
    tested: Any, attribute: str, metrics: dict[str, str], n_resamples: int, seed: int
) -> dict[str, Floor]:
    """Return the :func:`price_floors` of an audit's test rows, all against all."""
    return price_floors(
        tested.X,
        all_pairs(tested.identity, max_impostor=MAX_IMPOSTOR, seed=seed),
        {attribute: tested.y} | tested.labels.get("crossed", {}),
        tested.protected,
        metric=metrics["X"],
        protected_metric=metrics.get("protected"),
        n_resamples=min(n_resamples, MAX_RESAMPLES),
        seed=seed,
    )
