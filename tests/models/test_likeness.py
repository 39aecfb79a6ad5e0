import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.columns import embedding_array
from sfumato.data.simulate import write_simulated
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models import load, save
from sfumato.models.likeness import Likeness
from sfumato.models.protection import compare_people
from sfumato.models.tables import fit_table


def people(rng, n, shift=0.0, spread=1.0):
    scales = np.linspace(2, 0.5, 16)
    X = rng.normal(size=(n, 16)) * scales * spread + np.arange(16) / 8
    X[:, 3] += shift
    return X


@pytest.fixture
def known(rng):
    X = people(rng, 3000)
    X[:1500, 1] += 3  # Two classes.
    return Likeness.of(X, np.arange(3000) < 1500)


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_other_people_of_the_fitted_kind_raise_no_alarm(known, rng, n):
    alarms = 0
    for _ in range(100):
        X = people(rng, n)
        X[: rng.integers(n), 1] += 3  # The classes may be mixed otherwise.
        alarms += known.distance(X) > known.limit(n)
    assert alarms <= 3


@pytest.mark.parametrize("change", [{"shift": 3.0}, {"spread": np.r_[np.ones(8), np.full(8, 2)]}])
def test_others_do(known, rng, change):
    for n in (100, 1000):
        found = [known.distance(people(rng, n, **change)) for _ in range(20)]
        assert min(found) > known.limit(n)


def test_the_distance_is_that_of_the_means_whatever_the_number_of_people(rng):
    known = Likeness.of(people(rng, 4000), np.zeros(4000))
    found = {
        n: np.mean([known.distance(people(rng, n, shift=1.0)) for _ in range(200)])
        for n in (20, 500)
    }
    # Chance alone would add some 32 / 20 to the smaller one.
    assert found[20] == pytest.approx(found[500], abs=0.3)


def test_few_people_say_nothing(rng):
    assert Likeness.of(people(rng, 199), np.zeros(199)) is None


@pytest.fixture
def tables(tmp_path):
    write_simulated(tmp_path / "people.parquet", 1200, 2)
    rows = pq.read_table(tmp_path / "people.parquet")
    half = FaceTable(tmp_path / "people.parquet")
    X = half.embeddings()
    X += X.std(axis=0)
    place = rows.schema.get_field_index("embedding")
    other = rows.set_column(place, rows.schema.field(place), [embedding_array(X)])
    pq.write_table(other, tmp_path / "others.parquet")
    return tmp_path / "people.parquet", tmp_path / "others.parquet"


