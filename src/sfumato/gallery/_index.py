"""An index of a large gallery, and how often it finds what an exact search finds."""

import json
import time
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from sfumato.data.tensors import parse_json
from sfumato.errors import InputError
from sfumato.files import read_text, write_text
from sfumato.gallery._search import part_of, read_parts
from sfumato.gallery._store import DISTANCES
from sfumato.metrics.comparators import comparator

MIN_ROWS = 10_000
N_QUERIES = 200
WANTED_RECALL = 0.99
FIRST_PROBES = 8
CANDIDATES = 32


def build(
    store: Any, metric: str, path: Path, *, n_queries: int = N_QUERIES, seed: int = 0
) -> dict[str, Any]:
    """Build the index, choose how many cells to look at, and write down the recall.

    The number of cells is the least, to about an eighth, with a recall@1 of 0.99. Recall@1 is the
    share of sampled templates whose nearest *other* template the index finds; where that is
    another template of the person, as a probe would be, or a stranger's, which is harder to find.

    Parameters
    ----------
    store : Store
    metric : {"cosine", "euclidean"}
    path : Path
        Of the record, JSON.
    n_queries : int
    seed : int
        Of the sample.

    Returns
    -------
    dict
        ``type``, ``n_rows``, ``n_partitions``, ``n_probes``, ``recall_at_1``, ``n_queries``,
        ``seconds``.

    Raises
    ------
    InputError
        For another metric, or a gallery so small that exact search is the faster.
    """
    if metric not in DISTANCES:
        raise InputError(
            f"templates compared by {metric} have no index; their search is exact, by their own "
            "comparator."
        )
    n_rows = store.n_rows
    if n_rows < MIN_ROWS:
        raise InputError(
            f"the gallery has {n_rows:,} templates; below {MIN_ROWS:,} search stays exact, "
            "without an index."
        )
    started = time.perf_counter()
    n_partitions = isqrt(n_rows)
    store.build_index(metric, n_partitions)
    seconds = time.perf_counter() - started
    ids, X, best = _nearest_others(store, metric, n_queries, seed)
    n_probes, missed = _fewest_probes(_misses(store, metric, ids, X, best), len(ids), n_partitions)
    record = {
        "type": "IVF_FLAT",
        "n_rows": n_rows,
        "n_partitions": n_partitions,
        "n_probes": n_probes,
        "recall_at_1": 1 - len(missed) / len(ids),
        "n_queries": len(ids),
        "seconds": seconds,
    }
    write_text(path, json.dumps(record))
    return record


def read_record(path: Path) -> dict[str, Any]:
    """Return the record that :func:`build` has written.

    Raises
    ------
    InputError
        If it is damaged.
    """
    record = parse_json(read_text(path), path)
    numbers = record if isinstance(record, dict) else {}
    n_probes, recall = numbers.get("n_probes"), numbers.get("recall_at_1")
    whole = type(n_probes) is int and 1 <= n_probes < 1 << 31
    if not (whole and isinstance(recall, int | float) and 0 <= recall <= 1):
        raise InputError(f"{path}: is damaged; build the index anew with sfumato gallery index.")
    return record


def _nearest_others(store, metric, n_queries, seed):
    """Return some templates and the exact score of each with the most alike of the others."""
    found, rng, n_rows = comparator(metric), np.random.default_rng(seed), store.n_rows
    rows = np.sort(rng.choice(n_rows, min(n_queries, n_rows), replace=False))
    ids, parts, start = [], [], 0
    for part in read_parts(store, metric):
        here = rows[(rows >= start) & (rows < start + len(part.X))] - start
        ids.extend(part.ids[here])
        parts.append(part.X[here])
        start += len(part.X)
    X = np.concatenate(parts)
    best = np.full(len(X), -np.inf)
    for part in read_parts(store, metric):
        scores = found.matrix(X, part.X)
        scores[np.asarray(ids, object)[:, None] == part.ids[None]] = -np.inf
        best = np.maximum(best, scores.max(axis=1))
    return ids, X, best


def _fewest_probes(misses, n_queries, n_partitions):
    """Return how many cells are enough, and which queries miss then.

    ``misses`` returns which of some queries miss, looking at some cells: those that hit hit in
    more cells, too, so only the others are asked again.
    """
    low, high, left = 0, min(FIRST_PROBES, n_partitions), range(n_queries)
    missed = misses(left, high)
    while not _enough(missed, n_queries) and high < n_partitions:
        low, high, left = high, min(2 * high, n_partitions), missed
        missed = misses(left, high)
    while low and high - low > max(low // 8, 1):
        middle = (low + high) // 2
        found = misses(left, middle)
        if _enough(found, n_queries):
            high, missed = middle, found
        else:
            low, left = middle, found
    return high, missed


def _enough(missed, n_queries):
    return 1 - len(missed) / n_queries >= WANTED_RECALL


def _misses(store, metric, ids, X, best):
    """Return a function of some queries and a number of cells: which of the queries miss."""
    found = comparator(metric)

    def misses(row, n_probes):
        others = part_of(store.nearest(X[row], metric, CANDIDATES, n_probes), found)
        scores = found.matrix(X[row : row + 1], others.X)[0]
        scores[others.ids == ids[row]] = -np.inf
        return scores.max(initial=-np.inf) < best[row] - 1e-5

    return lambda rows, n_probes: [row for row in rows if misses(row, n_probes)]
