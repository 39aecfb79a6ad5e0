"""Open a model that the user names, and say what should be known of its file."""

from pathlib import Path
from typing import Any

from sfumato.cli.output import warn


def open_model(source: str | Path, kind: str | None = None) -> Any:
    """Return the model of a file or of a bundled name; see :func:`sfumato.models.files.load`.

    Files of format 1 have no checksum, which is told on stderr.
    """
    from sfumato.models.files import load

    model = load(source, kind)
    if not model.checked:
        warn(
            f"{source}: format 1 has no checksum, so damage to it may go unnoticed; fit it again, "
            "or, if it works as it should, run sfumato.save(sfumato.load(FILE), FILE)."
        )
    return model
