"""Who in a gallery is most alike: exactly, by the metric's comparator, or by an index."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sfumato.gallery._store import matrix
from sfumato.metrics.comparators import comparator
from sfumato.metrics.scores import BLOCK_CELLS

NOBODY = -1


@dataclass(frozen=True)
class Part:
    """Rows of a gallery, ordered by person and ready for the comparator.

    Parameters
    ----------
    people : list of str
        Each person of the part, once.
    starts : ndarray of int of shape (n_people,)
        The first row of each.
    ids : ndarray of str of shape (n_rows,)
    X : ndarray of shape (n_rows, n_features)
    """

    people: list
    starts: np.ndarray
    ids: np.ndarray
    X: np.ndarray

    def rows(self, number: Any) -> Any:
        """Return the rows of the person of that number."""
        return self.X[self.starts[number] : [*self.starts[1:], len(self.X)][number]]

    def best(self, scores: Any) -> Any:
        """Return the best score of each person, of a matrix with a column a row of the part."""
        return np.maximum.reduceat(scores, self.starts, axis=1)


def make_part(people: Any, ids: Any, X: NDArray[Any], found: Any) -> Part:
    """Return the :class:`Part` of some rows; ``found`` is the metric's comparator."""
    names, code = np.unique(np.asarray(people, dtype=object), return_inverse=True)
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(len(names)))
    return Part(names.tolist(), starts, np.asarray(ids, object)[order], found.prepare(X[order]))


def read_parts(store: Any, metric: Any, where: Any = None) -> Iterator[Any]:
    """Yield the gallery's rows, or those where an SQL condition holds, as :class:`Part`."""
    found = comparator(metric)
    for batch in store.scan(["person", "template_id", "vector"], where):
        if batch.num_rows:
            yield part_of(batch, found)


def part_of(rows: Any, found: Any) -> Any:
    """Return the :class:`Part` of a record batch or table of a store."""
    if isinstance(rows, pa.Table):
        rows = rows.combine_chunks().to_batches()[0]
    names, ids = (rows.column(name).to_pylist() for name in ("person", "template_id"))
    return make_part(names, ids, matrix(rows.column("vector")), found)


class Leaders:
    """The ``k`` best people of each probe so far, while parts of a gallery go by.

    The best of a part are enough: a person who is among the ``k`` best of all is so in the part
    that holds their best template.

    Parameters
    ----------
    n_probes, k : int
    """

    def __init__(self, n_probes: int, k: int) -> None:
        self.k = k
        self._names: list[str] = []
        self._codes: dict[str, int] = {}
        self.code = np.full((n_probes, k), NOBODY)
        self.score = np.full((n_probes, k), -np.inf)

    def add(self, people: Any, best: Any, probes: Any = slice(None)) -> None:
        """Take in the best score of each of some people with each of some probes."""
        k = min(self.k, len(people))
        top = np.argpartition(-best, k - 1, axis=1)[:, :k]
        codes = np.empty(len(people), dtype=int)
        for place in np.unique(top).tolist():  # Naming them all would cost more than the scores.
            codes[place] = self._codes.setdefault(people[place], len(self._names))
            if codes[place] == len(self._names):
                self._names.append(people[place])
        code = codes[top]
        score = np.take_along_axis(best, top, axis=1).astype(np.float64)
        code = np.concatenate([self.code[probes], code], axis=1)
        score = np.concatenate([self.score[probes], score], axis=1)
        order = np.lexsort((code, -score))
        code, score = (np.take_along_axis(v, order, axis=1) for v in (code, score))
        # The same person with a lower score.
        again = np.tril(code[:, :, None] == code[:, None, :], -1).any(axis=2)
        score[again] = -np.inf
        order = np.argsort(-score, axis=1, kind="stable")[:, : self.k]
        self.code[probes] = np.take_along_axis(code, order, axis=1)
        self.score[probes] = np.take_along_axis(score, order, axis=1)

    def people(self, threshold: Any = -np.inf) -> list[Any]:
        """Return for each probe ``[(person, score), ...]``, best first, from a score on."""
        return [
            [
                (self._names[code], float(score))
                for code, score in zip(codes, scores, strict=True)
                if np.isfinite(score) and score >= threshold
            ]
            for codes, scores in zip(self.code.tolist(), self.score.tolist(), strict=True)
        ]


def exact(parts: Iterable[Part], X: NDArray[Any], metric: str, k: int) -> Any:
    """Return the :class:`Leaders` of some probes, each compared with every template.

    Parameters
    ----------
    parts : iterable of Part
    X : ndarray of shape (n_probes, n_features)
    metric : str
    k : int
    """
    found = comparator(metric)
    X, leaders = found.prepare(X), Leaders(len(X), k)
    for part in parts:
        step = max(BLOCK_CELLS // len(part.X), 1)
        for start in range(0, len(X), step):
            some = slice(start, start + step)
            leaders.add(part.people, part.best(found.matrix(X[some], part.X)), some)
    return leaders


def indexed(store: Any, X: NDArray[Any], metric: str, k: int, n_probes: int, n_rows: int) -> Any:
    """Return the :class:`Leaders` of some probes by the index, with exact scores.

    Parameters
    ----------
    store : Store
    X : ndarray of shape (n_probes, n_features)
    metric : str
    k : int
    n_probes : int
        Cells of the index that are looked at.
    n_rows : int
        Templates in the gallery.
    """
    found, leaders = comparator(metric), Leaders(len(X), k)
    prepared = found.prepare(X)
    for row in range(len(X)):
        wanted = max(4 * k, 32)
        while True:
            near = store.nearest(X[row], metric, wanted, n_probes)
            if not near.num_rows:
                break
            part = part_of(near, found)
            # Several templates a person: as many rows as it takes for k people.
            if len(part.people) >= k or near.num_rows < wanted or wanted >= n_rows:
                here = slice(row, row + 1)
                leaders.add(part.people, part.best(found.matrix(prepared[here], part.X)), here)
                break
            wanted *= 4
    return leaders


def claimed(parts: Iterable[Part], X: NDArray[Any], claims: list[str], metric: str) -> Any:
    """Return each probe's best score with the person it claims to be, NaN if absent.

    Parameters
    ----------
    parts : iterable of Part
    X : ndarray of shape (n_probes, n_features)
    claims : list of str of length n_probes
    metric : str
    """
    found = comparator(metric)
    X, scores = found.prepare(X), np.full(len(X), np.nan)
    for part in parts:
        numbers = {name: number for number, name in enumerate(part.people)}
        for row, name in enumerate(claims):
            if name in numbers:
                rows = part.rows(numbers[name])
                probe = np.repeat(X[row : row + 1], len(rows), axis=0)
                scores[row] = np.fmax(scores[row], found.pairs(probe, rows).max())
    return scores
