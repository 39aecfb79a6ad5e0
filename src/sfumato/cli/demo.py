"""``sfumato demo``: the main job on simulated people, without any download."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.output import MAX_SEED, print_json, say, show, text_table, track, warn


@app.command()
def demo(
    output: Path = typer.Option("demo", "--output", "-o", help="Folder for tables and reports."),
    seed: int = typer.Option(0, min=0, max=MAX_SEED, help="Random seed."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Simulate people, attack, erase, attack again; perturb a drawn face; write reports."""
    from sfumato.reproduce.demo import COLUMNS, NEXT, run_demo

    with track("demo") as progress:
        found = run_demo(output, seed=seed, progress=progress)
    if as_json:
        print_json(found.to_dict())
        return
    title = "Gender read off simulated people, raw -> protected (chance 0.50)"
    show(text_table(COLUMNS, found.rows, title=title))
    say(found.sentence)
    if found.photo is not None:
        say(found.photo.sentence)
    say(f"Report: {output / 'index.html'}")
    for what, reason in found.skipped.items():
        warn(f"{what} was skipped: {reason}", style="yellow")
    say(f"Next, with a table of your own: {NEXT}")
