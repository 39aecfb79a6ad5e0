"""``sfumato demo``: the main job on simulated people, without any download."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.output import MAX_SEED, print_json, say, show, text_table, track, warn

#: What the simulated people show of each method, as their figures say beside it.
SHOWS = {
    "leace": "fools linear attackers only",
    "sensitivenets": "hides little, and costs matching",
    "barycentre": "hides most, for little of the matching; recommended",
}


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
    show(_table(audits))
    say(*(f"Report: {output / method}.html" for method in audits))
    for method, reason in skipped.items():
        warn(f"{method} was skipped: {reason}", style="yellow")
    say("Next, with a table of your own: sfumato audit mine.parquet -a gender -o report.html")


def _table(audits):
    rows = []
    for method, result in audits.items():
        accuracies = {
            name: [
                leakage.attacks[name].balanced_accuracy
                for leakage in (result.before, result.after)
            ]
            for name in ("logistic regression", result.after.strongest)
        }
        matching = result.matching["original-original"], result.matching["protected-protected"]
        rows.append(
            (
                method,
                *(" -> ".join(f"{a:.2f}" for a in pair) for pair in accuracies.values()),
                " -> ".join(f"{part.result['eer']['value']:.4f}" for part in matching),
                SHOWS[method],
            )
        )
    columns = ("eraser", "linear attacker", "strongest attacker", "EER", "what it shows")
    return text_table(
        columns,
        rows,
        title="Gender read off simulated people, raw -> protected (chance 0.50)",
    )
