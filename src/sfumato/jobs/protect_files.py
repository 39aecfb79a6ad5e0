"""Protect photos: from files to files, on all cores, one photo at a time in each process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.faces.detect import PAD
from sfumato.faces.detectors import make_detector
from sfumato.faces.folders import Unread
from sfumato.faces.photos import MAX_PIXELS
from sfumato.faces.saving import KINDS, check_ending
from sfumato.faces.sources import FileSource, open_source
from sfumato.files import sweep
from sfumato.jobs.base import PhotoJob
from sfumato.jobs.local import local_runner
from sfumato.jobs.running import collect
from sfumato.models.protector import FileProtector, check_target, count_left
from sfumato.outcomes import Progress, Reject
from sfumato.perturbers.editing import Wish
from sfumato.perturbers.verdict import count_verdicts

#: Longest side at which dlib searches a photo: twice its usual one, as a face that is missed
#: stays readable. It finds faces of 80 pixels and more at that size, then smaller ones if none.
MAX_SIDE = 2048


@dataclass(frozen=True)
class ProtectedPhotos:
    """What was done to some photos.

    Parameters
    ----------
    wish : Wish
        What was to be hidden and kept.
    photos : list of dict
        One a written photo: ``image_id``, ``output``, ``faces`` (of each its number ``face``, 0
        the largest, its ``box``, the pixels of a side of its ``crop``, its ``change`` in levels
        of 255, and, where a check was asked for, the ``check``, see
        :class:`sfumato.readers.check.FaceCheck`, and the ``verdict``, see
        :func:`sfumato.perturbers.verdict.judge_face`), ``skipped`` (``face`` and ``reason`` of
        faces left as they were, and ``by_chance`` where the present class was drawn),
        ``left_out`` (metadata asked for that cannot be kept) and ``notes`` (what of the photo is
        not as it was in its file).
    rejects : list of dict
        ``image_id`` and ``reason`` of photos that were not written.
    checked : bool
        Whether unseen readers were asked.
    unread : Unread
        What of the folder is not read.
    """

    wish: Wish
    photos: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    checked: bool = False
    unread: Unread = field(default_factory=Unread)

    @property
    def faces(self) -> list[dict[str, Any]]:
        """The entries of all changed faces."""
        return [face for photo in self.photos for face in photo["faces"]]

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The verdict on all changed faces, None where no reader was asked.

        As :func:`sfumato.perturbers.verdict.count_verdicts` gives it.
        """
        if not self.checked:
            return None
        return count_verdicts([face["verdict"] for face in self.faces], self.wish)

    @property
    def complete(self) -> bool:
        """Whether every photo was written, every face changed, and every verdict is good."""
        skipped = [face for photo in self.photos for face in photo["skipped"]]
        left = self.rejects or self.unread.missed or count_left(skipped)
        verdict = self.verdict
        return not left and bool(self.photos) and (verdict is None or verdict["succeeded"])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "photos": self.photos,
            "rejects": self.rejects,
            "hide": dict(self.wish.hide),
            "keep": list(self.wish.keep),
            "n_faces_changed": len(self.faces),
            "verdict": self.verdict,
            "unread": self.unread.to_dict(),
            "complete": self.complete,
        }


@dataclass(frozen=True)
class ToFile:
    """Protect a photo's file into the one that is named for it.

    Parameters
    ----------
    protector : FileProtector
    targets : dict of str to str
        Of each photo's file, the file to write.
    """

    protector: FileProtector
    targets: dict[str, str]

    def __call__(self, photo: Any) -> Any:
        """Write a photo; return what was done, with the ``output``, or a Reject."""
        output = self.targets[str(photo)]
        # Whether it may be replaced was asked before; a worker that died may have written it.
        done = self.protector((str(photo), output, True))
        return done if isinstance(done, Reject) else {"output": output} | done


class ProtectFiles(PhotoJob):
    """Photo files to photo files."""

    # A photo takes seconds.
    part_rows = 2

    def done(self, part: Any) -> list[Any]:
        """Return the ids of a part's photos, each with what became of it."""
        return [
            pair
            for task, outcomes in self.outcomes(part)
            for pair in zip(task.ids, outcomes, strict=True)
        ]


