"""People for the bundled perturbers: drawn once, cut out once, protected once for each class."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.audit.pictures import to_bytes
from sfumato.faces.uploads import upload
from sfumato.files import atomic_path
from sfumato.reproduce._attack import CLASSES, GENDER
from sfumato.reproduce.experiment import code_checksum
from sfumato.reproduce.pictures import two_each
from sfumato.validation import need

SIZE = 160
#: Pictures between two reports of progress.
SAID_EVERY = 10


@dataclass(frozen=True)
class People:
    """Two pictures each of some people.

    Parameters
    ----------
    images : ndarray of shape (n_images, 3, size, size), float32
        In [0, 1].
    gender, identity : ndarray of str of shape (n_images,)
    """

    images: NDArray[np.float32]
    gender: NDArray[np.str_]
    identity: NDArray[np.str_]

    @classmethod
    def read(cls, context: Any, table: str, n_people: int, partition: str | None = None) -> Any:
        """Return people of a table, of one partition where given, drawn by seed 0."""
        columns = ("image_id", "identity", GENDER, *(("partition",) if partition else ()))
        about = context.templates.labels(table, *columns)
        mask = np.array([value is not None for value in about[GENDER]])
        if partition:
            mask &= about["partition"] == partition
        rows = two_each(about["identity"], mask, n_people)
        crops = context.templates.chosen_crops(table, about["image_id"][rows], SIZE)
        return cls(
            _planes(np.asarray(crops.images)),
            crops.labels[GENDER].astype(str),
            crops.labels["identity"].astype(str),
        )

    def classes(self, *, at_random: bool, seed: int) -> NDArray[np.str_]:
        """Return the class that each picture is to show: the opposite one, or one drawn."""
        if at_random:
            return np.array(CLASSES)[
                np.random.default_rng(seed).integers(2, size=len(self.gender))
            ]
        return np.where(self.gender == CLASSES[0], CLASSES[1], CLASSES[0])

    def protected(self, context: Any, name: str, method: Any, shown: NDArray[np.str_]) -> Any:
        """Return the pictures, each showing a class; one by one they are kept in the cache."""
        found = np.empty_like(self.images)
        for row, (image, shows) in enumerate(zip(self.images, shown, strict=True)):
            if row % SAID_EVERY == 0:
                context.say(f"{name}: {row} of {len(found)} pictures")
            found[row] = _planes(
                _once(context.templates.cache / "protected", name, method, image, shows)
            )
        return found


def _once(folder, name, method, image, shows):
    """Return a picture that shows a class, from the folder if an earlier run made it."""
    about = f"{name} {shows} {code_checksum()}".encode() + image.tobytes()
    path = folder / f"{hashlib.sha256(about).hexdigest()[:20]}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (changed,) = to_bytes(method.transform(image[None], hide={GENDER: str(shows)}))
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, changed)
    return np.load(path)


def uploaded(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pictures after an upload, at their size again; shape and range as before."""
    cv2 = need("cv2", "faces")
    side = images.shape[-1]
    found = [
        cv2.resize(upload(one), (side, side), interpolation=cv2.INTER_CUBIC)
        for one in to_bytes(images)
    ]
    return _planes(np.stack(found))


def _planes(pixels):
    return np.moveaxis(pixels, -1, -3).astype(np.float32) / 255
