"""Names and labels of any text pass through CSV, tables and commands as they are."""

import csv
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.labels import as_text
from sfumato.data.selection import Selection
from sfumato.data.spreadsheets import guard_cell
from sfumato.data.tables import FaceTable

ODD = ["[/x]", "[bold]m", "\x1b[31m", "a\nb", "7", "7.0", "007", "NA", "", " ", "m ", 'q"q', "é"]
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(ODD),
        st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=4),
    ),
    min_size=1,
    max_size=8,
)
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run(*arguments):
    done = CliRunner().invoke(app, [str(part) for part in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def expected(labels):
    texts = as_text(labels).tolist()
    return texts.count(None), dict(Counter(text for text in texts if text is not None))


@FEW
@given(TEXTS)
@example(ODD)
def test_labels_of_a_table(tmp_path, labels):
    path = tmp_path / "t.parquet"
    ids = pa.array(range(len(labels)))
    pq.write_table(pa.table({"image_id": ids, "[/label]": labels}), path)
    found = json.loads(run("data", "describe", path, "--json"))["labels"]["[/label]"]
    assert (found["n_missing"], found["values"]) == expected(labels)
    run("data", "describe", path)
    for value, count in found["values"].items():
        if not value.startswith("!"):
            masks = [
                Selection(where=f"[/label]={value}").mask(b) for b in FaceTable(path).batches()
            ]
            assert np.concatenate(masks).sum() == count


@FEW
@given(TEXTS)
@example(ODD)
def test_people_of_a_csv(tmp_path, people):
    path, output = tmp_path / "t.csv", tmp_path / "t.parquet"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["image_id", "identity", "embedding_0"])
        # As we write it; a text of others that begins with '= loses that apostrophe.
        writer.writerows([f"i{k}", guard_cell(name), 1] for k, name in enumerate(people))
    run("data", "import", "csv", path, "-o", output, "--force")
    found = json.loads(run("data", "describe", output, "--json"))["identity"]
    n_missing, counts = expected(people)
    assert (found["n_missing"], found["n_identities"]) == (n_missing, len(counts))
    assert FaceTable(output).column("identity").tolist() == as_text(people).tolist()


@FEW
@given(st.lists(st.one_of(st.integers(-99, 99), st.just(None)), min_size=1, max_size=8))
def test_numbers_in_any_type(tmp_path, numbers):
    path, texts = tmp_path / "t.parquet", as_text(numbers).tolist()
    ids = [str(k) for k in range(len(numbers))]
    for kind in (pa.int8(), pa.int64(), pa.float32(), pa.float64(), pa.string()):
        values = pa.array(texts if kind == pa.string() else numbers, kind)
        pq.write_table(pa.table({"image_id": ids, "identity": values, "race": values}), path)
        table = FaceTable(path)
        assert table.column("identity").tolist() == texts
        assert as_text(table.column("race")).tolist() == texts
