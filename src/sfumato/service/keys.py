"""API keys: drawn at random, shown once, kept as hashes with what they allow.

A key is 32 random bytes, so that a plain SHA-256 of it tells nothing: there is nothing to guess
that a slow hash would make slower. The file of keys carries a checksum against damage; it is no
seal against whoever may write it.
"""

import contextlib
import datetime
import functools
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sfumato._constraints import Each, Instance, check_argument
from sfumato.errors import InputError
from sfumato.files import atomic_path, check_free, locked

#: What a key may allow. Of a gallery: to compare with it, to read its people's names and
#: templates, to enrol and delete.
SCOPES = (
    *("photos", "templates", "gallery-compare", "gallery-read", "gallery-write"),
    *("audit", "metrics"),
)
PREFIX = "sfumato_"
#: Files of version 1 are a list of keys without a checksum; they are read, not written.
HEADER: dict[str, Any] = {"format": "sfumato keys", "version": 2}
MOST_BYTES = 16_000_000
DIGEST = re.compile("[0-9a-f]{64}")


class _NewerError(ValueError):
    """A later version of sfumato wrote the file."""


@dataclass(frozen=True)
class Key:
    """What is known of a key; ``digest`` is the hexadecimal SHA-256, ``scopes`` what it allows."""

    name: str
    digest: str
    scopes: tuple[str, ...]
    created: str

    @property
    def id(self) -> str:
        """As random as the key, so that no other key ever has it, of the same name or not."""
        return self.digest[:32]

    def allows(self, scope: Any) -> Any:
        """Tell whether the key opens what needs this scope."""
        return scope in self.scopes


class KeyFile:
    """Keys in a JSON file that only its owner can read.

    Writers wait for each other at a lock file beside it, ``NAME.lock``.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> list[Key]:
        """Return the keys.

        Raises
        ------
        InputError
            If the file is missing, unreadable or damaged: never taken for a file without keys.
        """
        try:
            return [*_parse(self._content())]
        except FileNotFoundError:
            raise InputError(
                f"{self.path}: no such file of keys; sfumato keys create makes one."
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}).") from error
        except _NewerError as error:
            raise InputError(f"{self.path}: {error}; update sfumato.") from error
        except (ValueError, RecursionError) as error:
            why = " ".join(str(error).split())
            raise InputError(
                f"{self.path}: not a file of keys, or damaged ({why}); restore it, or remove it "
                "and create the keys anew."
            ) from error

    def create(self, name: str, scopes: Any) -> str:
        """Add a key and return it, the only time that it can be seen.

        Raises
        ------
        InputError
            If the name is taken or not printable, a scope unknown, or the file damaged.
        """
        check_argument(name, Instance(str), "name")
        check_argument(scopes, Instance(list, tuple, set, frozenset), "scopes")
        check_argument([*scopes] or ["none"], Each(Instance(str)), "scopes")
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise InputError(
                f"scopes must be some of {', '.join(SCOPES)}, got {', '.join(unknown) or 'none'}."
            )
        if not name.strip() or not name.isprintable():
            raise InputError(f"name must be text without control characters, got {name!r}.")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        made = Key(name, digest_of(secret), tuple(dict.fromkeys(scopes)), now)
        with self._alone():
            keys = self.read() if self.path.exists() else []
            if any(key.name == name for key in keys):
                raise InputError(f"{self.path}: has a key {name!r} already; delete it first.")
            self._write([*keys, made])
        return secret

    def delete(self, name: str) -> None:
        """Remove a key.

        Raises
        ------
        InputError
            If there is none of this name, or the file is missing or damaged.
        """
        with self._alone():
            keys = self.read()
            left = [key for key in keys if key.name != name]
            if len(left) == len(keys):
                raise InputError(f"{self.path}: has no key {name!r}.")
            self._write(left)

    def _content(self):
        found = self.path.stat()
        # A pipe would never end.
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        if found.st_size > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES:,} bytes")
        return self.path.read_bytes()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        # One lock and one file, by whatever link it is called.
        path = Path(os.path.realpath(self.path))
        check_free(path, overwrite=True)
        with locked(path.with_name(f"{path.name}.lock"), alone=True):
            yield

    def _write(self, keys):
        path = Path(os.path.realpath(self.path))
        content = HEADER | {"keys": [asdict(key) for key in keys]}
        content["sha256"] = _checksum(content)
        with atomic_path(path, mode=0o600) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")


def digest_of(secret: str) -> str:
    """Return the hexadecimal SHA-256 of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_key(keys: list[Key], secret: str) -> Key | None:
    """Return the key that a secret is, or None; takes the same time whichever it is."""
    digest, found = digest_of(secret), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


# A service asks for every request; the bytes tell whether anything has changed.
@functools.lru_cache(maxsize=2)
def _parse(content: bytes) -> tuple[Key, ...]:
    """Return the keys of a file's bytes; ValueError says what is wrong, without any value."""
    found = json.loads(content.decode(), object_pairs_hook=_no_field_twice)
    if isinstance(found, dict):
        given = found.pop("sha256", None)
        version = found.get("version")
        if type(version) is int and version > HEADER["version"]:
            raise _NewerError(f"version {version}, this sfumato reads up to {HEADER['version']}")
        if {name: found.get(name) for name in HEADER} != HEADER:
            raise ValueError("of another format or version")
        if given != _checksum(found):
            raise ValueError("its checksum does not match")
        found = found.get("keys")
    if not isinstance(found, list):
        raise ValueError("it holds no list of keys")
    keys = tuple(_key(entry, number) for number, entry in enumerate(found))
    for what in ("name", "digest"):
        if len({getattr(key, what) for key in keys}) < len(keys):
            raise ValueError(f"two keys have the same {what}")
    return keys


def _key(entry: Any, number: int) -> Key:
    names = {field.name for field in fields(Key)}
    if not isinstance(entry, dict) or set(entry) != names:
        raise ValueError(f"key {number} must have {', '.join(sorted(names))}")
    scopes = entry.pop("scopes")
    if not all(isinstance(value, str) for value in entry.values()):
        raise ValueError(f"key {number} has a name, digest or date that is no text")
    if not DIGEST.fullmatch(entry["digest"]):
        raise ValueError(f"the digest of key {number} is not 64 hexadecimal digits")
    if not isinstance(scopes, list) or not scopes or not all(s in SCOPES for s in scopes):
        raise ValueError(f"key {number} has no scopes, or unknown ones")
    try:
        datetime.datetime.fromisoformat(entry["created"])
    except ValueError:
        raise ValueError(f"the date of key {number} is none") from None
    return Key(scopes=tuple(scopes), **entry)


def _checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 of the file's content in its one canonical form."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _no_field_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands in it twice")
    return found
