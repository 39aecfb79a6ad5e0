"""``sfumato batch``: millions of templates or photos, on all cores or on a cluster."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sfumato.cli import app
from sfumato.cli.opening import open_model
from sfumato.cli.output import DONE_WITH_REJECTS, print_json, say, track, warn, warn_reasons
from sfumato.cli.pictures import read_hide, read_keep, refuse_photo_options
from sfumato.errors import InputError

batch = typer.Typer(
    name="batch",
    help="Large tables and folders of photos, part by part, on all cores or on a Ray cluster. "
    "Run again to go on after an interruption. Exit code 1: some rows were rejected.",
    no_args_is_help=True,
)
app.add_typer(batch)

TEMPLATE_ROWS, PHOTO_ROWS = 262_144, 256

# Text, as a Path would take a URL apart.
Photos = Annotated[
    str,
    typer.Argument(
        help="A folder of photos, a text file of paths, or a face table, also its URL (s3://, "
        "https://, ...)."
    ),
]
Detector = Annotated[str, typer.Option(help="dlib, mtcnn or yunet:PATH.")]
Encoder = Annotated[str, typer.Option(help="dlib or arcface-onnx:PATH.")]
MaxPixels = Annotated[int, typer.Option(help="Refuse larger photos undecoded.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The folder to fill: a face table in parts.")
]
PartPhotos = Annotated[int, typer.Option("--part-rows", help="Photos of a part.")]
Runner = Annotated[str, typer.Option(help="native (this machine) or ray.")]
Address = Annotated[
    str | None,
    typer.Option(help="Of a Ray cluster, host:port; by default one is started here."),
]
Workers = Annotated[int | None, typer.Option(help="Processes; by default one a core.")]
Force = Annotated[
    bool, typer.Option("--force", help="Throw away an unfinished job of other settings.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@batch.command("protect")
def protect(
    model: Annotated[
        Path,
        typer.Argument(
            help="A saved eraser for templates, a saved perturber for photos, or what "
            "`sfumato export` made of one (.onnx). Bundled perturbers, by name: "
            "privacynet, controllable."
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
    output: Output,
    hide: Annotated[
        str | None,
        typer.Option(help="Photos: what to hide, gender,age; age=old names the class to show."),
    ] = None,
    keep: Annotated[
        str | None, typer.Option(help="Photos: what must stay readable, race.")
    ] = None,
    at_random: Annotated[
        bool,
        typer.Option("--at-random", help="Photos: draw what to show among all classes."),
    ] = False,
    strength: Annotated[
        float | None,
        typer.Option(help="Photos: how much to change, above 0; by default as saved."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="Photos: ask unseen readers and an unseen matcher about every face; slower.",
        ),
    ] = False,
    detector: Annotated[str, typer.Option(help="Photos: dlib, mtcnn or yunet:PATH.")] = "dlib",
    max_pixels: MaxPixels = 100_000_000,
    part_rows: Annotated[
        int | None,
        typer.Option(
            help=f"Of a part: {PHOTO_ROWS} photos, or {TEMPLATE_ROWS:,} rows, rounded up to "
            "row groups.",
            show_default=False,
        ),
    ] = None,
    runner: Runner = "native",
    address: Address = None,
    workers: Workers = None,
    force: Force = False,
    json: AsJson = False,
):
    """Take attributes out of the templates of a face table, or hide them in photos.

    The kind of model decides. Photos become a face table with the changed photos and counts of
    their faces; metadata, and labels of what is hidden, are left out; photos without a face are
    rejects. Exit code 1, too, if a face was too small and stays as it was.
    """
    from sfumato.models.saved_model import SavedModel
    from sfumato.perturbers.base import Perturber

    opened = open_model(model)
    asked: dict[str, Any] = {"hide": hide, "keep": keep, "at_random": at_random}
    asked |= {"strength": strength, "check": check}
    if isinstance(opened, SavedModel):
        refuse_photo_options(asked, source)
        job, rows = _template_job(opened, source), TEMPLATE_ROWS
    elif isinstance(opened, Perturber):
        job, rows = _photo_job(opened, source, detector, max_pixels, **asked), PHOTO_ROWS
    else:
        raise InputError(f"{model}: a reader; give an eraser or a perturber.")
    _run(
        job,
        output,
        rows if part_rows is None else part_rows,
        runner,
        address,
        workers,
        force,
        json,
    )


def _template_job(model, source):
    from sfumato.batch.protecting import ProtectJob
    from sfumato.data.lance import open_table

    return ProtectJob(model, open_table(source))


def _photo_job(perturber, source, detector, max_pixels, *, hide, keep, at_random, strength, check):
    from sfumato.batch.protecting import PerturbJob
    from sfumato.faces.sources import open_source
    from sfumato.models.photos import photo_detector
    from sfumato.perturbers.base import with_strength
    from sfumato.perturbers.editing import Wish
    from sfumato.readers.check import FaceCheck

    if hide is None:
        raise InputError("give --hide, such as --hide gender,age, for photos.")
    if strength is not None:
        perturber = with_strength(perturber, strength)
    return PerturbJob(
        open_source(source),
        perturber,
        photo_detector(detector),
        Wish.of(perturber, read_hide(hide), keep=read_keep(keep), at_random=at_random),
        check=FaceCheck() if check else None,
        max_pixels=max_pixels,
    )


@batch.command("embed")
def embed_photos(
    source: Photos,
    output: Output,
    detector: Detector = "dlib",
    encoder: Encoder = "dlib",
    all_faces: Annotated[
        bool, typer.Option(help="One row a face; else the largest face's only.")
    ] = False,
    identity_from_folder: Annotated[
        bool, typer.Option("--identity-from-folder", help="A photo's folder names the person.")
    ] = False,
    max_pixels: MaxPixels = 100_000_000,
    part_rows: PartPhotos = PHOTO_ROWS,
    runner: Runner = "native",
    address: Address = None,
    workers: Workers = None,
    force: Force = False,
    json: AsJson = False,
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
    source: Photos,
    output: Output,
    reader: Annotated[
        str | None,
        typer.Option(
            help="dlib or pixels, which come with sfumato, or a saved or exported (.onnx) one; "
            "default: dlib."
        ),
    ] = None,
    detector: Detector = "dlib",
    encoder: Encoder = "dlib",
    largest: Annotated[
        bool, typer.Option("--largest", help="The largest face of a photo alone.")
    ] = False,
    max_pixels: MaxPixels = 100_000_000,
    part_rows: PartPhotos = PHOTO_ROWS,
    runner: Runner = "native",
    address: Address = None,
    workers: Workers = None,
    force: Force = False,
    json: AsJson = False,
):
    """Photos to what the faces on them show."""
    from sfumato.batch.describing import DescribeJob
    from sfumato.faces.detect import make_detector
    from sfumato.faces.sources import open_source
    from sfumato.readers.describe import LAWFUL

    warn(LAWFUL)
    job = DescribeJob(
        open_source(source),
        open_model(reader or "dlib", "reader"),
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
    unread = job.unread
    summary["unread"] = unread.to_dict()
    if json:
        print_json(summary)
    else:
        _print_summary(summary)
    warn(*unread.lines())
    bad = [summary.get(name) for name in ("n_rejects", "n_left", "n_failed")]
    if any(bad) or unread.missed:
        raise typer.Exit(DONE_WITH_REJECTS)


def _print_summary(summary):
    faces = ""
    if "n_faces" in summary:
        checked = "not checked; --check asks unseen readers"
        if "n_succeeded" in summary:
            checked = (
                f"by unseen readers the wish is granted on {summary['n_succeeded']:,}, not on "
                f"{summary['n_failed']:,}"
            )
        faces = f", {summary['n_faces']:,} faces changed ({checked})"
    say(
        f"{summary['output']}: {summary['n_rows']:,} rows of {summary['n_rows_in']:,} in "
        f"{summary['n_parts']:,} parts{faces}, {summary['seconds']:.1f} s."
    )
    if summary.get("n_left"):
        warn(f"{summary['n_left']:,} faces stay as they were, too small or by chance (n_left).")
    if summary["n_rejects"]:
        warn(f"{summary['n_rejects']:,} rejected, see {summary['output']}/_rejects:")
    warn_reasons(summary["reasons"])
