"""``sfumato data``: import, simulate and describe face tables, state their origin."""

from pathlib import Path
from typing import Any

import typer

from sfumato.cli import app
from sfumato.cli.opening import EmbeddingColumn, IdColumn, IdentityColumn, open_own
from sfumato.cli.output import (
    DONE_WITH_REJECTS,
    MAX_SEED,
    print_json,
    say,
    show,
    text_table,
    track,
    warn,
    warn_some,
)
from sfumato.data.info import say_space
from sfumato.files import check_free

data = typer.Typer(help="Import, simulate and describe face tables.", no_args_is_help=True)
app.add_typer(data, name="data")


@data.command("import")
def import_command(
    layout: str = typer.Argument(help="arrays, celeba, csv, diveface, folder, lfw or utkface."),
    source: Path = typer.Argument(help="Folder of the data set, or .npz or .csv file."),
    output: Path = typer.Option(..., "--output", "-o", help="Face table to write."),
    copy_images: bool = typer.Option(
        None, "--copy-images/--link", help="Copy the photos, or store only their paths (default)."
    ),
    images: Path = typer.Option(None, help="Folder of the photos (celeba, diveface)."),
    prefix: str = typer.Option(None, help="What feature columns begin with (csv)."),
    encoder: str = typer.Option(None, help="What made the embeddings (arrays, csv)."),
    encoder_version: str = typer.Option(None, help="Its version."),
    metric: str = typer.Option(None, help="cosine or euclidean; agreement or blocks:N."),
    normalisation: str = typer.Option(None, help="none or l2."),
    force: bool = typer.Option(False, "--force", help="Replace existing files."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Bring a public data set or your own embeddings into a face table.

    Bad rows go with their reason to OUTPUT.rejects.parquet, the others are imported, and
    the exit code is 1.
    """
    from sfumato.data.importers import import_faces

    given = {
        "copy_images": copy_images,
        "images": images,
        "prefix": prefix,
        "encoder": encoder,
        "encoder_version": encoder_version,
        "metric": metric,
        "normalisation": normalisation,
    }
    options = {name: value for name, value in given.items() if value is not None}
    with track("import") as progress:
        done = import_faces(
            layout, source, output, {**options, "force": force, "progress": progress}
        )
    if as_json:
        print_json(done.to_dict())
    else:
        say(f"{done.output}: {done.n_rows:,} rows")
    if done.n_rejects:
        warn(f"{done.n_rejects:,} rows rejected, see {done.rejects}")
        raise typer.Exit(DONE_WITH_REJECTS)


@data.command()
def simulate(
    output: Path = typer.Option(..., "--output", "-o", help="Face table to write."),
    identities: int = typer.Option(None, help="Number of people; default 1000."),
    images_per_identity: int = typer.Option(5, help="Photos of each."),
    rows: int = typer.Option(None, help="Number of rows instead of people."),
    races: str = typer.Option("balanced", help="balanced, or estimated: as frequent as in LFW."),
    seed: int = typer.Option(0, min=0, max=MAX_SEED, help="The same seed gives the same rows."),
    force: bool = typer.Option(False, "--force", help="Replace an existing table."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Write embeddings of people who do not exist, with gender, race and identity."""
    from sfumato.data.simulate import write_simulated

    check_free(output, overwrite=force)
    with track("simulate") as progress:
        n_rows = write_simulated(
            output,
            identities,
            images_per_identity,
            seed=seed,
            races=races,
            n_rows=rows,
            progress=progress,
        )
    if as_json:
        print_json({"output": str(output), "n_rows": n_rows})
    else:
        say(f"{output}: {n_rows:,} rows")


@data.command()
def origin(
    table: Path = typer.Argument(help="Face table with embeddings."),
    output: Path = typer.Option(..., "--output", "-o", help="Face table to write."),
    like: Path = typer.Option(None, help="The table that these rows once were."),
    encoder: str = typer.Option(None, help="What made the embeddings."),
    encoder_version: str = typer.Option(None, help="Its version."),
    metric: str = typer.Option(None, help="cosine or euclidean; agreement or blocks:N."),
    normalisation: str = typer.Option(None, help="none or l2."),
    force: bool = typer.Option(False, "--force", help="Replace an existing table."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Copy a table and state what made its embeddings, which pandas, for one, drops."""
    from dataclasses import asdict

    from sfumato.data.origin import state_origin

    info = state_origin(
        table,
        output,
        like=like,
        encoder=encoder,
        encoder_version=encoder_version,
        metric=metric,
        normalisation=normalisation,
        overwrite=force,
    )
    if as_json:
        print_json({"output": str(output), "info": asdict(info)})
    else:
        say(f"{output}: {say_space(info.space)}, compared by {info.metric}")


@data.command()
def describe(
    table: Path = typer.Argument(help="Face table, or a table of another layout."),
    embedding: EmbeddingColumn = None,
    identity: IdentityColumn = None,
    image_id: IdColumn = None,
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Check a face table completely and print what it holds.

    The exit code is 1 if fit, protect or audit refuses some rows or labels.
    """
    from sfumato.data.describe import describe as describe_table

    found = describe_table(open_own(table, embedding, identity, image_id))
    if as_json:
        print_json(found)
    else:
        print_description(found)
    if not found["sound"]:
        raise typer.Exit(DONE_WITH_REJECTS)


def print_description(found: Any) -> None:
    """Print a description as lines and a table of labels."""
    people, info = found["identity"], found["info"]
    result = "checked" if found["sound"] else "not sound, see the hints"
    lines = [f"{found['path']}: {found['n_rows']:,} rows, {result}"]
    if people:
        lines.append(
            f"people: {people['n_identities']:,} with {people['min']} to {people['max']} photos "
            f"each (median {people['median']:g}), {people['n_missing']:,} rows without"
        )
    if found["space"]:
        lines.append(f"embeddings: {say_space(found['space'])}")
        lines.append(f"metric {info['metric']}, normalisation {info['normalisation']}")
        erasers = ", ".join(step["method"] for step in info["transformations"])
        lines.append(f"erasers applied: {erasers or 'none'}")
    if found["others"]:
        others = ", ".join(f"{name} ({kind})" for name, kind in found["others"].items())
        lines.append(f"columns that are no labels: {others}")
    say(*lines)
    rows = []
    for name, label in found["labels"].items():
        if "values" in label:
            shown = ", ".join(f"{value} {n:,}" for value, n in label["values"].items())
        else:
            shown = f"{label['min']:g} to {label['max']:g}, mean {label['mean']:g}"
        rows.append((name, f"{label['n_missing']:,}", f"{label['n_distinct']:,}", shown))
    if rows:
        show(text_table(("label", "missing", "distinct", "values"), rows))
    warn_some(found["hints"], "hints")
