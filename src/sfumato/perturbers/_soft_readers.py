"""The machines that a soft change should mislead or leave alone, with gradients to pixels."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sfumato.faces.align import DLIB_CHIP, hog_box, load_predictor, similarity
from sfumato.faces.crops import crop_landmarks
from sfumato.faces.dlib_resnet import AVERAGE, LEVELS, SIZE, read_weights
from sfumato.nets.dlib_resnet import DlibResNet
from sfumato.perturbers.choice import AGE_ENDS_YEARS
from sfumato.perturbers.verdict import NAMES
from sfumato.readers.files import shipped_reader
from sfumato.readers.tasks import AgeTask
from sfumato.validation import need

# How far a view is from the picture: turn, growth and move, as shares of a side.
TURN_RAD, GROWTH, MOVE = 0.12, 0.08, 0.03
# Smallest side to which a view is reduced before it is read, and its noise, as a share of white.
LEAST_SIDE, NOISE = 56, 0.02


class PixelsSeen:
    """The bundled reader of pixels, by views of the whole crop."""

    name, matches = "pixels", False

    def __init__(self) -> None:
        reader = shipped_reader("pixels")
        self.net, self.size = reader.net.requires_grad_(False), reader.crops["size"]
        self.tasks = {task.name: task for task in reader.tasks}

    def place(self, image: Any) -> Any:
        """Return where the reader looks: nothing, it takes the whole crop."""
        return None

    def see(self, x: Tensor, place: Any) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return logits of views by attribute, and no template."""
        x = functional.interpolate(
            x, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
        )
        return self.net.read(self.net.trunk.features(x)), None


class DlibSeen:
    """dlib's network and the bundled reader of its templates."""

    name, matches = "dlib", True

    def __init__(self) -> None:
        models = need("face_recognition_models", "faces")
        self.net = DlibResNet(*read_weights(models.face_recognition_model_location()), LEVELS)
        reader = shipped_reader("dlib")
        self.tasks = {task.name: task for task in reader.tasks_}
        self.n_layers = reader.n_layers
        self.arrays = {name: torch.from_numpy(np.array(v)) for name, v in reader.network_.items()}

    def place(self, image: Any) -> Any:
        """Return the transform from dlib's chip to a crop, uint8, by dlib's five points."""
        dlib = need("dlib", "faces")
        box = hog_box(crop_landmarks(len(image)))
        box = dlib.rectangle(*(round(float(value)) for value in box))
        found = _predictor()(image, box)
        points = np.array([(part.x, part.y) for part in found.parts()], float)
        return similarity(DLIB_CHIP * SIZE, points)

    def see(self, x: Tensor, place: Any) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return logits of views by attribute, and their templates."""
        at = torch.arange(SIZE, dtype=torch.float32)
        rows, columns = torch.meshgrid(at, at, indexing="ij")
        spots = torch.stack([columns, rows, torch.ones_like(rows)], -1)
        spots = spots @ torch.from_numpy(place.T.astype(np.float32))
        grid = ((2 * spots + 1) / x.shape[-1] - 1).expand(len(x), -1, -1, -1)
        chip = functional.grid_sample(x, grid, align_corners=False)
        average = torch.from_numpy(AVERAGE)[:, None, None]
        templates = self.net((255 * chip - average) / 256)
        a = self.arrays
        features = (templates - a["shift"]) / a["scale"]
        for n in range(self.n_layers):
            features = functional.relu(features @ a[f"weight_{n}"].T + a[f"bias_{n}"])
        heads = {n: features @ a[f"{n} weight"].T + a[f"{n} bias"] for n in self.tasks}
        return heads, templates


@cache
def _predictor():
    return load_predictor()


@cache
def machine(name: str) -> Any:
    """Return a machine by the name of its reader, loaded once."""
    return {"pixels": PixelsSeen, "dlib": DlibSeen}[name]()


def log_odds(tasks: dict[str, Any], logits: dict[str, Tensor], attribute: str, shown: str) -> Any:
    """Return log-odds, shape (n,), that faces show a class; None of an attribute not read."""
    name = NAMES.get(attribute, attribute)
    task = tasks.get(name)
    if task is None:
        return None
    z = logits[name] / task.temperature
    if isinstance(task, AgeTask):
        ages = np.array(task.ages_years)
        above = [z[:, int(np.searchsorted(ages, end, "right")) - 1] for end in AGE_ENDS_YEARS]
        either = {"young": [-above[0]], "old": [above[1]], "middle": [above[0], -above[1]]}
        return torch.stack(either[shown]).amin(dim=0)
    place = list(task.classes).index(shown)
    others = [n for n in range(len(task.classes)) if n != place]
    return z[:, place] - torch.logsumexp(z[:, others], dim=1)


def draw_views(x: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Return views of a picture: turned, grown, moved, mirrored, reduced, lit and noisy.

    Parameters
    ----------
    x : Tensor of shape (1, 3, size, size)
    n : int
    rng : torch.Generator

    Returns
    -------
    Tensor of shape (n, 3, size, size)
    """

    def uniform(*shape):
        return 2 * torch.rand(*shape, generator=rng) - 1

    angle, growth = TURN_RAD * uniform(n), 1 + GROWTH * uniform(n)
    flip = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    cos, sin = growth * torch.cos(angle), growth * torch.sin(angle)
    move = 2 * MOVE * uniform(2, n)
    matrix = torch.stack([cos * flip, -sin, move[0], sin * flip, cos, move[1]], 1).view(n, 2, 3)
    grid = functional.affine_grid(matrix, [n, *x.shape[1:]], align_corners=False)
    views = functional.grid_sample(
        x.expand(n, -1, -1, -1), grid, padding_mode="border", align_corners=False
    )
    size = x.shape[-1]
    small = LEAST_SIDE + int(torch.randint(size - LEAST_SIDE + 1, (), generator=rng))
    how: dict[str, Any] = {"mode": "bilinear", "align_corners": False}
    views = functional.interpolate(views, (small, small), antialias=True, **how)
    views = functional.interpolate(views, (size, size), **how)
    light = 1 + 0.1 * uniform(n, 1, 1, 1)
    noise = NOISE * torch.randn(views.shape, generator=rng)
    return (views * light + noise).clamp(0, 1)


def ssim_of(x: Tensor, y: Tensor, side: int = 128) -> Tensor:
    """Return the twin of :func:`sfumato.metrics.image.ssim` at a size, with gradients."""
    x, y = (
        functional.interpolate(p, (side, side), mode="bilinear", antialias=True) for p in (x, y)
    )
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    x, y = ((p * weights).sum(dim=1, keepdim=True) for p in (x, y))
    at = torch.arange(-5, 6, dtype=torch.float32)
    window = torch.exp(-(at**2) / 4.5)
    window = (window / window.sum())[None, None]

    def local(plane):
        return functional.conv2d(functional.conv2d(plane, window[:, :, None]), window[..., None])

    mean_x, mean_y = local(x), local(y)
    both = local(x * y) - mean_x * mean_y
    spread = local(x * x) + local(y * y) - mean_x**2 - mean_y**2
    above = (2 * mean_x * mean_y + 1e-4) * (2 * both + 9e-4)
    return (above / ((mean_x**2 + mean_y**2 + 1e-4) * (spread + 9e-4))).mean()
