"""``sfumato perturb``: hide attributes on photos."""

from typing import Annotated, Any

import typer

from sfumato.cli import app
from sfumato.cli.completing import (
    AT_RANDOM,
    AT_RANDOM_HELP,
    PERTURBER_HELP,
    complete_perturber,
)
from sfumato.cli.jobs import Address, AsJson, PartRows, Runner, Workers, runner_of
from sfumato.models.registry import RECOMMENDED_PERTURBER

Hide = Annotated[
    list[str],
    typer.Option(help="What to hide, gender,age; age=old names the class to show."),
]
Keep = Annotated[list[str], typer.Option(help="What must stay readable, race,age.")]
PerturberName = Annotated[
    str | None,
    typer.Option(help=PERTURBER_HELP, autocompletion=complete_perturber),
]


@app.command()
def perturb(
    source: Annotated[
        str, typer.Argument(help="A photo, a folder of photos, or a face table with images.")
    ],
    hide: Hide,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="Photo (.png, .webp, .jpg) or folder of photos to write; of a table the table, "
            "name.parquet, or a folder of its parts.",
        ),
    ],
    keep: Keep = [],  # noqa: B006 (Typer's form of a list)
    perturber: PerturberName = None,
    face: Annotated[
        int | None, typer.Option(help="This face alone, 0 is the largest (photo files).")
    ] = None,
    labels: Annotated[
        list[str],
        typer.Option(help="What the faces show now, gender=female; what is not said is read."),
    ] = [],  # noqa: B006
    at_random: Annotated[bool, typer.Option(AT_RANDOM, help=AT_RANDOM_HELP)] = True,
    allow_race: Annotated[
        bool,
        typer.Option("--allow-race", help="Let --hide name race, which paints skin."),
    ] = False,
    strength: Annotated[
        float | None,
        typer.Option(help="How much to change, above 0; by default as the perturber was saved."),
    ] = None,
    check: Annotated[
        bool | None,
        typer.Option(
            "--check/--no-check",
            help="Ask readers and a matcher; asked by default of photo files.",
        ),
    ] = None,
    keep_metadata: Annotated[
        bool,
        typer.Option("--keep-metadata", help="Keep EXIF, but no thumbnail or maker's note."),
    ] = False,
    detector: Annotated[str, typer.Option(help="dlib, dlib-68, mtcnn or yunet:PATH.")] = "dlib",
    workers: Workers = None,
    part_rows: PartRows = None,
    runner: Runner = "native",
    address: Address = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace the output; go on in a folder, every photo anew; throw away an "
            "unfinished job of other settings.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hide attributes on photos, and say whether readers are misled.

    sfumato perturb PHOTO|FOLDER --hide gender,age -o PHOTO|FOLDER

    Every face that is found is changed; pixels away from faces stay as they are (exactly, in a
    PNG), metadata go. A face that the detector misses stays readable: look at the result. So does
    one below 40 pixels' width, which is named. Exit code 1 says that a photo was not written, a
    face was left, or a reader still reads what was to be hidden. Readers trained on such pictures
    may read more: audit before you rely on it.
    """
    from sfumato.cli.pictures import protect_pictures
    from sfumato.cli.protecting import protect_rows
    from sfumato.faces.sources import is_face_table

    asked: dict[str, Any] = {
        "hide": _joined(hide),
        "keep": _joined(keep),
        "perturber": perturber,
        "face": face,
        "labels": _joined(labels),
        "at_random": at_random,
        "allow_race": allow_race,
        "strength": strength,
        "check": check,
        "keep_metadata": keep_metadata,
    }
    more: dict[str, Any] = {
        "detector": detector,
        "workers": workers,
        "force": force,
        "as_json": as_json,
    }
    if not is_face_table(source):
        protect_pictures(source, output, **asked, **more)
        return
    on = runner_of(runner, address, workers)
    model = asked.pop("perturber") or RECOMMENDED_PERTURBER
    protect_rows(
        model, source, output, asked | {"perturber": None}, part_rows=part_rows, runner=on, **more
    )


def _joined(texts: list[str]) -> str | None:
    """Return one list of what was given once or again."""
    return ",".join(texts) or None
