"""A gallery's folder: how it is made, and what it says of itself.

LanceDB's own commits would keep two appends apart, but not the check that a template id is new,
and its clean-up of old versions deletes files that another process is writing or reading. So
writers lock the folder alone and readers share it.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfumato import __version__
from sfumato.data.info import TableInfo
from sfumato.errors import InputError
from sfumato.files import atomic_folder, locked, sweep, write_text
from sfumato.gallery._log import AuditLog
from sfumato.gallery._store import Store
from sfumato.gallery._sweep import strangers

FORMAT = 1
FILE = "gallery.json"


class Folder:
    """A gallery's files, and the lock around them.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path / "lock"
        self.rows = path / "lance"
        self.index = path / "index.json"
        self.calibration = path / "calibration.safetensors"
        self.log = AuditLog(path / "audit.jsonl", path / "key")
        self._store: Store | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Store]:
        """Give the rows; keep writers out while the context lasts."""
        with locked(self._lock, alone=False):
            yield self._opened()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Store]:
        """Give the rows; keep everyone else out while the context lasts.

        What killed writers left goes before and what the change has replaced afterwards.
        """
        with locked(self._lock, alone=True):
            store = self._opened()
            self.sweep()
            yield store
            store.sweep()

    def sweep(self) -> None:
        """Remove what killed writers left: needs the lock of :meth:`writing`."""
        store = self._opened()
        store.sweep()
        if store.finish():
            self.log.append("delete finished")
        sweep(self.path)

    def noted(self, output: Any) -> dict[str, str]:
        """Return what the log says of where an export goes to."""
        known = isinstance(output, str | Path)
        return {"folder": str(Path(output).absolute().parent)} if known else {}

    def sweep_exports(self) -> None:
        """Remove what killed exports left beside their outputs."""
        for folder in {line.get("folder") for line in self.log.lines("export")}:
            if isinstance(folder, str) and Path(folder).is_dir():
                sweep(folder)

    def strangers(self) -> list[str]:
        """Return names of files in the folder that are not the gallery's; see :meth:`writing`."""
        own = (self._lock, self.index, self.calibration, self.path / FILE, *self.log.files)
        files = {path.name for path in own}
        files |= {f"{self.rows.name}/{name}" for name in self._opened().files}
        found = strangers(self.path, frozenset(files))
        return [str(path.relative_to(self.path)) for path in found]

    def bytes(self) -> Any:
        """Return the size of all files together."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def _opened(self):
        if self._store is None:
            self._store = Store(self.rows)
        return self._store


def make_folder(path: Path, info: Any) -> None:
    """Make an empty gallery, whole or not at all.

    Raises
    ------
    InputError
        If ``path`` exists, or has no folder to be in.
    """
    if path.exists() or path.is_symlink():  # A broken link too.
        raise InputError(f"{path} exists already; give another name.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist.")
    about = {"format": FORMAT, "version": __version__, "info": asdict(info)}
    with atomic_folder(path) as temporary:
        folder = Folder(temporary)
        folder.rows.mkdir()
        Store(folder.rows, info.dimension)
        folder.log.create().append("create")
        write_text(temporary / FILE, json.dumps(about, indent=2))


def read_info(path: Path) -> Any:
    """Return the TableInfo of a gallery, or refuse what is none, or a newer one."""
    file = path / FILE
    try:
        about = json.loads(file.read_text())
        number, info = about["format"], about["info"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = "no such folder" if not path.exists() else "not a gallery"
        raise InputError(f"{path}: {what}; sfumato gallery create makes one.") from error
    if number != FORMAT:
        raise InputError(
            f"{path}: gallery format {number}, this version reads {FORMAT}; update sfumato."
        )
    return TableInfo.from_dict(info)
