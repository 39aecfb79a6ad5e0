"""``sfumato audit``: what attackers read before and after, on the terminal and as a page."""

from pathlib import Path

import typer
from rich.table import Table

from sfumato.cli import app
from sfumato.cli.output import errors, print_json, results, track
from sfumato.errors import InputError


@app.command()
def audit(
    table: Path = typer.Argument(help="Face table with embeddings and labels."),
    attribute: list[str] = typer.Option(..., "--attribute", "-a", help="Label to attack."),
    protected: Path = typer.Option(None, help="The same table after `sfumato protect`."),
    output: Path = typer.Option(None, "--output", "-o", help="Report to write, HTML."),
    test_table: Path = typer.Option(None, help="Test the attackers on the people of this table."),
    test_protected: Path = typer.Option(None, help="That table after `sfumato protect`."),
    where: str = typer.Option(None, help="Only rows with column=value (!value: all others)."),
    test_where: str = typer.Option(None, help="Test only on rows with column=value."),
    attacker: list[str] = typer.Option([], help="Only these attackers; default all."),
    seed: int = typer.Option(0, help="Of splits, attackers and resamples."),
    force: bool = typer.Option(False, help="Replace an existing report."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
):
    """Train attackers afresh and report what the strongest reads on people it never saw."""
    from sfumato.audit.tables import audit_tables

    if output is not None and output.exists() and not force:
        raise InputError(f"{output} exists already; give another name or --force.")
    with track("audit") as progress:
        found = audit_tables(
            table,
            attribute,
            protected=protected,
            test_table=test_table,
            test_protected=test_protected,
            where=where,
            test_where=test_where,
            attackers=attacker or None,
            seed=seed,
            progress=progress,
        )
    if output is not None:
        from sfumato.audit.report import write_report

        write_report(found, output)
        errors.print(f"Report: {output}")
    if as_json:
        print_json({"attributes": {result.attribute: result.to_dict() for result in found}})
        return
    for result in found:
        print_audit(result)


def print_audit(result):
    """Print one attribute's audit as a table, its matching and its alarms."""
    title = f"{result.attribute}: {' / '.join(result.classes)} (chance {result.chance:.3f})"
    view = Table("attacker", title=title, caption="* strongest, picked on validation people")
    sides = {"before": result.before}
    sides |= {"after": result.after} if result.after else {}
    for name in sides:
        view.add_column(f"{name}: balanced accuracy [95 %]", justify="right")
    for name in result.before.attacks:
        cells = []
        for leakage in sides.values():
            attack = leakage.attacks[name]
            low, high = attack.ci95
            mark = " *" if leakage.strongest == name else "  "
            cells.append(f"{attack.balanced_accuracy:.3f} [{low:.3f}, {high:.3f}]{mark}")
        view.add_row(name, *cells)
    results.print(view)
    if result.reduction:
        low, high = result.reduction["ci95"]
        results.print(
            f"Relative reduction of the strongest attacker: {result.reduction['value']:.3f} "
            f"[{low:.3f}, {high:.3f}] (1 would be: nothing left to read)"
        )
    if result.matching:
        print_matching(result.matching)
    for alarm in result.alarms:
        results.print(f"[yellow]Alarm:[/] {alarm}", highlight=False)


def print_matching(matching):
    """Print EER and TMR of each pairing of raw and protected embeddings."""
    view = Table("matching", "EER [95 %]", "TMR at FMR [95 %]", "genuine / impostor")
    for name, found in matching.items():
        figures = found.result
        eer, tmr = figures["eer"], figures["tmr_at_fmr"]
        view.add_row(
            name,
            f"{eer['value']:.4f} [{eer['ci95'][0]:.4f}, {eer['ci95'][1]:.4f}]",
            "-"
            if tmr is None
            else f"{tmr['value']:.4f} [{tmr['ci95'][0]:.4f}, {tmr['ci95'][1]:.4f}] "
            f"at {tmr['fmr']:g}",
            f"{figures['n_genuine']:,} / {figures['n_impostor']:,}",
        )
    results.print(view)
