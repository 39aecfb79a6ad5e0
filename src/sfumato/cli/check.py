"""``sfumato check``: before and after in one sentence."""

from typing import Annotated

import typer

from sfumato.cli import app
from sfumato.cli.completing import complete_label
from sfumato.cli.lists import read_names
from sfumato.cli.opening import EmbeddingColumn, IdColumn, IdentityColumn, open_own
from sfumato.cli.output import DONE_WITH_REJECTS, MAX_SEED, print_json, say, track, warn
from sfumato.cli.protecting import refuse_options


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
    labels: Annotated[
        str | None,
        typer.Option(help="Photos: what the faces show, gender=female; else as read before."),
    ] = None,
    reader: Annotated[
        list[str],
        typer.Option(
            help="Photos: ask a function of yours too, module:function; a face (224 x 224 x 3, "
            "uint8) in, {'gender': 'female'} out. Its code runs."
        ),
    ] = [],  # noqa: B006 (Typer's form of a list)
    readings: Annotated[
        str | None,
        typer.Option(help="Photos: a CSV of answers, reader,photo,face,attribute,value."),
    ] = None,
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
    Photos: readers and a matcher, asked again after an upload (half the size, JPEG of quality
    75), and readers of your own; `soft` searches against those that come with sfumato, so that
    these tell its success, not what others read. Exit code 1 says that something asked for is
    not hidden.
    """
    if is_photo(before) and is_photo(after):
        own = (labels, reader, readings)
        hidden = _check_photos(before, after, read_names(attribute), detector, own, as_json)
    else:
        refuse_options(
            {"labels": labels, "reader": reader or None, "readings": readings}, "photos"
        )
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


def _check_photos(before, after, attributes, detector, own, as_json):
    from sfumato.cli.pictures import read_labels
    from sfumato.jobs.check_photos import check_photos
    from sfumato.own_classes import import_function
    from sfumato.perturbers.verdict import describe_verdict
    from sfumato.readers.check import FaceCheck
    from sfumato.readers.describe import LAWFUL
    from sfumato.readers.own import OwnReader, read_readings

    warn(LAWFUL)
    labels, functions, answers = own
    more = {name: OwnReader(name, import_function(name, "--reader")) for name in functions}
    found = check_photos(
        before,
        after,
        attributes,
        detector=detector,
        check=FaceCheck(more=more) if more else None,
        labels=read_labels(labels),
        readings=None if answers is None else read_readings(answers),
    )
    if as_json:
        print_json(found)
    else:
        n_faces = len(found["faces"])
        faces = "1 face" if n_faces == 1 else f"{n_faces} faces"
        say(f"{after}: {faces}; {'; '.join(describe_verdict(found['verdict']))}.")
    return found["verdict"]["succeeded"]
