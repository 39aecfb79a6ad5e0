"""A table's Parquet files: on this machine's disk, or behind a URL of an object store.

``s3://``, ``gs://``, ``abfs://`` and ``file://`` are pyarrow's, ``http(s)://`` fsspec's (the extra
``batch``), of servers that answer byte ranges. Credentials come from the environment, as those
libraries document. Only footers are read until rows are asked for.
"""

import functools
import hashlib
import lzma
import os
import tokenize
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from sfumato.errors import InputError
from sfumato.validation import need

#: In a folder of parts: not all are there yet.
UNFINISHED = "_unfinished"
READ_BUFFER, CHUNK, FOOTER = 1 << 20, 64 << 20, 64 << 10
#: What pyarrow raises on a damaged file; a damaged name is no UTF-8.
DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)
#: What a damaged ZIP raises when its members are read.
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
#: What NumPy raises on a damaged .npy or .npz: also of a password, of a header that is no Python,
#: and of shapes beyond any memory.
DAMAGED_ARRAYS = (
    *DAMAGED_ZIP,
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
    OverflowError,
)
SCHEMES = ("s3", "gs", "abfs", "abfss", "file", "http", "https")


def is_url(path: str | Path) -> Any:
    """Return whether a path is a URL."""
    return "://" in str(path)


def plain_path(path: str | Path) -> Any:
    """Return a URL as it is, everything else as a Path."""
    return str(path) if is_url(path) else Path(path)


def full_name(path: str | Path) -> Any:
    """Return a path's absolute form, or the URL."""
    return str(path) if is_url(path) else str(Path(path).resolve())


def table_files(path: str | Path) -> Any:
    """Return the files of a table: itself, or those of a folder but for hidden ones.

    Raises
    ------
    InputError
        For a missing file, an empty folder, or one that a batch job has not finished.
    """
    names = _names_behind(path) if is_url(path) else _names_in(path)
    if names is None:
        return [path]
    found = [names[n] for n in sorted(names) if n.endswith(".parquet") and n[0] not in "._"]
    if not found:
        raise InputError(f"{path}: no Parquet file in this folder.")
    if UNFINISHED in names:
        raise InputError(f"{path}: an unfinished run; go on with it first.")
    return found


def open_parquet(path: str | Path) -> Any:
    """Return an open ParquetFile, which refuses pages without the checksum that they have."""
    options: dict[str, Any] = {"buffer_size": READ_BUFFER, "page_checksum_verification": True}
    if not is_url(path):
        return pq.ParquetFile(path, **options)
    if _on_the_web(path):
        try:
            return pq.ParquetFile(_web().open(path), **options)
        except need("aiohttp", "batch").ClientError as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
    filesystem, place = _place(path)
    return pq.ParquetFile(place, filesystem=filesystem, **options)


def content_digest(path: str | Path) -> str:
    """Return a checksum of a file's content, of which every byte is read.

    Of a URL, whose bytes may be far away, it is of the size, the time of the last change where
    the server tells it, and the last 64 KiB, in which the footer says how long each column is.
    """
    if not is_url(path):
        return _local_digest(path)
    if urlsplit(str(path)).scheme == "file":
        return _local_digest(_place(path)[1])
    if _on_the_web(path):
        size, changed = _web().size(path) or 0, 0
        end = _web().cat_file(path, start=max(0, size - FOOTER), end=size)
    else:
        filesystem, place = _place(path)
        found = filesystem.get_file_info(place)
        size, changed = found.size, found.mtime_ns or 0
        with filesystem.open_input_file(place) as file:
            file.seek(max(0, size - FOOTER))
            end = file.read()
    return hashlib.sha256(f"{size}\0{changed}\0".encode() + end).hexdigest()


def _local_digest(path):
    """Return the SHA-256 of the CRC-32 of every MiB, which costs a third of a SHA-256 of all.

    It tells files apart that differ by chance or mistake, not by a forger's design.
    """

    def of(start):
        checks = []
        with open(path, "rb") as file:
            file.seek(start)
            for _ in range(CHUNK // READ_BUFFER):
                checks.append(zlib.crc32(file.read(READ_BUFFER)))
        return repr(checks).encode()

    size = os.path.getsize(path)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        content = b"".join(pool.map(of, range(0, size, CHUNK)))
    return hashlib.sha256(f"{size}\0".encode() + content).hexdigest()


def _names_in(path):
    """Return the files of a folder by name, None of a file."""
    if path.is_file():
        return None
    if not path.is_dir():
        raise InputError(f"{path}: no such file.")
    return {file.name: file for file in path.iterdir()}


def _names_behind(url):
    """Return the same of a URL; a web server lists no folder."""
    if _on_the_web(url):
        return None
    filesystem, place = _place(url)
    try:
        found = filesystem.get_file_info(place)
        if found.is_file:
            return None
        if found.type == pa.fs.FileType.NotFound:
            raise InputError(f"{url}: no such file.")
        listed = filesystem.get_file_info(pa.fs.FileSelector(place))
    except OSError as error:
        raise InputError(f"{url}: not reachable ({' '.join(str(error).split())}).") from error
    return {f.base_name: f"{url.rstrip('/')}/{quote(f.base_name)}" for f in listed}


def _place(url):
    """Return the filesystem of a URL, and the path in it."""
    scheme, host, path = urlsplit(url)[:3]
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise InputError(f"{url}: no storage of this kind is known; give a path or {known}.")
    try:
        filesystem, bucket = _bucket(scheme, host)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{url}: not reachable ({' '.join(str(error).split())}).") from error
    return filesystem, f"{bucket.rstrip('/')}{unquote(path)}"


# One client a bucket, not one a file.
@functools.lru_cache
def _bucket(scheme, host):
    return pa.fs.FileSystem.from_uri(f"{scheme}://{host}/")


def _on_the_web(url):
    return urlsplit(str(url)).scheme in ("http", "https")


@functools.lru_cache
def _web():
    fsspec = need("fsspec", "batch")
    need("aiohttp", "batch")
    return fsspec.filesystem("http")
