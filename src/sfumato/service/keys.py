"""API keys: drawn at random, shown once, kept as hashes with what they allow.

A key is 32 random bytes, so that a plain SHA-256 of it tells nothing: there is nothing to guess
that a slow hash would make slower.
"""

import datetime
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.files import atomic_path

#: What a key may allow. Of a gallery: to compare with it, to read its people's names and
#: templates, to enrol and delete.
SCOPES = (
    *("photos", "templates", "gallery-compare", "gallery-read", "gallery-write"),
    *("audit", "metrics"),
)
PREFIX = "sfumato_"


@dataclass(frozen=True)
class Key:
    """What is known of a key; ``digest`` is the hexadecimal SHA-256, ``scopes`` what it allows."""

    name: str
    digest: str
    scopes: tuple[str, ...]
    created: str

    def allows(self, scope: Any) -> Any:
        """Tell whether the key opens what needs this scope."""
        return scope in self.scopes


class KeyFile:
    """Keys in a JSON file that only its owner can read.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> list[Any]:
        """Return the keys, a list of Key."""
        try:
            entries = json.loads(self.path.read_text())
            return [Key(**entry | {"scopes": tuple(entry["scopes"])}) for entry in entries]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self.path}: not a file of keys ({error}).") from error

    def create(self, name: str, scopes: Any) -> Any:
        """Add a key and return it, the only time that it can be seen.

        Raises
        ------
        InputError
            If the name is taken, or a scope unknown.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise InputError(
                f"scopes must be some of {', '.join(SCOPES)}, got {', '.join(unknown) or 'none'}."
            )
        keys = self.read()
        if any(key.name == name for key in keys):
            raise InputError(f"{self.path}: has a key {name!r} already; delete it first.")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._write([*keys, Key(name, digest_of(secret), tuple(scopes), now)])
        return secret

    def delete(self, name: str) -> None:
        """Remove a key.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        keys = self.read()
        left = [key for key in keys if key.name != name]
        if len(left) == len(keys):
            raise InputError(f"{self.path}: has no key {name!r}.")
        self._write(left)

    def _write(self, keys):
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps([asdict(key) for key in keys], indent=1) + "\n")
        os.chmod(self.path, 0o600)


def digest_of(secret: Any) -> Any:
    """Return the hexadecimal SHA-256 of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_key(keys: Any, secret: Any) -> Any:
    """Return the key that a secret is, or None; takes the same time whichever it is."""
    digest, found = digest_of(secret), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
