"""``sfumato reproduce``: measure published tables and figures again."""

from pathlib import Path
from typing import Any

import typer
from rich.measure import Measurement

from sfumato.cli import app
from sfumato.cli.output import print_json, results, say, show, text_table, track, warn


@app.command()
def reproduce(
    name: str = typer.Argument(help="An experiment, or `list` to see all of them."),
    data: Path = typer.Option(None, help="Folder of face tables; default $SFUMATO_DATA/data."),
    cache: Path = typer.Option(None, help="Folder for templates; default the user's cache."),
    preset: str = typer.Option(
        "quick", help="quick (a sample, under a minute), full, or of some experiments gpu."
    ),
    eraser: list[str] = typer.Option(
        [], help="An eraser of your own beside the others, module:Class (erasers-leaderboard)."
    ),
    perturber: list[str] = typer.Option(
        [],
        help="A perturber of your own beside the others, module:Class (perturbers-leaderboard).",
    ),
    seeds: int = typer.Option(None, help="How many seeds; default depends on the preset."),
    detector: str = typer.Option(None, help="dlib, dlib-68, mtcnn, centerface or yunet:PATH."),
    encoder: str = typer.Option(None, help="dlib or arcface-onnx:PATH."),
    output: Path = typer.Option(None, "--output", "-o", help="Folder for the result's files."),
    force: bool = typer.Option(False, "--force", help="Replace an earlier result."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Measure a published table or figure again, and print ours beside the published figures."""
    from sfumato.reproduce import run as library

    if name == "list":
        print_listing(library.listing(), as_json)
        return
    from sfumato.reproduce.own_methods import make_methods
    from sfumato.reproduce.templates import FaceTemplates
    from sfumato.reproduce.writing import check_free, write_result

    if output is not None and not force:
        check_free(output, name)
    own = make_methods(name, {"eraser": eraser, "perturber": perturber})
    with track(name) as progress:
        templates = FaceTemplates(
            data, cache, detector=detector, encoder=encoder, progress=progress
        )
        result = library.reproduce(
            name,
            templates,
            preset=preset,
            n_seeds=seeds,
            own=own,
            progress=progress,
        )
    if output is not None:
        for path in write_result(result, output):
            warn(path)
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(result)


def print_result(result: Any) -> None:
    """Print a result's tables, in several parts if wider than the terminal, and notes."""
    from sfumato.reproduce.writing import HOW_TO_READ

    views = [view for table in result.tables for view in _views(result, *table)]
    if views:
        views[-1].caption = f"{HOW_TO_READ}; preset {result.preset}, {len(result.seeds)} seed(s)"
    for view in views:
        show(view)
    say(*(f"- {note}" for note in result.findings.notes), f"{result.seconds:.0f} s")


def _views(result, columns, rows):
    """Yield a table, in several parts if it is wider than the terminal."""
    while columns:
        n_columns = len(columns)
        while n_columns > 1 and _width(_table(result, columns[:n_columns], rows)) > results.width:
            n_columns -= 1
        yield _table(result, columns[:n_columns], rows)
        columns = columns[n_columns:]


def _table(result, columns, rows):
    from sfumato.reproduce.writing import cells_of

    cells = list(cells_of(columns, rows))
    return text_table(
        ("", "", *columns),
        cells,
        title=result.title,
        right=range(2, 2 + len(columns)),
        sections=[number - 1 for number, row in enumerate(cells) if number and row[0]],
    )


def _width(view):
    """Return how wide a table is with no cell wrapped."""
    return Measurement.get(results, results.options.update(width=10_000), view).maximum


def print_listing(experiments: Any, as_json: Any) -> None:
    """Print what every experiment shows, needs and costs."""
    if as_json:
        print_json({"experiments": experiments})
        return
    sources: dict = {}
    rows = []
    for found in experiments:
        sources |= found["data"]
        seconds = " / ".join(f"{found['seconds'][preset]} s" for preset in ("quick", "full"))
        shows = f"{found['title']}. {found['shows']}"
        rows.append((found["name"], shows, ", ".join(found["data"]), seconds))
    show(text_table(("name", "shows", "tables", "quick / full"), rows, title="Experiments"))
    say("Tables, NAME.parquet in the data folder (research use; keep their terms):")
    say(*(f"- {name}: {source}" for name, source in sources.items()))
