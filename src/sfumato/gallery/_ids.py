"""Which template ids are taken, remembered by hashes between the batches of an enrolment."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sfumato.data.ids import hash_ids


class TakenIds:
    """Ids of the newest version of a gallery's rows, as long as only this object changes it.

    Without it every batch of an enrolment reads all ids. They are read once, for the second
    batch; of each, 8 bytes are kept.
    """

    def __init__(self) -> None:
        self._version: Any = None
        self._hashes: Hashes | None = None

    def may_hold(self, ids: Iterable[str], version: Any, every: Iterable[Iterable[str]]) -> bool:
        """Return whether one of some ids may be taken; False is certain.

        Parameters
        ----------
        ids : iterable of str
        version : object
            What the newest version of the rows is known by.
        every : iterable of (iterable of str)
            All ids, part by part; only read where they are needed.
        """
        if version is None or version != self._version:
            return True
        if self._hashes is None:
            self._hashes = Hashes()
            for part in every:
                self._hashes.add(part)
        return self._hashes.hold_any(ids)

    def added(self, ids: Iterable[str], before: Any, after: Any) -> None:
        """Note that one version of the rows became another, which has these ids, too."""
        if before != self._version:
            self._hashes = None
        elif self._hashes is not None:
            self._hashes.add(ids)
        self._version = after


class Hashes:
    """Hashes of ids, 8 bytes each; two ids may have the same one.

    Arrays of which each is at most half as long as the one before, so that adding a batch to a
    million ids does not sort the million.
    """

    def __init__(self) -> None:
        self._sorted: list[NDArray[np.uint64]] = []

    def add(self, ids: Iterable[str]) -> None:
        """Remember ids."""
        more = np.sort(_hashes(ids))
        while self._sorted and len(self._sorted[-1]) < 2 * len(more):
            more = np.sort(np.concatenate([self._sorted.pop(), more]))
        if len(more):
            self._sorted.append(more)

    def hold_any(self, ids: Iterable[str]) -> bool:
        """Return whether one of some ids may be among them; False is certain.

        Examples
        --------
        >>> hashes = Hashes()
        >>> hashes.add(["a", "b"])
        >>> hashes.hold_any(["c", "d"]), hashes.hold_any(["c", "a"])
        (False, True)
        """
        wanted = np.sort(_hashes(ids))  # In order, a search stays near the last one.
        return any(_has_any(known, wanted) for known in self._sorted)


def _hashes(ids: Iterable[str]) -> NDArray[np.uint64]:
    return hash_ids(ids if isinstance(ids, pa.Array) else pa.array(ids, pa.large_string()))


def _has_any(known: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> bool:
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return bool((known[place] == wanted).any())
