"""The unfinished half of a long run: finished chunks on disk and the settings behind them."""

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sfumato.errors import InputError
from sfumato.files import atomic_path

REJECTS = pa.schema([("image_id", pa.string()), ("path", pa.string()), ("reason", pa.string())])
MANIFEST = "manifest.json"


class Parts:
    """A folder of finished chunks beside the output, which a rerun continues.

    A context manager: inside, this process has the folder to itself. The kernel frees it when the
    process dies, whatever kills it.

    Parameters
    ----------
    output : Path
        The table to be; the folder is ``<output>.parts``.
    settings : dict
        Plain values that decide what the chunks hold.
    restart : bool
        Throw away chunks of other settings instead of refusing them.

    Raises
    ------
    InputError
        On entry, if another process works in the folder, or for chunks of other settings.
    """

    def __init__(self, output, settings, *, restart):
        self.folder = Path(f"{output}.parts")
        self._settings = json.loads(json.dumps(settings))
        self._restart = restart

    def __enter__(self):
        self._lock = _alone(self.folder)
        try:
            if any(self.folder.iterdir()) and not self._same(self._restart):
                for path in self.folder.iterdir():
                    path.unlink()
            with atomic_path(self.folder / MANIFEST) as path:
                path.write_text(json.dumps(self._settings, indent=2))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        if self._lock is not None:
            os.close(self._lock)

    def _same(self, restart):
        try:
            found = json.loads((self.folder / MANIFEST).read_text())
        except (OSError, ValueError):
            found = {}
        changed = [name for name in self._settings if found.get(name) != self._settings[name]]
        if not changed:
            return True
        if restart:
            return False
        listed = ", ".join(
            f"{name} {found.get(name)!r} instead of {self._settings[name]!r}" for name in changed
        )
        raise InputError(
            f"{self.folder}: holds an unfinished run with other settings ({listed}); repeat it "
            "with those, or delete the folder, or use --force (overwrite=True) to start anew."
        )

    def has(self, chunk):
        """Tell whether this chunk is finished."""
        return self._path(chunk).is_file()

    def write(self, chunk, templates, rejects):
        """Keep a chunk: first its rejects, then the templates, whose file says it is done."""
        for path, batch in (
            (self._path(chunk, "rejects"), rejects),
            (self._path(chunk), templates),
        ):
            with atomic_path(path) as temporary:
                pq.write_table(pa.Table.from_batches([batch]), temporary, compression="none")

    def templates(self, n_chunks, rows):
        """Yield the chunks' templates in order, joined into batches of about ``rows``."""
        yield from _joined((self._path(chunk) for chunk in range(n_chunks)), rows)

    def rejects(self, n_chunks):
        """Return all rejects as one table."""
        tables = [pq.read_table(self._path(chunk, "rejects")) for chunk in range(n_chunks)]
        return pa.concat_tables([REJECTS.empty_table(), *tables])

    def remove(self):
        """Delete the folder."""
        shutil.rmtree(self.folder)

    def _path(self, chunk, kind="templates"):
        return self.folder / f"{chunk:08d}.{kind}.parquet"


def _alone(folder):
    """Return a folder's lock, made with the folder; None where the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        folder.mkdir(exist_ok=True)
        return None
    while True:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may just have finished, and removed the folder.
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"{folder}: another process is at work here; wait for it to end, or name another "
                "output."
            ) from None
        os.close(handle)


def _joined(paths, rows):
    waiting, n_rows = [], 0
    for path in paths:
        table = pq.read_table(path)
        waiting.append(table)
        n_rows += table.num_rows
        if n_rows >= rows:
            yield from pa.concat_tables(waiting).combine_chunks().to_batches()
            waiting, n_rows = [], 0
    if n_rows:
        yield from pa.concat_tables(waiting).combine_chunks().to_batches()
