"""``sfumato batch``: embed, describe and protect into a folder of parts, and check it."""

import os
from typing import Annotated

import typer

from sfumato.cli import app
from sfumato.cli.completing import AT_RANDOM, AT_RANDOM_HELP
from sfumato.cli.jobs import (
    Address,
    AllFaces,
    AsJson,
    Detector,
    Encoder,
    Folder,
    FolderNames,
    Force,
    Largest,
    MaxPixels,
    PartRows,
    Photos,
    Reader,
    Runner,
    Workers,
    run,
)
from sfumato.cli.opening import open_model
from sfumato.cli.output import print_json, say, warn
from sfumato.cli.protecting import protect_job

batch = typer.Typer(
    name="batch",
    help="embed, describe and protect, whose output is a folder: large tables and folders of "
    "photos, part by part, on all cores or on a Ray cluster. Run again to go on after an "
    "interruption. Exit code 1: some rows were rejected.",
    no_args_is_help=True,
)
app.add_typer(batch)


@batch.command("protect")
def protect(
    model: Annotated[
        str,
        typer.Argument(
            help="A saved eraser for templates, a saved perturber for photos, or what "
            "`sfumato export` made of one (.onnx). Bundled perturbers, by name: "
            "soft, privacynet, controllable."
        ),
    ],
    source: Annotated[
        str,
        typer.Argument(
            help="Templates: a face table with embeddings. Photos: a folder, a text file of "
            "paths, or a face table with images. A table may be a .lance folder, or a URL "
            "(s3://, https://, ...)."
        ),
    ],
    output: Folder,
    hide: Annotated[
        str | None,
        typer.Option(help="Photos: what to hide, gender,age; age=old names the class to show."),
    ] = None,
    keep: Annotated[
        str | None, typer.Option(help="Photos: what must stay readable, race.")
    ] = None,
    at_random: Annotated[
        bool | None, typer.Option(AT_RANDOM, help=f"Photos: {AT_RANDOM_HELP}")
    ] = None,
    allow_race: Annotated[
        bool,
        typer.Option("--allow-race", help="Photos: Let --hide name race, which paints skin."),
    ] = False,
    strength: Annotated[
        float | None,
        typer.Option(help="Photos: how much to change, above 0; by default as saved."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="Photos: ask readers and a matcher about every face; slower.",
        ),
    ] = False,
    detector: Detector = "dlib",
    max_pixels: MaxPixels = 100_000_000,
    part_rows: PartRows = None,
    runner: Runner = "native",
    address: Address = None,
    workers: Workers = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Take attributes out of the templates of a face table, or hide them in photos.

    The kind of model decides. Photos become a face table with the changed photos and counts of
    their faces; metadata, and labels of what is hidden, are left out; photos without a face are
    rejects. Exit code 1, too, if a face was too small and stays as it was.
    """
    from sfumato.jobs.protect_templates import ProtectTemplates

    job = protect_job(
        open_model(model),
        model,
        source,
        hide=hide,
        keep=keep,
        at_random=at_random,
        allow_race=allow_race,
        strength=strength,
        check=check,
        detector=detector,
        max_pixels=max_pixels,
    )
    if isinstance(job, ProtectTemplates):
        warn(*job.hints)
    _fill(job, output, part_rows, runner, address, workers, force, json)


@batch.command("embed")
def embed_photos(
    source: Photos,
    output: Folder,
    detector: Detector = "dlib",
    encoder: Encoder = "dlib",
    all_faces: AllFaces = False,
    identity_from_folder: FolderNames = False,
    max_pixels: MaxPixels = 100_000_000,
    part_rows: PartRows = None,
    runner: Runner = "native",
    address: Address = None,
    workers: Workers = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Photos to templates."""
    from sfumato.faces.detectors import make_detector
    from sfumato.faces.encoders import make_encoder
    from sfumato.faces.sources import open_source
    from sfumato.jobs.embed import Embed

    job = Embed(
        open_source(source, identity="folder" if identity_from_folder else None),
        make_detector(detector),
        make_encoder(encoder),
        all_faces=all_faces,
        max_pixels=max_pixels,
    )
    _fill(job, output, part_rows, runner, address, workers, force, json)


@batch.command("describe")
def describe_photos(
    source: Photos,
    output: Folder,
    reader: Reader = None,
    detector: Detector = "dlib",
    encoder: Encoder = "dlib",
    largest: Largest = False,
    max_pixels: MaxPixels = 100_000_000,
    part_rows: PartRows = None,
    runner: Runner = "native",
    address: Address = None,
    workers: Workers = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Photos to what the faces on them show."""
    from sfumato.faces.detectors import make_detector
    from sfumato.faces.sources import open_source
    from sfumato.jobs.describe import Describe
    from sfumato.readers.describe import LAWFUL

    warn(LAWFUL)
    job = Describe(
        open_source(source),
        open_model(reader or "dlib", "reader"),
        make_detector(detector),
        encoder,
        largest=largest,
        max_pixels=max_pixels,
    )
    _fill(job, output, part_rows, runner, address, workers, force, json)


@batch.command("check")
def check(
    folder: Annotated[str, typer.Argument(help="What another batch command filled.")],
    json: AsJson = False,
) -> None:
    """Compare every part of a batch job's folder with the checksums that the job recorded.

    Exit code 2: something is damaged, missing or not the job's; its first file is named.
    """
    from sfumato.jobs.checking import check_folder, require_whole

    found = check_folder(folder)
    if json:
        print_json(found)
    require_whole(found)
    if not json:
        say(
            f"{folder}: {found['n_rows']:,} rows in {found['n_parts']:,} parts, "
            f"{found['n_rejects']:,} rejects: every checksum is right."
        )


def _fill(job, output, part_rows, runner, address, workers, force, json):
    from sfumato.jobs.run import make_runner

    run(
        job,
        os.path.join(output, ""),  # A slash at its end: a folder, whatever its name.
        part_rows=part_rows,
        runner=make_runner(runner, address, workers),
        force=force,
        json=json,
    )
