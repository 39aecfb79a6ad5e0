"""Whether an exported file is as it was written: its checksum, and no data outside of it.

The checksum is an entry of the model's metadata: the SHA-256 of the whole file, with zeros in
its own place. No protobuf library is needed to check it.
"""

import hashlib
import re
from pathlib import Path

from sfumato.data.protobuf import fields
from sfumato.errors import InputError

DIGEST, BLANK = "sfumato_sha256", "0" * 64
# The key, the tag and the length of the value, the value.
_ENTRY = re.compile(DIGEST.encode() + rb"\x12\x40([0-9a-f]{64})", re.DOTALL)

# Fields of ONNX's messages by number: the message that each holds (onnx.proto3).
_MESSAGES = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL = (13, 14)  # A tensor's external_data and data_location.


def seal(content: bytes) -> bytes:
    """Return a serialised model with its checksum in the place of :data:`BLANK`.

    Parameters
    ----------
    content : bytes
        With :data:`DIGEST` in its metadata.
    """
    found = list(_ENTRY.finditer(content))
    assert len(found) == 1 and found[0][1] == BLANK.encode()
    start, end = found[0].span(1)
    return content[:start] + hashlib.sha256(content).hexdigest().encode() + content[end:]


def check_seal(content: bytes, path: str | Path) -> None:
    """Refuse an exported file that was changed, or has no checksum.

    Raises
    ------
    InputError
        Naming the file and the remedy.
    """
    found = list(_ENTRY.finditer(content))
    if len(found) != 1:
        raise InputError(
            f"{path}: has no checksum (it was exported by an older sfumato, or edited); export it "
            "again."
        )
    start, end = found[0].span(1)
    blank = content[:start] + BLANK.encode() + content[end:]
    if hashlib.sha256(blank).hexdigest().encode() != found[0][1]:
        raise InputError(
            f"{path}: damaged or edited: its content does not have the SHA-256 of its metadata; "
            "export it again."
        )


def check_whole(content: bytes, path: str | Path) -> None:
    """Refuse an ONNX file that keeps data in another file, which no checksum covers.

    Raises
    ------
    InputError
        Naming the file and the remedy.
    """
    if _has_external_data(content):
        raise InputError(
            f"{path}: keeps data in another file (external_data), which no checksum covers; "
            "export it again."
        )


def _has_external_data(content: bytes) -> bool:
    pending = [("model", memoryview(content))]
    try:
        while pending:
            kind, message = pending.pop()
            for number, value in fields(message):
                if kind == "tensor" and number in _EXTERNAL and value not in (0, b""):
                    return True
                if number in _MESSAGES[kind] and isinstance(value, memoryview):
                    pending.append((_MESSAGES[kind][number], value))
    except (IndexError, ValueError):
        pass  # No protobuf: ONNX Runtime will say so.
    return False
