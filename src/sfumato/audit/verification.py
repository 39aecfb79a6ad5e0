"""Verify the faces of a table: the library function behind ``sfumato verify``."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato.audit._duplicates import is_constant
from sfumato.audit._structure import order_doubts
from sfumato.audit.floor import listed_rows, price_floors
from sfumato.audit.groups import match_groups
from sfumato.audit.matching import OO, PP, match_all, match_pairs, tested_pairs
from sfumato.audit.verified import Verification
from sfumato.data.info import unknown_origin
from sfumato.data.opening import open_table
from sfumato.data.pairs import JoinedPairs, PairList, join_pairs, read_pairs
from sfumato.data.selection import check_people
from sfumato.data.table_labels import check_attributes
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.metrics.comparators import check_lengths
from sfumato.metrics.scores import MAX_IMPOSTOR, all_pairs
from sfumato.validation import check_embeddings, check_seed


def verify(
    table: FaceTable | str | Path | ArrayLike,
    *,
    pairs: PairList | JoinedPairs | str | Path | None = None,
    identity: ArrayLike | None = None,
    metric: str | None = None,
    protected_metric: str | None = None,
    fmr: float = 1e-3,
    protected: Any = None,
    view: str | None = None,
    attributes: Any = None,
    by: Any = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> Verification:
    """Return how well people can be recognised.

    Parameters
    ----------
    table : FaceTable, path of one, or array-like of shape (n_samples, n_features)
        Embeddings; a table also brings ``image_id`` and, if it has one, ``identity``.
    pairs : PairList, path of one, or JoinedPairs, optional
        Which pairs to compare; see :func:`~sfumato.data.pairs.read_pairs`. An array has no
        ids, so it needs JoinedPairs. Default: all rows against all others.
    identity : array-like of shape (n_samples,), optional
        Who is in each row; default: the table's column.
    metric : str, optional
        How originals are compared, see :mod:`sfumato.metrics.comparators`; default: the table's
        own metric, cosine for an array.
    protected_metric : str, optional
        How protected embeddings are compared; default: the protected table's own metric if it
        is not the table's, else ``metric``.
    fmr : float in (0, 1), default=0.001
        Where TMR is read.
    protected : as ``table``, optional
        The same faces after an eraser. A table is joined by ``image_id``; rows of an array
        must be in the order of ``table``.
    view : str, optional
        The view of ``pairs``; default: the last one in sorted order, LFW's view 2.
    attributes : list of str, or dict of str to array-like of shape (n_samples,), optional
        Protected attributes, label columns of the table or the labels themselves: adds what
        matching costs where each of them, and all crossed, help to reject no impostor.
    by : list of str, or dict of str to array-like of shape (n_samples,), optional
        Likewise labels whose groups are told apart, each and all crossed: FMR and FNMR of pairs
        within a group, at one threshold for everybody.
    n_resamples : int, default=500
        Bootstrap resamples of the intervals; 0 for none (``ci95`` is then null).
    seed : int, default=0

    Returns
    -------
    Verification
        Of each matching ``eer`` and ``tmr_at_fmr`` (``value``, ``threshold``, ``ci95``),
        ``accuracy`` (``value``, ``standard_error``, ``protocol``, ``ci95``), ``d_prime``,
        ``n_genuine``, ``n_impostor``, ``protocol``, ``metric``, ``seed``, ``notes``. A value
        that the pairs cannot give is null and explained in ``notes``. The matchings are
        ``original-original`` and, with ``protected``, ``protected-protected``,
        ``original-protected`` and ``protected-original``. The last two are absent if the
        numbers of features or the metrics differ. Notes of ``protected-protected`` say if
        protected rows do not fit the raw rows beside them. With ``attributes`` there is
        ``floor``, see :mod:`sfumato.audit.floor`, by attribute; with ``by`` there is ``groups``,
        see :mod:`sfumato.audit.groups`.

    Raises
    ------
    InputError
        For tables, pairs or arrays that do not fit together.
    """
    table, X, metric = _embeddings(table, metric)
    if isinstance(table, FaceTable) and identity is None and "identity" in table.columns:
        identity = table.column("identity")
        if pairs is None:
            check_people(table, table.column("image_id"), identity)
    if protected is not None:
        protected, own_metric = _protected(protected, table)
        protected_metric = protected_metric or own_metric
    for rows, name in ((X, "table"), (protected, "protected")):
        if rows is not None and is_constant(check_embeddings(rows, name)):
            raise InputError(
                f"{name}: all {len(rows)} embeddings are the same, so nobody can be told apart; "
                "embed the photos again."
            )
    options = {
        "metric": metric,
        "protected_metric": protected_metric,
        "fmr": fmr,
        "n_resamples": n_resamples,
        "seed": check_seed(seed),
    }
    n_missing = n_repeated = 0
    labels = _labels(attributes, table, len(X), "attributes")
    apart = _labels(by, table, len(X), "by")
    joined = None
    if pairs is not None:
        joined = _joined(pairs, table, identity, view)
        n_missing, n_repeated = joined.n_missing, joined.n_repeated
        matchings = match_pairs(X, joined, protected, **options)
    elif identity is None:
        raise InputError("verification needs pairs or identity; the table has no identity.")
    else:
        matchings = match_all(X, identity, protected, **options)
    if isinstance(table, FaceTable):
        matchings[OO].result["notes"].extend(unknown_origin(table.info, table.path))
    if n_repeated:
        matchings[OO].result["notes"].append(
            f"{n_repeated} pairs are listed again, in either order; each counts once"
        )
    if protected is not None:
        doubts = order_doubts(X, protected, metric, protected_metric or metric, seed=seed)
        matchings[PP].result["notes"].extend(doubts)
    floor, groups = _by_label(X, joined, identity, protected, labels, apart, options)
    results = {name: m.result for name, m in matchings.items()}
    return Verification(results, n_missing, floor, groups)


def _labels(names, table, n_rows, what):
    """Return labels by name: columns of the table, or as they were given."""
    if isinstance(names, dict) and names:
        for name, values in names.items():
            if np.ndim(values) != 1 or len(values) != n_rows:
                raise InputError(
                    f"{what}: {name} must have one entry a row, {n_rows}, got {np.shape(values)}."
                )
    if names is None or (isinstance(names, dict) and names):
        return names
    check_attributes(names, what)
    if table is None:
        raise InputError(f"an array has no columns: give {what} as {{name: labels}}.")
    table.require(*names)
    return {name: table.column(name) for name in names}


def _by_label(X, joined, identity, protected, labels, apart, options):
    """Return the floors of attributes, and the groups of labels to tell ``apart``."""
    if not labels and not apart:
        return {}, {}
    fmr, seed = options.pop("fmr"), options["seed"]
    if joined is None:
        rows = all_pairs(identity, max_impostor=MAX_IMPOSTOR, seed=seed)
    else:
        rows = listed_rows(joined, tested_pairs(joined))
    floors = price_floors(X, rows, labels, protected, **options) if labels else {}
    groups = {}
    if apart:
        sides = {"X": check_embeddings(X)}
        metrics = {"X": options["metric"]}
        if protected is not None:
            sides["protected"] = check_embeddings(protected, "protected")
            metrics["protected"] = options["protected_metric"] or options["metric"]
        groups = match_groups(sides, rows, apart, metrics, fmr=fmr, seed=seed)
    return {name: floor.to_dict() for name, floor in floors.items()}, groups


def _embeddings(table, metric):
    if isinstance(table, str | Path):
        table = open_table(table)
    if isinstance(table, FaceTable):
        X, metric = table.check_ids().embeddings(), table.info.metric if metric is None else metric
        check_lengths(X, metric, table.path)
        return table, X, metric
    return None, table, "cosine" if metric is None else metric


def _joined(pairs, table, identity, view):
    if isinstance(pairs, JoinedPairs):
        return pairs
    if table is None:
        raise InputError("an array has no image ids: pass pairs as JoinedPairs, or a face table.")
    if not isinstance(pairs, PairList):
        pairs = read_pairs(pairs)
    return join_pairs(pairs.select(view), table.column("image_id"), identity)


def _protected(protected, table):
    """Return protected embeddings in the row order of ``table``, and their metric if its own."""
    if isinstance(protected, str | Path):
        protected = open_table(protected)
    if not isinstance(protected, FaceTable):
        return protected, None
    if table is None:
        raise InputError("protected is a face table, so the original must be one too.")
    protected.check_ids()
    encoders = table.info.encoder, protected.info.encoder
    if encoders[0] != encoders[1]:
        made = [encoder or "an unknown encoder" for encoder in encoders]
        remedy = (
            "name it by sfumato data origin" if None in encoders else "protect that table instead"
        )
        raise InputError(
            f"{protected.path}: embeddings of {made[1]} cannot be compared with those of "
            f"{made[0]} in {table.path}; {remedy}."
        )
    row = {name: number for number, name in enumerate(protected.column("image_id"))}
    wanted = table.column("image_id")
    absent = [name for name in wanted if name not in row]
    if absent:
        raise InputError(
            f"{protected.path}: lacks {len(absent)} of the {len(wanted)} images of {table.path}, "
            f"e.g. {absent[0]!r}; protect the whole table, or verify the common rows only."
        )
    metric = protected.info.metric
    rows = np.array([row[name] for name in wanted], dtype=np.intp)
    X = protected.embeddings()
    check_lengths(X, metric, protected.path)
    return X[rows], None if metric == table.info.metric else metric
