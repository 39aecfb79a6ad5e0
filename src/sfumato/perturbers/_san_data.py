"""What SANs are trained on: checked labels, prototypes, the released recipe."""

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import (
    INNER_SHARE,
    Constraint,
    Instance,
    Interval,
    Optional,
    check_parameters,
)
from sfumato.errors import InputError
from sfumato.outcomes import Progress
from sfumato.perturbers.choice import class_numbers, known_labels
from sfumato.perturbers.images import Pictures
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.validation import check_choice, need

#: What SANs show besides the classes of gender.
ALSO_SHOWN = {"gender": ("neutral",)}
SIZE = Interval(Integral, 4, math.inf, closed="left")
#: Rules for the parameters of methods that train several SANs.
SEVERAL: dict[str, Constraint] = {
    "size": SIZE,
    "share": INNER_SHARE,
    "n_copies": Interval(Integral, 2, math.inf, closed="left"),
    "san": Optional(Instance(dict)),
}


@dataclass(frozen=True, eq=False)
class SanFaces:
    """The faces that SANs are trained on.

    Parameters
    ----------
    pictures : Pictures
    codes : ndarray of int of shape (n_images,)
        Classes, 0 or 1.
    groups : ndarray of int of shape (n_images,)
        Each group has prototypes of its own.
    prototypes : ndarray of shape (n_groups, 3, 3, size, size), float32
        Of the first class, the second, and the neutral ones, see :func:`prototypes_of`.
    """

    pictures: Pictures
    codes: np.ndarray
    groups: np.ndarray
    prototypes: np.ndarray

    @classmethod
    def of(cls, pictures: Any, codes: Any, groups: Any) -> Any:
        """Return the faces with the prototypes of their groups."""
        return cls(pictures, codes, groups, prototypes_of(pictures, codes, groups))


def checked(images: Any, labels: Any, size: Any) -> tuple[Any, ...]:
    """Return pictures, class numbers of gender and the two classes; refuse anything else."""
    need("torch", "deep")
    if size % 4:
        raise InputError(f"size must be divisible by 4 pixels, got {size}.")
    pictures = Pictures(images, size)
    if "gender" not in labels:
        raise InputError(f"labels must have gender, got {', '.join(labels) or 'none'}.")
    values = known_labels(labels["gender"], "gender", len(pictures))
    classes = sorted(set(values.tolist()))
    if len(classes) != 2:
        raise InputError(f"gender must have two classes, got {', '.join(classes)}.")
    return pictures, class_numbers(values, classes, "gender", len(pictures)), classes


def prototypes_of(pictures: Any, codes: Any, groups: Any) -> Any:
    """Return mean pictures, float32 of shape (n_groups, 3, 3, size, size).

    Of each group the first class, the second, and the neutral one: the mean of both, weighted by
    their shares in the group.
    """
    n_groups = int(groups.max()) + 1
    counts = np.bincount(2 * groups + codes, minlength=2 * n_groups).reshape(n_groups, 2)
    means = class_means(pictures, 2 * groups + codes, 2 * n_groups)
    means = means.reshape(n_groups, 2, *means.shape[1:])
    shares = counts / counts.sum(axis=1, keepdims=True)
    neutral = np.einsum("gc,gc...->g...", shares, means)
    return np.concatenate([means, neutral[:, None]], axis=1).astype(np.float32)


def class_means(pictures: Pictures, cells: NDArray[Any], n_cells: int) -> Any:
    """Return the mean picture of each cell, float32 of shape (n_cells, 3, size, size).

    Parameters
    ----------
    pictures : Pictures
    cells : ndarray of int of shape (n_images,)
    n_cells : int
    """
    sums = np.zeros((n_cells, 3, pictures.size, pictures.size))
    for start in range(0, len(cells), 256):
        rows = np.arange(start, min(start + 256, len(cells)))
        batch = pictures.batch(rows).numpy()
        for cell in np.unique(cells[rows]):
            sums[cell] += batch[cells[rows] == cell].sum(axis=0, dtype=np.float64)
    counts = np.bincount(cells, minlength=n_cells)
    return (sums / counts[:, None, None, None]).astype(np.float32)


def released_recipe(n_images: Any) -> PerturberRecipe:
    """Return the released code's recipe: 20 epochs in batches of 8, Adam at 2e-4."""
    return PerturberRecipe(n_iterations=20 * -(-n_images // 8), batch_size=8, learning_rate=2e-4)


def oversampled(n_images: int, share: float, n_copies: int, seed: int) -> NDArray[np.int64]:
    """Return all row numbers, those of a random subset ``n_copies`` times.

    Parameters
    ----------
    n_images : int
    share : float in (0, 1)
        Of the images, in the subset.
    n_copies : int
        2 or more.
    seed : int

    Returns
    -------
    ndarray of int64
    """
    subset = np.random.default_rng(seed).permutation(n_images)[: round(share * n_images)]
    return np.concatenate([np.arange(n_images), np.repeat(subset, n_copies - 1)])


def seed_of(seed: int, number: Any) -> int:
    """Return the seed of one of several SANs."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def each_san(make: type, size: int, parameters: dict[str, Any] | None, seed: int, n: int) -> Any:
    """Return several unfitted SANs of different seeds.

    Parameters
    ----------
    make : type
        :class:`~sfumato.perturbers.san.SanPerturber`.
    size : int
    parameters : dict or None
        Others of its parameters.
    seed, n : int
    """
    own = ("size", "seed")
    allowed = tuple(name for name in make().get_params() if name not in own)
    for name in parameters or {}:
        check_choice(name, allowed, "a parameter in san")
    sans = [make(size=size, seed=seed_of(seed, k), **(parameters or {})) for k in range(n)]
    check_parameters(sans[0])
    return sans


def telling(progress: Progress | None, what: Any) -> Any:
    """Return ``progress`` that says of which SAN it tells, or None."""
    if progress is None:
        return None
    return lambda n_done, n_total, text: progress(n_done, n_total, f"{what}: {text}")
