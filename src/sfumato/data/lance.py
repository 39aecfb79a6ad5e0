"""Face tables in Lance's format: a folder ``NAME.lance``, read through LanceDB."""

import hashlib
from pathlib import Path
from typing import Any

from sfumato.data.files import content_digest, is_url
from sfumato.data.tables import ROW_GROUP, FaceTable
from sfumato.errors import InputError
from sfumato.validation import need

ENDING = ".lance"


def open_face_table(path: str | Path) -> FaceTable:
    """Return the face table of a path or URL: a LanceTable if it ends in ``.lance``."""
    return LanceTable(path) if str(path).rstrip("/").endswith(ENDING) else FaceTable(path)


class LanceTable(FaceTable):
    """A face table in a Lance folder, at the version that is the newest when it is opened.

    Parameters
    ----------
    path : str or Path
        ``FOLDER/NAME.lance``, or such a URL.

    Raises
    ------
    InputError
        As :class:`~sfumato.data.tables.FaceTable`.
    MissingExtraError
        Without LanceDB.
    """

    def _open(self):
        table = self._table()
        self.files, self._version = [self.path], table.version
        return table.schema, table.count_rows()

    def _table(self, version=None):
        lancedb = need("lancedb", "gallery")
        place, _, name = str(self.path).rstrip("/").rpartition("/")
        if "://" not in place and not Path(self.path).is_dir():
            raise InputError(f"{self.path}: no such table.")
        try:
            table = lancedb.connect(place or ".").open_table(name.removesuffix(ENDING))
            if version is not None:
                table.checkout(version)
        # LanceDB's errors are ValueError, RuntimeError, OSError and its own.
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            raise InputError(f"{self.path}: not a readable Lance table ({said}).") from error
        return table

    def fingerprint(self) -> str:
        """Return a checksum of version, length and every file: another one means other rows.

        Of a URL it is of version and length alone.
        """
        digest = hashlib.sha256(f"version {self._version}, {self.n_rows} rows".encode())
        for file in [] if is_url(self.path) else sorted(Path(self.path).rglob("*")):
            if file.is_file():
                digest.update(f"\0{file.name}\0{content_digest(file)}".encode())
        return digest.hexdigest()

    def row_groups(self) -> list[Any]:
        """Return ``(0, number, rows)`` of each 65,536 rows; nothing is read for it."""
        starts = range(0, self.n_rows, ROW_GROUP)
        return [
            (0, number, min(ROW_GROUP, self.n_rows - start)) for number, start in enumerate(starts)
        ]

    def _raw_batches(self, columns, batch_rows, groups):
        columns = self.columns if columns is None else columns
        self._check_there(columns)
        wanted = [number for _, number, _ in self.row_groups()]
        if groups is not None:
            wanted = sorted(number for _, number in {group[:2] for group in groups})
        table = self._table(self._version)
        for number in wanted:
            query = table.search().select(list(columns))
            query = query.offset(number * ROW_GROUP).limit(ROW_GROUP)
            for batch in query.to_batches(batch_rows):
                yield batch.select(columns)
