import json

import numpy as np
import pytest

from sfumato.audit.protocol import audit
from sfumato.audit.sweep import sweep_table
from sfumato.audit.tables import audit_tables
from sfumato.audit.verification import verify
from sfumato.data.selection import Selection
from sfumato.data.simulate import write_simulated
from sfumato.data.splits import split_identities
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table

FAST = {"attackers": ["logistic regression", "quadratic discriminant"], "n_resamples": 100}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A simulated table, LEACE fitted on half its people, and the protected table."""
    folder = tmp_path_factory.mktemp("tables")
    write_simulated(folder / "people.parquet", 500, 4)
    write_simulated(folder / "others.parquet", 300, 4, seed=1)
    fit_table("leace", folder / "people.parquet", ["gender"], folder / "leace")
    for name in ("people", "others"):
        protect_table(folder / "leace", folder / f"{name}.parquet", folder / f"{name}-p.parquet")
    return folder


def test_only_people_the_eraser_never_saw_are_audited(folder):
    (result,) = audit_tables(
        folder / "people.parquet", ["gender"], protected=folder / "people-p.parquet", **FAST
    )
    fitted, _ = split_identities(result.rows["identity"])
    assert not fitted.any()
    assert result.split["test"]["n_people"] + result.split["development"]["n_people"] < 300
    assert not any("fitted on rows of this very table" in alarm for alarm in result.alarms)
    assert result.provenance[0]["audited"] == "attacker half of the people, seed 0"
    json.dumps(result.to_dict())


def test_an_eraser_fitted_on_everything_raises_an_alarm(folder, tmp_path):
    table = folder / "people.parquet"
    fit_table("leace", table, ["gender"], tmp_path / "all", selection=Selection())
    protect_table(tmp_path / "all", table, tmp_path / "all.parquet")
    (result,) = audit_tables(table, ["gender"], protected=tmp_path / "all.parquet", **FAST)
    assert "fitted on rows of this very table (all rows)" in result.alarms[0]


def test_rows_picked_by_a_column_are_apart(folder, tmp_path):
    table = folder / "people.parquet"
    selection = Selection(where="race=white")
    fit_table("leace", table, ["gender"], tmp_path / "m", selection=selection)
    protect_table(tmp_path / "m", table, tmp_path / "p.parquet")
    alarmed = {}
    for where in ("race=!white", "race=other", "race=white", None):
        (result,) = audit_tables(
            table, ["gender"], protected=tmp_path / "p.parquet", where=where, **FAST
        )
        alarmed[where] = any("very table" in alarm for alarm in result.alarms)
    assert alarmed == {"race=!white": False, "race=other": False, "race=white": True, None: True}


def test_across_tables(folder):
    (result,) = audit_tables(
        folder / "others.parquet",
        ["gender"],
        protected=folder / "others-p.parquet",
        test_table=folder / "people.parquet",
        test_protected=folder / "people-p.parquet",
        **FAST,
    )
    assert result.split["test"]["n_rows"] > 800
    assert [side["table"] for side in result.provenance] == ["others.parquet", "people.parquet"]


def test_a_huge_table_gives_a_sample_of_whole_people(folder):
    (result,) = audit_tables(folder / "people.parquet", ["gender"], max_rows=800, **FAST)
    people, counts = np.unique(result.rows["identity"], return_counts=True)
    assert set(counts.tolist()) == {4}
    assert result.split["test"]["n_people"] < 100


def test_several_attributes(folder):
    found = audit_tables(folder / "people.parquet", ["gender", "race"], **FAST)
    assert [result.attribute for result in found] == ["gender", "race"]
    assert found[1].chance == pytest.approx(1 / 3)


def test_foreign_protected_tables_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="rows are missing, the first has image_id"):
        audit_tables(
            folder / "people.parquet", ["gender"], protected=folder / "others-p.parquet", **FAST
        )
    with pytest.raises(InputError, match="its transformations do not start with those of"):
        audit_tables(
            folder / "people-p.parquet", ["gender"], protected=folder / "people.parquet", **FAST
        )
    with pytest.raises(InputError, match="unknown label column 'mood'; it has: gender, race"):
        audit_tables(folder / "people.parquet", ["mood"], **FAST)


def test_shuffled_templates_are_compared_by_their_own_metric(tmp_path):
    table, protected = tmp_path / "people.parquet", tmp_path / "p.parquet"
    write_simulated(table, 250, 3)
    fit_table("pe-miu", table, ["race"], tmp_path / "m", parameters={"block_size": 32})
    protect_table(tmp_path / "m", table, protected)
    shuffled = FaceTable(protected)
    assert shuffled.info.metric == "blocks:32"
    options = {"attackers": ["similarity"], "n_resamples": 10}
    (both,) = audit_tables(table, ["gender"], protected=protected, **options)
    assert both.provenance[0]["metric"] == "cosine"
    assert both.provenance[0]["protected_metric"] == "blocks:32"
    matched = {name: found.result["metric"] for name, found in both.matching.items()}
    assert matched == {"original-original": "cosine", "protected-protected": "blocks:32"}
    both.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "compared by cosine, protected ones by blocks:32" in page
    # The similarity attack uses the table's matcher too: its figures are those of an audit that
    # is told the metric, and not those by cosine.
    (alone,) = audit_tables(protected, ["gender"], **options)
    X = shuffled.embeddings()
    columns = {"y": shuffled.column("gender"), "identity": shuffled.column("identity")}
    _, audited = split_identities(columns["identity"])
    half = {name: values[audited] for name, values in columns.items()} | options
    for side, rows, more in ((alone.before, X, columns | options), (both.after, X[audited], half)):
        by_blocks, by_cosine = (
            audit(rows, metric=metric, **more).before.headline.to_dict()
            for metric in ("blocks:32", "cosine")
        )
        assert side.headline.to_dict() == by_blocks != by_cosine


@pytest.mark.parametrize("entrance", ["fit", "protect", "audit", "verify", "sweep"])
def test_a_used_id_is_refused_at_every_entrance(folder, tmp_path, rng, entrance):
    path = tmp_path / "twice.parquet"
    info = FaceTable(folder / "people.parquet").info
    X = rng.normal(size=(40, info.dimension)).astype(np.float32)
    ids = [f"i{k}" for k in range(40)]
    ids[9] = "i0"
    columns = {"image_id": ids, "identity": [f"p{k // 2}" for k in range(40)]}
    batch = table_batch(columns | {"gender": ["f", "m"] * 20, "embedding": X})
    write_table(path, [batch], batch.schema, info)
    run = {
        "fit": lambda: fit_table("leace", path, ["gender"], tmp_path / "m"),
        "protect": lambda: protect_table(folder / "leace", path, tmp_path / "p.parquet"),
        "audit": lambda: audit_tables(path, ["gender"], **FAST),
        "verify": lambda: verify(path),
        "sweep": lambda: sweep_table("leace", path, "gender"),
    }
    with pytest.raises(InputError, match=r"twice.parquet, row 9: image_id 'i0' .* in row 0; "):
        run[entrance]()
    assert [found.name for found in tmp_path.iterdir()] == ["twice.parquet"]


def test_tables_name_the_labels_whose_groups_are_told_apart(folder):
    results = audit_tables(
        folder / "people.parquet", ["gender"], by=["gender", "race"], given=["race"], **FAST
    )
    for result in results:
        assert list(result.groups) == ["gender", "race", "gender x race"]
        assert result.given.labels == ["race"]
    floors = audit_tables(folder / "people.parquet", ["gender", "race"], **FAST)
    assert list(floors[1].floor) == ["race", "gender", "race x gender"]
    for by, message in ((["nope"], "unknown label column 'nope'"), ([], "by must be"),
                        (["race", "race"], "given twice")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            audit_tables(folder / "people.parquet", ["gender"], by=by, **FAST)
