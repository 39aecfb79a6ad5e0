"""The picture of the demonstration: described, perturbed and described again.

A drawing of nobody, as the reader and the perturber take a face that is already cut out; so it
needs neither a detector nor a download.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.files import atomic_path
from sfumato.models.files import load
from sfumato.readers.describe import plain_reading
from sfumato.readers.files import shipped_reader
from sfumato.reproduce.drawn_face import draw_face

HIDDEN = "gender"
SHOWN = ("gender", "age_years", "smiling")
PERTURBER = "privacynet"


@dataclass(frozen=True)
class DemoPhoto:
    """What became of the drawn face.

    Parameters
    ----------
    pictures : dict of str to ndarray of shape (size, size, 3), uint8
        "before" and "after".
    readings : dict of str to dict
        Of each attribute what the reader says "before" and "after".
    """

    pictures: Mapping[str, NDArray[np.uint8]]
    readings: Mapping[str, Mapping[str, Any]]

    @property
    def hidden(self) -> bool:
        """Whether the reader says another class after than before."""
        before, after = (self.readings[HIDDEN][when]["label"] for when in ("before", "after"))
        return bool(before != after)

    @property
    def sentence(self) -> str:
        """What the reader says before and after."""
        before, after = (_say(self.readings[HIDDEN][when]) for when in ("before", "after"))
        end = (
            f"{PERTURBER} changes what it says"
            if self.hidden
            else "it reads it still: perturbers are made for photos, this is a drawing"
        )
        return (
            f"A drawn face, hiding {HIDDEN}: a reader of pixels says {before} before and {after} "
            f"after; {end}. The drawing was chosen so that this reader is unsure of it: it shows "
            "how it works and measures nothing. Readers trained on such pictures read most of it "
            "again."
        )

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Of each attribute its name and both readings, in words."""
        return [
            (name.removesuffix("_years"), _say(said["before"]), _say(said["after"]))
            for name, said in self.readings.items()
            if name in SHOWN
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, without the pictures."""
        return {"hidden": self.hidden, "readings": dict(self.readings)}

    def save(self, folder: Path) -> list[Path]:
        """Write the pictures as PNG; return their paths."""
        from matplotlib.image import imsave

        paths = []
        for name, picture in self.pictures.items():
            path = folder / f"face-{name}.png"
            with atomic_path(path) as temporary:
                imsave(temporary, picture, format="png")
            paths.append(path)
        return paths


def show_photo() -> DemoPhoto:
    """Describe the drawn face, hide its gender, and describe it again.

    Raises
    ------
    MissingExtraError
        Without torch.
    """
    perturber, reader = load(PERTURBER, "perturber"), shipped_reader("pixels")
    before = draw_face()
    planes = np.moveaxis(before, -1, 0)[None].astype(np.float32) / 255
    changed = perturber.transform(planes, hide=HIDDEN)
    after = np.rint(np.moveaxis(changed[0], 0, -1) * 255).astype(np.uint8)
    readings = {}
    for name, reading in reader.read(_shrunk([before, after], reader.crops["size"])).items():
        said = plain_reading(reading)
        readings[name] = {"before": said[0], "after": said[1]}
    return DemoPhoto({"before": before, "after": after}, readings)


def _shrunk(pictures, size):
    """Return crops averaged down to so many pixels a side."""
    times = len(pictures[0]) // size
    blocks = np.reshape(pictures, (len(pictures), size, times, size, times, 3))
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)


def _say(reading):
    if "years" in reading:
        return f"{reading['years']} ({reading['low']}-{reading['high']})"
    return f"{reading['label']} {reading['probability']:.2f}"