def test_a_model_knows_whom_it_was_fitted_on(tables, tmp_path):
    alike, other = tables
    model = fit_table("leace", alike, ["gender"], tmp_path / "m")
    (population,) = model.fitted_on["populations"]
    assert population == {
        "name": "table 0",
        "n_rows": model.fitted_on["n_rows"],
        "labels": "given",
        "source": "simulated",
    }
    loaded = load(tmp_path / "m")
    for name, array in model.likeness.arrays().items():
        np.testing.assert_array_equal(array, loaded.likeness.arrays()[name])
    done = protect_table(loaded, alike, tmp_path / "a.parquet")
    assert done["hints"] == [] and not FaceTable(tmp_path / "a.parquet").info.unlike
    done = protect_table(loaded, other, tmp_path / "b.parquet")
    (hint,) = done["hints"]
    assert "others.parquet: these templates do not look like those that leace was fitted" in hint
    assert "of 1,200 people" in hint
    (said,) = FaceTable(tmp_path / "b.parquet").info.unlike
    assert said in hint
    rows = pq.read_table(other).drop_columns(["identity"])
    place, X = rows.schema.get_field_index("embedding"), FaceTable(other).embeddings()
    moved = embedding_array(X + 4 * X.std(axis=0))
    rows = rows.set_column(place, rows.schema.field(place), [moved])
    pq.write_table(rows, tmp_path / "bare.parquet")
    unnamed = compare_people(loaded, FaceTable(tmp_path / "bare.parquet"))
    # Without names there may be fewer people, whose mean differs more by chance.
    fewer = -(-unnamed["n_people"] // 5)
    assert unnamed["limit"] == pytest.approx(loaded.likeness.limit(fewer), abs=1e-3)
    # The same eraser: what was protected before is in the same space.
    assert FaceTable(tmp_path / "b.parquet").info.space.endswith(model.fingerprint)


def test_batch_protect_says_it_too_and_a_gallery_shows_it(tables, tmp_path):
    alike, other = tables
    fit_table("leace", alike, ["gender"], tmp_path / "m")
    words = [
        *("batch", "protect"),
        tmp_path / "m",
        other,
        "-o",
        tmp_path / "parts",
        "--workers",
        "1",
    ]
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0 and "do not look like" in " ".join(done.output.split())
    (part, *_) = sorted((tmp_path / "parts").glob("*.parquet"))
    assert FaceTable(part).info.unlike
    pytest.importorskip("lancedb")
    place = str(tmp_path / "g.gallery")
    assert CliRunner().invoke(app, ["gallery", "create", place, str(part)]).exit_code == 0
    shown = CliRunner().invoke(app, ["gallery", "info", place])
    assert "do not look like" in " ".join(shown.output.split())
    told = CliRunner().invoke(app, ["gallery", "info", place, "--json"])
    assert len(json.loads(told.stdout)["doubts"]) == 1


def test_a_model_of_before_says_that_it_cannot_tell_and_a_broken_one_is_refused(tables, tmp_path):
    alike, other = tables
    model = fit_table("leace", alike, ["gender"], tmp_path / "m")
    save(replace(model, likeness=None), tmp_path / "old")
    assert load(tmp_path / "old").likeness is None
    (hint,) = protect_table(tmp_path / "old", other, tmp_path / "b.parquet")["hints"]
    assert "leace does not know whom it was fitted on" in hint and "nobody checked" in hint
    vars(model.likeness)["axes"] = model.likeness.axes[:-1]
    save(model, tmp_path / "broken")
    with pytest.raises(InputError, match="its likeness has arrays of shapes"):
        load(tmp_path / "broken")


def test_limits_must_be_of_rising_numbers_of_people(known):
    for sizes in ([0, 50], [50, 50], [100, 20], [-1, 20]):
        limits = np.array([sizes, [1, 1]], np.float32)
        with pytest.raises(InputError, match="its likeness has limits of .* must rise"):
            Likeness.from_arrays(known.arrays() | {"limits": limits}, 16)


def test_an_exported_eraser_knows_the_same_people(tables, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra export")
    from sfumato.export.exporting import export_model

    alike, other = tables
    model = fit_table("leace", alike, ["gender"], tmp_path / "m")
    export_model(tmp_path / "m", tmp_path / "m.onnx")
    for name, array in load(tmp_path / "m.onnx").likeness.arrays().items():
        np.testing.assert_array_equal(array, model.likeness.arrays()[name])
    hints = [
        protect_table(tmp_path / name, other, tmp_path / f"{name}.parquet")["hints"]
        for name in ("m", "m.onnx")
    ]
    assert hints[0] == hints[1] and "do not look like" in hints[0][0]
    assert protect_table(tmp_path / "m.onnx", alike, tmp_path / "a.parquet")["hints"] == []


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("shift", "letters", "no base64 of float32"),
        ("shift", [[16], "!"], "no base64"),
        ("shift", [[15], 16], "no base64"),
        ("shift", [["x"], ""], "no base64"),
        ("shift", [[1], "AADAfw=="], "a NaN or infinite value"),
        ("shift", [[1], "AACAPw=="], "arrays of shapes"),
        ("more", [[1], "AACAPw=="], "arrays of shapes"),
    ],
)
def test_broken_texts_of_a_likeness_are_refused(known, name, value, match):
    with pytest.raises(InputError, match=match):
        Likeness.from_texts(known.to_texts() | {name: value}, 16)
    with pytest.raises(InputError, match="no base64"):
        Likeness.from_texts(value, 16)


def test_where_nnls_gives_up_another_solver_gives_the_same(known, rng, monkeypatch):
    X = people(rng, 300)
    expected = known.distance(X)

    def give_up(*_):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("sfumato.models.likeness.nnls", give_up)
    assert known.distance(X) == pytest.approx(expected, abs=1e-4)


def test_photos_of_few_people_without_names_are_few_people(known, rng):
    X = np.repeat(people(rng, 60), 8, axis=0)
    X += 0.02 * rng.normal(size=X.shape)
    assert known.distance(X) > known.limit(len(X))
    kept = known.one_each(X)
    assert 55 <= len(kept) <= 66 and known.distance(X[kept]) <= known.limit(len(kept))
    alone = people(rng, 400)
    assert len(known.one_each(alone)) > 350


def test_a_sorted_table_with_bad_rows_is_no_other_people(tmp_path):
    write_simulated(tmp_path / "people.parquet", 9000, 1)
    fit_table("leace", tmp_path / "people.parquet", ["gender"], tmp_path / "m")
    rows = pq.read_table(tmp_path / "people.parquet")
    X = FaceTable(tmp_path / "people.parquet").embeddings()
    order = np.argsort(X @ np.linalg.svd(X[:2000] - X.mean(axis=0), full_matrices=False)[2][0])
    X = X[order]
    X[::50] = np.nan
    place = rows.schema.get_field_index("embedding")
    rows = rows.take(order).set_column(place, rows.schema.field(place), [embedding_array(X)])
    pq.write_table(rows, tmp_path / "sorted.parquet")
    model = load(tmp_path / "m")
    assert compare_people(model, FaceTable(tmp_path / "sorted.parquet")) is None
    # The first rows alone are others.
    pq.write_table(rows.slice(0, 3000), tmp_path / "first.parquet")
    assert compare_people(model, FaceTable(tmp_path / "first.parquet"))["n_people"] > 1000
