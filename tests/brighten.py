"""A perturber and a detector simple enough to know the right answer; workers can import them."""

from numbers import Real

import numpy as np
from scipy import ndimage

from sfumato._constraints import Interval
from sfumato._fitted import COUNT, Array, Value
from sfumato.faces.align import ARCFACE
from sfumato.faces.detect import Face
from sfumato.perturbers.base import Perturber


class BrightenPerturber(Perturber):
    """Makes a face brighter where a class is to change."""

    constraints = {"by": Interval(Real, 0, 1, closed="right")}
    fitted = {"attributes_": Value(dict), "size_": COUNT, "weights_": Array(2)}

    def __init__(self, *, by=0.2, seed=0):
        self.by = by
        self.seed = seed

    def fit(self):
        """Know gender and age; nothing is learnt."""
        self.attributes_ = {"gender": ["female", "male"], "age": ["young", "middle", "old"]}
        self.size_ = 16
        self.weights_ = np.full(2, self.by)
        return self

    def _codes(self, x):
        return {name: np.zeros(len(x), dtype=int) for name in self.attributes_}

    def _perturb(self, x, now, then, hidden):
        import torch

        steps = sum(then[name] - now[name] for name in hidden)
        return (x + self.by * torch.as_tensor(steps)[:, None, None, None]).clamp(0, 1).float()


class LightPerturber:
    """Makes all faces brighter, without torch, which takes a worker seconds to load."""

    attributes_ = {"gender": ["female", "male"]}
    seed, scaled_by, smooth = 0, None, False
    method = fingerprint = sha256 = None

    @property
    def shown_(self):
        """What ``hide`` may name."""
        return self.attributes_

    def transform(self, images, *, hide, keep=(), at_random=False, seed=None):
        """Return pictures that are brighter by a fifth."""
        return np.clip(images + np.float32(0.2), 0, 1)


class RedDetector:
    """Finds red squares, the largest first."""

    name, version = "red", "1"

    def detect(self, image):
        """Return a face a square, with ArcFace's landmarks in it."""
        red = (image[..., 0] > 180) & (image[..., 1] < 60) & (image[..., 2] < 60)
        faces = []
        for rows, columns in ndimage.find_objects(ndimage.label(red)[0]):
            side = columns.stop - columns.start
            corner = np.array([columns.start, rows.start])
            box = (columns.start, rows.start, columns.stop, rows.stop)
            faces.append(Face(box, 1.0, ARCFACE / 112 * side + corner, "red"))
        return sorted(faces, key=lambda face: face.area, reverse=True)
