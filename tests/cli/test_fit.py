import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sfumato.audit.tables import audit_tables
from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.simulate import write_simulated
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.errors import InputError
from sfumato.models import load
from sfumato.models.tables import fit_table

BRIEF = {"n_steps": 1, "n_units": 16}


@pytest.fixture
def tables(tmp_path):
    """Return two tables with some labels in common."""
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    for seed, path in enumerate(paths):
        write_simulated(path, 300, 3, seed=seed)
    rows = pq.read_table(paths[0])
    n = rows.num_rows
    people = np.arange(n) // 3
    for name, values in {
        "partition": np.where(people % 4, "train", "test"),
        "path": [f"photo {k}" for k in range(n)],
        "number": np.arange(n),
        "site": ["here"] * n,
        "smiling": pa.array(people % 2 == 0),
    }.items():
        rows = rows.append_column(name, pa.array(values))
    pq.write_table(rows, paths[0])
    rows = pq.read_table(paths[1])
    pq.write_table(rows.append_column("age_years", [people * 0.5 % 80]), paths[1])
    return paths


def test_all_is_every_label_but_the_attribute_names_and_rules(tables, tmp_path, monkeypatch):
    seen, fit = {}, BarycentreEraser._fit

    def watch(self, X, y, **options):
        seen.update(options)
        return fit(self, X, y, **options)

    monkeypatch.setattr(BarycentreEraser, "_fit", watch)
    first, second = tables
    arguments = [
        *("fit", "barycentre", first, "--also", second, "-a", "gender", "--context", "all"),
        *("--where", "first:partition=train", "--where", "second:age_years>=14"),
        *("--set", "n_steps=1", "--set", "n_units=16", "-o", tmp_path / "m"),
    ]
    found = CliRunner().invoke(app, [*map(str, arguments)])
    assert found.exit_code == 0, found.output
    assert "Context, 3 columns: race, smiling, age_years." in " ".join(found.stdout.split())
    assert "leaves out partition (a rule picks by it), path (text with 900 distinct" in " ".join(
        found.output.split()
    )
    model = load(tmp_path / "m")
    assert model.fitted_on["context"] == ["race", "smiling", "age_years"]
    assert model.fitted_on["where"] == [["partition=train"], ["age_years>=14"]]
    race, smiling, age, table = seen["context"].T
    ours = table == "table 0"
    # A label that a table lacks is unknown there.
    assert {*age[ours]} == {None} and min(age[~ours]) >= 14
    assert {*smiling[~ours]} == {None} and {*smiling[ours]} == {True, False}
    assert sum(ours) == 675  # Three photos of three in four people.
    named = [*arguments[:7], "--context", "race", "--context", "smiling", "--context", "age_years"]
    named = [*named, *arguments[9:-1], tmp_path / "n"]
    assert CliRunner().invoke(app, [*map(str, named)]).exit_code == 0
    assert load(tmp_path / "n").fingerprint == model.fingerprint


def test_a_table_without_other_labels_has_no_context(tables, tmp_path):
    with pytest.raises(InputError, match=r"context all: second.parquet has no other label"):
        fit_table(
            "barycentre", tables[1], ["gender", "race", "age_years"], tmp_path / "m",
            context=["all"], parameters=BRIEF,
        )  # fmt: skip


def test_the_audit_tells_rows_apart_by_the_rules_of_the_table(tables, tmp_path):
    first, second = map(str, tables)
    run = CliRunner().invoke
    fit = ["fit", "leace", first, "--also", second, "-a", "gender", "-o", str(tmp_path / "m")]
    assert run(app, [*fit, "--where", "first:partition=train"]).exit_code == 0
    protected = tmp_path / "p.parquet"
    assert run(app, ["protect", str(tmp_path / "m"), first, "-o", str(protected)]).exit_code == 0
    alarms = {}
    for value in ("train", "test"):
        (result,) = audit_tables(
            first,
            ["gender"],
            protected=protected,
            where=f"partition={value}",
            attackers=["logistic regression"],
        )
        alarms[value] = json.dumps(result.to_dict())
    assert "very table" in alarms["train"] and "very table" not in alarms["test"]
