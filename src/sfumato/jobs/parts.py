"""What a job goes over: parts of a table or of a list of photos, each done as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sfumato.faces.sources import TableSource

#: Photos below which parts do not shrink.
SMALLEST = 32


@dataclass(frozen=True)
class Part:
    """Row groups of a table, or photo files: plain values, sent to whoever does the part.

    Parameters
    ----------
    number : int
    n_rows : int
        Rows or photos.
    groups : tuple of (int, int)
        Of :meth:`sfumato.data.tables.FaceTable.row_groups`; empty for files.
    start : int
        The first row of those groups; before it others begin.
    files, ids : tuple of str
        Paths and ids of photos.
    """

    number: int
    n_rows: int
    groups: tuple = ()
    start: int = 0
    files: tuple = ()
    ids: tuple = ()

    @classmethod
    def read(cls, values: Any) -> Any:
        """Return a part from its ``vars``, as they come back from JSON."""
        groups = tuple(tuple(group) for group in values["groups"])
        files, ids = (tuple(values[name]) for name in ("files", "ids"))
        return cls(values["number"], values["n_rows"], groups, values["start"], files, ids)


def table_parts(table: Any, part_rows: int) -> list[Part]:
    """Return parts of whole row groups, of ``part_rows`` rows or one row group at least.

    Parameters
    ----------
    table : FaceTable
    part_rows : int

    Returns
    -------
    list of Part
    """
    parts: list[Part] = []
    groups: list[tuple] = []
    waiting = 0
    found = table.row_groups()
    for place, number, n_rows in found:
        groups.append((place, number))
        waiting += n_rows
        if waiting >= part_rows or (place, number) == found[-1][:2]:
            parts.append(Part(len(parts), waiting, tuple(groups)))
            groups, waiting = [], 0
    return parts


def photo_parts(source: Any, part_rows: int) -> list[Part]:
    """Return parts of ``part_rows`` photos, less towards the end; none across row groups.

    Parameters
    ----------
    source : FileSource or TableSource
    part_rows : int

    Returns
    -------
    list of Part
    """
    if isinstance(source, TableSource):
        # A photo is work enough: cores should not wait for the last row group.
        groups = source.table.row_groups()
        slices = _slices([n_rows for _, _, n_rows in groups], part_rows)
        return [
            Part(number, size, (groups[place][:2],), start)
            for number, (place, start, size) in enumerate(slices)
        ]
    (every,) = source.batches(source.n_photos)
    files = [str(photo) for photo in every.photos]
    return [
        Part(n, size, files=tuple(files[at : at + size]), ids=tuple(every.ids[at : at + size]))
        for n, (_, at, size) in enumerate(_slices([len(files)], part_rows))
    ]


def _slices(lengths, part_rows):
    """Yield ``(place, start, size)`` of parts of runs of photos of these lengths.

    A part is a fourth of what is left at most, but never below SMALLEST, so that at the end no
    core waits long for another's last part.
    """
    left = sum(lengths)
    for place, length in enumerate(lengths):
        start = 0
        while start < length:
            size = min(part_rows, max(SMALLEST, left // 4), length - start)
            yield place, start, size
            start, left = start + size, left - size


class PartReader:
    """The photos of parts; a row group whose parts come in order is read once.

    Parameters
    ----------
    source : FileSource or TableSource
    batch_rows : int
        Photos that are read at once.
    """

    def __init__(self, source: Any, batch_rows: int) -> None:
        self._source, self._batch_rows = source, batch_rows
        self._batches: Iterator[Any] = iter(())
        self._group, self._next_row = None, 0
        self._rest: Any = None

    def batches(self, part: Any) -> Any:
        """Yield the photos of a part, a :class:`sfumato.faces.sources.PhotoBatch` each time."""
        if not isinstance(self._source, TableSource):
            return self._source.only(part.files, part.ids).batches(self._batch_rows)
        return self._source.photos(self._rows(part), self._batch_rows)

    def _rows(self, part):
        if self._group != part.groups or part.start < self._next_row:
            self._batches = self._source.rows(self._batch_rows, part.groups)
            self._group, self._next_row, self._rest = part.groups, 0, None
        for _ in self._take(part.start - self._next_row):
            pass
        yield from self._take(part.n_rows)

    def _take(self, n_rows):
        """Yield the next rows of the row group."""
        while n_rows:
            if not self._rest:
                self._rest = next(self._batches)
            taken = self._rest.slice(0, n_rows)
            self._rest = self._rest.slice(taken.num_rows)
            self._next_row += taken.num_rows
            n_rows -= taken.num_rows
            yield taken
