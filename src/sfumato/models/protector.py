"""Protect one photo: read it, find its faces, perturb them, write it."""

from pathlib import Path

from sfumato.errors import InputError
from sfumato.faces.detect import plain_box
from sfumato.faces.photos import PhotoError, open_photo, read_photo
from sfumato.faces.saving import encode_photo, read_extras, save_photo
from sfumato.perturbers.photos import choose_faces, protect_faces

#: What a photo is written as, by Pillow's name of what it was; all others become PNG.
ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp"}


class PhotoProtector:
    """Read, find, perturb, write and check one photo; picklable if its parts are.

    Parameters
    ----------
    detector : Detector
    perturber : Perturber
    hide, keep, face, check
        As for :func:`~sfumato.models.photos.protect_photos`.
    options : dict
        ``at_random``, ``keep_metadata``, ``overwrite`` and ``max_pixels`` of it, and ``labels``
        unless the perturber reads them all.
    """

    def __init__(self, detector, perturber, *, hide, keep, face, check, options):
        self.detector, self.perturber, self.check = detector, perturber, check
        self.hide, self.keep, self.face = hide, keep, face
        self.options = options

    def __call__(self, photo):
        """Return what :meth:`protect` does, or the reason of the photo's rejection."""
        try:
            return self.protect(photo)
        except PhotoError as error:
            return error.reason
        except InputError as error:
            return str(error).rstrip(".")
        # One photo's failure must not end the other million.
        except Exception as error:
            return f"failed with {type(error).__name__}: {' '.join(str(error).split())[:200]}"

    def protect(self, files):
        """Write a photo, of ``(input, output)`` files; return what was done, a dict.

        It is an entry of :class:`~sfumato.models.photos.ProtectedPhotos`.
        """
        source, output = files[0], Path(files[1])
        if self.check is not None:
            self.check.load()
        check_target(source, output, self.options["overwrite"])
        image, photo, chosen, entry = self.perturb(source)
        extras = self.extras(source)
        output.parent.mkdir(parents=True, exist_ok=True)
        save_photo(photo, output, original=image, extras=extras)
        if self.check is not None:
            # What was written is judged: a JPEG is not quite what went into it.
            written = read_photo(output, max_pixels=self.options["max_pixels"])
            for face, found in zip(entry["faces"], chosen, strict=True):
                face["check"] = self.check.compare(image, written, found)
        return entry | {"left_out": extras.left_out}

    def perturb(self, source):
        """Return a photo's pixels before and after, the changed faces, and what was done."""
        image = read_photo(source, max_pixels=self.options["max_pixels"])
        chosen, too_small = choose_faces(self.detector.detect(image), self.face)
        wanted = {"hide": self.hide, "keep": self.keep, "at_random": self.options["at_random"]}
        if self.options.get("labels"):
            # Faces are changed one by one.
            wanted["labels"] = {name: [value] for name, value in self.options["labels"].items()}
        faces = [face for _, face in chosen]
        photo, sizes = protect_faces(image, faces, self.perturber, **wanted)
        entry = {
            "faces": [
                {"face": number, "box": plain_box(face.box), "crop": size}
                for (number, face), size in zip(chosen, sizes, strict=True)
            ],
            "skipped": [{"face": number, "reason": text} for number, text in too_small.items()],
        }
        return image, photo, faces, entry

    def extras(self, source):
        """Return what else of the photo's file goes along, :class:`Extras`."""
        return read_extras(
            source,
            keep_metadata=self.options["keep_metadata"],
            max_pixels=self.options["max_pixels"],
        )


class ContentProtector(PhotoProtector):
    """The same from content to content: nothing is written."""

    def protect(self, photo):
        """Return a photo's new ``content`` and its ``ending``, and what was done, a dict.

        Parameters
        ----------
        photo : str, bytes or None
            A file, its content, or what a row without a photo has.
        """
        if photo is None:
            return "the row has no image"
        image, changed, _, entry = self.perturb(photo)
        with open_photo(photo, max_pixels=self.options["max_pixels"]) as (opened, _):
            ending = ENDINGS.get(opened.format, ".png")
        content = encode_photo(changed, ending, original=image, extras=self.extras(photo))
        return entry | {"content": content, "ending": ending}


def check_target(source, output, overwrite):
    """Refuse to write onto the source, or onto another file unless it may be replaced."""
    if output.exists() and output.samefile(source):
        raise InputError(f"{output} is the photo itself; give another name.")
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists already; give another name or --force.")
