"""The wire format of Protocol Buffers, as far as it is read here without a library."""

from collections.abc import Iterator
from typing import Any


def fields(message: Any) -> Iterator[tuple[int, Any]]:
    r"""Yield the number and the value of each field of a message.

    Parameters
    ----------
    message : bytes or memoryview

    Yields
    ------
    (int, int or slice of the message)

    Raises
    ------
    ValueError, IndexError
        If it is no such message, or cut short.

    Examples
    --------
    >>> list(fields(b"\x08\x96\x01\x12\x02hi"))
    [(1, 150), (2, b'hi')]
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire == 2:
            size, place = _varint(message, place)
        else:
            size = {1: 8, 5: 4}.get(wire, -1)
        if size < 0 or place + size > len(message):
            raise ValueError("cut off, or no protobuf")
        yield number, message[place : place + size]
        place += size


def _varint(message, place):
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("no protobuf")
