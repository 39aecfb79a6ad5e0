"""``sfumato verify``: how well people can be recognised, before and after protection."""

from pathlib import Path
from typing import Annotated

import typer

from sfumato.cli import app
from sfumato.cli.completing import complete_label
from sfumato.cli.floor import print_floors
from sfumato.cli.groups import print_groups
from sfumato.cli.lists import read_names
from sfumato.cli.opening import EmbeddingColumn, IdColumn, IdentityColumn, open_own
from sfumato.cli.output import DONE_WITH_REJECTS, MAX_SEED, print_json, show, text_table, warn


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
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            "-a",
            help="Labels a,b: what matching costs if they reject no impostor.",
            autocompletion=complete_label,
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Labels a,b whose groups are told apart, each and all crossed: FMR and FNMR at "
            "one threshold.",
            autocompletion=complete_label,
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples of the intervals, 0 for none.")
    ] = 500,
    embedding: EmbeddingColumn = None,
    identity: IdentityColumn = None,
    image_id: IdColumn = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of folds, samples and intervals.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """Measure EER, TMR at an FMR and accuracy, with intervals over people."""
    from sfumato.audit.verification import verify as measure

    opened = open_own(table, embedding, identity, image_id)
    report = measure(
        opened,
        pairs=pairs,
        protected=protected,
        fmr=fmr,
        view=view,
        attributes=read_names(attribute, opened.columns) or None,
        by=read_names(by, opened.columns) or None,
        n_resamples=resamples,
        seed=seed,
    )
    if as_json:
        print_json(report.to_dict())
    else:
        _print_table(report.matchings, fmr)
        print_floors(report.floor)
        print_groups(report.groups)
    if report.n_missing:
        warn(f"{report.n_missing} pairs left out: an image is not in {table}.")
        raise typer.Exit(DONE_WITH_REJECTS)


def _print_table(matchings, fmr):
    parts = list(matchings.values())
    metrics = " / ".join(dict.fromkeys(part["metric"] for part in parts))
    rows = [
        ("EER", *(_rate(part["eer"]) for part in parts)),
        (f"TMR at FMR {fmr:g}", *(_rate(part["tmr_at_fmr"]) for part in parts)),
        ("accuracy", *(_rate(part["accuracy"]) for part in parts)),
        ("d'", *(f"{p['d_prime']:.2f}" if p["d_prime"] else "-" for p in parts)),
        *(
            (count, *(part[count] for part in parts))
            for count in ("n_genuine", "n_impostor", "n_identities")
        ),
    ]
    show(
        text_table(
            ("", *(tuple(name.replace("-", "-\n").split("\n")) for name in matchings)),
            rows,
            title=f"Verification, {parts[0]['protocol']}, {metrics}",
            caption="[low, high]: 95 % interval over people; rates are fractions",
            sections=range(len(rows)),
        )
    )
    warn(*(f"Note: {note}." for note in dict.fromkeys(n for part in parts for n in part["notes"])))


def _rate(part):
    if part is None:
        return "-"
    if part["ci95"] is None:
        return f"{part['value']:.4f}"
    return f"{part['value']:.4f}", "[{:.4f}, {:.4f}]".format(*part["ci95"])
