"""``sfumato demo``: the main job on simulated people, without any download."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.audit import print_audit
from sfumato.cli.output import MAX_SEED, print_json, say, track, warn


@app.command()
def demo(
    output: Path = typer.Option("demo", "--output", "-o", help="Folder for tables and reports."),
    seed: int = typer.Option(0, min=0, max=MAX_SEED, help="Random seed."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Simulate people, attack, erase, attack again; write a report for each method."""
    from sfumato.reproduce.demo import run_demo

    with track("demo") as progress:
        audits, skipped = run_demo(output, seed=seed, progress=progress)
    if as_json:
        found = {method: result.to_dict() for method, result in audits.items()}
        print_json({"methods": found, "skipped": skipped})
        return
    for method, result in audits.items():
        say("", method, style="bold")
        print_audit(result)
        say(f"Report: {output / method}.html")
    for method, reason in skipped.items():
        warn(f"{method} was skipped: {reason}", style="yellow")
