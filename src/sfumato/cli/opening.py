"""Open a model or a table that the user names, and say what should be known of it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sfumato.cli.completing import complete_column
from sfumato.cli.output import warn

EmbeddingColumn = Annotated[
    str | None,
    typer.Option(
        "--embedding",
        help="Column of the embeddings, or what numbered columns begin with; default: guessed.",
        autocompletion=complete_column,
    ),
]
IdentityColumn = Annotated[
    str | None,
    typer.Option(
        "--identity",
        help="Column of the people; default: guessed.",
        autocompletion=complete_column,
    ),
]
IdColumn = Annotated[
    str | None,
    typer.Option(
        "--id",
        help="Column of the rows' ids; default: guessed.",
        autocompletion=complete_column,
    ),
]


def open_own(
    source: str | Path,
    embedding: str | None = None,
    identity: str | None = None,
    image_id: str | None = None,
) -> Any:
    """Return a user's table as a face table, and say on stderr what was guessed of it."""
    from sfumato.data.opening import open_table
    from sfumato.data.own import Columns

    table = open_table(source, Columns(embedding, identity, image_id))
    warn(*(f"{hint}." for hint in table.hints))
    return table


def open_model(source: str | Path, kind: str | None = None) -> Any:
    """Return the model of a file or of a bundled name; see :func:`sfumato.models.files.load`.

    Files of format 1 have no checksum, which is reported on stderr.
    """
    from sfumato.models.files import load

    model = load(source, kind)
    if not model.checked:
        warn(
            f"{source}: format 1 has no checksum, so damage to it may go unnoticed; fit it again, "
            "or, if it works as it should, run sfumato.save(sfumato.load(FILE), FILE)."
        )
    return model
