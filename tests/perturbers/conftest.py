"""Planted faces whose landmarks are known without dlib."""

import numpy as np
import pytest

SIZE = 32


@pytest.fixture
def planted_faces(monkeypatch):
    """Return a function that draws faces; their landmarks are measured on any picture.

    A face is an upright ellipse on which green is 1, so that its half axes are found again after
    a warp. Its half width says the gender, its red the mood, its blue nothing.
    """
    monkeypatch.setattr("sfumato.faces.landmarks.find_landmarks", find)
    return draw


def draw(n_faces, seed=0):
    """Return planes (n, 3, 32, 32), gender and mood; women are 7 wide, men 10, on average."""
    rng = np.random.default_rng(seed)
    male, happy = rng.integers(2, size=(2, n_faces))
    male[:4], happy[:4] = (0, 0, 1, 1), (0, 1, 0, 1)
    half_width = 7 + 3.0 * male + rng.normal(scale=0.4, size=n_faces)
    red = 0.3 + 0.4 * happy + rng.normal(scale=0.03, size=n_faces)
    blue = rng.uniform(0.2, 0.8, n_faces)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    inside = ((x / half_width[:, None, None]) ** 2 + (y / 11) ** 2) < 1
    planes = inside[:, None] * np.stack([red, np.ones(n_faces), blue], axis=1)[..., None, None]
    labels = {
        "gender": np.array(["female", "male"])[male],
        "mood": np.array(["calm", "happy"])[happy],
    }
    return planes.astype(np.float32), labels


def find(images, zoom=None):
    """Return 68 points in dlib's order on the ellipse of each picture."""
    return np.stack([_points(image[..., 1] > 127) for image in images])


def _points(inside):
    rows, columns = np.nonzero(inside)
    centre = np.array([columns.mean(), rows.mean()])
    # The variance along a half axis a of an ellipse is a^2 / 4.
    half = 2 * np.array([columns.std(), rows.std()])
    jaw = np.linspace(np.pi, 0, 17)
    brows = np.pi + np.linspace(0.3, np.pi - 0.3, 10)
    inner = np.linspace(0, 2 * np.pi, 41, endpoint=False)
    turns = np.concatenate([jaw, brows, inner])
    reach = np.concatenate([np.ones(27), np.full(41, 0.5)])
    points = np.stack([np.cos(turns), np.sin(turns)], axis=1) * reach[:, None]
    points[27], points[33] = (0, -0.2), (0, 0.2)
    return centre + points * half
