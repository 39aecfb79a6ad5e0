"""Write the pages of the docs that are read off the program and its records.

``python scripts/docs_pages.py`` writes them into ``docs/``; a test says when they are not current.
Needs the extra ``serve``.
"""

import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

import sfumato
from sfumato.audit.standards import standards_page
from sfumato.reproduce.published_page import published_page

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Written by scripts/docs_pages.py. -->\n\n"


def pages():
    """Return the text of every page by its name."""
    return {
        "commands.md": commands(),
        "http.md": http(),
        "index.md": home(),
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
