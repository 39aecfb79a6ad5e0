import numpy as np
import pyarrow.parquet as pq
import pytest

from sfumato.data.selection import Selection, read_rows
from sfumato.data.simulate import write_simulated
from sfumato.data.tables import FaceTable
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.errors import InputError
from sfumato.models.tables import fit_table
from sfumato.models.unlabelled import read_labels

BRIEF = {"n_steps": 1, "n_units": 16}


@pytest.fixture
def tables(tmp_path):
    """Return a labelled table and one that has lost the labels."""
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for seed, path in enumerate(paths):
        write_simulated(path, 300, 3, seed=seed)
    rows = pq.read_table(paths[1])
    pq.write_table(rows.drop_columns(["gender", "race"]), tmp_path / "bare.parquet")
    return paths[0], paths[1], tmp_path / "bare.parquet"


def test_labels_are_read_and_how_surely(rng):
    y = rng.integers(2, size=2000)
    X = rng.normal(size=(2000, 8)) + 1.5 * np.eye(8)[0] * (2 * y - 1)[:, None]
    names = np.array(["f", "m"])[y]
    found = read_labels(X[:1500], names[:1500], X[1500:])
    right = found.labels == names[1500:]
    assert right.mean() > 0.85
    # Sure readings are right more often.
    sure = found.probability >= 0.9
    assert right[sure].mean() > 0.92 > right[~sure].mean()  # Over 20 seeds 0.95 and more, 0.80.
    assert 0.5 < found.sure < 0.95  # 0.66 to 0.86.
    again = read_labels(X[:1500], names[:1500], X[1500:])
    np.testing.assert_array_equal(found.probability, again.probability)


def test_a_table_without_labels_joins_and_may_be_a_population(tables, tmp_path, monkeypatch):
    labelled, true, bare = tables
    seen, fit = {}, BarycentreEraser._fit

    def watch(self, X, y, **options):
        seen.update(options, y=y)
        return fit(self, X, y, **options)

    monkeypatch.setattr(BarycentreEraser, "_fit", watch)
    model = fit_table(
        "barycentre", labelled, ["gender"], tmp_path / "m", unlabelled=[bare], parameters=BRIEF,
        population="table",
    )  # fmt: skip
    names, codes = seen["population"]
    assert names == ["table 0", "table 1"]
    own, _ = read_rows(FaceTable(true), Selection(half="eraser"), ["gender"])
    (attribute,) = seen["y"]
    read = np.array(attribute.classes)[attribute.values[codes == 1]]
    # 0.75 of them are right; a classifier of some 140 people read them.
    assert len(read) == len(own["gender"]) and np.mean(read == own["gender"]) > 0.62
    assert len(set(seen["identity"][codes == 1])) == len(set(own["identity"].tolist()))
    (said,) = model.fitted_on["read"]
    assert (said["table"], said["n_rows"]) == ("bare.parquet", len(read))
    assert 0 <= said["sure"]["gender"] <= 1
    (hint,) = [each for each in model.fitted_on["hints"] if each.startswith("bare.parquet")]
    assert f"of {len(read):,} rows" in hint
    pooled = fit_table(
        "barycentre", labelled, ["gender"], tmp_path / "p", unlabelled=[bare], parameters=BRIEF
    )
    assert pooled.fitted_on["n_rows"] == model.fitted_on["n_rows"] == len(codes)
    assert len(pooled.eraser.steps_["0.maps"]) == 2


def test_several_attributes_are_read_and_a_column_may_name_the_population(tables, tmp_path):
    labelled, _, bare = tables
    rows = pq.read_table(bare)
    site = np.where(np.arange(rows.num_rows) // 3 % 2, "x", "y")
    pq.write_table(rows.append_column("site", [site]), bare)
    rows = pq.read_table(labelled)
    pq.write_table(rows.append_column("site", [["z"] * rows.num_rows]), labelled)
    model = fit_table(
        "barycentre", labelled, ["gender"], tmp_path / "m", unlabelled=[bare], population="site",
        parameters=BRIEF,
    )  # fmt: skip
    # Three populations of two classes.
    assert model.eraser.steps_["0.maps"].shape[0] == 6
    both = fit_table(
        "barycentre", labelled, ["gender", "race"], tmp_path / "n", unlabelled=[bare],
        population="site", parameters=BRIEF,
    )  # fmt: skip
    assert set(both.fitted_on["read"][0]["sure"]) == {"gender", "race"}


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("leace", {}, "leace takes no unlabelled tables; leave it out"),
        ("barycentre", {"population": "mood"}, "unknown label column 'mood'"),
    ],
)
def test_what_cannot_be_is_refused(tables, tmp_path, method, options, message):
    labelled, _, bare = tables
    with pytest.raises(InputError, match=message):
        fit_table(method, labelled, ["gender"], tmp_path / "m", unlabelled=[bare], **options)


def test_a_table_of_another_encoder_is_refused(tables, tmp_path):
    labelled, _, bare = tables
    rows = pq.read_table(bare)
    info = rows.schema.metadata[b"sfumato"].replace(b'"encoder": "', b'"encoder": "another ')
    pq.write_table(rows.replace_schema_metadata({b"sfumato": info}), bare)
    with pytest.raises(InputError, match="another"):
        fit_table("barycentre", labelled, ["gender"], tmp_path / "m", unlabelled=[bare])
