"""Which gallery lies in a folder, for objects that keep one open while others work on it."""

from pathlib import Path

from sfumato.errors import DamageError, InputError
from sfumato.gallery._manifest import BrokenManifestError, newest_name, version_of


class Identity:
    """A gallery as it was opened; somebody may put another one, or a backup, in its place.

    Parameters
    ----------
    file : Path
        ``gallery.json``, which is never written again.
    table : Path
        The folder of the rows.

    Attributes
    ----------
    newest : tuple
        Number of the newest version at the last look, and which file its manifest is.
    """

    def __init__(self, file: Path, table: Path) -> None:
        self._file, self._table = file, table
        self._opened = _content_of(file)
        self.newest: tuple = ()

    @property
    def replaced(self) -> bool:
        """Whether the folder holds a gallery of other templates than the one that was opened."""
        return _content_of(self._file)[1:] != self._opened[1:]

    def look(self) -> bool:
        """Return whether files were put in the place of those that are known.

        Raises
        ------
        DamageError
            If the gallery is gone.
        InputError
            If it is one of other templates.
        """
        try:
            found = self._file.stat()
        except OSError as error:
            raise DamageError(f"{self._file}: {error.strerror}; the gallery is gone.") from error
        exchanged = (found.st_ino, found.st_mtime_ns) != self._opened[0]
        if exchanged and self.replaced:
            raise InputError(
                f"{self._file.parent}: a gallery of other templates is in the place of the one "
                "that was opened; open it anew."
            )
        before, self.newest = self.newest, self._newest()
        put_back = before != self.newest and before[:1] >= self.newest[:1]
        if exchanged:
            self._opened = _content_of(self._file)
        return exchanged or put_back

    def _newest(self):
        try:
            name = newest_name(self._table)
            found = (self._table / name).stat()
        except (BrokenManifestError, OSError):  # Whoever reads the rows says so.
            return ()
        return version_of(name), found.st_ino, found.st_mtime_ns


def _content_of(file):
    """Return which file it is, and its bytes; nothing where there is none."""
    try:
        found = file.stat()
        return (found.st_ino, found.st_mtime_ns), file.read_bytes()
    except OSError:
        return ()
