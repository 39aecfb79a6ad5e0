"""What a batch job goes over: parts of a table or of a list of photos, each done as a whole."""

from dataclasses import dataclass

from sfumato.faces.sources import TableSource


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
    files, ids : tuple of str
        Paths and ids of photos.
    """

    number: int
    n_rows: int
    groups: tuple = ()
    files: tuple = ()
    ids: tuple = ()

    @classmethod
    def read(cls, values):
        """Return a part from its ``vars``, as they come back from JSON."""
        groups = tuple(tuple(group) for group in values["groups"])
        files, ids = (tuple(values[name]) for name in ("files", "ids"))
        return cls(values["number"], values["n_rows"], groups, files, ids)


def table_parts(table, part_rows):
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


def photo_parts(source, part_rows):
    """Return parts of ``part_rows`` photos; of a table's photos those of whole row groups.

    Parameters
    ----------
    source : FileSource or TableSource
    part_rows : int

    Returns
    -------
    list of Part
    """
    if isinstance(source, TableSource):
        return table_parts(source.table, part_rows)
    return [
        Part(number, len(batch.ids), (), tuple(map(str, batch.photos)), tuple(batch.ids))
        for number, batch in enumerate(source.batches(part_rows))
    ]


def part_batches(source, part, batch_rows):
    """Yield the photos of a part, a :class:`sfumato.faces.sources.PhotoBatch` after the other."""
    if isinstance(source, TableSource):
        return source.batches(batch_rows, groups=part.groups)
    return source.only(part.files, part.ids).batches(batch_rows)
