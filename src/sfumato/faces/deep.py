"""Pixels of more than 8 bits: read as they are, and where their white lies."""

import numpy as np
from numpy.typing import NDArray

from sfumato.validation import need

WHITE_16 = 65_535
#: Bits that cameras and scanners put into 16, unscaled.
PACKED_BITS = (8, 10, 12)


def to_8_bits(deep: NDArray[np.uint16], white: int) -> NDArray[np.uint8]:
    """Return 16-bit pixels as 8 bits, rounded; ``white`` becomes 255."""
    table = (np.arange(WHITE_16 + 1) * 255 + white // 2) // white
    return table.clip(0, 255).astype(np.uint8)[deep]


def white_level(deep: NDArray[np.uint16]) -> tuple[int, str | None]:
    """Return the value of white, and a note where it is not 65535.

    A picture whose highest value is below 4096 would be all but black at 16 bits, so 8, 10 or
    12 bits are taken to have been stored unscaled.
    """
    top = int(deep.max(initial=0))
    for bits in PACKED_BITS:
        if 0 < top < 2**bits:
            note = f"its 16-bit values end at {top}, so they are read as {bits} bits"
            return 2**bits - 1, note
    return WHITE_16, None


def float_pixels(values: NDArray[np.floating]) -> tuple[NDArray[np.uint8], str]:
    """Return floating-point pixels as 8 bits, and a note on their range.

    Raises
    ------
    ValueError
        If their range is not plain; the message is a reason.
    """
    if not np.isfinite(values).all():
        raise ValueError("its floating-point pixels are not all finite; save it as 8 bits")
    low, high = float(values.min()), float(values.max())
    for white, least in ((1.0, 0.0), (255.0, 128.0), (65_535.0, 32_768.0)):
        if low >= 0 and least <= high <= white:
            scaled = np.rint(values.astype(np.float64) * (255 / white)).astype(np.uint8)
            return scaled, f"its floating-point pixels are read as from 0 to {white:g}, 8 bits"
    raise ValueError(
        f"its floating-point pixels go from {low:g} to {high:g}, and only ranges of 0 to 1, 255 "
        "or 65535 are plain; save it as 8 bits"
    )


def decode(content: bytes) -> NDArray | None:
    """Return a file's pixels as stored, not turned, RGB or grey; None where OpenCV cannot."""
    cv2 = need("cv2", "faces")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.ndim == 2:
        return pixels
    return np.ascontiguousarray(pixels[..., ::-1]) if pixels.shape[2] == 3 else None


def turn(pixels: NDArray, orientation: int) -> NDArray:
    """Return stored pixels upright, as an EXIF orientation (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def in_colour(pixels: NDArray) -> NDArray:
    """Return pixels of shape (height, width, 3), of greys or colours."""
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
