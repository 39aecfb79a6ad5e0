"""``sfumato embed``: photos to a face table of embeddings."""

from dataclasses import asdict

import typer

from sfumato.cli import app
from sfumato.cli.jobs import (
    Address,
    AllFaces,
    AsJson,
    Detector,
    Encoder,
    FolderNames,
    Force,
    MaxPixels,
    Output,
    PartRows,
    Photos,
    Runner,
    Workers,
    runner_of,
    warn_redone,
)
from sfumato.cli.output import DONE_WITH_REJECTS, print_json, say, track, warn, warn_reasons


@app.command()
def embed(
    source: Photos,
    output: Output,
    detector: Detector = "dlib",
    encoder: Encoder = "dlib",
    all_faces: AllFaces = False,
    keep_images: bool = typer.Option(False, help="Keep the photos in the table."),
    describe: bool = typer.Option(
        False,
        "--describe",
        help="Write what a bundled reader reads as columns gender_read, age_years_read, ...: off "
        "dlib's templates, else off the pixels.",
    ),
    identity_from_folder: FolderNames = False,
    pad: float = typer.Option(
        0.15, help="Black border for detection, a share of the longer side."
    ),
    workers: Workers = None,
    max_pixels: MaxPixels = 100_000_000,
    part_rows: PartRows = None,
    runner: Runner = "native",
    address: Address = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Detect, align and encode faces; run again to continue after an interruption.

    The first line names detector, landmarks and encoder, and says whether their commercial use
    is clear.

    Exit code 1 says that some photos were rejected: their reasons are in
    OUTPUT.rejects.parquet, or in the folder's _rejects.
    """
    from sfumato.faces.detectors import make_detector
    from sfumato.faces.encoders import make_encoder
    from sfumato.faces.model_files import say_models
    from sfumato.jobs.embed import embed as run

    found, coder = make_detector(detector, pad=pad), make_encoder(encoder)
    (warn if json else say)(say_models(found, coder))
    if describe:
        from sfumato.readers.describe import LAWFUL

        warn(LAWFUL)
    with track("embed") as progress:
        summary = run(
            source,
            output,
            detector=found,
            encoder=coder,
            all_faces=all_faces,
            keep_images=keep_images,
            describe=describe,
            identity="folder" if identity_from_folder else None,
            workers=workers,
            max_pixels=max_pixels,
            overwrite=force,
            progress=progress,
            part_rows=part_rows,
            runner=runner_of(runner, address, workers),
        )
    if json:
        print_json(asdict(summary) | {"unread": summary.unread.to_dict()})
    else:
        _print_summary(summary)
    warn(*summary.unread.lines())
    warn_redone(summary.damaged)
    if summary.n_rejects or summary.unread.missed:
        raise typer.Exit(DONE_WITH_REJECTS)


def _print_summary(summary):
    speed = summary.n_photos / summary.seconds
    say(
        f"{summary.n_templates} templates from {summary.n_photos} photos in "
        f"{summary.seconds:.1f} s ({speed:.0f} photos/s): {summary.output}"
    )
    if not summary.n_rejects:
        return
    warn(f"{summary.n_rejects} photos rejected, see {summary.rejects_path}:")
    warn_reasons(summary.reasons)
