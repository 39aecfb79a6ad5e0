"""The errors that sfumato raises on purpose; each message is one line with its remedy."""

from typing import Any


class SfumatoError(Exception):
    """Base of every error that sfumato raises on purpose."""

    @property
    def reason(self) -> str:
        """The message in a line, without the full stop, as a reject's reason."""
        return " ".join(str(self).split()).rstrip(".")


class InputError(SfumatoError, ValueError):
    """The user's input breaks a rule; the message names argument, rule and value."""


class DamageError(InputError):
    """A file of sfumato's own is damaged or missing; the message names it."""


class StorageError(SfumatoError):
    """A disk is full or fails; the message names the file and says what is left."""

    state: str = ""  # What is left, alone, where it is known.


class MissingExtraError(SfumatoError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, extra: Any, module: Any) -> None:
        super().__init__(
            f"this needs {module}, which is not installed: pip install 'sfumato[{extra}]'"
        )
        self.extra = extra
        self.module = module

    def __reduce__(self):
        return type(self), (self.extra, self.module)
