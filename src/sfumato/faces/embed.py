"""Photos to a face table of embeddings: on all cores, in order, resumable."""

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from sfumato.data.files import full_name
from sfumato.data.info import TableInfo
from sfumato.data.tables import IMAGE, ROW_GROUP, embedding_array, write_table
from sfumato.errors import InputError
from sfumato.faces.detect import PAD, make_detector
from sfumato.faces.encoders import make_encoder
from sfumato.faces.folders import Unread
from sfumato.faces.parts import REJECTS, Parts
from sfumato.faces.photos import MAX_PIXELS
from sfumato.faces.sources import open_source
from sfumato.faces.workers import FaceEmbedder, embed_in_order, n_cores
from sfumato.outcomes import Reject

TASK = 16
TASKS_PER_CHUNK = 16
IMAGE_ROWS = 2_000


@dataclass(frozen=True)
class EmbedSummary:
    """What a run did; ``rejects_path`` is None and ``reasons`` empty without rejects.

    ``unread`` says what of the source is no photo, or was not looked at.
    """

    n_photos: int
    n_templates: int
    n_rejects: int
    output: str
    rejects_path: str | None
    seconds: float
    reasons: dict[str, int] = field(default_factory=dict)
    unread: Unread = field(default_factory=Unread)


def embed(
    source,
    output,
    *,
    detector="dlib",
    encoder="dlib",
    all_faces=False,
    max_pixels=MAX_PIXELS,
    pad=PAD,
    identity=None,
    keep_images=False,
    workers=None,
    overwrite=False,
    progress=None,
):
    """Detect, align and encode the faces of many photos into a face table.

    A run that was cut off leaves ``<output>.parts``; the same call continues it and gives
    the same table. Photos without a face, broken, or too large are listed with their
    reasons in ``<output stem>.rejects.parquet``, which exists only if there are any.

    Parameters
    ----------
    source : str or Path
        A folder, a text file of paths, or a face table with images, whose identities and
        labels are carried over (:func:`sfumato.faces.sources.open_source`).
    output : str or Path
        The table to write, ``.parquet``.
    detector : str or Detector, default="dlib"
        ``"dlib"``, ``"mtcnn"``, ``"yunet:PATH"`` or a picklable object.
    encoder : str or Encoder, default="dlib"
        ``"dlib"``, ``"arcface-onnx:PATH"`` or a picklable object.
    all_faces : bool, default=False
        One row a face, ids ending in ``#0``, ``#1``, ... from the largest; else one row a
        photo, of its largest face.
    max_pixels : int, default=100_000_000
        Larger photos are rejected before they are decoded.
    pad : float in [0, 1], default=0.15
        Black border for detection, as a share of the longer side, so that faces which fill
        the photo are found; only for detectors named by a string.
    identity : {None, "folder"}, default=None
        Take a file's parent folder as the person.
    keep_images : bool, default=False
        Keep each photo's bytes in the column ``image``.
    workers : int, optional
        Processes, by default one a core; 1 works in this process. A photo that crashes a
        worker process is rejected; in this process nothing protects against a crash.
    overwrite : bool, default=False
        Replace an existing output, and chunks of an unfinished run with other settings.
    progress : callable, optional
        Called with the number of photos done and in all, every few photos.

    Returns
    -------
    EmbedSummary

    Raises
    ------
    InputError
        For a missing or empty source, an existing output, an unknown detector or encoder,
        an unfinished run with other settings, or one of another process that goes on.
    """
    started = time.perf_counter()
    output = _check_output(output, overwrite)
    workers = _check_workers(workers)
    photos = open_source(source, identity=identity)
    detector = make_detector(detector, pad=pad) if isinstance(detector, str) else detector
    encoder = make_encoder(encoder) if isinstance(encoder, str) else encoder
    options = {"all_faces": all_faces, "max_pixels": max_pixels, "keep_images": keep_images}
    settings = {
        **settings_of(photos, detector=detector, encoder=encoder),
        "identity": identity,
        **options,
    }
    embedder = FaceEmbedder(detector, encoder, all_faces=all_faces, max_pixels=max_pixels)
    layout = Layout(photos.schema, encoder.dimension, all_faces, keep_images)
    with Parts(output, settings, restart=overwrite) as parts:
        n_chunks = _embed_chunks(photos, embedder, parts, layout, workers, progress)
        info = info_of(photos, encoder)
        n_templates, rejects, rejects_path = _finish(parts, n_chunks, layout, info, output)
    return EmbedSummary(
        n_photos=photos.n_photos,
        n_templates=n_templates,
        n_rejects=rejects.num_rows,
        output=str(output),
        rejects_path=str(rejects_path) if rejects.num_rows else None,
        seconds=time.perf_counter() - started,
        reasons=dict(Counter(rejects.column("reason").to_pylist()).most_common()),
        unread=photos.unread,
    )


def settings_of(photos, **models):
    """Return what decides a run's result, as plain values for its manifest.

    Parameters
    ----------
    photos : FileSource or TableSource
    **models
        Detector, encoder: each has a name, a version and, if it likes, parameters.
    """
    plain = {
        key: [model.name, model.version, getattr(model, "parameters", {})]
        for key, model in models.items()
    }
    return {"source": full_name(photos.path), "photos": photos.fingerprint(), **plain}


