"""``sfumato audit``: what attackers read before and after, on the terminal and as a page."""

from pathlib import Path
from typing import Any

import typer

from sfumato.cli import app
from sfumato.cli.completing import complete_label
from sfumato.cli.floor import print_floors
from sfumato.cli.given import print_given
from sfumato.cli.groups import print_groups
from sfumato.cli.lists import read_names
from sfumato.cli.opening import EmbeddingColumn, IdColumn, IdentityColumn, open_own
from sfumato.cli.output import MAX_SEED, print_json, say, show, text_table, track, warn
from sfumato.cli.protection import print_protection
from sfumato.errors import InputError
from sfumato.files import check_free


@app.command()
def audit(
    table: Path = typer.Argument(help="Face table with embeddings and labels."),
    attribute: list[str] = typer.Option(
        ...,
        "--attribute",
        "-a",
        help="Labels a,b to attack.",
        autocompletion=complete_label,
    ),
    others: list[Path] = typer.Argument(
        None, metavar="[PROTECTED]...", help="The same table after `sfumato protect`, or several."
    ),
    protected: list[Path] = typer.Option([], help="The same, as an option."),
    output: Path = typer.Option(None, "--output", "-o", help="Report to write, HTML."),
    test_table: Path = typer.Option(None, help="Test the attackers on the people of this table."),
    test_protected: Path = typer.Option(None, help="That table after `sfumato protect`."),
    where: str = typer.Option(None, help="Only rows with column=value (!value: all others)."),
    test_where: str = typer.Option(None, help="Test only on rows with column=value."),
    across: list[Path] = typer.Option(
        [], help="The same faces under another key or from another eraser: can they be linked?"
    ),
    given: list[str] = typer.Option(
        [],
        help="Labels a,b known anyway: what goes with them.",
        autocompletion=complete_label,
    ),
    by: list[str] = typer.Option(
        [], help="Labels a,b whose groups are compared.", autocompletion=complete_label
    ),
    attacker: list[str] = typer.Option(
        [], help="Only these attackers, a,b; default all. A classifier of your own: module:Class."
    ),
    quick: bool = typer.Option(False, "--quick", help="Only three attackers that see most."),
    purpose: str = typer.Option(None, help="For the file: what this audit is for."),
    necessity: str = typer.Option(None, help="For the file: why it needs these labels."),
    retention: str = typer.Option(None, help="For the file: how long labels and results stay."),
    cache: Path = typer.Option(
        None, help="Folder that remembers what was read on raw rows, by their SHA-256."
    ),
    curve: bool = typer.Option(True, help="Learning curves: would more rows read more?"),
    embedding: EmbeddingColumn = None,
    identity: IdentityColumn = None,
    image_id: IdColumn = None,
    seed: int = typer.Option(0, min=0, max=MAX_SEED, help="Of splits, attackers and resamples."),
    force: bool = typer.Option(False, "--force", help="Replace an existing report."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Train attackers afresh and report what the strongest reads on people it never saw."""
    twins = [*(others or []), *protected]
    if output is not None:
        inputs = [each for each in (table, *twins, test_table, test_protected, *across) if each]
        check_free(output, overwrite=force, inputs=inputs)
        if len(twins) > 1:
            raise InputError("--output goes with one protected table; write a report of each.")
    opened = open_own(table, embedding, identity, image_id)
    attributes = read_names(attribute, opened.columns)
    options = {
        "test_table": test_table,
        "test_protected": test_protected,
        "where": where,
        "test_where": test_where,
        "across": across or None,
        "by": read_names(by, opened.columns) or None,
        "given": read_names(given, opened.columns) or None,
        "attackers": _attackers(attacker, quick),
        "basis": {"purpose": purpose, "necessity": necessity, "retention": retention},
        "cache": cache or True,
        "curve": curve,
        "seed": seed,
    }
    if len(twins) > 1:
        _audit_many(opened, attributes, twins, options, as_json)
        return
    _audit_one(opened, attributes, twins[0] if twins else None, options, output, as_json)


def _audit_one(table, attributes, protected, options, output, as_json):
    from sfumato.audit.tables import audit_tables

    with track("audit") as progress:
        found = audit_tables(table, attributes, protected=protected, progress=progress, **options)
    if output is not None:
        from sfumato.audit.report import write_report

        write_report(found, output)
        warn(f"Report: {output}")
    if as_json:
        print_json({"attributes": {result.attribute: result.to_dict() for result in found}})
        return
    for result in found:
        print_audit(result)


def _audit_many(table, attributes, protected, options, as_json):
    from sfumato.audit.many import audit_many, summarise

    with track("audit") as progress:
        found = audit_many(table, attributes, protected, progress=progress, **options)
    if as_json:
        by_table = {
            name: {"attributes": {result.attribute: result.to_dict() for result in audits}}
            for name, audits in found.items()
        }
        print_json({"protected": by_table})
        return
    for attribute in attributes:
        print_many(attribute, summarise(found, attribute))


def print_many(attribute: str, rows: list[dict[str, Any]]) -> None:
    """Print one attribute's audits of several protected tables, a row each."""
    columns = (
        *("table", "strongest attacker", "balanced accuracy [95 %]"),
        *("reduction [95 %]", "EER", "alarms"),
    )
    named = [row["table"] for row in rows if row["table"]]
    brief = len({Path(name).name for name in named}) == len(named)
    cells = []
    for row in rows:
        low, high = row["ci95"]
        name = row["table"] or "(raw)"
        cut = row["reduction"]
        cells.append(
            (
                Path(name).name if brief else name,
                row["strongest"],
                f"{row['balanced_accuracy']:.3f} [{low:.3f}, {high:.3f}]",
                "{value:.3f} [{:.3f}, {:.3f}]".format(*cut["ci95"], **cut) if cut else "-",
                "-" if row["eer"] is None else f"{row['eer']:.4f}",
                "-" if row["n_alarms"] is None else str(row["n_alarms"]),
            )
        )
    show(text_table(columns, cells, title=attribute, right=range(2, 6)))
    if any(row["n_alarms"] for row in rows):
        say("An audit of one protected table alone prints its alarms.", style="yellow")


def _attackers(names, quick):
    from sfumato.audit.attackers import NAMES, QUICK
    from sfumato.audit.own_attackers import find_attacker

    found = [find_attacker(name) for name in read_names(names, NAMES)]
    return [*(QUICK if quick else ()), *found] or None


def print_audit(result: Any) -> None:
    """Print one attribute's audit as a table, its matching and its alarms."""
    title = f"{result.attribute}: {' / '.join(result.classes)} (chance {result.chance:.3f})"
    sides = {"before": result.before}
    sides |= {"after": result.after} if result.after else {}
    rows = []
    for name in result.attackers:
        cells = [name]
        for leakage in sides.values():
            attack = leakage.attacks.get(name)
            if attack is None:
                cells.append("-  ")
                continue
            low, high = attack.ci95
            mark = " *" if leakage.strongest == name else "  "
            cells.append(f"{attack.balanced_accuracy:.3f} [{low:.3f}, {high:.3f}]{mark}")
        rows.append(cells)
    columns = ["attacker", *(f"{name}: balanced accuracy [95 %]" for name in sides)]
    caption = "* strongest, picked on validation people"
    show(text_table(columns, rows, title=title, caption=caption, right=range(1, len(columns))))
    if result.reduction:
        low, high = result.reduction["ci95"]
        say(
            f"Relative reduction of the strongest attacker: {result.reduction['value']:.3f} "
            f"[{low:.3f}, {high:.3f}] (1 would be: nothing left to read)"
        )
    if result.learning:
        print_learning(result.learning)
    if result.matching:
        print_matching(result.matching)
    print_protection(result)
    print_floors({name: floor.to_dict() for name, floor in (result.floor or {}).items()})
    if result.given:
        print_given(result)
    print_groups(result.groups or {})
    for note in result.structure.get("notes", []):
        say(f"Note: {note}")
    for alarm in result.alarms:
        say(f"Alarm: {alarm}", style="yellow")


def print_learning(learning: Any) -> None:
    """Print what the strongest attackers read with fewer rows, and what more might read."""
    from sfumato.audit.learning import MULTIPLES

    curves = learning.final
    if not curves:
        return
    rows = [
        [f"{points[0].n_rows:,}", *(f"{point.balanced_accuracy:.3f}" for point in points)]
        for points in zip(*(curve.points for curve in curves), strict=True)
    ]
    gains = (f"{curve.gain['value']:+.3f}, {curve.trend}" for curve in curves)
    rows.append(["the last doubling", *gains])
    for place, times in enumerate(MULTIPLES):
        cells = [
            _end(curve.extrapolation[place]) if curve.extrapolation else "?" for curve in curves
        ]
        rows.append([f"{times * curves[0].points[-1].n_rows:,}, extrapolated", *cells])
    columns = ["attacker rows", *(curve.attacker for curve in curves)]
    caption = (
        "balanced accuracy; extrapolated: by a power law through the last sizes, not measured"
    )
    show(text_table(columns, rows, caption=caption, right=range(1, len(columns))))


def _end(end):
    return "{balanced_accuracy:.3f} [{:.3f}, {:.3f}]".format(*end["ci95"], **end)


def print_matching(matching: Any) -> None:
    """Print EER and TMR of each pairing of raw and protected embeddings."""
    rows = []
    for name, found in matching.items():
        figures = found.result
        tmr = figures["tmr_at_fmr"]
        rows.append(
            (
                name,
                _rate(figures["eer"]),
                "-" if tmr is None else f"{_rate(tmr)} at {tmr['fmr']:g}",
                f"{figures['n_genuine']:,} / {figures['n_impostor']:,}",
            )
        )
    show(text_table(("matching", "EER [95 %]", "TMR at FMR [95 %]", "genuine / impostor"), rows))


def _rate(part):
    low, high = part["ci95"]
    return f"{part['value']:.4f} [{low:.4f}, {high:.4f}]"
