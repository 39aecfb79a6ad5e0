"""``sfumato methods`` and ``sfumato --version``: what there is."""

import typer

import sfumato
from sfumato.cli import app
from sfumato.cli.output import print_json, say, show, text_table


@app.command()
def methods(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the erasers of templates and the perturbers of pictures."""
    from sfumato.models.registry import ERASERS, PERTURBERS, summary

    kinds = {"eraser": ERASERS, "perturber": PERTURBERS}
    found = [
        {"name": name, "kind": kind, "summary": summary(name)}
        for kind, names in kinds.items()
        for name in names
    ]
    if as_json:
        print_json(found)
        return
    rows = [tuple(method.values()) for method in found]
    show(text_table(("name", "kind", "what it does"), rows, sections=[len(ERASERS)]))


def _version(asked: bool) -> None:
    if asked:
        say(f"sfumato {sfumato.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    """Take gender, age, ethnicity and mood out of face templates, and prove it."""
