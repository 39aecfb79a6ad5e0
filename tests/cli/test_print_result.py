import io

from rich.console import Console

from sfumato.cli import output, reproduce
from sfumato.reproduce._result import ExperimentResult, Findings, Measured, Row

COLUMNS = [f"column {n}" for n in range(9)]


def printed(monkeypatch, width):
    cells = {name: Measured((0.1, 0.3), published=0.5) for name in COLUMNS}
    rows = [Row("first", "a", cells), Row("second", "b", {COLUMNS[0]: Measured((1.0,))})]
    result = ExperimentResult(
        name="x", title="A table", source="", shows="", findings=Findings(rows, ["A note."]),
        preset="quick", seeds=(0, 1), spaces={}, seconds=1.0,
    )  # fmt: skip
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    for module in (reproduce, output):
        monkeypatch.setattr(module, "results", console)
    reproduce.print_result(result)
    return stream.getvalue()


def test_a_narrow_terminal_gets_several_whole_tables(monkeypatch):
    text = printed(monkeypatch, 80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert all(name in text for name in COLUMNS)
    assert text.count("0.200 ± 0.141 (0.500)") == len(COLUMNS)
    assert "…" not in text and text.count("mean ± standard") == 1
    assert text.count("A table") > 2


def test_a_wide_one_gets_one(monkeypatch):
    assert printed(monkeypatch, 400).count("A table") == 1


def test_even_one_column_too_wide_is_printed(monkeypatch):
    assert printed(monkeypatch, 20).count("A table") == len(COLUMNS)
