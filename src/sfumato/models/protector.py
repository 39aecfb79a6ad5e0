"""One way to protect a photo: read it, find its faces, change them, check what is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.faces.embedder import NO_IMAGE
from sfumato.faces.photos import MAX_PIXELS, Photo, load_photo, read_photo
from sfumato.faces.saving import Extras, encode_photo, read_extras
from sfumato.files import atomic_path, check_replaceable
from sfumato.outcomes import Reject, reject_of
from sfumato.perturbers.editing import EditedPhoto, Find, Wish, edit_photo
from sfumato.perturbers.verdict import judge_face

#: What a photo is written as, by Pillow's name of what it was; all others become PNG.
ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp"}


@dataclass(frozen=True)
class ProtectedPhoto:
    """A changed photo, encoded, and what was done to it.

    Parameters
    ----------
    content : bytes
    ending : str
        Of the format.
    entry : dict
        An entry of :class:`~sfumato.jobs.protect_files.ProtectedPhotos`, but for its names.
    """

    content: bytes
    ending: str
    entry: dict[str, Any]


def protect_photo(
    source: str | bytes,
    find: Find,
    perturber: Any,
    wish: Wish,
    *,
    ending: str | None = None,
    check: Any = None,
    keep_metadata: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> ProtectedPhoto:
    """Return a photo with its faces changed; nothing is written.

    Parameters
    ----------
    source : str or bytes
        A file, or its content.
    find : callable
        Gives the faces of pixels, the largest first.
    perturber : Perturber
    wish : Wish
    ending : str, optional
        Of the format to encode; default: the photo's own, or ".png".
    check : FaceCheck, optional
        Judges what is encoded: a JPEG is not quite what went into it.
    keep_metadata : bool, default=False
        See :func:`sfumato.faces.saving.read_extras`.
    max_pixels : int

    Raises
    ------
    InputError
        For a photo that cannot be read, or of which no face can be changed.
    """
    photo = load_photo(source, max_pixels=max_pixels)
    edited = edit_photo(photo, find(photo.pixels), perturber, wish)
    ending = ending or ENDINGS.get(photo.kind, ".png")
    extras = read_extras(source, keep_metadata=keep_metadata, max_pixels=max_pixels)
    content = encode_photo(
        edited.photo.pixels,
        ending,
        original=photo.pixels,
        extras=extras,
        deep=edited.photo.deep,
    )
    faces, all_changed = [face.to_dict() for face in edited.changed], edited.changed
    entry = _entry(edited, faces, ending, extras)
    del edited  # What was written is read in its place: a photo may have 50 megapixels.
    if check is not None:
        written = read_photo(content, max_pixels=max_pixels)
        for face, changed in zip(faces, all_changed, strict=True):
            face["check"] = check.compare(photo.pixels, written, changed.face)
            face["verdict"] = judge_face(face["check"], wish, changed.drawn)
    return ProtectedPhoto(content, ending, entry)


def count_left(skipped: Sequence[Mapping[str, Any]]) -> int:
    """Return how many faces were left though a change was wanted, of a photo's ``skipped``."""
    return sum(not face.get("by_chance") for face in skipped)


def _entry(
    edited: EditedPhoto, faces: list[dict[str, Any]], ending: str, extras: Extras
) -> dict[str, Any]:
    return {
        "faces": faces,
        "skipped": [face.to_dict() for face in edited.unchanged],
        "left_out": list(extras.left_out),
        "notes": _notes(edited.photo, ending),
    }


def _notes(photo: Photo, ending: str) -> list[str]:
    """Return what of the photo is not as it was in the file that is written."""
    notes = list(photo.notes)
    if photo.deep is not None and ending != ".png":
        notes.append(f"its 16-bit values are written as 8 bits, as {ending} has no more")
    return notes


class ContentProtector:
    """Protect one photo after the other, from content to content; picklable if its parts are.

    Parameters
    ----------
    detector : Detector
    perturber : Perturber
    wish : Wish
    check : FaceCheck, optional
    options : mapping, optional
        ``keep_metadata`` and ``max_pixels`` of :func:`protect_photo`.
    """

    def __init__(
        self,
        detector: Any,
        perturber: Any,
        wish: Wish,
        *,
        check: Any = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.detector, self.perturber, self.wish = detector, perturber, wish
        self.check, self.options = check, dict(options or {})
        check_argument(self.options.get("max_pixels", MAX_PIXELS), POSITIVE_INT, "max_pixels")

    def __call__(self, photo: Any) -> Any:
        """Return what :meth:`protect` does, or a Reject."""
        try:
            return self.protect(photo)
        # One photo's failure must not end the other million.
        except Exception as error:
            return reject_of(error)

    def protect(self, photo: str | bytes | None) -> ProtectedPhoto | Reject:
        """Return a photo's protected form; None is what a row without a photo has."""
        return NO_IMAGE if photo is None else self.protected(photo)

    def protected(self, photo: str | bytes, ending: str | None = None) -> ProtectedPhoto:
        """Return the protected form of a file or its content."""
        return protect_photo(
            photo,
            self.detector.detect,
            self.perturber,
            self.wish,
            ending=ending,
            check=self.check,
            **self.options,
        )


class FileProtector(ContentProtector):
    """The same from file to file."""

    def protect(self, photo: Any) -> Any:
        """Write a photo, of ``(input, output, overwrite)``; return its entry, a dict."""
        source, output, overwrite = photo[0], Path(photo[1]), photo[2]
        check_target(source, output, overwrite)
        done = self.protected(source, output.suffix.lower())
        output.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(output) as temporary:
            temporary.write_bytes(done.content)
        return done.entry


def check_target(source: str | Path, output: Path, overwrite: bool) -> None:
    """Refuse to write onto the source, or onto another file unless it may be replaced."""
    check_replaceable(output, overwrite=overwrite, inputs=[source])
