"""The page of the docs that puts every published table and figure beside what we measured."""

import json
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.reproduce._published import publications, published
from sfumato.reproduce.registry import EXPERIMENTS

NOT_RUN = "not run in full yet"
VERDICTS = ("holds", "holds partly", "does not hold", "cannot be measured here", NOT_RUN)
HEAD = (
    "| published | claim | figure: published, ours | what differs | verdict | command |\n"
    "|---|---|---|---|---|---|"
)


def published_page(results: Path) -> str:
    """Return the page, in Markdown.

    Parameters
    ----------
    results : Path
        The folder of records, as ``sfumato reproduce -o`` writes them.

    Raises
    ------
    InputError
        For a verdict without its record, a record without a verdict, or a figure that the
        record does not hold.
    """
    told = dict(publications())
    papers = told.pop("papers")
    counts = Counter(entry["verdict"] for entry in told.values())
    lines = [
        "# Published tables and figures\n",
        "Every table and figure of five works beside ours, mean and deviation over seeds. "
        f"{len(told)} rows: {', '.join(f'{v} {counts[v]}' for v in VERDICTS if counts[v])}.\n"
        "Commands take `--preset full`; the records, with every figure, are in `docs/results/`, "
        "date and seeds in [its list](results/README.md).\n",
        "Verdicts are ours, on our data and encoder: no row says what the authors' own copies "
        "would give.",
    ]
    for key, paper in papers.items():
        rows = {name: entry for name, entry in told.items() if entry["paper"] == key}
        lines += [f"\n## {paper['title']}\n", f"{paper['source']}.\n", HEAD]
        lines += [_row(name, entry, results) for name, entry in rows.items()]
        lines.append(f"\nNothing to measure: {paper['drawings']}.")
    return "\n".join(lines) + "\n"


def _row(name, entry, results):
    verdict, record = entry["verdict"], entry.get("record", name)
    if verdict not in VERDICTS:
        raise InputError(f"{name}: verdict must be one of {VERDICTS}, got {verdict!r}.")
    path = results / f"{record}.json"
    if verdict == NOT_RUN and record and path.is_file():
        raise InputError(f"{name}: {path.name} is there; give a verdict in published.toml.")
    figures = _figures(name, entry, path) if "shown" in entry else "-"
    because = f"**{verdict}**. {entry.get('because', '')}".strip()
    command = entry.get("command", f"sfumato reproduce {record}" if record in EXPERIMENTS else "")
    told = f"`{command}`" if command else "-"
    cells = (entry["place"], entry["claim"], figures, entry["differs"], because, told)
    return f"| {' | '.join(cells)} |"


def _figures(name, entry, path):
    """Return the figures that are shown, a line each: what, published, ours."""
    if not path.is_file():
        raise InputError(f"{name}: shows figures of {path.name}, which is missing.")
    cells = {
        (row["section"], row["name"], column): cell
        for row in json.loads(path.read_text())["rows"]
        for column, cell in row["cells"].items()
    }
    values = published(entry.get("values_of", name))
    lines = []
    for shown in entry["shown"]:
        said = shown.get("published", shown["ours"])
        if isinstance(said, list):
            said = _number(values[tuple(said)])
        lines.append(f"{shown['of']}: {said}, {_ours(name, cells, shown)}")
    return "<br>".join(lines)


def _ours(name, cells, shown):
    """Return our figure, or the lowest and the highest of several."""
    found = [
        cell
        for key, cell in cells.items()
        if all(map(fnmatchcase, key, shown["ours"]))
        and not fnmatchcase(key[1], shown.get("not", ""))
    ]
    if not found:
        raise InputError(f"{name}: the record has no figure {shown['ours']}.")
    if len(found) > 1:
        means = [cell["mean"] for cell in found]
        return f"**{_number(min(means))} to {_number(max(means))}**"
    (cell,) = found
    deviation = f" ± {_number(cell['deviation'])}" if cell["deviation"] else ""
    return f"**{_number(cell['mean'])}**{deviation}"


def _number(value: Any) -> str:
    """Return fractions with three places, years with two."""
    return f"{value:.3f}" if abs(value) < 1.5 else f"{value:.2f}"
