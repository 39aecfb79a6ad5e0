"""Photos of chosen rows, aligned as face encoders take them, for methods that train an encoder."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.reproduce.templates import FaceTemplates

SIZE = 112  # MobileFaceNet's.


class AlignedFaces:
    """ArcFace crops of some of a table's photos, cut once and kept in the cache.

    Parameters
    ----------
    templates : FaceTemplates
    name : str
        Of the table.
    image_ids : array-like of str
        Only these photos are read.
    """

    def __init__(self, templates: FaceTemplates, name: str, image_ids: ArrayLike) -> None:
        # At zoom 1 a crop is ArcFace's own alignment.
        wanted = np.unique(np.asarray(image_ids, dtype=str)).tolist()
        crops = templates.chosen_crops(name, wanted, SIZE, zoom=1.0)
        self._images = crops.images
        self._places = {str(name): n for n, name in enumerate(crops.labels["image_id"])}

    def has(self, image_ids: ArrayLike) -> NDArray[np.bool_]:
        """Return which of these photos are here; those without a face are not."""
        return np.array([name in self._places for name in np.asarray(image_ids, dtype=str)])

    def images(self, image_ids: ArrayLike) -> NDArray[np.uint8]:
        """Return the crops of these photos, shape (n_images, 112, 112, 3)."""
        rows = [self._places[name] for name in np.asarray(image_ids, dtype=str).tolist()]
        return np.asarray(self._images[rows])
