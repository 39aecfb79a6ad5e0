"""The notebook in ``examples/`` runs from top to bottom, and holds no output."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "whole_job.ipynb"


@pytest.fixture(scope="module")
def cells():
    return json.loads(NOTEBOOK.read_text())["cells"]


def run(code, names):
    """Run a cell; return the value of its last line, as a notebook shows it."""
    body = ast.parse(code).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    if last is not None:
        return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return None


def test_every_cell_runs_and_shows_something(cells, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict = {}
    shown = []
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [] and cell["execution_count"] is None
        code = "".join(cell["source"])
        # Half of the people and one attacker show as well that it runs.
        code = code.replace("N_PEOPLE, OPTIONS = 600", "N_PEOPLE, OPTIONS = 240")
        shown.append(run(code.replace("list(QUICK)", '["logistic regression"]'), names))
    pages = [value for value in shown if type(value).__module__.startswith("sfumato.audit")]
    assert len(pages) == 4 and all("<" in page._repr_html_() for page in pages)
    assert names["after"].reduction is not None
    assert names["people"].parent.is_relative_to(tmp_path)