def protect_photos(
    source: str | Path,
    output: str | Path,
    perturber: Any,
    *,
    hide: Any,
    keep: Sequence[Any] = (),
    face: int | None = None,
    labels: dict[str, str] | None = None,
    at_random: bool = False,
    allow_race: bool = False,
    detector: str = "dlib",
    check: Any = None,
    keep_metadata: bool = False,
    overwrite: bool = False,
    max_pixels: Any = MAX_PIXELS,
    pad: Any = PAD,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ProtectedPhotos:
    """Perturb the faces of a photo, or of every photo of a folder.

    Parameters
    ----------
    source : str or Path
        A photo, or a folder, which is searched through.
    output : str or Path
        The photo to write (``.png``, ``.webp``, ``.jpg``), or the folder to fill with photos of
        the same names; where an ending cannot be written, ``.png`` is added to it.
    perturber : Perturber
        Fitted; picklable for more than one worker.
    hide, keep
        As for :meth:`sfumato.perturbers.base.Perturber.transform`.
    face : int, optional
        Protect this face alone, 0 is the largest; default: all of at least 40 pixels' width.
    labels : dict of str to str, optional
        What all these faces show now, such as ``{"gender": "female"}``; default: what the
        perturber reads, which moves a face the wrong way where it misreads it.
    at_random : bool, default=False
        As for :meth:`~sfumato.perturbers.base.Perturber.transform`.
    allow_race : bool, default=False
        Whether ``hide`` may name race, which paints skin.
    detector, max_pixels, pad, workers
        As for :func:`sfumato.jobs.embed.embed`, but "dlib" searches photos of up to 2,048
        pixels a side at their own size.
    check : FaceCheck, optional
        Ask unseen readers and an unseen matcher about each face before and after.
    keep_metadata : bool, default=False
        See :func:`sfumato.faces.saving.read_extras`.
    overwrite : bool, default=False
        Replace an existing photo; go on in a folder that is not empty, where every photo is
        made anew. The source itself is never written to.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    ProtectedPhotos

    Raises
    ------
    InputError
        For a missing source, an existing output, one that is or lies in the source, an ending
        that cannot be written, or an attribute or a label that the perturber does not know.

    Notes
    -----
    Pixels that no face's crop covers are the photo's own, bit for bit, in a PNG or WebP. It
    misleads machines that were not trained on such pictures; what one reads that was, an audit
    tells.
    """
    wish = Wish.of(
        perturber,
        hide,
        keep=keep,
        labels=labels,
        at_random=at_random,
        face=face,
        allow_race=allow_race,
    )
    source, output = Path(source), Path(output)
    photos = _open(source)
    targets = list(_targets(source, output, photos, overwrite))
    named = {str(file): str(target) for file, target in targets}
    for folder in {target.parent for _, target in targets}:
        sweep(folder)  # What a killed run left, also beside photos that are rejects now.
    if check is not None:
        check.load()
    protector = FileProtector(
        photo_detector(detector, pad=pad),
        perturber,
        wish,
        check=check,
        options={"keep_metadata": keep_metadata, "max_pixels": max_pixels},
    )
    job = ProtectFiles(photos, ToFile(protector, named))
    parts = job.parts(job.part_rows)
    done = ProtectedPhotos(wish, checked=check is not None, unread=photos.unread)
    for found in collect(job, job.done, parts, local_runner(workers, len(parts)), progress):
        for name, outcome in found:
            if isinstance(outcome, Reject):
                done.rejects.append({"image_id": name, "reason": outcome.reason})
            else:
                done.photos.append({"image_id": name} | outcome)
    return done


def photo_detector(detector: Any, *, pad: Any = PAD) -> Any:
    """Return the detector of a name; dlib's search photos twice as large as usual.

    A picklable detector is returned as it is.
    """
    if not isinstance(detector, str):
        return detector
    max_side = MAX_SIDE if detector in ("dlib", "dlib-68") else None
    return make_detector(detector, pad=pad, max_side=max_side)


def _open(source):
    photos = None if source.suffix.lower() == ".parquet" else open_source(source)
    if not isinstance(photos, FileSource) or photos.listed:
        raise InputError(f"{source}: give a photo or a folder of photos.")
    return photos


def _targets(source, output, photos, overwrite):
    """Yield each photo's file with the file to write, after a look at both places."""
    if not source.is_dir():
        if output.is_dir():
            raise InputError(f"{output}: is a folder; name the photo to write.")
        check_target(source, check_ending(output), overwrite)
        if not output.parent.is_dir():
            raise InputError(f"{output}: the folder {output.parent} does not exist.")
        yield str(source), output
        return
    _check_folder(source.resolve(), output, overwrite)
    taken: dict[str, str] = {}
    for batch in photos.batches(256):
        for file in batch.photos:
            target = output / Path(file).relative_to(source)
            if target.suffix.lower() not in KINDS:
                target = target.with_name(f"{target.name}.png")
            if taken.setdefault(str(target), file) != file:
                raise InputError(
                    f"{file} and {taken[str(target)]} would both be written as {target}; "
                    "rename one."
                )
            yield file, target


def _check_folder(source, output, overwrite):
    if output.is_file():
        raise InputError(f"{output}: is a file; the photos of a folder go into a folder.")
    place = output.resolve()
    if place == source or source in place.parents or place in source.parents:
        raise InputError(f"{output} and {source} lie in one another; write elsewhere.")
    if output.is_dir() and any(output.iterdir()) and not overwrite:
        raise InputError(
            f"{output} is not empty; name another folder, or go on in it with --force "
            "(overwrite=True)."
        )
    output.mkdir(parents=True, exist_ok=True)
