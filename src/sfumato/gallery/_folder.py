"""A gallery's folder: how it is made, and what it says of itself.

LanceDB's own commits would keep two appends apart, but not the check that a template id is new,
and its clean-up of old versions deletes files that another process is writing or reading. So
writers lock the folder alone and readers share it.
"""

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfumato import __version__
from sfumato.data.info import TableInfo
from sfumato.errors import InputError
from sfumato.files import locked, sweep, sync_folder
from sfumato.gallery._disk import write_synced
from sfumato.gallery._log import AuditLog
from sfumato.gallery._store import Store

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

    def reading(self) -> Any:
        """Keep writers out while the context lasts."""
        return locked(self._lock, alone=False)

    def writing(self) -> Any:
        """Keep everyone else out while the context lasts."""
        return locked(self._lock, alone=True)

    def sweep(self) -> None:
        """Remove what killed writers left: needs the lock of :meth:`writing`.

        LanceDB writes vectors into ``.tmp...`` files beside its data and never removes those of
        a process that was killed.
        """
        for entry in self.rows.rglob(".tmp*"):
            if entry.is_file():
                entry.unlink(missing_ok=True)
        sweep(self.path)

    def bytes(self) -> Any:
        """Return the size of all files together."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


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
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        folder = Folder(temporary)
        folder.rows.mkdir()
        Store(folder.rows, info.dimension)
        folder.log.create().append("create")
        write_synced(temporary / FILE, json.dumps(about, indent=2))
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


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
