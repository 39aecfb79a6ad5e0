"""A gallery's audit log: who did what and when, without faces, vectors or names."""

import errno
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sfumato.errors import InputError
from sfumato.files import CLOEXEC, NOFOLLOW, READ_ONLY, refuse_special

MAX_PEOPLE = 1000
READS = ("verify", "identify", "list", "export")


class AuditLog:
    """Lines of JSON, appended and synced to disk; a person is a keyed hash.

    Parameters
    ----------
    path, key_path : Path

    Notes
    -----
    Whoever has the gallery's folder has the key, and can confirm a name that they guess. Whoever
    may read the folder but not write to it leaves no lines.
    """

    def __init__(self, path: Path, key_path: Path) -> None:
        self.path, self.key = path, key_path

    def create(self) -> Self:
        """Draw the key and begin the log; return self."""
        handle = os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        return self

    def pseudonym(self, person: Any) -> Any:
        """Return the 32 hexadecimal digits that stand for a person in this log."""
        return self._pseudonyms([person])[0]

    def _pseudonyms(self, people):
        refuse_special(self.key)
        try:
            key = bytes.fromhex(self.key.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{self.key}: is no key; restore it from a backup.") from error
        return [hmac.digest(key, name.encode(), "sha256").hex()[:32] for name in people]

    def append(self, operation: str, people: Iterable[str] = (), **counts: Any) -> None:
        """Add a line; it is on disk when this returns.

        Parameters
        ----------
        operation : str
        people : iterable of str
            Hashed; of more than 1000 people the first 1000 are, and their number is given.
        **counts : numbers, strings or dicts of them
            What happened.
        """
        people = sorted(set(people))
        line = {"time": datetime.now(UTC).isoformat(), "operation": operation, **counts}
        if people:
            line["people"] = self._pseudonyms(people[:MAX_PEOPLE])
            line["n_people"] = len(people)
        try:
            refuse_special(self.path)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | NOFOLLOW | CLOEXEC
            handle = os.open(self.path, flags, 0o600)
        except OSError as error:
            if self._unwritten(operation, error):
                return
            raise
        try:
            # A line that a power cut has torn stays alone on its line.
            size = os.fstat(handle).st_size
            torn = size and os.pread(handle, 1, size - 1) != b"\n"
            content = b"\n" * bool(torn) + json.dumps(line).encode() + b"\n"
            if os.write(handle, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(handle)
        finally:
            os.close(handle)

    def _unwritten(self, operation, error):
        """Return whether this is a look at a gallery that the user may not write to."""
        unwritable = error.errno in READ_ONLY and not os.access(self.path.parent, os.W_OK)
        return operation in READS and unwritable

    def lines(self, operation: str | None = None) -> Any:
        """Return every whole line as a dict, oldest first; or those of one operation."""
        refuse_special(self.path)
        found = []
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            if operation is not None and operation.encode() not in line:
                continue  # A log may have a million lines of searches.
            try:
                content = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(content, dict) and operation in (None, content.get("operation")):
                found.append(content)
        return found
