"""``sfumato check``: before and after in one sentence."""

from typing import Annotated

import typer

from sfumato.cli import app
from sfumato.cli.completing import complete_label
from sfumato.cli.lists import read_names
from sfumato.cli.opening import EmbeddingColumn, IdColumn, IdentityColumn, open_own
from sfumato.cli.output import DONE_WITH_REJECTS, MAX_SEED, print_json, say, track, warn


@app.command()
def check(
    before: Annotated[str, typer.Argument(help="A face table, or a photo.")],
    after: Annotated[str, typer.Argument(help="The same, protected.")],
    attribute: Annotated[
        list[str],
        typer.Option(
            "--attribute",
            "-a",
            help="Labels a,b of the table; of a photo gender, race or age.",
            autocompletion=complete_label,
        ),
    ],
    detector: Annotated[
        str, typer.Option(help="Photos: dlib, dlib-68, mtcnn or yunet:PATH.")
    ] = "dlib",
    embedding: EmbeddingColumn = None,
    identity: IdentityColumn = None,
    image_id: IdColumn = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Of splits, attackers and resamples.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say in a sentence what can be read before and after, and what it costs.

    Tables: three attackers that see most (`sfumato audit` asks all of them and writes a report).
    Photos: readers and a matcher that the perturber was not trained against. Exit code 1 says
    that something asked for is not hidden.
    """
    if is_photo(before) and is_photo(after):
        hidden = _check_photos(before, after, read_names(attribute), detector, as_json)
    else:
        columns = (embedding, identity, image_id)
        hidden = _check_tables(before, after, attribute, columns, seed, as_json)
    if not hidden:
        raise typer.Exit(DONE_WITH_REJECTS)


def is_photo(path: str) -> bool:
    """Return whether a file holds a picture, by its content."""
    from sfumato.faces.kinds import HEAD, kind_of, may_be_photo

    try:
        with open(path, "rb") as file:
            return may_be_photo(kind_of(file.read(HEAD)), path)
    except OSError:
        return False


def _check_tables(before, after, attribute, columns, seed, as_json):
    from sfumato.audit.attackers import QUICK
    from sfumato.audit.brief import hides, sentence
    from sfumato.audit.tables import audit_tables

    opened = open_own(before, *columns)
    with track("check") as progress:
        found = audit_tables(
            opened,
            read_names(attribute, opened.columns),
            protected=after,
            attackers=list(QUICK),
            curve=False,
            seed=seed,
            progress=progress,
        )
    if as_json:
        audits = {result.attribute: result.to_dict() for result in found}
        hidden = {result.attribute: hides(result) for result in found}
        print_json({"hidden": hidden, "attributes": audits})
    else:
        say(*map(sentence, found))
        warn(*(f"Alarm: {alarm}" for result in found for alarm in result.alarms), style="yellow")
    return all(map(hides, found))


def _check_photos(before, after, attributes, detector, as_json):
    from sfumato.jobs.check_photos import check_photos
    from sfumato.perturbers.verdict import describe_verdict
    from sfumato.readers.describe import LAWFUL

    warn(LAWFUL)
    found = check_photos(before, after, attributes, detector=detector)
    if as_json:
        print_json(found)
    else:
        n_faces = len(found["faces"])
        faces = "1 face" if n_faces == 1 else f"{n_faces} faces"
        say(f"{after}: {faces}; {'; '.join(describe_verdict(found['verdict']))}.")
    return found["verdict"]["succeeded"]
