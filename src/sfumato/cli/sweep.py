"""``sfumato sweep``: leakage against matching over an eraser's strength."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.completing import complete_eraser, complete_label
from sfumato.cli.lists import read_names
from sfumato.cli.methods import read_parameters
from sfumato.cli.naming import no_list
from sfumato.cli.opening import EmbeddingColumn, IdColumn, IdentityColumn, open_own
from sfumato.cli.output import MAX_SEED, print_json, show, text_table, track, warn
from sfumato.errors import InputError
from sfumato.files import atomic_path, check_free


@app.command()
def sweep(
    method: str = typer.Argument(
        help="An eraser with a strength; `sfumato methods` lists them.",
        autocompletion=complete_eraser,
        callback=no_list,
    ),
    table: Path = typer.Argument(help="Face table with embeddings, identities and labels."),
    attribute: str = typer.Option(
        ..., "--attribute", "-a", help="Label to take out.", autocompletion=complete_label
    ),
    values: str = typer.Option(None, help="Strengths, a,b,c; default those of the method."),
    max_fnmr: float = typer.Option(
        None, help="Pick the least leakage with FNMR at FMR 1e-3 up to this."
    ),
    context: list[str] = typer.Option(
        [],
        help="Other labels a,b that may go with the attribute.",
        autocompletion=complete_label,
    ),
    parameter: list[str] = typer.Option([], "--set", help="Parameter of the method, name=value."),
    attacker: list[str] = typer.Option([], help="Only these attackers, a,b; default all."),
    plot: Path = typer.Option(None, help="Picture to write, PNG or SVG."),
    embedding: EmbeddingColumn = None,
    identity: IdentityColumn = None,
    image_id: IdColumn = None,
    seed: int = typer.Option(0, min=0, max=MAX_SEED, help="Of splits, attackers and resamples."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Fit an eraser at several strengths on half of the people, attack each on the others."""
    from sfumato.audit.sweep import draw_sweep, pick, sweep_table

    if plot is not None:
        check_free(plot, inputs=[table])
    numbers = None if values is None else [_number(text) for text in values.split(",")]
    opened = open_own(table, embedding, identity, image_id)
    with track(f"sweep {method}") as progress:
        name, chance, points = sweep_table(
            method,
            opened,
            attribute,
            values=numbers,
            context=read_names(context, opened.columns),
            parameters=read_parameters(parameter, None),
            seed=seed,
            attackers=read_names(attacker) or None,
            progress=progress,
        )
    picked = None if max_fnmr is None else pick(points, max_fnmr)
    if plot is not None:
        with atomic_path(plot) as temporary:
            kind = plot.suffix.removeprefix(".").lower() or "png"
            draw_sweep(points, name, chance).savefig(temporary, format=kind)
        warn(f"Picture: {plot}")
    if as_json:
        found = {"parameter": name, "points": [point.to_dict() for point in points]}
        print_json(found | {"picked": None if picked is None else picked.to_dict()})
        return
    columns = (name, "leakage [95 %]", "strongest", "FNMR@1e-3 [95 %]", "EER", "EER / floor", "")
    rows = [
        (
            "raw" if point.value is None else point.value,
            f"{point.leakage:.3f} {_interval(point.leakage_ci95)}",
            point.strongest,
            f"{point.fnmr:.4f} {_interval(point.fnmr_ci95)}",
            f"{point.eer:.4f}",
            _by_floor(point),
            "picked" if point is picked else "",
        )
        for point in points
    ]
    title = f"{method} on {attribute} (chance {chance:.3f})"
    show(text_table(columns, rows, title=title, caption=_say_floor(points[0])))


def _number(text):
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"--values takes numbers a,b,c, got {text!r}.") from None
    return int(number) if number == int(number) and "." not in text else number


def _by_floor(point):
    """Return a point's EER as a multiple of the floor, the raw one's inverse."""
    for cost in (point.floor or {"costs": []})["costs"][:1]:
        if cost["protected_by_floor"] is not None:
            return f"{cost['protected_by_floor']['value']:.2f}"
        if cost["floor"]["value"] > 0:
            return f"{cost['raw']['value'] / cost['floor']['value']:.2f}"
    return "-"


def _say_floor(point):
    for cost in (point.floor or {"costs": []})["costs"][:1]:
        value, (low, high) = cost["floor"].values()
        return f"floor: EER {value:.4f} [{low:.4f}, {high:.4f}] of raw, impostors of one class"
    return None


def _interval(ends):
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"
