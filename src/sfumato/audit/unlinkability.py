"""Unlinkability: how well two protected releases of the same people can be brought together.

Two databases hold templates of the same people under two keys, or from two erasers. A linkage
function scores a template of one with a template of the other; D_sys (see
:mod:`sfumato.metrics.unlinkability`) says how far its scores of one person stand out from those
of two. Two functions are tried: the matcher on the templates as they were released, and the
matcher after a regression from the other release to this one, learnt from pairs of *other*
people (:mod:`sfumato.audit._restoring`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato._constraints import Instance, check_argument
from sfumato.audit._partners import other_photos, strangers
from sfumato.audit._restoring import train_restorer
from sfumato.audit._rows import Rows
from sfumato.data.splits import split_identities
from sfumato.errors import InputError
from sfumato.metrics.scores import Scores, identity_codes, pair_scores
from sfumato.metrics.unlinkability import linkability
from sfumato.validation import check_embeddings, check_seed


@dataclass(frozen=True)
class Unlinkability:
    """How well other releases can be linked to one.

    Attributes
    ----------
    releases : dict of str to dict
        By name of the other release: ``as_released`` (None if lengths or metrics differ) and
        ``regression``, each with ``same_photo`` and ``other_photo`` (None if nobody has two):
        ``d_sys``, ``ci95`` and ``floor``; the regression's ``attacker``; counts of pairs.
    omega : float
        Ratio of the priors of mated and non-mated pairs.
    """

    releases: dict
    omega: float

    @property
    def d_sys(self) -> float:
        """The greatest of all D_sys; each is a lower bound of what can be linked."""
        return max(
            part["d_sys"]
            for release in self.releases.values()
            for linked in (release["as_released"], release["regression"])
            for part in ((linked or {}).get("same_photo"), (linked or {}).get("other_photo"))
            if part
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"d_sys": self.d_sys, "omega": self.omega, "releases": self.releases}


def unlinkability(
    X: ArrayLike,
    across: Mapping[str, Any],
    *,
    identity: ArrayLike,
    metric: str = "cosine",
    test_share: float = 0.5,
    omega: float = 1.0,
    seed: int = 0,
) -> Unlinkability:
    """Return how well other releases can be linked to this one.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Protected templates.
    across : dict of str to array-like of shape (n_samples, n_features_other)
        By name, the same rows under another key or from another eraser; or a pair of the rows
        and their metric, where it is not ``metric``.
    identity : array-like of shape (n_samples,)
        Who is on each row.
    metric : str, default="cosine"
        How ``X`` is compared.
    test_share : float in (0, 1), default=0.5
        Share of people whose templates are linked; the regression learns from the others.
    omega : float > 0, default=1
        Ratio of the priors, see :func:`~sfumato.metrics.unlinkability.local_linkability`.
    seed : int, default=0

    Returns
    -------
    Unlinkability

    Raises
    ------
    InputError
        For rows that do not fit, or fewer than two people to learn from or to test on.

    Examples
    --------
    >>> import sfumato
    >>> faces = sfumato.simulate(60, 2)
    >>> found = unlinkability(
    ...     faces["embedding"], {"copy": faces["embedding"]}, identity=faces["identity"]
    ... )
    >>> round(found.releases["copy"]["as_released"]["same_photo"]["d_sys"], 2)
    1.0
    """
    X = check_embeddings(X)
    check_argument(metric, Instance(str), "metric")
    rows = Rows.checked(X, ["-"] * len(X), identity, others=check_across(across))
    tested, train = split_identities(rows.identity, test_share, seed=f"link {check_seed(seed)}")
    return link(rows.take(train), rows.take(tested), across, metric, omega=omega, seed=seed)


def check_across(
    across: Mapping[str, Any] | None, *, one_set: bool = True, named: bool = True
) -> list[Any]:
    """Return the rows of each other release, or refuse what cannot be linked."""
    if across is None:
        return []
    if not isinstance(across, Mapping) or not across:
        raise InputError("across must be a dict of at least one name to rows.")
    if not one_set:
        raise InputError("across links one data set: leave out the other test set.")
    if not named:
        raise InputError("across needs identity: pairs of one person and of two.")
    return [_rows_and_metric(given, "")[0] for given in across.values()]


def link(
    train: Rows,
    tested: Rows,
    across: Mapping[str, Any],
    metric: str,
    *,
    omega: float = 1.0,
    seed: int = 0,
) -> Unlinkability:
    """Link the test rows' protected templates (the raw ones if there are none) to other releases.

    Parameters
    ----------
    train, tested : Rows
    across : dict
        See :func:`unlinkability`; of it only names and metrics are read.
    metric : str
    omega, seed
        See :func:`unlinkability`.
    """
    for rows, what in ((train, "to learn from"), (tested, "to test on")):
        if len(np.unique(rows.identity)) < 2:
            raise InputError(f"across needs at least 2 people {what}.")
    releases = {}
    for number, (name, given) in enumerate(across.items()):
        other_metric = _rows_and_metric(given, metric)[1]
        releases[str(name)] = _release(train, tested, number, metric, other_metric, omega, seed)
    return Unlinkability(releases, omega)


def _rows_and_metric(given, metric):
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], str):
        return given
    return given, metric


def _final(rows):
    return rows.X if rows.protected is None else rows.protected


def _release(train, tested, number, metric, other_metric, omega, seed):
    A, B = _final(tested), tested.others[number]
    each = np.arange(len(A))
    pairs = {
        "same_photo": np.stack([each, each]),
        "other_photo": other_photos(tested.identity, seed=seed),
    }
    non_mated = strangers(tested.identity, seed=seed)
    restorer = train_restorer(
        train.others[number],
        _final(train),
        train.identity,
        metric=metric,
        protected_metric=other_metric,
        seed=seed,
    )

    def linked(B):
        impostor = pair_scores(A, non_mated[0], non_mated[1], metric, other=B)
        found = {}
        for kind, (a, b) in pairs.items():
            mated = pair_scores(A, a, b, metric, other=B) if len(a) else None
            found[kind] = _d_sys(mated, impostor, a, non_mated, tested.identity, omega, seed)
        return found

    comparable = A.shape[1] == B.shape[1] and metric == other_metric
    return {
        "as_released": linked(B) if comparable else None,
        "regression": linked(restorer.usable(B)) | {"attacker": restorer.name},
        "n_people": len(np.unique(tested.identity)),
        "n_mated": {kind: found.shape[1] for kind, found in pairs.items()},
        "n_non_mated": non_mated.shape[1],
    }


def _d_sys(mated, impostor, a, non_mated, identity, omega, seed):
    if mated is None:
        return None
    code, n_people = identity_codes(identity)
    scores = Scores(mated, impostor, code[a], code[non_mated.T], n_people, len(impostor))
    found = linkability(scores, omega=omega, seed=seed)
    return {"d_sys": found.d_sys, "ci95": list(found.interval), "floor": found.floor}
