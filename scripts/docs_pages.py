"""Write the pages of the docs that are read off the program and its records.

``python scripts/docs_pages.py`` writes them into ``docs/``; a test says when they are not current.
Needs the extra ``serve``.
"""

import json
import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

import sfumato
from sfumato.audit.standards import standards_page
from sfumato.reproduce.published_page import published_page

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Written by scripts/docs_pages.py. -->\n\n"
BENCHMARKS = ROOT / "docs" / "results" / "benchmarks"


def pages():
    """Return the text of every page by its name."""
    return {
        "commands.md": commands(),
        "http.md": http(),
        "index.md": home(),
        "performance.md": performance(),
        "published.md": NOTE + published_page(ROOT / "docs" / "results"),
        "python.md": public_names(),
        "standards.md": NOTE + standards_page(),
    }


def commands():
    """Return every command with its options, as Typer tells them."""
    from sfumato.cli import app
    from sfumato.cli import commands as _  # noqa: F401  (registers every command)

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="sfumato")
    text = get_docs_for_click(obj=command, ctx=context, name="sfumato", title="Commands")
    return NOTE + text.rstrip() + "\n"


def http():
    """Return every route of the service, as its OpenAPI document tells them."""
    from sfumato.service.app import make_app

    lines = [
        "# HTTP routes\n",
        "`sfumato serve` describes all of this, with every field, in `/openapi.json`.\n",
        "| route | what |",
        "|---|---|",
    ]
    for path, methods in sorted(make_app().openapi()["paths"].items()):
        for method, route in methods.items():
            said = " ".join(route.get("description", route.get("summary", "")).split())
            lines.append(f"| `{method.upper()} {path}` | {said.replace('|', '/')} |")
    return NOTE + "\n".join(lines) + "\n"


def public_names():
    """Return what ``sfumato`` offers, for mkdocstrings to describe."""
    lines = ["# Python", "`import sfumato` offers these; each is imported when it is first used."]
    seen = {}
    for name in sorted(sfumato._PUBLIC):
        value = getattr(sfumato, name)
        place = f"{value.__module__}.{value.__qualname__}"
        text = f"Another name of `sfumato.{seen[place]}`." if place in seen else f"::: {place}"
        seen.setdefault(place, name)
        lines.append(f"## `sfumato.{name}`\n\n{text}")
    return NOTE + "\n\n".join(lines) + "\n"


def performance():
    """Return the recorded benchmarks, and the text on those that have no record."""
    text = (BENCHMARKS / "unrecorded.md").read_text()
    found = [json.loads(path.read_text()) for path in sorted(BENCHMARKS.glob("*.json"))]
    sections = []
    for record in found:
        name, day, machine = (record.pop(key) for key in ("benchmark", "date", "machine"))
        lines = [
            f"## {name}",
            f"`python -m benchmarks {name} --record` on {day}: {machine['cores']} cores, "
            f"Python {machine['python']}, load before {machine['load_before']}.",
            "| figure | value |\n|---|---|\n"
            + "\n".join(f"| `{key}` | {value} |" for key, value in flat(record)),
        ]
        sections.append("\n\n".join(lines))
    recorded = {path.stem for path in BENCHMARKS.glob("*.json")}
    return NOTE + "\n\n".join(["# Performance", *sections, without(text, recorded)])


def without(text, recorded):
    """Return the text without the rows and paragraphs of benchmarks that have a record."""
    kept = []
    for part in text.split("\n\n"):
        rows = [
            line
            for line in part.split("\n")
            if not any(line.startswith(f"| `{name}`") for name in recorded)
        ]
        named = set(re.findall(r"python -m benchmarks\s+(\w+)|\(`(batch_\w+)`\)", part))
        names = {name for pair in named for name in pair if name}
        if rows and not (names and names <= recorded):
            kept.append("\n".join(rows))
    return "\n\n".join(kept)


def flat(value, name=""):
    """Yield the figures of a record with their places, such as ``fit.seconds``.

    Those by step or by attacker are left to the record.
    """
    if isinstance(value, dict):
        for key, part in value.items():
            if not str(key).startswith("by_"):
                yield from flat(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        for number, part in enumerate(value):
            yield from flat(part, f"{name}.{number}")
    else:
        parts = value if isinstance(value, list) else [value]
        yield name, ", ".join(as_figure(part) for part in parts)


def as_figure(value):
    """Return a figure in four digits, a count in full, a text as it is."""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def home():
    """Return the README with the links of a page in ``docs/``."""
    text = (ROOT / "README.md").read_text()
    text = re.sub(r"\(docs/", "(", text).replace("(CHANGELOG.md)", "(changelog.md)")
    return NOTE + text


def main():
    """Write the pages."""
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text)


if __name__ == "__main__":
    main()
