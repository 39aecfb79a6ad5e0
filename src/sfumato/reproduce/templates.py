"""The faces that experiments work on: embedded once, kept in a cache, read from there."""

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sfumato.data.selection import Selection, read_rows
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.faces.crops import ZOOM
from sfumato.outcomes import Progress

# What each table holds beside images, and where its photos come from; all for research use.
SOURCES = {
    "celeba": "CelebA with identity, partition and its attributes: "
    "mmlab.ie.cuhk.edu.hk/projects/CelebA.html, then `sfumato data import celeba`",
    "lfw": "LFW with identity: vis-www.cs.umass.edu/lfw, then `sfumato data import lfw`",
    "lfw_pairs": "LFW's official pairs, columns image_a, image_b, view (view1, view2), split "
    "(train, test, fold0 ...) and genuine: pairsDevTrain.txt, pairsDevTest.txt and pairs.txt "
    "of vis-www.cs.umass.edu/lfw",
    "utkface": "UTKFace with gender and race: susanqq.github.io/UTKFace, then "
    "`sfumato data import utkface`",
    "jaffe": "JAFFE with identity and expression: zenodo.org/records/3451524",
    "ckplus48": "CK+ with identity and expression: the Affect Analysis Group of the University "
    "of Pittsburgh, www.jeffcohn.net/Resources",
}
MODELS = ("mobilefacenet.onnx", "yunet_n_640_640.onnx")


