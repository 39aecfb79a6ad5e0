"""``sfumato data``: results alone on stdout, exit codes, and no file lost."""

import json

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.info import TableInfo
from sfumato.data.simulate import simulate
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError


def run(*arguments):
    """Return exit code and output; our own errors reach the caller, as in ``main``."""
    done = CliRunner().invoke(app, ["data", *map(str, arguments)])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


def test_simulate_then_describe(tmp_path):
    path = tmp_path / "s.parquet"
    code, text = run(
        "simulate",
        "-o",
        path,
        "--identities",
        12,
        "--images-per-identity",
        3,
        "--seed",
        5,
        "--json",
    )
    assert code == 0 and json.loads(text) == {
        "schema_version": 1,
        "output": str(path),
        "n_rows": 36,
    }
    expected = simulate(12, 3, seed=5)
    np.testing.assert_array_equal(FaceTable(path).embeddings(), expected["embedding"])
    code, text = run("describe", path, "--json")
    found = json.loads(text)
    assert code == 0 and found["n_rows"] == 36
    assert found["identity"] == {
        "n_identities": 12,
        "n_missing": 0,
        "min": 3,
        "median": 3.0,
        "max": 3,
    }
    assert found["labels"]["gender"] == {
        "n_missing": 0,
        "n_distinct": 2,
        "values": {"female": 18, "male": 18},
    }
    assert found["info"]["normalisation"] == "l2" and "simulated" in found["space"]


def test_rows_instead_of_people(tmp_path):
    path = tmp_path / "s.parquet"
    run("simulate", "-o", path, "--rows", 101)
    assert FaceTable(path).n_rows == 101
    with pytest.raises(InputError, match="n_rows must be an integer in"):
        run("simulate", "-o", path, "--rows", 0, "--force")
    assert FaceTable(path).n_rows == 101  # the table from before is still there


def test_existing_tables_stay_without_force(tmp_path):
    path = tmp_path / "s.parquet"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        run("simulate", "-o", path)
    assert path.read_bytes() == b"mine"
    assert run("simulate", "-o", path, "--identities", 2, "--force")[0] == 0
    assert FaceTable(path).n_rows == 10


def test_import_says_what_was_rejected(tmp_path):
    np.savez(tmp_path / "a.npz", embedding=np.array([[1.0, 2], [np.nan, 1]]))
    output = tmp_path / "t.parquet"
    code, text = run(
        "import", "arrays", tmp_path / "a.npz", "-o", output, "--encoder", "mine", "--json"
    )
    assert code == 1  # done with rejects
    assert json.loads(text) == {
        "schema_version": 1,
        "output": str(output),
        "n_rows": 1,
        "n_rejects": 1,
        "rejects": str(tmp_path / "t.rejects.parquet"),
    }
    assert FaceTable(output).info.encoder == "mine"


def test_import_without_rejects_and_with_layout_options(tmp_path):
    photo = tmp_path / "f" / "ann" / "1.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"\xff\xd8\xff a photo")
    code, text = run(
        "import", "folder", tmp_path / "f", "-o", tmp_path / "t.parquet", "--copy-images"
    )
    assert code == 0 and "1 rows" in text
    assert FaceTable(tmp_path / "t.parquet").column("image")[0]["bytes"] == photo.read_bytes()
    with pytest.raises(InputError, match="layout folder has no option encoder"):
        run("import", "folder", tmp_path / "f", "-o", tmp_path / "u.parquet", "--encoder", "x")


def described(tmp_path, **columns):
    batch = table_batch(
        {"image_id": [str(i) for i in range(len(next(iter(columns.values()))))], **columns}
    )
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo())
    return json.loads(run("describe", tmp_path / "t.parquet", "--json")[1])


