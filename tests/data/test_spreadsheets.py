"""No spreadsheet runs what a CSV file of ours holds, and our readers read what was written."""

import csv
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import sfumato
from sfumato.data.importers import import_csv
from sfumato.data.pair_files import read_pairs
from sfumato.data.spreadsheets import guard_cell, unguard_cell, unguard_column, write_csv

# Often what matters: signs that start a formula, what parts cells, and apostrophes.
TEXTS = st.text(st.sampled_from("=+-@\t\r\n;' a\"\x00\xa0\uff1d\uff20,"), max_size=8) | st.text()
FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
RUN = {
    "=1+1": "'=1+1", "+1": "'+1", "-1.jpg": "'-1.jpg", "@a": "'@a", "\t=1": "'\t'=1",
    "\r=1": "'\r'=1", "\n": "'\n", "\uff1d1": "'\uff1d1", "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1", "\uff201": "'\uff201", " =1": "' =1", "'=1": "''=1", "''-": "'''-",
    "a;=1": "a;'=1", "a\t@b": "a\t'@b", "a\n+1;;-1": "a\n'+1;;'-1", "\x00=1": "'\x00=1",
}  # fmt: skip
SAFE = ["", "a", "a=1", "a-b.jpg", "O'Hara", "'tis", "'", "1", "a; b", "é", "x@y.org", "a\nb"]


@pytest.mark.parametrize("text", RUN)
def test_what_starts_a_formula(text):
    assert guard_cell(text) == RUN[text] and unguard_cell(RUN[text]) == text


@pytest.mark.parametrize("text", SAFE)
def test_what_does_not(text):
    assert guard_cell(text) == text == unguard_cell(text)


@given(TEXTS)
def test_reading_takes_off_what_writing_put_on(text):
    guarded = guard_cell(text)
    assert unguard_cell(guarded) == text
    for cell in re.split("[;\t\r\n]", guarded):
        assert not cell.strip(" \xa0\x00\ufeff").startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))
    assert not guarded.startswith(("\t", "\r", "\n"))


@given(st.lists(TEXTS | st.none()))
def test_columns(texts):
    found = unguard_column(pa.array(texts, pa.string()))
    assert found.to_pylist() == [None if t is None else unguard_cell(t) for t in texts]


def cells(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@FEW
@given(st.lists(TEXTS, min_size=1, max_size=6), st.floats(allow_nan=False))
@example(["=1+1", "a"], -0.5)
def test_files(tmp_path, texts, number):
    path = tmp_path / "t.csv"
    rows = [{"id": text, "n": number, "-x": row - 3} for row, text in enumerate(texts)]
    n_guarded = write_csv(path, ["id", "n", "-x"], rows)
    # A heading is a text, too.
    assert n_guarded == sum(guard_cell(text) != text for text in texts) + 1
    heading, *found = cells(path)
    assert heading == ["id", "n", "'-x"]
    assert [unguard_cell(row[0]) for row in found] == texts
    # Numbers stay numbers, those below 0 as well.
    assert [row[1:] for row in found] == [[str(number), str(n - 3)] for n in range(len(texts))]


NAMES = ["=cmd|' /C calc'!A0", "-1.jpg", "'=2", "O'Hara", "@a;=1", "plain"]


def test_the_importer_takes_the_apostrophes_off(tmp_path):
    rows = [
        {"image_id": name, "identity": name, "=mood": name, "embedding_0": number + 1.5}
        for number, name in enumerate(NAMES)
    ]
    assert write_csv(tmp_path / "t.csv", list(rows[0]), rows) == 3 * 4 + 1
    import_csv(tmp_path / "t.csv", tmp_path / "t.parquet")
    found = pq.read_table(tmp_path / "t.parquet")
    for column in ("image_id", "identity", "=mood"):
        assert found[column].to_pylist() == NAMES


def test_pairs_take_the_apostrophes_off(tmp_path):
    rows = [{"image_a": name, "image_b": f"-{name}", "genuine": True} for name in NAMES]
    write_csv(tmp_path / "pairs.csv", list(rows[0]), rows)
    pairs = read_pairs(tmp_path / "pairs.csv")
    assert pairs.image_a.tolist() == NAMES
    assert pairs.image_b.tolist() == [f"-{name}" for name in NAMES]


def test_there_is_no_other_writer_of_csv():
    source = Path(sfumato.__file__).parent
    writes = re.compile(r"csv\.(writer|DictWriter|CSVWriter|write_csv)\b|\.to_csv\(|savetxt\(")
    found = {
        p.relative_to(source).as_posix()
        for p in source.rglob("*.py")
        if writes.search(p.read_text())
    }
    assert found == {"data/spreadsheets.py"}
