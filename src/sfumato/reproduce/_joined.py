"""Templates of two encoders side by side, for methods that are tried on wider ones."""

from typing import Any

import numpy as np

from sfumato.data.rows import unit_rows
from sfumato.reproduce.templates import Faces, FaceTemplates


class JoinedTemplates:
    """The faces that two sources both have, their templates of unit length one after the other.

    Parameters
    ----------
    first, second : FaceTemplates
        Of one data folder, by two encoders.
    """

    def __init__(self, first: FaceTemplates, second: FaceTemplates) -> None:
        self.first, self.second = first, second
        self.cache = first.cache
        self.encoder = f"{first.encoder} + {second.encoder}"

    def faces(self, name: str, *labels: Any) -> Faces:
        """Return a table's faces as :meth:`FaceTemplates.faces` does."""
        one, two = (source.faces(name, *labels) for source in (self.first, self.second))
        _, rows, others = np.intersect1d(
            one["image_id"].astype(str), two["image_id"].astype(str), return_indices=True
        )
        parts = [unit_rows(one.X[rows]), unit_rows(two.X[others])]
        kept = one.take(rows).labels
        return Faces(unit_rows(np.concatenate(parts, axis=1)), kept, "cosine")