def info_of(photos, encoder):
    """Return the TableInfo of the photos' embeddings."""
    return TableInfo(
        source=photos.name,
        encoder=encoder.name,
        encoder_version=encoder.version,
        dimension=encoder.dimension,
        metric=encoder.metric,
        normalisation=encoder.normalisation,
    )


def _check_output(output, overwrite):
    output = Path(output)
    if output.suffix.lower() != ".parquet":
        raise InputError(f"{output}: the output is a face table, name it ….parquet.")
    if not output.parent.is_dir():
        raise InputError(f"{output}: the folder {output.parent} does not exist; create it.")
    if output.exists() and not overwrite:
        raise InputError(
            f"{output}: exists already; name another or use --force (overwrite=True)."
        )
    return output


def _check_workers(workers):
    if workers is None:
        return n_cores()
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    return int(workers)


def _embed_chunks(photos, embedder, parts, layout, workers, progress):
    """Write every chunk that is missing; return the number of chunks."""
    size = TASK * TASKS_PER_CHUNK
    n_rows = [min(size, photos.n_photos - at) for at in range(0, photos.n_photos, size)]
    missing = [chunk for chunk in range(len(n_rows)) if not parts.has(chunk)]
    done = photos.n_photos - sum(n_rows[chunk] for chunk in missing)
    if progress is not None:
        progress(done, photos.n_photos)
    if not missing:
        return len(n_rows)
    wanted = set(missing)
    tasks = (
        task
        for number, task in enumerate(photos.batches(TASK))
        if number // TASKS_PER_CHUNK in wanted
    )
    n_workers = min(workers, -(-photos.n_photos // TASK))
    with contextlib.closing(embed_in_order(embedder, tasks, n_workers=n_workers)) as results:
        for chunk in missing:
            templates, rejects = [], []
            n_tasks = -(-n_rows[chunk] // TASK)
            for task, outcomes in islice(results, n_tasks):
                good, bad = layout.rows(task, outcomes)
                templates.append(good)
                rejects.append(bad)
                if len(templates) == n_tasks:
                    parts.write(chunk, _join(templates, layout.schema), _join(rejects, REJECTS))
                done += len(task.ids)
                if progress is not None:
                    progress(done, photos.n_photos)
    return len(n_rows)


class Layout:
    """The output's columns, and a task's outcomes as rows of them.

    Parameters
    ----------
    labels : pyarrow.Schema
        Of the columns that are carried over.
    dimension : int
    all_faces, keep_images : bool
        As for :func:`embed`.
    """

    def __init__(self, labels, dimension, all_faces, keep_images=False):
        self._all_faces, self._keep_images = all_faces, keep_images
        self._dimension = dimension
        fields = [pa.field("image_id", pa.string()), *labels]
        if keep_images:
            fields.append(pa.field("image", IMAGE))
        fields.append(pa.field("embedding", pa.list_(pa.float32(), dimension)))
        self.schema = pa.schema(fields)

    def rows(self, task, outcomes):
        """Return record batches of templates and of rejects."""
        good = [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, Reject)]
        at = [i for i in good for _ in outcomes[i]]
        ids = [name for i in good for name in self._names(task.ids[i], len(outcomes[i]))]
        arrays = [pa.array(ids, pa.string()), *task.labels.take(pa.array(at, pa.int64()))]
        if self._keep_images:
            images = [{"bytes": _content(task.photos[i]), "path": task.paths[i]} for i in at]
            arrays.append(pa.array(images, IMAGE))
        X = np.concatenate(
            [np.empty((0, self._dimension), np.float32)] + [outcomes[i] for i in good]
        )
        arrays.append(embedding_array(X))
        bad = [
            {"image_id": task.ids[i], "path": task.paths[i], "reason": outcome.reason}
            for i, outcome in enumerate(outcomes)
            if isinstance(outcome, Reject)
        ]
        rejects = pa.RecordBatch.from_pylist(bad, schema=REJECTS)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema), rejects

    def _names(self, name, n_faces):
        return [f"{name}#{i}" for i in range(n_faces)] if self._all_faces else [name]


def _content(photo):
    return photo if isinstance(photo, bytes) else Path(photo).read_bytes()


def _join(batches, schema):
    table = pa.Table.from_batches(batches, schema=schema).combine_chunks()
    return (table.to_batches() or [pa.RecordBatch.from_pylist([], schema=schema)])[0]


def _finish(parts, n_chunks, layout, info, output):
    """Join the parts into the output and its rejects; return their number, rows and path."""
    rejects = parts.rejects(n_chunks)
    rejects_path = output.with_name(f"{output.stem}.rejects.parquet")
    if rejects.num_rows:
        batches = rejects.combine_chunks().to_batches()
        write_table(rejects_path, batches, REJECTS, TableInfo(source=info.source))
    else:
        rejects_path.unlink(missing_ok=True)
    rows = IMAGE_ROWS if "image" in layout.schema.names else ROW_GROUP
    n_templates = write_table(output, parts.templates(n_chunks, rows), layout.schema, info)
    parts.remove()
    return n_templates, rejects, rejects_path
