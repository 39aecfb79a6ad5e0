"""An experiment's result as files: JSON, Markdown, LaTeX, and pictures as PNG and SVG."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.files import atomic_path

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}
HOW_TO_READ = "mean ± standard deviation over the seeds (published)"


def check_free(folder: Any, name: str) -> None:
    """Refuse a folder that holds results of this experiment already."""
    taken = sorted(Path(folder).glob(f"{name}.*"))
    if taken:
        raise InputError(f"{taken[0]} exists already; give another folder or --force.")


def write_result(result: Any, folder: str | Path) -> list[Path]:
    """Write a result's files, replacing those of an earlier run.

    Parameters
    ----------
    result : ExperimentResult
    folder : str or Path
        Made if missing.

    Returns
    -------
    list of Path
        ``NAME.json``, ``NAME.md``, ``NAME.tex`` and, for each picture, ``NAME-PICTURE.png``
        and ``.svg``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "json": json.dumps(result.to_dict(), indent=1, allow_nan=False) + "\n",
        "md": to_markdown(result),
        "tex": to_latex(result),
    }
    written = []
    for suffix, text in texts.items():
        path = folder / f"{result.name}.{suffix}"
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        written.append(path)
    for label, picture in result.findings.pictures.items():
        for suffix in ("png", "svg"):
            path = folder / f"{result.name}-{label}.{suffix}"
            with atomic_path(path) as temporary:
                # Without a date the same run gives the same file.
                metadata = {"Date": None} if suffix == "svg" else None
                picture.savefig(temporary, format=suffix, dpi=150, metadata=metadata)
            written.append(path)
    return written


def to_markdown(result: Any) -> Any:
    """Return the result as a Markdown section; see :attr:`ExperimentResult.tables`."""
    lines = [f"## {result.title}", "", result.shows, ""]
    for columns, rows in result.tables:
        lines.append(_line(["", "", *columns]))
        lines.append(_line(["---", "---", *["---:"] * len(columns)]))
        lines += [_line(cells).replace("\n", " ") for cells in cells_of(columns, rows)]
        lines.append("")
    lines += [f"{HOW_TO_READ}; {_about(result)}.", ""]
    lines += [f"- {note}" for note in result.findings.notes]
    pictures = [f"![{label}]({result.name}-{label}.png)" for label in result.findings.pictures]
    return "\n".join([*lines, "", *pictures, "", f"Source: {result.source}", ""])


def to_latex(result: Any) -> Any:
    """Return the result as a LaTeX table that needs the package booktabs."""
    lines = [
        r"\begin{table}",
        rf"\caption{{{_latex(result.title)}. {_latex(HOW_TO_READ)}; {_latex(_about(result))}.}}",
    ]
    for number, (columns, rows) in enumerate(result.tables):
        lines += [
            *([r"\par\bigskip"] if number else []),
            rf"\begin{{tabular}}{{ll{'r' * len(columns)}}}",
            r"\toprule",
            _latex_line(["", "", *columns]),
            r"\midrule",
            *(_latex_line(cells) for cells in cells_of(columns, rows)),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    lines += [*(f"% {note}" for note in result.findings.notes), r"\end{table}"]
    return "\n".join(lines) + "\n"


def cells_of(columns: Any, rows: Any) -> Iterator[Any]:
    """Yield each row's texts; a section's name only on its first row."""
    last = None
    for row in rows:
        cells = [str(row.cells[name]) if name in row.cells else "" for name in columns]
        yield ["" if row.section == last else row.section, row.name, *cells]
        last = row.section


def _about(result):
    spaces = ", ".join(sorted(set(result.spaces.values()))) or "no templates"
    return f"preset {result.preset}, {len(result.seeds)} seed(s), {spaces}"


def _line(cells):
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _latex_line(cells):
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text):
    return "".join(LATEX.get(character, character) for character in text)
