import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.data.columns import embedding_array
from sfumato.data.info import TableInfo
from sfumato.data.selection import Selection, read_rows
from sfumato.data.simulate import write_simulated
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models import load, save
from sfumato.models.protection import FEW_ROWS, refuse_unchanged
from sfumato.models.tables import fit_table

ALL = Selection()


@pytest.fixture
def table(tmp_path):
    write_simulated(tmp_path / "people.parquet", 150, 3)
    return tmp_path / "people.parquet"


def test_streaming_fit_equals_a_fit_in_memory(table, tmp_path, monkeypatch):
    whole = fit_table("leace", table, ["gender", "race"], tmp_path / "whole")
    batches = FaceTable.embedding_batches
    monkeypatch.setattr(
        FaceTable, "embedding_batches", lambda self, c: batches(self, c, batch_rows=37)
    )
    parts = fit_table("leace", table, ["gender", "race"], tmp_path / "parts")
    columns, X = read_rows(FaceTable(table), Selection(half="eraser"), ["gender", "race"])
    y = np.column_stack([columns["gender"], columns["race"]])
    expected = LeaceEraser().fit(X, y).transform(X)
    for model in (whole, parts):
        np.testing.assert_allclose(model.eraser.transform(X), expected, atol=1e-5)
    assert parts.fitted_on["n_rows"] == len(X) < 450


def test_protect_keeps_rows_and_labels_and_says_what_was_done(table, tmp_path):
    model = fit_table("leace", table, ["gender"], tmp_path / "m")
    summary = protect_table(tmp_path / "m", table, tmp_path / "out.parquet")
    raw, out = FaceTable(table), FaceTable(tmp_path / "out.parquet").check()
    assert summary["n_rows"] == out.n_rows == raw.n_rows
    assert out.columns == ["image_id", "identity", "race", "embedding"]
    for name in ("image_id", "identity", "race"):
        np.testing.assert_array_equal(out.column(name), raw.column(name))
    np.testing.assert_array_equal(out.embeddings(), model.eraser.transform(raw.embeddings()))
    (step,) = out.info.transformations
    assert step == load(tmp_path / "m").step
    assert step["fitted_on"]["half"] == "eraser" and step["fitted_on"]["source"] == "simulated"
    with pytest.raises(InputError, match="cannot go through leace"):
        protect_table(tmp_path / "m", tmp_path / "out.parquet", tmp_path / "twice.parquet")
    assert not (tmp_path / "twice.parquet").exists()


@pytest.mark.parametrize("zeros_first", [False, True])
def test_an_eraser_that_erases_nothing_is_refused(table, tmp_path, monkeypatch, zeros_first):
    model = fit_table("mean-projection", table, ["gender"], tmp_path / "m")
    model.eraser.basis_ = model.eraser.basis_[:0]
    save(model, tmp_path / "m")
    batches = FaceTable.batches

    def in_parts(self, columns=None, **options):
        for n, batch in enumerate(batches(self, columns, **options | {"batch_rows": 37})):
            if zeros_first and n == 0 and "embedding" in batch.schema.names:
                place = batch.schema.get_field_index("embedding")
                zeros = embedding_array(np.zeros((batch.num_rows, self.info.dimension)))
                batch = batch.set_column(place, "embedding", zeros)
            yield batch

    monkeypatch.setattr(FaceTable, "batches", in_parts)
    # Zero has no direction: the next batch decides.
    with pytest.raises(InputError, match="mean-projection erases nothing"):
        protect_table(tmp_path / "m", table, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_rows_that_change_behind_many_that_do_not_are_an_effect():
    X = np.eye(FEW_ROWS + 1, dtype=np.float32)
    protected = X.copy()
    with pytest.raises(InputError, match="mine erases nothing"):
        refuse_unchanged("mine", X, protected)
    protected[-1] = X[0]
    assert refuse_unchanged("mine", X, protected)


def test_output_that_is_not_finite_is_refused(table, tmp_path, monkeypatch):
    model = fit_table("mean-projection", table, ["gender"], tmp_path / "m")
    monkeypatch.setattr(type(model.eraser), "transform", lambda self, X: X / np.zeros((len(X), 1)))
    with (
        pytest.raises(InputError, match="gives a NaN or infinite value"),
        np.errstate(all="ignore"),
    ):
        protect_table(model, table, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_nothing_is_overwritten_unasked(table, tmp_path):
    fit_table("leace", table, ["gender"], tmp_path / "m")
    before = table.read_bytes()
    with pytest.raises(InputError, match="is an input"):
        protect_table(tmp_path / "m", table, table)
    with pytest.raises(InputError, match="is an input"):
        protect_table(tmp_path / "m", table, table, overwrite=True)
    assert table.read_bytes() == before


def test_photos_do_not_travel_with_protected_templates(tmp_path, table):
    rows = pq.read_table(table)
    photos = pa.array([{"bytes": b"x", "path": "x.jpg"}] * rows.num_rows)
    pq.write_table(rows.append_column("image", photos), tmp_path / "photos.parquet")
    fit_table("leace", table, ["gender"], tmp_path / "m")
    protect_table(tmp_path / "m", tmp_path / "photos.parquet", tmp_path / "out.parquet")
    assert "image" not in FaceTable(tmp_path / "out.parquet").columns


def test_sensitivenets_fits_a_table(table, tmp_path):
    pytest.importorskip("torch")
    parameters = {"n_units": 16, "n_triplets": 300, "n_epochs": 1, "detector_epochs": 1}
    fit_table("sensitivenets", table, ["gender"], tmp_path / "m", parameters=parameters)
    summary = protect_table(tmp_path / "m", table, tmp_path / "out.parquet")
    out = FaceTable(tmp_path / "out.parquet")
    assert summary["dimension"] == out.info.dimension == 16
    assert out.info.normalisation == "l2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("leech", ["gender"], {}), "method must be one of .*leace.*got 'leech'"),
        (("leace", ["mood"], {}), "unknown label column 'mood'; it has: gender, race"),
        (("leace", ["gender"], {"layers": 3}), "leace has no parameter 'layers'; it has rtol"),
    ],
)
def test_bad_input_is_refused(table, tmp_path, arguments, message):
    method, attributes, parameters = arguments
    with pytest.raises(InputError, match=message):
        fit_table(method, table, attributes, tmp_path / "m", parameters=parameters)


