"""JPEG files that were cut off: how much of their picture is there."""

import io
from typing import Any

import numpy as np

END = b"\xff\xd9"
#: Whatever of the picture is missing is decoded from these, so that it differs.
PADS = (b"\x55" * 64, b"\xaa" * 64)


def completed(image_module: Any, content: bytes) -> tuple[Any, int]:
    """Return the picture of a JPEG file without its end mark, and how many rows are its own.

    Parameters
    ----------
    image_module
        ``PIL.Image``.
    content : bytes

    Returns
    -------
    image : PIL.Image.Image
        Decoded.
    n_rows : int
        All of them if only the mark is missing.

    Notes
    -----
    A decoder that has all of the picture skips what stands before the end mark; one that has
    not decodes it. So the picture is complete down to where other bytes there change it.
    """
    content = content.rstrip(b"\xff")
    image, *others = (_decode(image_module, content + pad + END) for pad in (b"", *PADS))
    pixels = np.asarray(image)
    differ = np.zeros(len(pixels), bool)
    for other in others:
        differ |= (np.asarray(other) != pixels).reshape(len(pixels), -1).any(axis=1)
    return image, int(np.argmax(differ)) if differ.any() else len(pixels)


def _decode(image_module: Any, content: bytes) -> Any:
    image = image_module.open(io.BytesIO(content), formats=("JPEG",))
    image.load()
    return image
