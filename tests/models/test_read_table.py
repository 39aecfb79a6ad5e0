"""Labels that a reader reads off the embeddings of a table."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.selection import Selection, read_rows
from sfumato.data.simulate import write_simulated
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.models.read_table import ReadTable
from sfumato.models.tables import fit_table
from sfumato.models.unlabelled import SURE
from sfumato.readers.files import shipped_reader
from sfumato.readers.tasks import AgeTask, ClassTask
from sfumato.readers.templates import TemplateReader

N = 900


def linear_reader(dimension, encoder=None):
    """Return a reader of the first feature's sign, and of an age that is always 30."""
    reader = TemplateReader(n_layers=0)
    weight = np.zeros((2, dimension), np.float32)
    weight[1, 0] = 60
    ages = AgeTask("age_years", (20, 30, 40))
    reader.tasks_ = [ClassTask("gender", ("female", "male")), ages]
    reader.network_ = {
        "shift": np.zeros(dimension, np.float32),
        "scale": np.ones(dimension, np.float32),
        "gender weight": weight,
        "gender bias": np.zeros(2, np.float32),
        "age_years weight": np.zeros((1, dimension), np.float32),
        "age_years bias": np.array([2, -2], np.float32),
    }
    reader.n_features_in_ = dimension
    reader.about = {} if encoder is None else {"encoder": encoder}
    return reader


@pytest.fixture
def bare(tmp_path):
    """Return a table without labels, in several row groups."""
    write_simulated(tmp_path / "all.parquet", 300, 3)
    rows = pq.read_table(tmp_path / "all.parquet").drop_columns(["gender", "race"])
    pq.write_table(rows, tmp_path / "bare.parquet", row_group_size=250)
    return tmp_path / "bare.parquet"


def expected(table):
    """Return the label and its probability by hand: the sigmoid of 60 times the first feature."""
    first = 60 * table.embeddings()[:, 0].astype(float)
    surely = 1 / (1 + np.exp(-np.abs(first)))
    return np.where(first > 0, "male", "female"), surely


def test_unsure_classes_are_missing_and_ages_are_not(bare):
    raw = FaceTable(bare)
    label, surely = expected(raw)
    table = ReadTable(bare, linear_reader(raw.info.dimension), ["gender", "age_years"])
    unsure = surely < SURE
    assert 0 < unsure.sum() < N
    found = table.column("gender")
    assert found[unsure].tolist() == [None] * unsure.sum()
    assert found[~unsure].tolist() == label[~unsure].tolist()
    assert set(table.column("age_years").tolist()) == {30}
    assert table.n_unsure == unsure.sum()
    assert table.sure["gender"] == pytest.approx(1 - unsure.mean())
    columns, X = read_rows(table, Selection(half="eraser"), ["gender"])
    place = {name: n for n, name in enumerate(raw.column("image_id").tolist())}
    rows = [place[name] for name in columns["image_id"].tolist()]
    assert 0 < len(rows) < N
    np.testing.assert_array_equal(X, raw.embeddings()[rows])
    known = ~unsure[rows]
    np.testing.assert_array_equal(columns["gender"][known], label[rows][known])


def test_fit_leaves_unsure_rows_out_and_says_how_sure_it_was(bare, tmp_path):
    raw = FaceTable(bare)
    label, surely = expected(raw)
    reader = linear_reader(raw.info.dimension)
    model = fit_table(
        "leace", bare, ["gender"], tmp_path / "m", labels_from=reader, selection=Selection()
    )
    sure = surely >= SURE
    X = raw.embeddings()
    twin = LeaceEraser().fit(X[sure], label[sure])
    np.testing.assert_allclose(model.eraser.transform(X), twin.transform(X), atol=1e-5)
    (said,) = model.fitted_on["read"]
    assert said["n_rows"] == N and said["n_unsure"] == np.sum(~sure)
    assert model.fitted_on["n_rows"] == sure.sum()
    (hint,) = [each for each in model.fitted_on["hints"] if "a reader read" in each]
    assert f"{np.sum(~sure):,} unsure rows are left out" in hint


def test_the_bundled_reader_of_the_encoder_is_found(tmp_path, rng):
    reader = shipped_reader("dlib")
    name, version, _ = reader.about["encoder"].split(" / ")
    X = reader.network_["shift"] + rng.normal(size=(300, 128)) * reader.network_["scale"]
    batch = table_batch({"image_id": np.arange(300).astype(str), "embedding": X.astype("f4")})
    info = TableInfo(encoder=name, encoder_version=version, dimension=128)
    write_table(tmp_path / "t.parquet", [batch], batch.schema, info)
    model = fit_table(
        "leace", tmp_path / "t.parquet", ["gender"], tmp_path / "m", labels_from="reader",
        selection=Selection(),
    )  # fmt: skip
    surely = reader.read(X.astype(np.float32))["gender"].confidence
    (said,) = model.fitted_on["read"]
    assert said["n_unsure"] == np.sum(surely < SURE) > 0
    assert said["reader_sha256"] == reader.sha256 is not None


def test_what_cannot_be_read_is_refused_in_one_line(bare, tmp_path):
    dimension = FaceTable(bare).info.dimension
    cases = [
        (linear_reader(dimension), ["race"], "the reader reads gender, age_years, not 'race'"),
        (linear_reader(dimension, "other / 1 / 2-d"), ["gender"], r"reads \[other / 1 / 2-d\]"),
        ("reader", ["gender"], "no reader is bundled for embeddings of .* --describe"),
        ("pixels", ["gender"], "reader of templates"),
    ]
    for source, attributes, message in cases:
        if source == "pixels":
            pytest.importorskip("torch", reason="needs the extra deep")
        with pytest.raises(InputError, match=message) as caught:
            fit_table("leace", bare, attributes, tmp_path / "m", labels_from=source)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "m").exists()
