"""``sfumato describe``: what faces give away."""

from pathlib import Path
from typing import Annotated

import typer

from sfumato.cli import app
from sfumato.cli.jobs import (
    Address,
    AsJson,
    Detector,
    Encoder,
    Force,
    Largest,
    MaxPixels,
    PartRows,
    Photos,
    Reader,
    Runner,
    Workers,
    end,
    runner_of,
)
from sfumato.cli.opening import open_model
from sfumato.cli.output import (
    DONE_WITH_REJECTS,
    SHOWN,
    print_json,
    reading_text,
    say,
    show,
    text_table,
    track,
    warn,
    warn_some,
)
from sfumato.errors import InputError


@app.command()
def describe(
    source: Photos,
    reader: Reader = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Write one row a face to a table, name.parquet, or a folder of its parts.",
        ),
    ] = None,
    detector: Detector = "dlib",
    encoder: Encoder = "dlib",
    largest: Largest = False,
    csv_file: Path | None = typer.Option(
        None,
        "--csv",
        help="Write one line a face; texts that a spreadsheet would run get an apostrophe.",
    ),
    picture: Path | None = typer.Option(
        None, help="Write the photo with what was read; of one photo only."
    ),
    max_pixels: MaxPixels = 100_000_000,
    part_rows: PartRows = None,
    runner: Runner = "native",
    address: Address = None,
    workers: Workers = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Read age, gender, ethnicity, smile and more off every face.

    With --output nothing else is kept; run it again to continue after an interruption. Exit code
    1 says that some photos could not be described.
    """
    from sfumato.readers.describe import LAWFUL

    warn(LAWFUL, style="bold")
    options = {
        "reader": None if reader is None else open_model(reader, "reader"),
        "detector": detector,
        "encoder": encoder,
        "largest": largest,
        "max_pixels": max_pixels,
    }
    if output is None:
        if part_rows is not None or runner != "native" or address is not None:
            raise InputError("--part-rows, --runner and --address are for --output; add it.")
        _show(source, csv_file, picture, workers, force, json, options)
    else:
        if csv_file is not None or picture is not None:
            raise InputError("--output stands alone; leave out --csv and --picture.")
        run_on = runner_of(runner, address, workers)
        _write(source, output, part_rows, run_on, workers, force, json, options)


def _write(source, output, part_rows, runner, workers, force, json, options):
    from sfumato.jobs.describe import describe_table

    with track("describe") as progress:
        summary = describe_table(
            source,
            output,
            part_rows=part_rows,
            runner=runner,
            workers=workers,
            overwrite=force,
            progress=progress,
            **options,
        )
    end(summary, json)


def _show(source, csv_file, picture, workers, force, json, options):
    from sfumato.jobs.describe import describe, to_rows
    from sfumato.readers.pictures import annotate, check_output

    check_output([csv_file, picture], source, replace=force)
    with track("describe") as progress:
        found = describe(source, workers=workers, progress=progress, **options)
    if csv_file is not None:
        _write_csv(to_rows(found), csv_file)
    if picture is not None:
        annotate(source, found.faces, picture)
    if json:
        print_json(found.to_dict())
    else:
        _print_faces(found)
    lines = [f"{reject['image_id']}: {reject['reason']}" for reject in found.rejects]
    warn_some(lines, "photos without a description")
    warn(*found.unread.lines())
    if found.rejects or found.unread.missed:
        raise typer.Exit(DONE_WITH_REJECTS)


def _write_csv(rows, path):
    from sfumato.data.spreadsheets import write_csv

    n_guarded = write_csv(path, list(rows[0]) if rows else ["image_id", "face"], rows)
    if n_guarded:
        warn(
            f"{path}: texts that a spreadsheet would run: {n_guarded:,}, each with an apostrophe "
            "before it, which sfumato takes off where it reads CSV."
        )


def _print_faces(found):
    attributes = [name for name in (found.faces or [{}])[0] if name not in ABOUT_FACE]
    rows = [
        (face["image_id"], face["face"], *(reading_text(face[a]) for a in attributes))
        for face in found.faces[:SHOWN]
    ]
    show(text_table(("photo", "face", *attributes), rows))
    if len(found.faces) > SHOWN:
        say(f"{len(found.faces)} faces, the first {SHOWN} shown; --csv writes all.")


ABOUT_FACE = ("image_id", "face", "box", "score")
