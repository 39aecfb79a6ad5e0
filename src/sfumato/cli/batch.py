"""``sfumato batch``: millions of templates or photos, on all cores or on a cluster."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.output import DONE_WITH_REJECTS, errors, print_json, results, track

batch = typer.Typer(
    name="batch",
    help="Large tables and folders of photos, part by part, on all cores or on a Ray cluster. "
    "Run again to go on after an interruption. Exit code 1: some rows were rejected.",
    no_args_is_help=True,
)
app.add_typer(batch)

OUTPUT = typer.Option(..., "--output", "-o", help="The folder to fill: a face table in parts.")
RUNNER = typer.Option("native", help="native (this machine) or ray.")
ADDRESS = typer.Option(None, help="Of a Ray cluster, host:port; by default one is started here.")
WORKERS = typer.Option(None, help="Processes; by default one a core.")
FORCE = typer.Option(False, "--force", help="Throw away an unfinished job of other settings.")
JSON = typer.Option(False, "--json", help="Print the summary as JSON.")
PHOTOS = typer.Argument(help="A folder of photos, a text file of paths, or a face table.")
DETECTOR = typer.Option("dlib", help="dlib, mtcnn or yunet:PATH.")
ENCODER = typer.Option("dlib", help="dlib or arcface-onnx:PATH.")
PART_PHOTOS = typer.Option(256, "--part-rows", help="Photos of a part.")
MAX_PIXELS = typer.Option(100_000_000, help="Refuse larger photos undecoded.")


@batch.command("protect")
def protect_templates(
    model: Path = typer.Argument(help="The model that `sfumato fit` wrote."),
    table: Path = typer.Argument(help="A face table with embeddings, or a folder of its parts."),
    output: Path = OUTPUT,
    part_rows: int = typer.Option(262_144, help="Rows of a part, rounded up to row groups."),
    runner: str = RUNNER,
    address: str = ADDRESS,
    workers: int = WORKERS,
    force: bool = FORCE,
    json: bool = JSON,
):
    """Protect the templates of a face table."""
    from sfumato.batch.jobs import ProtectJob
    from sfumato.data.tables import FaceTable
    from sfumato.models.storage import load_model

    job = ProtectJob(load_model(model), FaceTable(table))
    _run(job, output, part_rows, runner, address, workers, force, json)


@batch.command("embed")
def embed_photos(
    source: Path = PHOTOS,
    output: Path = OUTPUT,
    detector: str = DETECTOR,
    encoder: str = ENCODER,
    all_faces: bool = typer.Option(False, help="One row a face; else the largest face's only."),
    identity_from_folder: bool = typer.Option(
        False, "--identity-from-folder", help="A photo's folder names the person."
    ),
    max_pixels: int = MAX_PIXELS,
    part_rows: int = PART_PHOTOS,
    runner: str = RUNNER,
    address: str = ADDRESS,
    workers: int = WORKERS,
    force: bool = FORCE,
    json: bool = JSON,
):
    """Photos to templates."""
    from sfumato.batch.jobs import EmbedJob
    from sfumato.faces.detect import make_detector
    from sfumato.faces.encoders import make_encoder
    from sfumato.faces.sources import open_source

    job = EmbedJob(
        open_source(source, identity="folder" if identity_from_folder else None),
        make_detector(detector),
        make_encoder(encoder),
        all_faces=all_faces,
        max_pixels=max_pixels,
    )
    _run(job, output, part_rows, runner, address, workers, force, json)


@batch.command("describe")
def describe_photos(
    source: Path = PHOTOS,
    output: Path = OUTPUT,
    reader: str = typer.Option(
        None, help="dlib or pixels, which come with sfumato, or a saved one; default: dlib."
    ),
    detector: str = DETECTOR,
    encoder: str = ENCODER,
    largest: bool = typer.Option(False, "--largest", help="The largest face of a photo alone."),
    max_pixels: int = MAX_PIXELS,
    part_rows: int = PART_PHOTOS,
    runner: str = RUNNER,
    address: str = ADDRESS,
    workers: int = WORKERS,
    force: bool = FORCE,
    json: bool = JSON,
):
    """Photos to what the faces on them show."""
    from sfumato.batch.jobs import DescribeJob
    from sfumato.faces.detect import make_detector
    from sfumato.faces.sources import open_source
    from sfumato.readers.describe import LAWFUL, open_reader

    errors.print(LAWFUL, markup=False, soft_wrap=True)
    job = DescribeJob(
        open_source(source),
        open_reader(reader or "dlib"),
        make_detector(detector),
        encoder,
        largest=largest,
        max_pixels=max_pixels,
    )
    _run(job, output, part_rows, runner, address, workers, force, json)


def _run(job, output, part_rows, runner, address, workers, force, json):
    from sfumato.batch.engine import run_job

    with track("batch") as progress:
        summary = run_job(
            job,
            output,
            part_rows=part_rows,
            runner=runner,
            address=address,
            workers=workers,
            overwrite=force,
            progress=progress,
        )
    if json:
        print_json(summary)
    else:
        _print_summary(summary)
    if summary["n_rejects"]:
        raise typer.Exit(DONE_WITH_REJECTS)


def _print_summary(summary):
    results.print(
        f"{summary['output']}: {summary['n_rows']:,} rows of {summary['n_rows_in']:,} in "
        f"{summary['n_parts']:,} parts, {summary['seconds']:.1f} s.",
        markup=False,
        soft_wrap=True,
    )
    if summary["n_rejects"]:
        text = f"{summary['n_rejects']:,} rejected, see {summary['output']}/_rejects:"
        errors.print(text, markup=False, soft_wrap=True)
    for reason, count in list(summary["reasons"].items())[:10]:
        errors.print(f"{count:>8}  {reason}", markup=False, soft_wrap=True)
