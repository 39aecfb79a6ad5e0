"""The audit's report: one self-contained HTML page."""

import datetime
import platform
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from sfumato import __version__
from sfumato.audit import plots
from sfumato.audit.standards import DISCLAIMER, clause_table
from sfumato.audit.verdicts import alarms_in_words, headline, price, verdict
from sfumato.data.info import say_space
from sfumato.files import atomic_path

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow", "matplotlib")


def write_report(audits: list[Any], path: str | Path) -> None:
    """Write audits as one HTML page that needs no other file and no network.

    Parameters
    ----------
    audits : list of Audit
        One section each.
    path : str or Path
        Replaced atomically if it exists.
    """
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(report_page(audits), encoding="utf-8")


def report_page(audits: Any) -> Any:
    """Return the page of :func:`write_report`."""
    environment = Environment(
        loader=PackageLoader("sfumato.audit"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["said"] = say_space
    return environment.get_template("report.html.j2").render(
        sections=[_section(audit) for audit in audits],
        provenance=audits[0].provenance,
        clauses=clause_table(audits[0].to_dict()),
        disclaimer=DISCLAIMER,
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions={"sfumato": __version__, "Python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
    )


def _section(audit):
    section = {"audit": audit, "verdict": verdict(audit), "matching": None}
    section |= {"headline": headline(audit), "price": price(audit)}
    section["alarms"] = alarms_in_words(audit)
    if audit.matching is not None:
        section["matching"] = {name: found.result for name, found in audit.matching.items()}
    return section | _charts(audit)


def _charts(audit):
    """Return the SVG of each chart, and of its form for phones."""
    draw = {
        "leakage": partial(plots.leakage_figure, audit),
        "tsne": partial(plots.tsne_figure, *plots.audit_maps(audit)),
    }
    if audit.learning and audit.learning.final:
        draw["learning"] = partial(plots.learning_figure, audit)
    if scores := audit.scores():
        draw["curves"] = partial(plots.matching_figure, scores)
        draw["histograms"] = partial(plots.histogram_figure, scores)
    charts = {name: plots.svg_text(figure()) for name, figure in draw.items()}
    return charts | {
        f"{name}_narrow": plots.svg_text(figure(narrow=True)) for name, figure in draw.items()
    }
