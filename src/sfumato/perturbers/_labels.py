"""What faces show, read by the reader of pixels that comes with sfumato."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from torch import Tensor

from sfumato.perturbers.choice import age_group, class_numbers
from sfumato.perturbers.images import resized
from sfumato.perturbers.verdict import NAMES
from sfumato.readers.files import shipped_reader

READER = "pixels"


def read_codes(x: Tensor, attributes: dict[str, Sequence[str]]) -> dict[str, Any]:
    """Return the classes of the attributes that the shipped reader knows.

    Parameters
    ----------
    x : Tensor of shape (n_images, 3, height, width), float32
        Faces cut out as by :func:`sfumato.faces.crops.crop_face`, in [0, 1].
    attributes : dict of str to sequence of str
        Attributes and their classes, as :data:`sfumato.perturbers.choice.ATTRIBUTES` has them;
        of races that are not among the classes, the likeliest class.

    Returns
    -------
    dict of str to ndarray of int of shape (n_images,)
    """
    reader = _reader()
    size = reader.crops["size"]
    pictures = (255 * resized(x, size, size)).round().byte().permute(0, 2, 3, 1).numpy()
    found, codes = reader.read(pictures), {}
    for name, classes in attributes.items():
        reading = found.get(NAMES.get(name, ""))
        if reading is None:
            continue
        if name == "age":
            codes[name] = class_numbers(age_group(reading.label), classes, name, len(x))
        elif set(classes) <= set(reading.task.classes):
            places = [list(reading.task.classes).index(label) for label in classes]
            codes[name] = reading.probabilities[:, places].argmax(axis=1)
    return {name: np.asarray(values, dtype=np.int64) for name, values in codes.items()}


@cache
def _reader():
    return shipped_reader(READER)
