"""``sfumato fit`` and ``sfumato protect``."""

import json
import tomllib
from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.output import print_json, results, track
from sfumato.errors import InputError


@app.command()
def fit(
    method: str = typer.Argument(help="An eraser; the README lists them."),
    table: Path = typer.Argument(help="Face table with embeddings and labels."),
    attribute: list[str] = typer.Option(..., "--attribute", "-a", help="Label to take out."),
    output: Path = typer.Option(..., "--output", "-o", help="Model file to write."),
    also: list[Path] = typer.Option([], help="One more table with the same labels."),
    context: list[str] = typer.Option(
        [], "--context", help="Another label that may go with the attribute (barycentre)."
    ),
    rows: str = typer.Option(
        "half", help="Rows to fit on: half (of the people, so that the rest can audit) or all."
    ),
    where: str = typer.Option(None, help="Only rows with column=value (!value: all others)."),
    parameter: list[str] = typer.Option([], "--set", help="Parameter of the method, name=value."),
    config: Path = typer.Option(None, help="TOML file with the method's parameters."),
    seed: int = typer.Option(0, help="Of the split into halves."),
    force: bool = typer.Option(False, help="Replace an existing model."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
):
    """Fit an eraser on the labelled embeddings of a face table."""
    from sfumato.data.selection import Selection
    from sfumato.models.tables import fit_table
    from sfumato.validation import check_choice

    check_choice(rows, ("half", "all"), "rows")
    if output.exists() and not force:
        raise InputError(f"{output} exists already; give another name or --force.")
    # Rows picked by a column are already apart from the others.
    half = "eraser" if rows == "half" and where is None else None
    with track(f"fit {method}") as progress:
        model = fit_table(
            method,
            table,
            attribute,
            output,
            also=also,
            context=context,
            parameters=read_parameters(parameter, config),
            selection=Selection(where=where, half=half, seed=seed),
            progress=progress,
        )
    summary = {"model": str(output), **model.step}
    if as_json:
        print_json(summary)
    else:
        results.print(
            f"{output}: {method} takes {', '.join(attribute)} out, fitted on "
            f"{model.fitted_on['n_rows']:,} rows ({model.fitted_on['rows']})."
        )


def read_parameters(pairs, config):
    """Return a method's parameters from a TOML file and ``name=value`` pairs, which win."""
    values = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"{config}: not a readable TOML file ({error}).") from error
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise InputError(f"--set takes name=value, got {pair!r}.")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    return values


@app.command()
def protect(
    model: Path = typer.Argument(help="Model that `sfumato fit` wrote."),
    table: Path = typer.Argument(help="Face table with embeddings of the same encoder."),
    output: Path = typer.Option(..., "--output", "-o", help="Protected table to write."),
    force: bool = typer.Option(False, help="Replace an existing table."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
):
    """Take the attributes out of every embedding of a face table."""
    from sfumato.models.tables import protect_table

    with track("protect") as progress:
        summary = protect_table(model, table, output, overwrite=force, progress=progress)
    if as_json:
        print_json(summary)
    else:
        results.print(
            f"{output}: {summary['n_rows']:,} protected embeddings; photos and "
            "the erased labels are left out."
        )
