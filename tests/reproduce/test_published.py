"""Published figures have one home, and their page says what the records say."""

import json
import re
from pathlib import Path

import pytest

from sfumato.errors import InputError
from sfumato.reproduce import published_page as page
from sfumato.reproduce._published import publications, published
from sfumato.reproduce.published_page import NOT_RUN, published_page

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
TABLES = [name for name, entry in publications().items() if "values" in entry]


def test_each_figure_stands_in_one_place():
    code = {path.name: path.read_text() for path in (ROOT / "src/sfumato/reproduce").glob("*.py")}
    # Rounder ones, as 0.01, stand for other things too.
    text = (ROOT / "src/sfumato/reproduce/published.toml").read_text()
    for number in set(re.findall(r"= (0\.\d{3,}|[2-9]\.\d\d)\b", text)):
        where = [name for name, source in code.items() if re.search(rf"\b{number}\b", source)]
        assert not where, f"{number}: in {where} too"


@pytest.mark.parametrize("name", TABLES)
def test_no_row_is_told_twice(name):
    rows = [(section, row) for section, row, _ in publications()[name]["values"]]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_records_have_the_figures_as_published(path):
    record = json.loads(path.read_text())
    entry = publications().get(path.stem)
    told = set(published(entry.get("values_of", path.stem)).values()) if entry else set()
    if isinstance(record, dict) and "rows" in record:
        cells = [cell for row in record["rows"] for cell in row["cells"].values()]
        assert {cell["published"] for cell in cells} - {None} <= told


def entry(**more):
    return {"paper": "one", "place": "Table", "claim": "c", "differs": "d"} | more


def of(monkeypatch, tmp_path, told, record=None):
    """Return the page of one table, with a record of one figure."""
    paper = {"one": {"title": "One", "source": "One", "drawings": "none"}}
    monkeypatch.setattr(page, "publications", lambda: {"papers": paper, "table": told})
    monkeypatch.setattr(page, "published", lambda name: {("s", "r", "c"): 0.25})
    if record is not None:
        cell = {"mean": record, "deviation": 0.5}
        rows = [{"section": "s", "name": "r", "cells": {"c": cell}}]
        (tmp_path / "table.json").write_text(json.dumps({"rows": rows}))
    return published_page(tmp_path)


def test_the_page_puts_ours_beside_the_published(monkeypatch, tmp_path):
    told = entry(verdict="holds", shown=[{"of": "f", "ours": ["s", "r", "c"]}])
    text = of(monkeypatch, tmp_path, told, 0.75)
    assert "f: 0.250, **0.750** ± 0.500" in text and "1 rows: holds 1." in text


def test_verdicts_go_with_records(monkeypatch, tmp_path):
    shown = [{"of": "f", "ours": ["s", "r", "other"], "published": "-"}]
    with pytest.raises(InputError, match="table.json, which is missing"):
        of(monkeypatch, tmp_path, entry(verdict="holds", shown=shown))
    with pytest.raises(InputError, match="no figure"):
        of(monkeypatch, tmp_path, entry(verdict="holds", shown=shown), 0.75)
    with pytest.raises(InputError, match="give a verdict"):
        of(monkeypatch, tmp_path, entry(verdict=NOT_RUN))
    with pytest.raises(InputError, match="verdict must be one of"):
        of(monkeypatch, tmp_path, entry(verdict="perhaps"))
