import numpy as np
import pyarrow as pa
import pytest

from sfumato.data.columns import embedding_array
from sfumato.data.info import TableInfo
from sfumato.data.selection import Selection
from sfumato.data.tables import FaceTable, write_table
from sfumato.errors import InputError
from sfumato.models.fitted_people import FittedPeople
from sfumato.models.tables import fit_table

ALL = Selection()


def write_ages(path, X, ages, **columns):
    rows = {"image_id": [f"i{k}" for k in range(len(X))], "age_years": ages, **columns}
    batch = pa.RecordBatch.from_pydict(rows | {"embedding": embedding_array(X.astype("f4"))})
    write_table(path, [batch], batch.schema, TableInfo(source="drawn", dimension=X.shape[1]))
    return path


@pytest.fixture
def ages(rng, tmp_path):
    """Return a table whose rows turn with age, 0 to 80."""
    age = rng.uniform(0, 80, 3000)
    X = rng.normal(size=(3000, 24))
    X[:, :8] += np.sin(age[:, None] / 80 + np.arange(8)) * 6
    X[:, 23] += 20
    return write_ages(tmp_path / "ages.parquet", X, age)


def said(model):
    """Return the errors of a regression after, before and by guessing."""
    (text,) = model.fitted_on["treated"].values()
    return [float(part.split()[-1]) for part in text.replace(";", ",").split(",")[-3:]]


def test_the_barycentre_takes_a_number_out_by_ten_groups(ages, tmp_path):
    model = fit_table("barycentre", ages, ["age_years"], tmp_path / "m", selection=ALL)
    assert len(model.eraser.classes_) == 10
    after, before, guess = said(model)
    assert guess == pytest.approx(20, abs=1) and before < 7
    assert after > before + 0.6 * (guess - before)
    # Few rows: fewer groups.
    few = FaceTable(ages)
    write_ages(tmp_path / "few.parquet", few.embeddings()[:450], few.column("age_years")[:450])
    model = fit_table("barycentre", tmp_path / "few.parquet", ["age_years"], tmp_path / "n")
    assert len(model.eraser.classes_) == 3


def test_an_eraser_that_leaves_a_number_readable_is_refused(rng, tmp_path):
    age = rng.uniform(0, 80, 3000)
    turn = rng.uniform(0, 2 * np.pi, 3000)
    # The distance from the middle tells it; a little of it is on a line.
    X = np.column_stack([age * np.cos(turn), age * np.sin(turn), rng.normal(size=3000) + age / 99])
    table = write_ages(tmp_path / "ages.parquet", X, age)
    with pytest.raises(InputError, match="age_years stays readable: .* take barycentre, or give"):
        fit_table("leace", table, ["age_years"], tmp_path / "m", selection=ALL)
    assert not (tmp_path / "m").exists()


def test_the_sample_is_bounded_random_and_of_all_parts(rng, monkeypatch):
    monkeypatch.setattr("sfumato.models.fitted_people.MAX_ROWS", 1000)
    people = FittedPeople()
    for part in range(10):
        X = np.full((2000, 2), part, dtype=np.float32)
        y = np.full((2000, 1), "f", dtype=object)
        people.add(X, y, np.arange(2000) + 2000 * part, f"table {part % 2}")
    kept = people._columns[1][:, 0]
    counts = np.bincount(kept.astype(int), minlength=10)
    assert len(kept) == 1000 and counts.min() > 60  # 100 each, but for chance.
    assert people._counts == {"table 0": 10_000, "table 1": 10_000}


def test_a_population_says_how_its_labels_are_known(rng, tmp_path):
    X = rng.normal(size=(600, 6))
    gender = np.where(rng.random(600) < 0.5, "f", "m")
    X[gender == "f", 0] += 2
    first = write_ages(tmp_path / "a.parquet", X, np.arange(600.0), gender=gender)
    bare = write_ages(tmp_path / "b.parquet", X + 1, np.arange(600.0))
    model = fit_table(
        "barycentre", first, ["gender"], tmp_path / "m", unlabelled=[bare], selection=ALL,
        parameters={"n_steps": 1, "n_units": 16},
    )  # fmt: skip
    labelled, read = model.fitted_on["populations"]
    assert (labelled["labels"], read["labels"]) == ("given", "read")
    assert (read["name"], read["source"], read["n_rows"]) == ("table 1", "b.parquet", 600)
    assert read["sure"] == model.fitted_on["read"][0]["sure"]
    site = np.where(np.arange(600) % 3, "x", "y")
    named = write_ages(tmp_path / "c.parquet", X, np.arange(600.0), gender=gender, site=site)
    model = fit_table(
        "barycentre", named, ["gender"], tmp_path / "n", population="site", selection=ALL,
        parameters={"n_steps": 1, "n_units": 16},
    )  # fmt: skip
    assert [(p["name"], p["n_rows"]) for p in model.fitted_on["populations"]] == [
        ("x", 400), ("y", 200),
    ]  # fmt: skip
