"""A reader of several attributes on the pixels of a face: one convolutional network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from sfumato.errors import InputError
from sfumato.faces.crops import ZOOM, Stack, Subset
from sfumato.nets.backbones import make_backbone
from sfumato.nets.multitask import MultiTaskNet
from sfumato.nets.pixels import to_planes
from sfumato.outcomes import Progress
from sfumato.readers._training import Rows, logits_of, outputs, train_reader
from sfumato.readers.recipes import Architecture, ReaderRecipe
from sfumato.readers.tasks import make_task, reading_of, task_from_dict, task_to_dict
from sfumato.validation import check_choice, need

AUGMENTATIONS = ("faces", "crop", "none")


class PixelTrunk(nn.Module):
    """Photos in, features out: scaling, augmentation in training, the backbone.

    Parameters
    ----------
    architecture : Architecture
    augmentation : {"faces", "crop", "none"}
        "faces": mirror, turn, move, light, colour or none, a hidden patch. "crop": mirror and
        random cuts. Only in training.
    seed : int, default=0
    """

    def __init__(
        self, architecture: Architecture, *, augmentation: str = "none", seed: int = 0
    ) -> None:
        super().__init__()
        check_choice(augmentation, AUGMENTATIONS, "augmentation")
        self.architecture = architecture
        self.backbone = make_backbone(
            architecture.backbone,
            n_channels=architecture.n_channels,
            seed=seed,
            **(architecture.options or {}),
        )
        self._layout = _fast_layout(self.backbone)
        self.backbone.to(memory_format=self._layout)
        self.dimension = self.backbone.dimension
        # Not a child: it has no weights and is not saved.
        self._augment = [make_augmentation(augmentation, architecture)]

    def forward(self, images: Tensor) -> Any:
        """Return features of shape (n_images, dimension).

        Parameters
        ----------
        images : uint8 Tensor of shape (n_images, height, width, 3)
        """
        return self.features(to_planes(images) / 255)

    def features(self, x: Tensor) -> Any:
        """Return the same of planes in [0, 1]; gradients reach them.

        Parameters
        ----------
        x : Tensor of shape (n_images, 3, height, width)
        """
        a = self.architecture
        if a.n_channels == 1:
            x = x.mean(dim=1, keepdim=True)
        if x.shape[-2:] != (a.size, a.size):
            x = functional.interpolate(
                x, (a.size, a.size), mode="bilinear", align_corners=False, antialias=True
            )
        if self.training:
            x = self._augment[0](x)
        if a.crop and x.shape[-1] != a.crop:
            edge = (a.size - a.crop) // 2
            x = x[..., edge : edge + a.crop, edge : edge + a.crop]
        return self.backbone((2 * x - 1).contiguous(memory_format=self._layout))


def _fast_layout(net):
    """Return channels last, a fifth faster on a CPU, unless a layer is narrow.

    With fewer than 16 channels a layer, torch 2.13 writes outside its memory there.
    """
    narrow = any(m.out_channels % 16 for m in net.modules() if isinstance(m, nn.Conv2d))
    return torch.contiguous_format if narrow else torch.channels_last


def make_augmentation(name: str, architecture: Any) -> Any:
    """Return a function from images in [0, 1] to altered ones; draws from torch's generator."""
    if name == "none":
        return _as_they_are
    K = need("kornia.augmentation", "deep")
    mirror = K.RandomHorizontalFlip(p=0.5)
    if name == "crop":
        side = architecture.crop or architecture.size
        return K.AugmentationSequential(K.RandomCrop((side, side)), mirror, data_keys=["input"])
    return K.AugmentationSequential(
        mirror,
        K.RandomAffine(12.0, (0.06, 0.06), (0.88, 1.12), p=0.8),
        *([K.ColorJiggle(0.25, 0.25, 0.2, 0.02, p=0.7)] if architecture.n_channels == 3 else []),
        *([K.RandomGrayscale(p=0.1)] if architecture.n_channels == 3 else []),
        K.RandomErasing((0.02, 0.15), p=0.3),
        data_keys=["input"],
    )


def _as_they_are(x):
    return x


