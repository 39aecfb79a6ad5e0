"""``sfumato embed``: photos to a face table of embeddings."""

from dataclasses import asdict
from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.output import DONE_WITH_REJECTS, print_json, progress_bar, say, warn, warn_reasons


@app.command()
def embed(
    source: Path = typer.Argument(
        help="A folder of photos, a text file of paths, or a face table with images."
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The face table to write."),
    detector: str = typer.Option("dlib", help="dlib, mtcnn or yunet:PATH."),
    encoder: str = typer.Option("dlib", help="dlib or arcface-onnx:PATH."),
    all_faces: bool = typer.Option(False, help="One row a face; else the largest face's only."),
    keep_images: bool = typer.Option(False, help="Keep the photos in the table."),
    identity_from_folder: bool = typer.Option(
        False, "--identity-from-folder", help="A photo's folder names the person."
    ),
    pad: float = typer.Option(
        0.15, help="Black border for detection, a share of the longer side."
    ),
    workers: int | None = typer.Option(None, help="Processes; by default one a core."),
    max_pixels: int = typer.Option(100_000_000, help="Refuse larger photos undecoded."),
    force: bool = typer.Option(
        False, "--force", help="Replace the output, and an unfinished run with other settings."
    ),
    json: bool = typer.Option(False, "--json", help="Print the summary as JSON."),
):
    """Detect, align and encode faces; run again to continue after an interruption.

    Exit code 1 says that some photos were rejected: their reasons are in
    OUTPUT.rejects.parquet.
    """
    from sfumato.faces.embed import embed as run

    with progress_bar() as bar:
        task = bar.add_task("Embedding")
        summary = run(
            source,
            output,
            detector=detector,
            encoder=encoder,
            all_faces=all_faces,
            keep_images=keep_images,
            identity="folder" if identity_from_folder else None,
            pad=pad,
            workers=workers,
            max_pixels=max_pixels,
            overwrite=force,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if json:
        print_json(asdict(summary) | {"unread": summary.unread.to_dict()})
    else:
        _print_summary(summary)
    warn(*summary.unread.lines())
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
