"""Photos to photos whose faces are changed, as rows of a table."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from sfumato import __version__
from sfumato.data.info import TableInfo
from sfumato.data.tables import IMAGE
from sfumato.faces.photos import MAX_PIXELS
from sfumato.jobs.base import PhotoJob, settings_of
from sfumato.models.protector import ContentProtector, count_left
from sfumato.models.registry import PERTURBERS, method_name
from sfumato.models.saved_model import fingerprint_of
from sfumato.outcomes import Reject
from sfumato.perturbers.verdict import succeeded

COUNTS, CHECKED_COUNTS = ("n_faces", "n_left"), ("n_succeeded", "n_failed")


class ProtectPhotos(PhotoJob):
    """Photos to photos whose faces are changed, with counts of the faces.

    Rows have the ``image_id``, what else the source says of the photo but for labels of hidden
    attributes, the ``image``, how many faces were changed (``n_faces``) and how many stay as they
    were (``n_left``); with a check also on how many of the changed ones all that was wished for
    succeeded (``n_succeeded``), and on how many not, or nobody can tell (``n_failed``).

    Parameters
    ----------
    source : FileSource or TableSource
    perturber : Perturber
    detector : Detector
    wish : Wish
    check : FaceCheck, optional
    max_pixels : int
    """

    def __init__(
        self,
        source: Any,
        perturber: Any,
        detector: Any,
        wish: Any,
        *,
        check: Any = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        options = {"max_pixels": max_pixels}
        super().__init__(
            source, ContentProtector(detector, perturber, wish, check=check, options=options)
        )
        self.counts = COUNTS if check is None else COUNTS + CHECKED_COUNTS
        self._labels = _harmless(source.schema, (*wish.hide, *COUNTS, *CHECKED_COUNTS))
        counts = [(name, pa.int32()) for name in self.counts]
        self.schema = pa.schema(
            [("image_id", pa.string()), *self._labels, ("image", IMAGE), *counts]
        )
        method = perturber.method or method_name(perturber, PERTURBERS)
        step = {
            "method": method,
            "version": __version__,
            "fingerprint": perturber.fingerprint or fingerprint_of(perturber, method),
            "attributes": list(wish.hide),
        }
        self.info = TableInfo(source=source.name, transformations=(step,))
        self.settings = {
            "job": "protect photos",
            **settings_of(source, detector=detector),
            "perturber": [method, step["fingerprint"], perturber.seed],
            "perturber_sha256": perturber.sha256,
            "strength": _strength(perturber),
            **asdict(wish),
            "check": check is not None,
            **options,
        }

    def batch(self, task: Any, outcomes: Any) -> Any:
        """Return the protected photos of some photos."""
        good = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Reject)]
        done = [outcomes[n] for n in good]
        labels = task.labels.take(pa.array(good, pa.int64()))
        images = [
            {"bytes": photo.content, "path": _named(task.ids[n], photo.ending)}
            for n, photo in zip(good, done, strict=True)
        ]
        counts = [_counted(photo.entry) for photo in done]
        arrays = [
            pa.array([task.ids[n] for n in good], pa.string()),
            *(labels.column(field.name) for field in self._labels),
            pa.array(images, IMAGE),
            *(pa.array([count[name] for count in counts], pa.int32()) for name in self.counts),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _counted(entry):
    """Return a photo's counts."""
    n_good = sum(succeeded(face["verdict"]) for face in entry["faces"] if "verdict" in face)
    n_faces = len(entry["faces"])
    return {
        "n_faces": n_faces,
        "n_left": count_left(entry["skipped"]),
        "n_succeeded": n_good,
        "n_failed": n_faces - n_good,
    }


def _strength(perturber: Any) -> Any:
    """Return how much a perturber changes, which its file does not fix; None if it cannot say."""
    name = perturber.scaled_by
    return None if name is None else perturber.get_params()[name]


def _harmless(schema, names):
    """Return the fields without these names, and without ``NAME_years``, ``NAME_score``, ...

    The label itself beside a protected photo would undo it.
    """
    undoing = tuple(f"{name}_" for name in names)
    return [f for f in schema if f.name not in names and not f.name.startswith(undoing)]


def _named(name, ending):
    """Return a photo's name with an ending that says what it is now."""
    kind = {".jpeg": ".jpg"}
    suffix = Path(name).suffix.lower()
    return name if kind.get(suffix, suffix) == ending else f"{name}{ending}"
