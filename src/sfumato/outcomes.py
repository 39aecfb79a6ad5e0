"""What long work reports: how far it got, and what it left out and why."""

from dataclasses import dataclass
from typing import Protocol

#: Of all JSON that commands print and results give; a key that changes its meaning or goes
#: raises it, a new key does not.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Reject:
    """An item that could not be worked on; the others go on.

    Parameters
    ----------
    reason : str
        In plain words, without the item's name and without a full stop.
    """

    reason: str


class Progress(Protocol):
    """A callable that long work calls as it goes on."""

    def __call__(self, n_done: int, n_total: int | None, what: str) -> None:
        """Take how much is done, of how much (None: not known), and of what."""


def reject_of(error: BaseException) -> Reject:
    """Return the Reject of an exception that one item raised.

    Of sfumato's own errors it is their message, of others the kind and the message, in a line.
    """
    from sfumato.errors import SfumatoError

    if isinstance(error, SfumatoError):
        return Reject(error.reason[:300])
    text = " ".join(str(error).split())[:300].rstrip(".")
    return Reject(f"failed with {type(error).__name__}: {text}" if text else type(error).__name__)
