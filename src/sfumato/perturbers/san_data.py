"""What SANs are trained on: checked labels, prototypes, the released recipe."""

import numpy as np

from sfumato.errors import InputError
from sfumato.perturbers.images import Pictures
from sfumato.perturbers.perturber import class_numbers
from sfumato.perturbers.recipes import Recipe
from sfumato.validation import need

NEUTRAL = "neutral"


def checked(images, labels, size):
    """Return pictures, class numbers of gender and the two classes; refuse anything else."""
    need("torch", "deep")
    if size < 4 or size % 4:
        raise InputError(f"size must be divisible by 4 pixels, got {size}.")
    pictures = Pictures(images, size)
    if "gender" not in labels:
        raise InputError(f"labels must have gender, got {', '.join(labels) or 'none'}.")
    values = known(labels["gender"], "gender", len(pictures))
    classes = sorted(set(values.tolist()))
    if len(classes) != 2:
        raise InputError(f"gender must have two classes, got {', '.join(classes)}.")
    return pictures, class_numbers(values, classes, "gender"), classes


def known(values, name, n_images):
    """Return labels as strings; refuse a missing one or another number than of the images."""
    values = np.asarray(values, dtype=object)
    if len(values) != n_images:
        raise InputError(f"labels of {name} must be one an image, {n_images}, got {len(values)}.")
    missing = [row for row, value in enumerate(values) if value in (None, "") or value != value]
    if missing:
        raise InputError(f"{name}, row {missing[0]}: no label; leave out rows without one.")
    return values.astype(str)


def prototypes_of(pictures, codes, groups):
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


def class_means(pictures, cells, n_cells):
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


def with_neutral(attributes):
    """Return the attributes with what a SAN can show besides the classes."""
    return {name: [*classes, NEUTRAL] for name, classes in attributes.items()}


def released_recipe(n_images):
    """Return the released code's recipe: 20 epochs in batches of 8, Adam at 2e-4."""
    return Recipe(n_iterations=20 * -(-n_images // 8), batch_size=8, learning_rate=2e-4)
