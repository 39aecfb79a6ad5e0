"""``sfumato describe``: what faces give away."""

import csv
from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.opening import open_model
from sfumato.cli.output import (
    DONE_WITH_REJECTS,
    SHOWN,
    print_json,
    progress_bar,
    reading_text,
    say,
    show,
    text_table,
    warn,
    warn_some,
)


@app.command()
def describe(
    source: Path = typer.Argument(
        help="A photo, a folder, a text file of paths, or a face table with images."
    ),
    reader: str | None = typer.Option(
        None, help="dlib or pixels, which come with sfumato, or a saved one; default: dlib."
    ),
    detector: str = typer.Option("dlib", help="dlib, mtcnn or yunet:PATH."),
    encoder: str = typer.Option("dlib", help="dlib or arcface-onnx:PATH."),
    largest: bool = typer.Option(False, help="The largest face of each photo alone."),
    csv_file: Path | None = typer.Option(None, "--csv", help="Write one line a face."),
    picture: Path | None = typer.Option(
        None, help="Write the photo with what was read; of one photo only."
    ),
    workers: int | None = typer.Option(None, help="Processes; by default one a core."),
    force: bool = typer.Option(False, "--force", help="Replace what --csv or --picture name."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
):
    """Read age, gender, ethnicity, smile and more off every face.

    Exit code 1 says that some photos could not be described.
    """
    from sfumato.readers.describe import LAWFUL, describe, to_rows
    from sfumato.readers.pictures import annotate, check_output

    warn(LAWFUL, style="bold")
    check_output([csv_file, picture], source, replace=force)
    with progress_bar() as bar:
        task = bar.add_task("Describing")
        found = describe(
            source,
            reader=None if reader is None else open_model(reader, "reader"),
            detector=detector,
            encoder=encoder,
            largest=largest,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
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
    from sfumato.files import atomic_path

    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["image_id", "face"])
        writer.writeheader()
        writer.writerows(rows)


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
