"""Photos and models simple enough to know the right answer; jobs that workers can import."""

import io
from pathlib import Path

import numpy as np
import pytest

from sfumato.faces.detect import Face


class CountDetector:
    """Finds as many faces as the red of the first pixel says, the largest first."""

    name = "count"
    version = "1"

    def detect(self, image):
        """Return faces of falling width."""
        n_faces = int(image[0, 0, 0])
        if n_faces == 99:
            raise RuntimeError("this detector\ndislikes 99")
        return [Face((0, 0, 50 - i, 50), 1.0, np.zeros((5, 2))) for i in range(n_faces)]


class MeanEncoder:
    """Encodes a face as the image's mean colour and the face's width."""

    name = "mean"
    version = "1"
    dimension = 4
    metric = "euclidean"
    normalisation = "none"

    def encode(self, image, face):
        """Return (red, green, blue, width)."""
        if image[0, 0, 1] == 77:
            return np.full(4, np.nan, np.float32)
        return np.array([*image.mean(axis=(0, 1)), face.box[2]], np.float32)


@pytest.fixture
def fakes():
    return {"detector": CountDetector(), "encoder": MeanEncoder(), "workers": 1}


@pytest.fixture
def png():
    """Return a function that gives the PNG bytes of one colour; its red counts the faces."""
    Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")

    def encode(red, green=0, blue=0):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8), (red, green, blue)).save(stream, "PNG")
        return stream.getvalue()

    return encode


@pytest.fixture(autouse=True)
def found_by_workers(monkeypatch):
    """Let worker processes import the jobs that tests define; pytest imports them otherwise."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
