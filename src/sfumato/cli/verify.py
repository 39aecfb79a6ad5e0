"""``sfumato verify``: how well people can be told apart, before and after protection."""

from pathlib import Path
from typing import Annotated

import typer

from sfumato.cli import app
from sfumato.cli.output import DONE_WITH_REJECTS, errors, print_json, results


@app.command()
def verify(
    table: Annotated[Path, typer.Argument(help="Face table with embeddings.")],
    pairs: Annotated[
        Path | None,
        typer.Option(help="Pairs to compare: .parquet, .csv or LFW .txt. Default: all rows."),
    ] = None,
    protected: Annotated[
        Path | None,
        typer.Option(help="The same faces after an eraser, joined by image_id."),
    ] = None,
    fmr: Annotated[float, typer.Option(help="False match rate, a fraction.")] = 1e-3,
    view: Annotated[
        str | None,
        typer.Option(help="View of the pairs; default: the last, view2 for LFW."),
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples of the intervals, 0 for none.")
    ] = 500,
    seed: Annotated[int, typer.Option(help="Seed of folds, samples and intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
):
    """Measure EER, TMR at an FMR and accuracy, with intervals over people."""
    from sfumato.audit.verification import verify as measure

    report = measure(
        table,
        pairs=pairs,
        protected=protected,
        fmr=fmr,
        view=view,
        n_resamples=resamples,
        seed=seed,
    )
    if as_json:
        print_json(report)
    else:
        _print_table(report, fmr)
    if report["n_missing"]:
        errors.print(f"{report['n_missing']} pairs left out: an image is not in {table}.")
        raise typer.Exit(DONE_WITH_REJECTS)


def _print_table(report, fmr):
    from rich.table import Table

    matchings = {name: part for name, part in report.items() if isinstance(part, dict)}
    if "protocol" in report:
        matchings = {"original-original": report}
    parts = list(matchings.values())
    metrics = " / ".join(dict.fromkeys(part["metric"] for part in parts))
    shown = Table(
        title=f"Verification, {parts[0]['protocol']}, {metrics}",
        caption=r"\[low, high]: 95 % interval over people; rates are fractions",
        show_lines=True,
    )
    shown.add_column("")
    for name in matchings:
        shown.add_column(name.replace("-", "-\n"))
    shown.add_row("EER", *(_rate(part["eer"]) for part in parts))
    shown.add_row(f"TMR at FMR {fmr:g}", *(_rate(part["tmr_at_fmr"]) for part in parts))
    shown.add_row("accuracy", *(_rate(part["accuracy"]) for part in parts))
    shown.add_row("d'", *(f"{p['d_prime']:.2f}" if p["d_prime"] else "-" for p in parts))
    for count in ("n_genuine", "n_impostor", "n_identities"):
        shown.add_row(count, *(str(part[count]) for part in parts))
    results.print(shown)
    for note in dict.fromkeys(note for part in parts for note in part["notes"]):
        errors.print(f"Note: {note}.", markup=False)


def _rate(part):
    if part is None:
        return "-"
    text = f"{part['value']:.4f}"
    if part["ci95"] is not None:
        text += "\n\\[{:.4f}, {:.4f}]".format(*part["ci95"])
    return text
