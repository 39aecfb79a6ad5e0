"""A face table whose labels are read off its embeddings by a reader."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sfumato.data.info import TableInfo
from sfumato.data.tables import ROW_GROUP, FaceTable
from sfumato.errors import InputError
from sfumato.models.files import load
from sfumato.models.unlabelled import SURE
from sfumato.readers.files import reader_of_templates
from sfumato.readers.tasks import ClassTask
from sfumato.readers.templates import TemplateReader

#: The name of the reader that is bundled for a table's encoder.
BUNDLED = "reader"


class ReadTable(FaceTable):
    """A face table with label columns that a reader reads off its embeddings.

    Parameters
    ----------
    path : str or Path
    reader : TemplateReader
        Of the table's embeddings.
    attributes : list of str
        What to read. A class whose probability is below 0.9 counts as missing, as unsure
        labels teach an eraser little; an age is taken as it is read.

    Attributes
    ----------
    sure : dict of str to float
        By attribute, the share of rows read with a probability of 0.9 or more.
    n_unsure : int
        Rows with a class that counts as missing.
    """

    def __init__(
        self, path: str | Path, reader: TemplateReader, attributes: Sequence[str]
    ) -> None:
        super().__init__(path)
        check_reader(reader, self.require("embedding").info, attributes, self.path)
        self._reader_sha256 = reader.sha256
        self._read: dict[str, pa.Array] = {}
        self._read_all(reader, attributes)
        self.columns = [*self.columns, *(n for n in attributes if n not in self.columns)]
        self.label_columns = [
            *(n for n in self.label_columns if n not in attributes),
            *attributes,
        ]

    def _read_all(self, reader, attributes):
        parts: dict[str, list] = {name: [] for name in attributes}
        confidence: dict[str, list] = {name: [] for name in attributes}
        unsure = []
        for _, _, X in super().embedding_batches([]):
            found, doubtful = reader.read(X), np.zeros(len(X), dtype=bool)
            for name in attributes:
                label, surely = found[name].label, found[name].confidence
                missing = (surely < SURE) & isinstance(found[name].task, ClassTask)
                parts[name].append(pa.array(label, mask=missing))
                confidence[name].append(surely)
                doubtful |= missing
            unsure.append(doubtful)
        if not unsure:
            raise InputError(f"{self.path}: has no rows, so there is nothing to read.")
        self._read = {name: pa.concat_arrays(values) for name, values in parts.items()}
        self.sure = {
            name: float(np.mean(np.concatenate(values) >= SURE))
            for name, values in confidence.items()
        }
        self.n_unsure = int(np.concatenate(unsure).sum())

    def batches(
        self, columns: Any = None, *, batch_rows: Any = ROW_GROUP, groups: Any = None
    ) -> Iterator[Any]:
        """Yield record batches as a table's, the columns that were read among them."""
        names = [*self.columns] if columns is None else [*columns]
        read = [name for name in names if name in self._read]
        if not read:
            yield from super().batches(columns, batch_rows=batch_rows, groups=groups)
            return
        assert groups is None, "rows that were read are in the table's order"
        others = [name for name in names if name not in self._read] or ["image_id"]
        start = 0
        for batch in super().batches(others, batch_rows=batch_rows):
            arrays = {name: batch.column(name) for name in batch.schema.names}
            arrays |= {name: self._read[name].slice(start, batch.num_rows) for name in read}
            yield pa.RecordBatch.from_pydict({name: arrays[name] for name in names})
            start += batch.num_rows

    def to_dict(self) -> dict[str, Any]:
        """Return what was read, and how surely, in its JSON form."""
        return {
            "table": self.path.name if isinstance(self.path, Path) else str(self.path),
            "n_rows": self.n_rows,
            "n_unsure": self.n_unsure,
            "sure": self.sure,
            "reader_sha256": self._reader_sha256,
        }

    def __str__(self) -> str:
        parts = [
            f"{name} (probability {SURE} or more in {share:.0%} of {self.n_rows:,} rows)"
            for name, share in self.sure.items()
        ]
        return (
            f"{self.to_dict()['table']}: a reader read {', '.join(parts)}; {self.n_unsure:,} "
            "unsure rows are left out."
        )


def check_reader(
    reader: Any, info: TableInfo, attributes: Sequence[str], table: str | Path
) -> None:
    """Refuse a reader of other embeddings than a table's, or of other attributes.

    Raises
    ------
    InputError
    """
    if not isinstance(reader, TemplateReader):
        raise InputError("labels_from must be a reader of templates; give another.")
    wanted = reader.about.get("encoder", info.space)
    if wanted != info.space or reader.n_features_in_ != info.dimension:
        raise InputError(
            f"{table}: embeddings of [{info.space}], but the reader reads [{wanted}]; embed the "
            "photos with --describe and fit on the columns that it writes, such as gender_read."
        )
    known = [task.name for task in reader.tasks_]
    for name in attributes:
        if name not in known:
            raise InputError(f"the reader reads {', '.join(known)}, not {name!r}; leave it out.")


def open_reader(source: str | Path | TemplateReader, table: FaceTable) -> Any:
    """Return the reader that ``labels_from`` names.

    Parameters
    ----------
    source : str, Path or TemplateReader
        ``"reader"`` for the bundled one of the table's encoder, a file, or a bundled name.
    table : FaceTable
    """
    if isinstance(source, TemplateReader):
        return source
    if str(source) != BUNDLED or Path(source).is_file():
        return load(source, "reader")
    space = table.require("embedding").info.space
    reader = reader_of_templates(space)
    if reader is None:
        raise InputError(
            f"{table.path}: no reader is bundled for embeddings of [{space}]; embed the photos "
            "with --describe and fit on the columns that it writes, such as gender_read."
        )
    return reader
