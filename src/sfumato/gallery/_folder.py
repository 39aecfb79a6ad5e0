"""A gallery's folder: how it is made, and what it says of itself.

LanceDB's own commits would keep two appends apart, but not the check that a template id is new,
and its clean-up of old versions deletes files that another process is writing or reading. So
writers lock the folder alone and readers share it.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfumato import __version__
from sfumato.data.info import TableInfo
from sfumato.errors import DamageError, InputError, SfumatoError, StorageError
from sfumato.files import STAGING, atomic_folder, locked, refuse_special, sweep, write_text
from sfumato.gallery._checksums import LISTED, Checksums, part_of
from sfumato.gallery._identity import Identity
from sfumato.gallery._lance import lance_errors, uninterrupted
from sfumato.gallery._log import AuditLog
from sfumato.gallery._manifest import (
    VERSIONS,
    BrokenManifestError,
    Manifests,
    manifest_names,
    newest_name,
    version_of,
)
from sfumato.gallery._store import NAME as TABLE
from sfumato.gallery._store import Store
from sfumato.gallery._sweep import refuse_linked, strangers

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
        self._table = self.rows / f"{TABLE}.lance"
        self._manifests = Manifests(self._table)
        self.index = path / "index.json"
        self.calibration = path / "calibration.safetensors"
        self.log = AuditLog(path / "audit.jsonl", path / "key")
        self.checksums = Checksums(path)
        self._verified: dict[str, tuple] = {}
        self.finished = False  # Whether the last change began with the rest of a deletion.
        self._store: Store | None = None
        self.identity = Identity(path / FILE, self._table)

    @contextlib.contextmanager
    def _held(self, *, alone):
        """Hold the lock, of the gallery that was opened."""
        exchanged = self.identity.look()
        with locked(self._lock, alone=alone):
            if self.identity.look() or exchanged:
                self._store, self._verified = None, {}
                self.checksums = Checksums(self.path)
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[Store]:
        """Give the rows, verified; keep writers out while the context lasts."""
        with self._held(alone=False), lance_errors(self.path):
            self.verify()
            yield self._opened()

    @contextlib.contextmanager
    def writing(self, *, index: bool = True, record: bool = True) -> Iterator[Store]:
        """Give the rows, verified; keep everyone else out while the context lasts.

        What killed writers left goes before, and what the change has replaced afterwards.

        Parameters
        ----------
        index : bool, default=True
            Whether the index must be whole, too, and not to be removed or built anew.
        record : bool, default=True
            Whether to list the checksums of what has changed, which costs two syncs of the disk;
            one of the next changes must.
        """
        with self._held(alone=True), uninterrupted():
            for file in (self.rows, self.index, self.calibration):
                refuse_linked(file)
            self.verify()
            if index:
                self.verify("index")
            verified = self.checksums.files() is not None
            try:
                with lance_errors(self.path, verified=verified):
                    yield from self._change(record)
            except StorageError:
                self._undo()
                raise

    def _undo(self):
        """Go back to the version before if the newest is not whole."""
        self._store, store = None, self._store
        if store is not None:
            with contextlib.suppress(SfumatoError, OSError):
                store.give_up_what_is_short()

    def _change(self, record):
        store = self._opened()
        store.sweep()
        self.finished = store.finish()
        if self.finished:
            self.log.append("delete finished")
        sweep(self.path)
        yield store
        store.sweep()
        if record:
            self.checksums.record(self.names())

    def names(self) -> list[str]:
        """Return the names of the files that the gallery's state consists of."""
        own = (self.path / FILE, self.log.key, self.index, self.calibration)
        rows = sorted(f"{self.rows.name}/{name}" for name in self._opened().files)
        return [path.name for path in own if path.exists()] + rows

    def verify(self, part: str = "rows") -> None:
        """Verify files by their checksums, each once; needs the lock.

        Parameters
        ----------
        part : {"rows", "index", "calibration"}, default="rows"
            Which of them.

        Raises
        ------
        InputError
            If one is damaged or missing.
        """
        listed = self.checksums.files()
        if listed is None:
            return
        state = (self.checksums.seen, manifest_names(self._table)[:1])
        if self._verified.get(part) != state:
            names = [name for name in self._current(listed) if part_of(name) == part]
            self.checksums.verify(names)
            self._verified[part] = state

    def _current(self, listed):
        """Return the listed files that the newest version names.

        A writer that was killed may have left a newer version than that of the list.
        """
        table, place = self._table, f"{self.rows.name}/{TABLE}.lance/"
        known = {name for name in listed if name.startswith(place + VERSIONS)}
        try:
            newest = newest_name(table)
            if place + newest in known:
                return list(listed)
            if any(version_of(name) > version_of(newest) for name in known):
                raise DamageError(f"{known.pop()}: is missing; restore the gallery from a backup.")
            files = {place + name for name in self._manifests.read().files}
        except (BrokenManifestError, OSError) as error:
            text = f"{self.rows}: {error}; restore the gallery from a backup."
            raise DamageError(text) from error
        return [name for name in listed if name in files or not name.startswith(place)]

    def forget_index(self) -> None:
        """Remove the record of an index that is removed or built anew."""
        self.checksums.drop(self.index.name)
        self.index.unlink(missing_ok=True)

    def verified_calibration(self) -> Path:
        """Return the calibration's path, which may have no file; needs the lock."""
        self.verify("calibration")
        return self.calibration

    def check(self) -> dict[str, Any]:
        """Read all files; return how many there are, and which are damaged or not listed."""
        with self._held(alone=False), lance_errors(self.path):
            listed = self.checksums.files()
            names = [] if listed is None else self._current(listed)
            damaged = [{"file": n, "fault": f} for n, f in self.checksums.faults(names)]
            unlisted = [] if damaged else sorted(set(self.names()) - set(names))
        about = {"path": str(self.path), "n_files": len(names), "damaged": damaged}
        return about | {"unlisted": unlisted}

    def strangers(self) -> list[str]:
        """Return names of files in the folder that are not the gallery's; see :meth:`writing`."""
        more = (self._lock, self.checksums.path, self.log.path)
        files = frozenset([*self.names(), *(path.name for path in more)])
        found = strangers(self.path, files)
        return [str(path.relative_to(self.path)) for path in found]

    def noted(self, output: Any) -> dict[str, str]:
        """Return what the log says of where an export goes to."""
        known = isinstance(output, str | Path)
        return {"folder": str(Path(output).absolute().parent)} if known else {}

    def sweep_exports(self) -> list[str]:
        """Remove what killed exports left beside their outputs; return what cannot be removed."""
        left, noted = [], (line.get("folder") for line in self.log.lines("export"))
        for folder in {folder for folder in noted if isinstance(folder, str)}:
            place = Path(folder) / STAGING
            if os.path.lexists(place):
                with contextlib.suppress(OSError, InputError):
                    sweep(place.parent)
                left += [str(place)] if os.path.lexists(place) else []
        return left

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
    about = {"format": FORMAT, "version": __version__, "info": asdict(info), LISTED: True}
    with atomic_folder(path) as temporary, lance_errors(path, verified=True):
        folder = Folder(temporary)
        try:
            folder.rows.mkdir()
            Store(folder.rows, info.dimension)
            folder.log.create().append("create")
            folder.checksums.begin()
            write_text(temporary / FILE, json.dumps(about, indent=2))
            folder.checksums.record(folder.names())
        except StorageError as error:  # The place of a file under way is not the user's.
            raise StorageError(str(error).replace(str(temporary), str(path))) from error


def read_info(path: Path) -> Any:
    """Return the TableInfo of a gallery, or refuse what is none, or a newer one."""
    file, sums = path / FILE, Checksums(path)
    refuse_special(file)
    if file.is_file():  # Never written again, so no lock is needed.
        sums.verify({FILE} & (sums.files() or {}).keys())
    try:
        about = json.loads(file.read_text())
        number, info = about["format"], about["info"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = "no such folder" if not path.exists() else "not a gallery"
        raise InputError(f"{path}: {what}; sfumato gallery create makes one.") from error
    if number != FORMAT:
        raise InputError(
            f"{path}: gallery format {number}, this version reads {FORMAT}; update sfumato."
        )
    try:
        return TableInfo.from_dict(info)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
