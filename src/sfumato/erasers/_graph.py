"""What an eraser needs of an ONNX graph under construction."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato.errors import InputError


class Graph(Protocol):
    """What an eraser adds its map to; values are named, arrays become constants."""

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node of an ONNX operator and return its value."""
        ...

    def single(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return an array in float32."""
        ...

    def unit_rows(self, x: str, length: float = 1.0) -> str:
        """Add rows scaled to a length; a zero row stays zero."""
        ...

    def affine(self, x: str, matrix: NDArray[Any], constant: NDArray[Any]) -> str:
        """Add ``x @ matrix + constant``."""
        ...

    def dense(
        self, x: str, network: Any, *, activation: str = "relu", activate_last: bool = False
    ) -> str:
        """Add a network of :mod:`sfumato.nets.dense`."""
        ...


def no_graph(eraser: object) -> InputError:
    """Return the error of an eraser that draws from a row's bits and is asked for a graph."""
    return InputError(
        f"{type(eraser).__name__} has no ONNX form: it draws from the bits of each row and its "
        "seed, by 64-bit arithmetic that ONNX lacks, and the file would give the seed away; "
        "apply it with sfumato protect."
    )
