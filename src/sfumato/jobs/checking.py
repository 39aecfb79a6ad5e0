"""Whether the output of a batch job is what the job wrote: all parts, each byte of them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sfumato.data.files import DAMAGED, UNFINISHED
from sfumato.data.manifest import (
    AGAIN,
    FORMAT,
    MANIFEST,
    RECORDS,
    REJECTED,
    Place,
    Record,
    job_name,
    part_file,
    read_sealed,
)
from sfumato.errors import InputError
from sfumato.jobs.local import n_cores

NO_PART, NOT_FINISHED = "is no part of the job", "its job is not finished"
REMEDIES = {NO_PART: "remove it", NOT_FINISHED: "run it again to go on"}


@dataclass(frozen=True)
class Damage:
    """What is wrong with a file of a batch job's folder.

    Parameters
    ----------
    file, problem : str
    """

    file: str
    problem: str

    def __str__(self) -> str:
        """Return both as the beginning of a sentence."""
        return f"{self.file}: {self.problem}"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what a folder's manifest says, None without one.

    Raises
    ------
    InputError
        If it is damaged, or of a version that kept no checksums.
    """
    found = read_sealed(folder / MANIFEST)
    if found is not None and found.get("format") != FORMAT:
        raise InputError(
            f"{folder}: has no checksums, as an older version of sfumato wrote it; its rows can "
            "be read, but damage to them goes unnoticed. Do the job again into another folder, or "
            "start anew here with --force (overwrite=True)."
        )
    return found


def read_records(folder: Path, manifest: Mapping[str, Any]) -> dict[int, Record]:
    """Return the records of the parts that are done, by number; those that are damaged are not."""
    records = [Record.read(values) for values in manifest.get("parts", ())]
    for path in sorted((folder / RECORDS).glob("part-*.json")):
        try:
            records.append(Record.read(read_sealed(path) or {}))
        except (InputError, KeyError, TypeError):
            continue
    return {record.place.part: record for record in records}


def find_damage(
    folder: Path, places: Sequence[Place], records: Mapping[int, Record]
) -> list[Damage]:
    """Return what is wrong with the parts that are there, each of which is read whole.

    Parameters
    ----------
    folder : Path
    places : sequence of Place
        Of the parts to look at.
    records : mapping of int to Record
    """

    def look(place):
        path = folder / part_file(place.part)
        problem = _problem(folder, path, place, records.get(place.part))
        return None if problem is None else Damage(str(path), problem)

    with ThreadPoolExecutor(n_cores()) as pool:
        return [damage for damage in pool.map(look, places) if damage is not None]


def _problem(folder, path, place, record):
    """Return what is wrong with a part, None if nothing is."""
    if path.is_symlink() or not path.is_file():
        return "is not the file that the job wrote"
    if record is None:
        return "has no record of its checksum, or a damaged one"
    if record.place != place:
        return "has the record of a part of another job"
    try:
        if path.stat().st_size != record.n_bytes or sha256_of(path) != record.sha256:
            return _what_else(path, place)
        rejects = folder / REJECTED / path.name
        if os.path.lexists(rejects) and not rejects.is_file():
            return f"its rejects, {rejects}, are no regular file"
        found = None if not rejects.exists() else sha256_of(rejects)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if found == record.rejects else f"its rejects, {rejects}, are damaged"


def _what_else(path, place):
    """Return what a file is that does not have the checksum of its part."""
    try:
        found = Place.of(pq.read_schema(path).metadata)
    except DAMAGED:
        found = None
    if found is None or found == place:
        return "damaged: it does not have the SHA-256 that was recorded"
    return f"is part {found.part} of {'the' if found.job == place.job else 'another'} job"


def check_folder(path: str | Path) -> dict[str, Any]:
    """Compare every file of a batch job's folder with what the job recorded.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        ``path``, ``n_parts``, ``n_rows``, ``n_rejects``, and ``damaged``, a list of dicts of
        ``file`` and ``problem``: empty where all is as the job wrote it.

    Raises
    ------
    InputError
        If it is no folder of a batch job, has no checksums, or its manifest is damaged.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{path}: is no folder of parts, which batch check is for.")
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"{folder}: has no {MANIFEST}, so no batch job filled it.")
    job, n_parts = job_name(manifest["settings"]), manifest["settings"]["n_parts"]
    records = read_records(folder, manifest)
    places = [
        records[n].place if n in records else Place(job, n, n_parts, 0) for n in range(n_parts)
    ]
    there = [place for place in places if os.path.lexists(folder / part_file(place.part))]
    damaged = find_damage(folder, there, records)
    if (folder / UNFINISHED).exists():
        damaged.append(Damage(str(folder), NOT_FINISHED))
    else:
        missing = (place for place in places if place not in there)
        damaged += [Damage(str(folder / part_file(place.part)), "is missing") for place in missing]
    damaged += _others(folder, job, n_parts, records)
    if not damaged:
        damaged += _sums(folder, manifest, records)
    return {
        "path": str(folder),
        "n_parts": n_parts,
        "n_rows": sum(record.n_rows for record in records.values()),
        "n_rejects": manifest.get("summary", {}).get("n_rejects", 0),
        "damaged": [asdict(damage) for damage in damaged],
    }


def _others(folder, job, n_parts, records):
    """Yield what is wrong with the folder besides its parts."""
    names = {part_file(number) for number in range(n_parts)}
    for place in (folder, folder / REJECTED):
        for file in sorted(place.glob("*.parquet")):
            if file.name not in names and file.name[0] not in "._":
                yield Damage(str(file), NO_PART)
    for number, record in records.items():
        if number >= n_parts or record.place.job != job:
            yield Damage(str(folder / MANIFEST), f"has a record of another job, part {number}")


def _sums(folder, manifest, records):
    """Yield where rows and columns are not what manifest and first part say."""
    first = None
    for number, record in sorted(records.items()):
        file = folder / part_file(number)
        metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        first = schema if first is None else first
        if metadata.num_rows != record.n_rows or not schema.equals(first):
            yield Damage(str(file), "has other rows or columns than its record or the first part")
    n_rows = sum(record.n_rows for record in records.values())
    if n_rows != manifest.get("summary", {}).get("n_rows"):
        yield Damage(str(folder / MANIFEST), f"does not count the {n_rows} rows that are there")


def require_whole(found: Mapping[str, Any]) -> None:
    """Raise InputError, which names the first damaged file, unless a folder is whole.

    Parameters
    ----------
    found : mapping
        Of :func:`check_folder`.
    """
    if found["damaged"]:
        first, n_more = found["damaged"][0], len(found["damaged"]) - 1
        more = f" (and {n_more} more)" if n_more else ""
        remedy = REMEDIES.get(first["problem"], AGAIN)
        raise InputError(f"{first['file']}: {first['problem']}{more}; {remedy}.")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