def test_describe_counts_missing_labels_and_numbers(tmp_path):
    found = described(
        tmp_path,
        identity=["a", "a", None, "b"],
        gender=pa.array(["f", None, "f", "m"]).dictionary_encode(),
        smiling=[True, True, False, None],
        age=[30.5, 19.5, float("nan"), 40.0],
        race=pa.array([0, 1, 1, None], pa.int8()),
        empty=pa.array([None] * 4, pa.string()),
    )
    # People: a twice, b once, one row without; ages 19.5, 30.5 and 40.
    assert found["identity"] == {
        "n_identities": 2,
        "n_missing": 1,
        "min": 1,
        "median": 1.5,
        "max": 2,
    }
    assert found["labels"] == {
        "gender": {"n_missing": 1, "n_distinct": 2, "values": {"f": 2, "m": 1}},
        "smiling": {"n_missing": 1, "n_distinct": 2, "values": {"true": 2, "false": 1}},
        "age": {"n_missing": 1, "n_distinct": 3, "min": 19.5, "mean": 30.0, "max": 40.0},
        "race": {"n_missing": 1, "n_distinct": 2, "values": {"1": 2, "0": 1}},
        "empty": {"n_missing": 4, "n_distinct": 0, "values": {}},
    }
    assert found["space"] is None


def test_describe_hints_at_classes_and_names_that_are_nearly_one(tmp_path):
    columns = {
        "identity": ["Ann", "ann ", "Bob", "NA", ""],
        "gender": ["m", "m ", "M", "f", "nan"],
        "tags": [["a"], [], None, ["b"], ["c"]],
    }
    found = described(tmp_path, **columns)
    assert found["labels"] == {
        "gender": {"n_missing": 1, "n_distinct": 4, "values": {"M": 1, "f": 1, "m": 1, "m ": 1}}
    }
    assert (found["identity"]["n_identities"], found["identity"]["n_missing"]) == (3, 2)
    what = "differ in blanks or case alone; write them alike if they are one."
    assert found["hints"] == [
        f"identity: 'Ann', 'ann ' {what}",
        f"gender: 'M', 'm', 'm ' {what}",
    ]
    assert list(found["others"]) == ["tags"]
    done = CliRunner().invoke(app, ["data", "describe", str(tmp_path / "t.parquet")])
    assert "columns that are no labels: tags (list<" in done.stdout
    assert "'m ' differ in blanks" in done.stderr and "differ" not in done.stdout


def test_describe_prints_for_people_and_shows_the_most_frequent(tmp_path):
    names = [f"v{i:02}" for i in range(30)] + ["v07"]
    found = described(tmp_path, colour=names)["labels"]["colour"]
    assert found["n_distinct"] == 30 and len(found["values"]) == 20
    assert next(iter(found["values"].items())) == ("v07", 2)
    code, text = run("describe", tmp_path / "t.parquet")
    assert code == 0 and "31 rows, checked" in text and "colour" in text


def test_describe_refuses_a_table_that_breaks_a_rule(tmp_path):
    batch = table_batch({"image_id": ["a", "a"]})
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo())
    with pytest.raises(InputError, match="row 1: image_id 'a' is already used in row 0"):
        run("describe", tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X: X.__setitem__([3, 7], 0), "2 rows of zeros, the first is row 3"),
        (lambda X: X.__setitem__(slice(None), X[0]), "All 20 embeddings are one"),
    ],
)
def test_rows_that_others_refuse_are_not_called_sound(tmp_path, rng, change, said):
    X = rng.normal(size=(20, 4))
    paths = []
    for name in ("sound", "other"):
        batch = table_batch({"image_id": [f"i{n}" for n in range(20)], "embedding": X})
        paths.append(tmp_path / f"{name}.parquet")
        write_table(paths[-1], [batch], batch.schema, TableInfo(encoder="toy"))
        change(X)
    code, text = run("describe", paths[0], "--json")
    assert code == 0 and json.loads(text)["sound"]
    code, text = run("describe", paths[1], "--json")
    found = json.loads(text)
    assert code == 1 and not found["sound"] and said in found["hints"][0]