def test_several_tables_and_context(tmp_path):
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for seed, path in enumerate(paths):
        write_simulated(path, 300, 3, seed=seed)
    model = fit_table(
        "barycentre",
        paths[0],
        ["gender"],
        tmp_path / "m",
        also=[paths[1]],
        context=["race"],
        parameters={"n_steps": 1, "budget": 0.2, "n_units": 16},
    )
    one = fit_table("leace", paths[0], ["gender"], tmp_path / "one")
    two = fit_table("leace", paths[0], ["gender"], tmp_path / "two", also=[paths[1]])
    assert two.fitted_on["n_rows"] > 1.5 * one.fitted_on["n_rows"]
    assert model.fitted_on["n_rows"] == two.fitted_on["n_rows"]
    assert two.fitted_on["also"] == [FaceTable(paths[1]).info.source]
    with pytest.raises(InputError, match="leace takes no context; leave it out"):
        fit_table("leace", paths[0], ["gender"], tmp_path / "x", context=["race"])
    with pytest.raises(InputError, match="unknown label column 'mood'"):
        fit_table("barycentre", paths[0], ["gender"], tmp_path / "x", context=["mood"])


def test_a_population_is_a_table_or_a_column(tmp_path, monkeypatch):
    paths, seen = [tmp_path / "a.parquet", tmp_path / "b.parquet"], {}
    for seed, path in enumerate(paths):
        write_simulated(path, 300, 3, seed=seed)
    fit = BarycentreEraser._fit

    def watch(self, X, y, **options):
        seen.update(options, n=len(X))
        return fit(self, X, y, **options)

    monkeypatch.setattr(BarycentreEraser, "_fit", watch)
    options = {"also": [paths[1]], "parameters": {"n_steps": 1, "n_units": 16}}
    for population, context, names in (
        ("table", [], ["table 0", "table 1"]),
        ("race", ["race"], sorted(set(pq.read_table(paths[0])["race"].to_pylist()))),
    ):
        model = fit_table(
            "barycentre", paths[0], ["gender"], tmp_path / "m", population=population,
            context=context, **options,
        )  # fmt: skip
        found, codes = seen["population"]
        assert found == names and codes.shape == (seen["n"],)
        assert set(codes) == set(range(len(names)))
        assert model.fitted_on["population"] == population
        if context:
            # The column may serve as context too; the tables stand behind it.
            assert seen["context"].shape == (seen["n"], 2)
            assert [names[code] for code in codes] == seen["context"][:, 0].tolist()
            assert set(seen["context"][:, 1]) == {"table 0", "table 1"}


@pytest.mark.parametrize(
    ("method", "population", "message"),
    [
        ("leace", "race", "leace takes no population; leave it out"),
        ("barycentre", "table", "population table: there is one table, .*; add another by also"),
        ("barycentre", "mood", "unknown label column 'mood'; it has: gender, race"),
    ],
)
def test_a_population_that_cannot_be_is_refused(table, tmp_path, method, population, message):
    with pytest.raises(InputError, match=message):
        fit_table(method, table, ["gender"], tmp_path / "m", population=population)


