import json
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import sfumato.cli.commands  # noqa: F401  (registers every command)
from sfumato.cli import app
from sfumato.errors import InputError
from sfumato.reproduce._result import ExperimentResult, Findings, Measured, rows_of
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.run import listing, reproduce
from sfumato.reproduce.templates import FaceTemplates
from sfumato.reproduce.writing import check_free, to_latex, to_markdown, write_result


@pytest.fixture
def result():
    figures = {("LFW", "SVM & co", "before"): (0.9, 1.0), ("LFW", "SVM & co", "after"): (0.5, 0.5)}
    rows = rows_of(figures, {("LFW", "SVM & co", "before"): 0.962})
    return ExperimentResult(
        name="x-table1",
        title="A table",
        source="Somebody, 2020",
        shows="Something.",
        findings=Findings(rows, ["a note"], {"curve": Figure()}),
        preset="quick",
        seeds=(0, 1),
        spaces={"lfw": "net / 1 / 4-d"},
        seconds=1.5,
    )


def test_mean_and_deviation_by_hand():
    # Mean 0.95; the sample deviation of 0.9 and 1.0 is 0.1 / sqrt(2) = 0.0707.
    measured = Measured((0.9, 1.0), 0.962)
    assert measured.mean == pytest.approx(0.95)
    assert measured.deviation == pytest.approx(0.1 / 2**0.5)
    assert str(measured) == "0.950 ± 0.071 (0.962)"
    assert Measured((0.9,)).deviation is None
    with pytest.raises(InputError, match="values must be finite"):
        Measured((float("nan"),))


def test_published_figures_need_a_row():
    with pytest.raises(InputError, match="published figures without a row"):
        rows_of({("a", "b", "c"): (1.0,)}, {("a", "b", "d"): 1.0})


def test_written_in_every_form(result, tmp_path):
    write_result(result, tmp_path)
    found = json.loads((tmp_path / "x-table1.json").read_text())
    assert found["rows"][0]["cells"]["before"]["published"] == 0.962
    assert "0.950 ± 0.071 (0.962)" in to_markdown(result)
    assert r"SVM \& co" in to_latex(result)
    suffixes = {path.suffix for path in tmp_path.iterdir()}
    assert suffixes == {".json", ".md", ".tex", ".png", ".svg"}
    with pytest.raises(InputError, match="x-table1"):
        check_free(tmp_path, "x-table1")


def test_rows_without_a_common_column_stand_in_tables_of_their_own(result):
    cells = {
        ("A", "x", "p"): (1,),
        ("A", "x", "s"): (6,),
        ("B", "x", "q"): (2,),
        ("A", "y", "r"): (3,),
    }
    cells |= {("A", "z", "r"): (4,), ("A", "z", "p"): (5,)}  # joins p and r
    split = replace(result, findings=Findings(rows_of(cells), []))
    tables = [(columns, [row.name for row in rows]) for columns, rows in split.tables]
    assert tables == [(["p", "s", "r"], ["x", "y", "z"]), (["q"], ["x"])]
    text = to_markdown(split)
    assert (
        "| A | x | 1.000 | 6.000 |  |\n|  | y |  |  | 3.000 |\n|  | z | 5.000 |  | 4.000 |\n"
        in text
    )
    assert "\n\n|  |  | q |\n| --- | --- | ---: |\n| B | x | 2.000 |\n" in text
    assert to_latex(split).count(r"\begin{tabular}") == 2


def test_missing_data_is_named(tmp_path):
    with pytest.raises(InputError, match=r"celeba.parquet is missing; it holds CelebA"):
        reproduce("sensitivenets-table1", FaceTemplates(tmp_path, tmp_path))
    with pytest.raises(InputError, match="experiment must be one of"):
        reproduce("table9", FaceTemplates(tmp_path, tmp_path))
    with pytest.raises(
        InputError, match="preset of blinded-table1 must be one of quick, full, got 'gpu'"
    ):
        reproduce("blinded-table1", FaceTemplates(tmp_path, tmp_path), preset="gpu")
    with pytest.raises(InputError, match="must be one of quick, full, gpu, got 'cpu'"):
        reproduce("coral-table1", FaceTemplates(tmp_path, tmp_path), preset="cpu")


def test_list_says_what_is_needed():
    for entry in listing():
        assert entry["shows"] and entry["data"]
    done = CliRunner().invoke(app, ["reproduce", "list", "--json"])
    assert done.exit_code == 0
    names = [entry["name"] for entry in listing()]
    assert all(name in done.stdout for name in names)


def test_a_sections_rows_stand_together():
    names = [("LFW", "a"), ("CelebA", "a"), ("LFW", "b"), ("CelebA", "b")]
    rows = rows_of({(*name, "EER"): (0.1,) for name in names})
    found = [(row.section, row.name) for row in rows]
    assert found == [("LFW", "a"), ("LFW", "b"), ("CelebA", "a"), ("CelebA", "b")]


def test_each_name_is_measured_once(tmp_path):
    (tmp_path / "data").mkdir()
    templates = FaceTemplates(
        tmp_path / "data", tmp_path / "cache", encoder="dlib", detector="dlib"
    )
    context, asked = Context(templates, "quick", (0,), name="x"), []

    def measure(name):
        asked.append(name)
        return {("LFW", "EER"): len(asked) / 10}

    expected = {("LFW", "a", "EER"): 0.1, ("LFW", "b", "EER"): 0.2}
    assert context.once_each(["a", "b"], measure, "seed 0") == expected
    assert context.once_each(["a", "b"], measure, "seed 0") == expected
    assert asked == ["a", "b"]
    assert context.once_each(["a"], measure, "seed 1") == {("LFW", "a", "EER"): 0.3}