class PixelReader:
    """A trained network on pixels.

    Parameters
    ----------
    net : MultiTaskNet
        With a PixelTrunk.
    tasks : list of ClassTask or AgeTask
    about : dict, optional
        What it was trained on and how well it reads: the model card. ``crops`` says how its
        faces were cut out, if not to the network's size as by default.
    """

    kind, method = "pixels", "pixel-reader"
    sha256: str | None = None  # Of the file that it was read from.
    checked: bool = True  # Whether that file had a checksum.

    def __init__(
        self, net: MultiTaskNet, tasks: list[Any], about: dict[str, Any] | None = None
    ) -> None:
        self.net, self.tasks, self.about = net.eval(), tasks, about or {}

    @property
    def crops(self) -> Any:
        """``size`` and ``zoom`` of :func:`sfumato.faces.crops.crop_face`."""
        default = {"size": self.net.trunk.architecture.size, "zoom": ZOOM}
        return default | self.about.get("crops", {})

    def to_state(self) -> tuple[Any, ...]:
        """Return parameters, plain state and arrays, all that a file of the reader holds."""
        arrays = {name: t.detach().cpu().numpy() for name, t in self.net.state_dict().items()}
        tasks = [task_to_dict(task) for task in self.tasks]
        return asdict(self.net.trunk.architecture), {"tasks": tasks}, arrays

    @classmethod
    def from_state(cls, parameters: Any, state: Any, arrays: Any) -> Any:
        """Return the reader of :meth:`to_state`."""
        tasks = [task_from_dict(task) for task in state["tasks"]]
        net = empty_net(Architecture(**parameters), tasks)
        net.load_state_dict({name: torch.from_numpy(values) for name, values in arrays.items()})
        return cls(net, tasks)

    def read(self, images: Any) -> dict[str, Any]:
        """Return what the faces show, read off each one and its mirror image.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width, 3), uint8
            Faces cut out as by :func:`sfumato.faces.crops.crop_face`, of any size.

        Returns
        -------
        dict of str to Reading
        """
        found = [
            logits_of(
                self.net, Rows(partial(_seen, images, mirrored), {"": np.empty(len(images))})
            )
            for mirrored in (False, True)
        ]
        logits = {t.name: (found[0][t.name] + found[1][t.name]) / 2 for t in self.tasks}
        return {t.name: reading_of(t, logits[t.name].astype(float)) for t in self.tasks}


def train_pixels(
    images: NDArray[np.uint8] | Stack | Subset,
    labels: Mapping[str, Sequence | NDArray],
    validation: ArrayLike,
    architecture: Architecture,
    recipe: ReaderRecipe,
    *,
    augmentation: str = "faces",
    age_model: str = "coral",
    weighted: bool = False,
    guide: Sequence | NDArray | None = None,
    start: PixelReader | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[PixelReader, list[dict[str, float]]]:
    """Train a network on pixels.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width, 3), uint8
        May be memory-mapped.
    labels : dict of str to array-like of shape (n_images,)
        To each attribute its labels, None, NaN or empty where not known; a name that ends in
        ``_years`` is an age.
    validation : array-like of bool of shape (n_images,)
        Rows to pick the epoch and the temperatures by.
    architecture : Architecture
    recipe : ReaderRecipe
    augmentation : {"faces", "crop", "none"}, default="faces"
    age_model : {"coral", "ce", "or", "corn"}, default="coral"
    weighted : bool, default=False
        CORAL's task importance weights.
    guide : array-like of shape (n_images, n_columns), optional
        What the features should tell besides, NaN in rows where it is not known: templates of
        the same faces, from which a small network on few photos learns what matters.
    start : PixelReader, optional
        A reader of the same architecture, whose features training starts from.
    folder, progress
        As for :func:`sfumato.training.networks.train_networks`.

    Returns
    -------
    reader : PixelReader
    history : list of dict
    """
    validation = np.asarray(validation, dtype=bool)
    if validation.shape != (len(images),) or validation.all() or not validation.any():
        raise InputError("validation must have one entry an image, hold some and leave others.")
    if guide is not None and (np.ndim(guide) != 2 or len(guide) != len(images)):
        raise InputError(
            f"guide must have one row an image, {len(images)}, got {np.shape(guide)}."
        )
    tasks = [make_task(name, values, age_model, weighted) for name, values in labels.items()]
    codes = {task.name: task.codes(labels[task.name]) for task in tasks}

    def part(mask):
        places = np.flatnonzero(mask)
        own = {name: values[places] for name, values in codes.items()}
        told = None if guide is None else np.asarray(guide, np.float32)[places]
        return Rows(partial(_of_places, images, places), own, told)

    trunk = _start_trunk(architecture, augmentation, recipe.seed, start)
    net, tasks, history = train_reader(
        trunk, tasks, part(~validation), part(validation), recipe,
        folder=folder, progress=progress,
    )  # fmt: skip
    return PixelReader(net, tasks), history


def _start_trunk(architecture, augmentation, seed, start):
    """Return a trunk to train, with the weights of the reader to start from, if any."""
    trunk = PixelTrunk(architecture, augmentation=augmentation, seed=seed)
    if start is not None:
        if start.net.trunk.architecture != architecture:
            raise InputError("start must be a reader of the same architecture.")
        trunk.load_state_dict(start.net.trunk.state_dict())
    return trunk


def empty_net(architecture: Any, tasks: Any) -> MultiTaskNet:
    """Return an untrained network for tasks, to be filled with weights."""
    return MultiTaskNet(PixelTrunk(architecture), outputs(tasks))


def _seen(images, mirrored, numbers, train):
    found = _batch(images, numbers)
    return found.flip(2) if mirrored else found


def _of_places(images, places, numbers, train):
    return _batch(images, places[numbers])


def _batch(images, numbers):
    # In the order of the file, which a memory-mapped one reads faster.
    order = np.argsort(numbers, kind="stable")
    found = np.empty((len(numbers), *images.shape[1:]), np.uint8)
    found[order] = images[numbers[order]]
    return torch.from_numpy(found)
