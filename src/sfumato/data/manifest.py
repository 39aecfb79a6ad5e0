"""What a batch job says of its output, so that damage to it is found.

Each part's file names its job and its place in it, in its Parquet metadata. ``_manifest.json``
holds a record of every part; while a job is unfinished, those of the parts that it has done lie
in ``_records``. Both are sealed: they hold the SHA-256 of their own content.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.files import atomic_path

MANIFEST, RECORDS, REJECTED = "_manifest.json", "_records", "_rejects"
#: Of a manifest; the first had no checksums.
FORMAT = 2
#: In a part's Parquet metadata: what it is.
KEY = b"sfumato_part"
AGAIN = "run the job again, which makes it anew"
SEAL = "seal"


@dataclass(frozen=True)
class Place:
    """Which part of which job a file is, as the file itself says.

    Parameters
    ----------
    job : str
        Of :func:`job_name`.
    part, n_parts, n_rows_in : int
    """

    job: str
    part: int
    n_parts: int
    n_rows_in: int

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return what goes into the file's metadata."""
        return {KEY: json.dumps(asdict(self)).encode()}

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes] | None) -> "Place | None":
        """Return what a file's metadata say; None of files that no job of today wrote."""
        try:
            found = cls(**json.loads((metadata or {})[KEY]))
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        return found if isinstance(found.part, int) else None


@dataclass(frozen=True)
class Record:
    """A part that is done.

    Parameters
    ----------
    place : Place
    n_rows : int
    n_bytes : int
    sha256, footer : str
        SHA-256 of the file, and of its footer alone.
    rejects : str or None
        SHA-256 of the file of its rejects, if there is one.
    """

    place: Place
    n_rows: int
    n_bytes: int
    sha256: str
    footer: str
    rejects: str | None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Record":
        """Return a record from the JSON form of :func:`dataclasses.asdict`."""
        return cls(**{**values, "place": Place(**values["place"])})


def job_name(settings: Mapping[str, Any]) -> str:
    """Return a name of the job of these settings, 32 hexadecimal digits."""
    return _digest(settings)[:32]


def part_file(number: int) -> str:
    """Return the name of a part's file."""
    return f"part-{number:06d}.parquet"


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object with its checksum, atomically."""
    with atomic_path(path) as temporary:
        sealed = {**values, SEAL: _digest(values)}
        temporary.write_text(json.dumps(sealed, indent=1) + "\n")


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Return what :func:`write_sealed` wrote, None if the file is missing.

    Raises
    ------
    InputError
        If it is damaged or cannot be read.
    """
    if os.path.lexists(path) and not path.is_file():  # A pipe would be waited for.
        raise InputError(f"{path}: is no regular file; remove it.")
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({os.strerror(error.errno or 0)}).") from error
    except (ValueError, RecursionError):
        found = None
    values = found if isinstance(found, dict) else {SEAL: "none"}
    seal, version = values.pop(SEAL, None), values.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise InputError(
            f"{path}: format {version}, this version reads up to {FORMAT}; update sfumato."
        )
    if seal is None and values.get("format") is None and "settings" in values:
        return values  # Of the first format.
    if seal != _digest(values):
        raise InputError(
            f"{path}: damaged: its content does not have the SHA-256 that it says; start anew "
            "with --force (overwrite=True), or put a copy of it back."
        )
    return values


def footer_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a Parquet file's footer, which no checksum in the file covers."""
    with open(path, "rb") as file:
        n_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(0, n_bytes - 8))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, n_bytes - 8 - length))
        return hashlib.sha256(file.read()).hexdigest()


def check_places(
    folder: str | Path, files: Sequence[str | Path], places: Sequence[Place | None]
) -> None:
    """Refuse a folder whose files are not the parts of one job, all of them and in their places.

    Parameters
    ----------
    folder : str or Path
    files : sequence of (str or Path)
        In their order.
    places : sequence of (Place or None)
        What each says of itself; where none does, nothing is checked.

    Raises
    ------
    InputError
        Naming the file and the remedy.
    """
    known = next((place for place in places if place is not None), None)
    if known is None:
        return
    for number, (file, place) in enumerate(zip(files, places, strict=True)):
        if place is None or (place.job, place.n_parts) != (known.job, known.n_parts):
            raise InputError(
                f"{file}: no part of the job that made {files[0]}; remove it, or {AGAIN}."
            )
        if place.part != number:
            raise InputError(
                f"{file}: part {place.part} of its job, where part {number} belongs (of "
                f"{known.n_parts}); {AGAIN}."
            )
    if len(files) != known.n_parts:
        raise InputError(
            f"{folder}: {len(files)} of {known.n_parts} parts of its job; run the job again to go "
            "on."
        )


def check_footers(folder: Path) -> None:
    """Refuse a finished folder on this machine's disk whose footers are not those recorded.

    Raises
    ------
    InputError
        Naming the file and the remedy.
    """
    for values in (read_sealed(folder / MANIFEST) or {}).get("parts", ()):
        record = Record.read(values)
        file = folder / part_file(record.place.part)
        if (
            not file.is_file()
            or file.stat().st_size != record.n_bytes
            or footer_sha256(file) != record.footer
        ):
            raise InputError(f"{file}: damaged: not the file that its job wrote; {AGAIN}.")


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
