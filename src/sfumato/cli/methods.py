"""``sfumato fit`` and ``sfumato protect`` of templates."""

import json
import tomllib
from pathlib import Path
from typing import Any

import typer

from sfumato.cli import app
from sfumato.cli.completing import (
    AT_RANDOM,
    AT_RANDOM_HELP,
    PERTURBER_HELP,
    complete_eraser,
    complete_label,
)
from sfumato.cli.jobs import Address, PartRows, Runner, Workers, runner_of
from sfumato.cli.lists import read_names
from sfumato.cli.naming import method_and_table, no_list
from sfumato.cli.opening import EmbeddingColumn, IdColumn, IdentityColumn, open_own
from sfumato.cli.output import MAX_SEED, print_json, say, track, warn, warn_some
from sfumato.errors import InputError
from sfumato.files import check_free, read_text
from sfumato.models.registry import RECOMMENDED


@app.command()
def fit(
    first: str | None = typer.Argument(
        None,
        metavar="METHOD",
        help=f"An eraser; `sfumato methods` lists them. Left out: {RECOMMENDED}, the recommended "
        "one.",
        autocompletion=complete_eraser,
        callback=no_list,
        show_default=False,
    ),
    table: Path | None = typer.Argument(
        None, metavar="TABLE", help="Face table with embeddings and labels.", show_default=False
    ),
    attribute: list[str] = typer.Option(
        ...,
        "--attribute",
        "-a",
        help="Labels a,b to take out.",
        autocompletion=complete_label,
    ),
    output: Path = typer.Option(..., "--output", "-o", help="Model file to write."),
    also: list[Path] = typer.Option([], help="One more table with the same labels."),
    context: list[str] = typer.Option(
        [],
        "--context",
        help="Other labels a,b that may go with the attribute, or `all`: every label column of "
        "the tables but the attribute (barycentre).",
        autocompletion=complete_label,
    ),
    population: str = typer.Option(
        None,
        help="Column that names each row's population, or `table`: every table is one "
        "(barycentre).",
    ),
    unlabelled: list[Path] = typer.Option(
        [],
        help="One more table, without labels: they are read by a classifier of the others. "
        "People of another kind want --population table too (barycentre).",
    ),
    labels_from: str = typer.Option(
        None,
        help="Read the attribute off the embeddings by this reader: `reader` (the bundled one of "
        "the encoder), or a saved one; unsure rows are left out.",
    ),
    embedding: EmbeddingColumn = None,
    identity: IdentityColumn = None,
    image_id: IdColumn = None,
    rows: str = typer.Option(
        "half", help="Rows to fit on: half (of the people, so that the rest can audit) or all."
    ),
    where: list[str] = typer.Option(
        [],
        help="Only rows with column=value (!value: all others), column>=number, >, <= or <; "
        "TABLE:column=value is for that table alone, by its name. All rules hold; the tables are "
        "used whole but for them.",
    ),
    parameter: list[str] = typer.Option([], "--set", help="Parameter of the method, name=value."),
    config: Path = typer.Option(None, help="TOML file with the method's parameters."),
    seed: int = typer.Option(0, min=0, max=MAX_SEED, help="Of the split into halves."),
    force: bool = typer.Option(False, "--force", help="Replace an existing model."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Fit an eraser on the labelled embeddings of a face table.

    sfumato fit TABLE -a gender -o MODEL takes the recommended method.
    """
    from sfumato.data.selection import Selection
    from sfumato.models.tables import fit_table
    from sfumato.validation import check_choice

    check_choice(rows, ("half", "all"), "rows")
    method, table = method_and_table(first, table)
    inputs = [table, *also, *unlabelled, *([] if config is None else [config])]
    check_free(output, overwrite=force, inputs=inputs)
    # Rows picked by a column are already apart from the others.
    half = "eraser" if rows == "half" and not where else None
    opened = open_own(table, embedding, identity, image_id)
    attributes = read_names(attribute, opened.columns)
    with track(f"fit {method}") as progress:
        model = fit_table(
            method,
            opened,
            attributes,
            output,
            also=also,
            context=read_names(context, opened.columns),
            population=population,
            unlabelled=unlabelled,
            labels_from=labels_from,
            parameters=read_parameters(parameter, config),
            selection=Selection(where=_rules(where), half=half, seed=seed),
            progress=progress,
        )
    summary = {"model": str(output), **model.step}
    if as_json:
        print_json(summary)
    else:
        say(
            f"{output}: {method} takes {', '.join(attributes)} out, fitted on "
            f"{model.fitted_on['n_rows']:,} rows ({model.fitted_on['rows']})."
        )
        if used := model.fitted_on.get("context"):
            columns = "column" if len(used) == 1 else "columns"
            say(f"Context, {len(used)} {columns}: {', '.join(used)}.")
        warn(*(f"{name}: {how}." for name, how in model.fitted_on.get("treated", {}).items()))
        warn_some(model.fitted_on.get("hints", []), "hints")


def _rules(where):
    return where[0] if len(where) == 1 else tuple(where) or None


def read_parameters(pairs: Any, config: Any) -> Any:
    """Return a method's parameters from a TOML file and ``name=value`` pairs, which win."""
    values = {}
    if config is not None:
        try:
            values = tomllib.loads(read_text(config))
        except ValueError as error:  # No TOML, or a number of thousands of digits.
            raise InputError(f"{config}: not a readable TOML file ({error}).") from error
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise InputError(f"--set takes name=value, got {pair!r}.")
        try:
            values[name] = json.loads(value)
        except ValueError:  # No JSON, or a number of thousands of digits.
            values[name] = value
    return values


@app.command()
def protect(
    source: str = typer.Argument(
        help="A photo or a folder of photos. With TABLE: a model, an eraser that `sfumato fit` "
        "wrote for templates, or a perturber."
    ),
    table: str | None = typer.Argument(
        None,
        help="A face table with embeddings of the same encoder, or, for a perturber, with images. "
        "Photo files: nothing.",
    ),
    output: str = typer.Option(
        ...,
        "--output",
        "-o",
        help="Photo (.png, .webp, .jpg) or folder of photos to write. With TABLE: the face table, "
        "name.parquet, or a folder of its parts.",
    ),
    eraser: str | None = typer.Option(
        None,
        help="Tables: a bundled eraser by what it takes out, gender, in place of a model; "
        "for templates of the default encoder.",
    ),
    hide: str | None = typer.Option(
        None, help="Photos: what to hide, gender,age; age=old names the class to show."
    ),
    keep: str | None = typer.Option(None, help="Photos: what must stay readable, race."),
    perturber: str | None = typer.Option(
        None,
        help=f"Photos: {PERTURBER_HELP}",
    ),
    face: int | None = typer.Option(None, help="Photos: this face alone, 0 is the largest."),
    labels: str | None = typer.Option(
        None, help="Photos: what the faces show now, gender=female; what is not said is read."
    ),
    at_random: bool | None = typer.Option(None, AT_RANDOM, help=f"Photos: {AT_RANDOM_HELP}"),
    allow_race: bool = typer.Option(
        False, "--allow-race", help="Photos: let --hide name race, which paints skin."
    ),
    strength: float | None = typer.Option(
        None, help="Photos: how much to change, above 0; by default as the perturber was saved."
    ),
    check: bool | None = typer.Option(
        None,
        "--check/--no-check",
        help="Photos: ask readers and a matcher; asked by default.",
    ),
    keep_metadata: bool = typer.Option(
        False, "--keep-metadata", help="Photos: keep EXIF, but no thumbnail or maker's note."
    ),
    detector: str = typer.Option(
        "dlib", help="Photos: dlib, dlib-68, mtcnn, centerface or yunet:PATH."
    ),
    workers: Workers = None,
    part_rows: PartRows = None,
    runner: Runner = "native",
    address: Address = None,
    force: bool = typer.Option(
        False,
        "--force",
        help="Replace the output; go on in a folder, every photo anew; throw away an unfinished "
        "job of other settings.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Take attributes out of templates, or hide them in photos.

    Tables: sfumato protect MODEL TABLE -o TABLE.parquet, or a folder of its parts

    Without a model of your own: sfumato protect TABLE --eraser gender -o TABLE.parquet

    Photos: sfumato protect PHOTO|FOLDER --hide gender,age -o PHOTO|FOLDER

    Every face that is found is changed; pixels away from faces stay as they are (exactly, in a
    PNG), metadata go. Readers that the change was not made against say whether it hides what it
    should. A face that the detector misses stays readable: look at the result. So does one below
    40 pixels' width, which is named. Exit code 1 says that a photo was not written, a face was
    left, or a reader still reads what was to be hidden. Readers trained on such pictures may read
    more: audit before you rely on it.
    """
    from sfumato.cli.pictures import protect_pictures
    from sfumato.cli.protecting import bundled_eraser, protect_rows

    if eraser is not None:
        source, table = bundled_eraser(eraser, source, table)
    photo_options = {
        "hide": hide,
        "keep": keep,
        "perturber": perturber,
        "face": face,
        "labels": labels,
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
    if table is None:
        warn(
            "Note: for photos there is `sfumato perturb`, with the same options; `protect` is for "
            "templates and goes on to take photos for now."
        )
        protect_pictures(source, output, **photo_options, **more)
    else:
        on = runner_of(runner, address, workers)
        protect_rows(source, table, output, photo_options, part_rows=part_rows, runner=on, **more)
