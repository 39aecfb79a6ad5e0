"""What commands that run jobs share: their options, and what they print at the end."""

from typing import Annotated, Any

import typer

from sfumato.cli.output import (
    DONE_WITH_REJECTS,
    print_json,
    say,
    track,
    warn,
    warn_reasons,
    warn_some,
)

# Text, as a Path would lose the slash at its end, or take a URL apart.
Photos = Annotated[
    str,
    typer.Argument(
        help="A photo, a folder of photos, a text file of paths, or a face table, also its URL "
        "(s3://, https://, ...)."
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", help="The face table to write, name.parquet, or a folder of its parts."
    ),
]
Folder = Annotated[
    str, typer.Option("--output", "-o", help="The folder to fill: a face table in parts.")
]
Detector = Annotated[str, typer.Option(help="dlib, dlib-68, mtcnn, centerface or yunet:PATH.")]
Encoder = Annotated[str, typer.Option(help="dlib or arcface-onnx:PATH.")]
Reader = Annotated[
    str | None,
    typer.Option(
        help="dlib or pixels, which come with sfumato, or a saved or exported (.onnx) one; "
        "default: dlib."
    ),
]
Largest = Annotated[bool, typer.Option("--largest", help="The largest face of a photo alone.")]
AllFaces = Annotated[bool, typer.Option(help="One row a face; else the largest face's only.")]
FolderNames = Annotated[
    bool, typer.Option("--identity-from-folder", help="A photo's folder names the person.")
]
MaxPixels = Annotated[int, typer.Option(help="Refuse larger photos undecoded.")]
PartRows = Annotated[
    int | None,
    typer.Option(
        help="Of a part: 256 photos, or 262,144 rows, rounded up to row groups.",
        show_default=False,
    ),
]
Runner = Annotated[
    str,
    typer.Option(
        help="native (this machine) or ray; whoever reaches a Ray cluster runs code on it "
        "(docs/security.md)."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="Of a Ray cluster, host:port; by default one is started here."),
]
Workers = Annotated[int | None, typer.Option(help="Processes; by default one a core.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace the output; throw away an unfinished job of other settings."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def runner_of(runner: Any, address: Any, workers: int | None) -> Any:
    """Return the runner that options name, None for the library's default."""
    from sfumato.jobs.run import make_runner

    if runner == "native" and address is None:
        return None
    return make_runner(runner, address, workers)


def run(
    job: Any,
    output: Any,
    *,
    part_rows: Any = None,
    runner: Any = None,
    force: bool = False,
    json: bool = False,
) -> None:
    """Run a job into an output, print its summary, and end with 1 if something was left out."""
    from sfumato.jobs.run import run_job

    with track(job.settings["job"]) as progress:
        summary = run_job(
            job, output, part_rows=part_rows, runner=runner, overwrite=force, progress=progress
        )
    end(summary, json)


def end(summary: Any, json: Any) -> None:
    """Print what a job did, and end with 1 if something was left out."""
    from sfumato.faces.folders import Unread

    unread = Unread(summary["unread"]["left_out"], summary["unread"]["notes"])
    if json:
        print_json(summary)
    else:
        _print_summary(summary)
    warn(*unread.lines())
    warn_redone(summary["damaged"])
    if any(summary.get(name) for name in ("n_rejects", "n_left", "n_failed")) or unread.missed:
        raise typer.Exit(DONE_WITH_REJECTS)


def warn_redone(damaged: list[dict[str, str]]) -> None:
    """Say which kept parts were not what the job wrote, and were done again."""
    warn_some([f"done again: {each['file']}: {each['problem']}" for each in damaged], "parts")


def _print_summary(summary):
    faces = ""
    if "n_faces" in summary:
        checked = "not checked; --check asks readers"
        if "n_succeeded" in summary:
            checked = (
                f"by the readers the wish is granted on {summary['n_succeeded']:,}, not on "
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
        warn(f"{summary['n_rejects']:,} rejected, see {summary['rejects_path']}:")
    warn_reasons(summary["reasons"])