def default_cache() -> Any:
    """Return the folder for templates, in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sfumato"


@dataclass(frozen=True)
class Faces:
    """Rows of a face table in memory.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    labels : dict of str to ndarray of shape (n_samples,)
        ``image_id``, ``identity`` if the table has it, and the labels asked for.
    metric : str
    """

    X: np.ndarray
    labels: dict
    metric: str

    def __getitem__(self, name):
        return self.labels[name]

    def __len__(self):
        return len(self.X)

    def take(self, rows: Any) -> "Faces":
        """Return the rows of a mask or of row numbers."""
        labels = {name: values[rows] for name, values in self.labels.items()}
        return Faces(self.X[rows], labels, self.metric)

    def known(self, *names: Any) -> Any:
        """Return the rows on which none of these labels is missing."""
        missing = np.zeros(len(self), dtype=bool)
        for name in names:
            missing |= np.array([value is None or value != value for value in self[name].tolist()])
        return self.take(~missing)


class FaceTemplates:
    """Embedded faces of a data folder.

    ``NAME.parquet``, or its parts ``NAME-0.parquet``, ``NAME-1.parquet``, ..., hold photos or
    embeddings. Photos are embedded once, into ``CACHE/PART-ENCODER.parquet``; such a file may
    be put there by hand, ``CACHE/NAME-ENCODER.parquet`` too. A table with embeddings is taken
    as it is.

    Parameters
    ----------
    folder : str or Path, optional
        Default: ``data`` in the folder that the environment variable ``SFUMATO_DATA`` names.
    cache : str or Path, optional
        Default: ``sfumato`` in the user's cache folder.
    detector, encoder : str, optional
        As for :func:`sfumato.jobs.embed.embed`. Default: YuNet and MobileFaceNet if their
        files lie in ``../models`` beside the data folder, else dlib.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)`` while photos are embedded.

    Attributes
    ----------
    spaces : dict of str to str
        The embedding space of every table read so far.
    seconds : float
        Time spent on embedding.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        cache: str | Path | None = None,
        *,
        detector: str | None = None,
        encoder: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.folder = _data_folder(folder)
        self.cache = default_cache() if cache is None else Path(cache)
        own = [self.folder.parent / "models" / name for name in MODELS]
        here = all(path.is_file() for path in own)
        self.encoder = encoder or (f"arcface-onnx:{own[0]}" if here else "dlib")
        self.detector = detector or (f"yunet:{own[1]}" if here else "dlib")
        self.progress = progress
        self.spaces: dict[str, str] = {}
        self.seconds = 0.0

    def faces(self, name: str, *labels: Any) -> Faces:
        """Return the embedded faces of a table and the labels asked for.

        Raises
        ------
        InputError
            For a missing table or label, or embeddings of another encoder than before.
        """
        tables = [FaceTable(path) for path in self._embedded(name)]
        for table in tables:
            self._check_space(name, table)
        wanted = [label for label in labels if label != "identity"]
        if "identity" in labels:
            for table in tables:
                table.require("identity")
        parts = [read_rows(table, Selection(), wanted) for table in tables]
        columns = {key: np.concatenate([part[0][key] for part in parts]) for key in parts[0][0]}
        return Faces(np.concatenate([X for _, X in parts]), columns, tables[0].info.metric)

    def path(self, name: str) -> Any:
        """Return the path of a file that is no table of faces, such as ``lfw_pairs``."""
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise _missing(self.folder, name)
        return path

    def photos(self, name: str, size: Any) -> tuple[Any, dict[str, NDArray[Any]]]:
        """Return a table's whole photos, scaled and decoded once.

        They are kept in ``CACHE/PART-SIZEpx``, as numbers: delete that folder when you are done.

        Returns
        -------
        images : Stack
        labels : dict of str to ndarray of shape (n_images,)
            ``image_id`` and the table's labels.
        """
        return self._pictures(name, f"{size}px", size=size, zoom=None)

    def crops(self, name: str, size: Any) -> Any:
        """Return the largest face of each of a table's photos, cut out once.

        As :meth:`photos`; kept in ``CACHE/PART-faces-SIZEpx``; photos without a face are missing.
        """
        return self._pictures(name, f"faces-{size}px", size=size, detector=self.detector)

    def labels(self, name: str, *columns: str) -> dict[str, NDArray[Any]]:
        """Return columns of a table of photos, all its parts together; no photo is decoded."""
        parts = [pq.read_table(path, columns=list(columns)) for path in self._photos_of(name)]
        table = pa.concat_tables(parts)
        return {column: np.array(table[column].to_pylist(), object) for column in columns}

    def chosen_crops(self, name: str, ids: Sequence[str], size: int, *, zoom: Any = ZOOM) -> Any:
        """Return the largest face of some of a table's photos, cut out once, as Crops.

        Kept in ``CACHE/NAME-faces-SIZEpx-KEY``, with a key of the image ids.
        """
        from sfumato.faces.crops import Crops
        from sfumato.jobs.crops import crop_faces

        chosen = sorted(str(value) for value in ids)
        key = hashlib.sha256("\0".join(chosen).encode()).hexdigest()[:12]
        folder = self.cache / f"{name}-faces-{size}px-{key}"
        if not folder.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            rule = [("image_id", "in", chosen)]
            parts = [pq.read_table(path, filters=rule) for path in self._photos_of(name)]
            with tempfile.TemporaryDirectory() as temporary:
                path = Path(temporary) / f"{name}.parquet"
                pq.write_table(pa.concat_tables(parts), path)
                crop_faces(path, folder, size=size, zoom=zoom, detector=self.detector)
        return Crops(folder)

    def _photos_of(self, name):
        sources = self._sources(name)
        if not sources:
            raise _missing(self.folder, name)
        return sources

    def _pictures(self, name, kind, **options):
        from sfumato.faces.crops import Stack

        sources = self._photos_of(name)
        parts = [self._decoded(source, kind, **options) for source in sources]
        labels = {
            label: np.concatenate([part.labels[label] for part in parts])
            for label in parts[0].labels
        }
        return Stack([part.images for part in parts]), labels

    def _decoded(self, source, kind, **options):
        from sfumato.faces.crops import Crops
        from sfumato.jobs.crops import crop_faces

        folder = self.cache / f"{source.stem}-{kind}"
        if not folder.exists():
            started = time.perf_counter()
            self.cache.mkdir(parents=True, exist_ok=True)

            def progress(n_done, n_total, what):
                if self.progress is not None:
                    self.progress(n_done, n_total, f"decoding {source.stem}")

            crop_faces(source, folder, progress=progress, **options)
            self.seconds += time.perf_counter() - started
        return Crops(folder)

    def check(self, names: Any) -> None:
        """Refuse a data folder that lacks one of these tables, before anything is computed."""
        for name in names:
            if not self._sources(name) and not self._cached(name).is_file():
                raise _missing(self.folder, name)

    def _sources(self, name):
        whole = self.folder / f"{name}.parquet"
        if whole.is_file():
            return [whole]
        return sorted(self.folder.glob(f"{name}-[0-9]*.parquet"))

    def _cached(self, stem):
        kind, _, path = self.encoder.partition(":")
        return self.cache / f"{stem}-{Path(path).stem if path else kind}.parquet"

    def _embedded(self, name):
        """Return the paths of a table's embedded parts, made if they are missing."""
        if self._cached(name).is_file():
            return [self._cached(name)]
        sources = self._sources(name)
        if not sources:
            raise _missing(self.folder, name)
        return [self._made(source) for source in sources]

    def _made(self, source):
        if "embedding" in FaceTable(source).columns:
            return source
        output = self._cached(source.stem)
        if not output.is_file():
            self._embed(source, output)
        return output

    def _embed(self, source, output):
        from sfumato.jobs.embed import embed

        started = time.perf_counter()
        self.cache.mkdir(parents=True, exist_ok=True)

        def progress(n_done, n_total, what):
            if self.progress is not None:
                self.progress(n_done, n_total, f"embedding {source.stem}")

        embed(source, output, detector=self.detector, encoder=self.encoder, progress=progress)
        self.seconds += time.perf_counter() - started

    def _check_space(self, name, table):
        info = table.require("embedding").info
        if table.path.parent == self.cache:
            self._check_version(table)
        for other, space in self.spaces.items():
            if space != info.space:
                raise InputError(
                    f"{table.path}: embeddings of [{info.space}] beside {other} of [{space}]; "
                    "all tables need one encoder, embed the photos again."
                )
        self.spaces[name] = info.space

    def _check_version(self, table):
        _, _, path = self.encoder.partition(":")
        if not path or not Path(path).is_file():
            return
        from sfumato.faces.model_files import file_version

        if table.info.encoder_version != file_version(path):
            raise InputError(
                f"{table.path}: made by version {table.info.encoder_version} of the encoder, "
                f"{path} has version {file_version(path)}; delete the cached table."
            )


def _data_folder(folder):
    if folder is None:
        root = os.environ.get("SFUMATO_DATA")
        if not root:
            raise InputError("no data folder: give --data FOLDER, or set SFUMATO_DATA.")
        folder = Path(root) / "data"
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such data folder; give --data FOLDER.")
    return folder


def _missing(folder, name):
    return InputError(f"{folder / name}.parquet is missing; it holds {SOURCES[name]}.")