def table_of(path, **columns):
    """Write rows that carry three whole-number groups and an age."""
    rng = np.random.default_rng(0)
    group, age = rng.integers(0, 3, 900), rng.uniform(20, 80, 900)
    X = rng.normal(size=(900, 6)).astype("f4")
    X[:, 0] += np.array([0, 4, 0])[group]
    X[:, 1] += age / 10
    rows = {
        "image_id": [f"i{n}" for n in range(900)],
        "group": group,
        "code": group.astype(float),
        "age_years": age,
        "one": ["m"] * 900,
    } | columns
    write_table(
        path,
        [pa.RecordBatch.from_pydict(rows | {"embedding": embedding_array(X)})],
        pa.schema(
            [(k, pa.array(v).type) for k, v in rows.items()]
            + [("embedding", pa.list_(pa.float32(), 6))]
        ),
        TableInfo(source="drawn", dimension=6),
    )
    return X, group, age


@pytest.mark.parametrize("batch_rows", [10, 100_000])
def test_few_whole_numbers_are_classes_and_many_numbers_a_scale(tmp_path, monkeypatch, batch_rows):
    # The first batch alone has 10 rows of different ages, or few: no batch decides.
    X, group, age = table_of(tmp_path / "t.parquet")
    batches = FaceTable.embedding_batches
    monkeypatch.setattr(
        FaceTable, "embedding_batches", lambda self, c: batches(self, c, batch_rows=batch_rows)
    )
    for name in ("group", "code"):
        model = fit_table("leace", tmp_path / "t.parquet", [name], tmp_path / name, selection=ALL)
        erased = model.eraser.transform(X)
        # Centre 1 stood apart; a line through 0, 1, 2 would not have seen it.
        means = np.stack([erased[group == k].mean(axis=0) for k in range(3)])
        assert np.ptp(means, axis=0).max() < 1e-4
        assert "treated" not in model.fitted_on
    model = fit_table(
        "leace", tmp_path / "t.parquet", ["age_years"], tmp_path / "a", selection=ALL
    )
    erased = model.eraser.transform(X)
    assert max(abs(np.corrcoef(erased[:, k], age)[0, 1]) for k in range(6)) < 1e-3
    (said,) = model.fitted_on["treated"].values()
    assert said.startswith(
        "continuous, 900 distinct values, taken out as numbers; a regression by a kernel"
    )


def test_other_methods_cut_a_scale_into_groups_and_say_so(tmp_path):
    table_of(tmp_path / "t.parquet")
    model = fit_table("mean-projection", tmp_path / "t.parquet", ["age_years"], tmp_path / "m")
    (said,) = model.fitted_on["treated"].values()
    assert said.startswith(
        "continuous, 900 distinct values, cut into 3 groups; a regression by a kernel"
    )
    assert load(tmp_path / "m").fitted_on == model.fitted_on


@pytest.mark.parametrize("method", ["leace", "mean-projection"])
def test_one_class_is_refused_by_the_column_s_name(tmp_path, method):
    table_of(tmp_path / "t.parquet")
    with pytest.raises(
        InputError, match="^one (is m in every row|needs at least 2 classes, got m)"
    ):
        fit_table(method, tmp_path / "t.parquet", ["one"], tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *[
            (name, value)
            for name in ("also", "context", "unlabelled")
            for value in (7, "all", None)
        ],
        ("output", 7),
        ("population", ["race"]),
        ("labels_from", 7),
        ("parameters", 7),
        ("selection", "race=1"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(tmp_path, argument, value):
    arguments = {"output": tmp_path / "m"} | {argument: value}
    with pytest.raises(InputError, match=f"^{argument} must be "):
        fit_table("leace", tmp_path / "t.parquet", ["gender"], **arguments)


def test_a_table_counts_once_and_an_attribute_is_no_context(tmp_path, rng):
    batch = table_batch(
        {
            "image_id": np.arange(40),
            "gender": ["f", "m"] * 20,
            "embedding": rng.normal(size=(40, 4)),
        }
    )
    table, output = tmp_path / "t.parquet", tmp_path / "m"
    write_table(table, [batch], batch.schema, TableInfo(encoder="toy"))
    for name in ("also", "unlabelled"):
        with pytest.raises(InputError, match="t.parquet is given twice"):
            fit_table("barycentre", table, ["gender"], output, **{name: [str(table)]})
    with pytest.raises(InputError, match="context gender is taken out itself"):
        fit_table("barycentre", table, ["gender"], output, context=["gender"])
    with pytest.raises(InputError, match="context must name columns, one name is empty"):
        fit_table("barycentre", table, ["gender"], output, context=[""])
