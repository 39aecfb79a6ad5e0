"""Tables that other tools have written: what made their embeddings is unknown until stated."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sfumato.audit.tables import audit_tables
from sfumato.audit.verification import verify
from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.describe import describe
from sfumato.data.info import TableInfo
from sfumato.data.origin import state_origin
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table

INFO = TableInfo("toy", "toynet", "1", 4, "euclidean")


@pytest.fixture
def tables(tmp_path):
    """A table, and the same after a round trip through pandas."""
    rng = np.random.default_rng(0)
    gender = np.array(["f", "m"])[np.arange(120) % 2]
    columns = {
        "image_id": [f"i{k}" for k in range(120)],
        "identity": [f"p{k % 60}" for k in range(120)],
        "gender": gender,
        "embedding": rng.normal(size=(120, 4)) + 2 * (gender == "m")[:, None],
    }
    batch = table_batch(columns)
    write_table(tmp_path / "t.parquet", [batch], batch.schema, INFO)
    pd.read_parquet(tmp_path / "t.parquet").to_parquet(tmp_path / "pandas.parquet")
    return tmp_path / "t.parquet", tmp_path / "pandas.parquet"


def test_the_unknown_is_said(tables):
    table, lost = tables
    what = "pandas.parquet: embeddings of an unknown encoder, compared by cosine"
    assert describe(table)["hints"] == [] and what in describe(lost)["hints"][0]
    assert what in verify(lost, n_resamples=0)["notes"][-1]
    assert not any("unknown" in note for note in verify(table, n_resamples=0)["notes"])
    options = {"attackers": ["logistic regression"], "n_resamples": 20}
    (found,) = audit_tables(lost, ["gender"], **options)
    assert "Raw table: embeddings of an unknown encoder" in found.alarms[0]


def test_no_model_of_a_known_encoder_takes_the_unknown(tables, tmp_path):
    table, lost = tables
    fit_table("mean-projection", table, ["gender"], tmp_path / "model")
    with pytest.raises(InputError, match="data origin .*pandas.parquet -o OUTPUT --encoder toyn"):
        protect_table(tmp_path / "model", lost, tmp_path / "p.parquet")
    [hint] = protect_table(tmp_path / "model", table, tmp_path / "p.parquet")["hints"]
    assert "fewer than 200 people" in hint
    for protected, raw in ((tmp_path / "p.parquet", lost), (lost, table)):
        with pytest.raises(InputError, match="unknown encoder .*name it by sfumato data origin"):
            verify(raw, protected=protected, n_resamples=0)
        with pytest.raises(InputError, match="name what made it by sfumato data origin"):
            audit_tables(raw, ["gender"], protected=protected)


def test_a_model_of_the_unknown_says_so(tables, tmp_path):
    table, lost = tables
    model = fit_table("mean-projection", lost, ["gender"], tmp_path / "model")
    assert "embeddings of an unknown encoder" in model.fitted_on["hints"][0]
    done = protect_table(tmp_path / "model", table, tmp_path / "p.parquet")
    assert "what mean-projection was fitted on is unknown" in done["hints"][0]
    done = protect_table(tmp_path / "model", lost, tmp_path / "q.parquet")
    assert "embeddings of an unknown encoder" in done["hints"][0]


def test_the_origin_is_stated(tables, tmp_path):
    table, lost = tables
    state_origin(lost, tmp_path / "a.parquet", like=table)
    found = FaceTable(tmp_path / "a.parquet")
    assert found.info == INFO
    np.testing.assert_array_equal(found.embeddings(), FaceTable(table).embeddings())
    arguments = ["--encoder", "toynet", "--encoder-version", "1", "--metric", "euclidean"]
    output = tmp_path / "b.parquet"
    done = CliRunner().invoke(app, ["data", "origin", str(lost), "-o", str(output), *arguments])
    assert done.exit_code == 0 and "toynet / 1 / 4-d, compared by euclidean" in done.stdout
    assert (FaceTable(output).info.space, FaceTable(output).info.metric) == (
        INFO.space,
        "euclidean",
    )


def test_what_is_known_is_not_stated_anew(tables, tmp_path):
    table, lost = tables
    with pytest.raises(InputError, match="t.parquet: says encoder toynet, not arcface; only"):
        state_origin(table, tmp_path / "a.parquet", encoder="arcface")
    with pytest.raises(InputError, match="says metric euclidean, not cosine"):
        state_origin(lost, tmp_path / "a.parquet", like=table, metric="cosine")
    other = table_batch({"image_id": ["a"], "embedding": np.ones((1, 3))})
    write_table(tmp_path / "o.parquet", [other], other.schema, TableInfo(encoder="x", dimension=3))
    with pytest.raises(InputError, match="embeddings have 4 features, those of .*o.parquet 3"):
        state_origin(lost, tmp_path / "a.parquet", like=tmp_path / "o.parquet")
    with pytest.raises(InputError, match="not of .x / None / 3-d. as"):
        state_origin(table, tmp_path / "a.parquet", like=tmp_path / "o.parquet")
    with pytest.raises(InputError, match="is an input of this command"):
        state_origin(lost, lost, encoder="x", overwrite=True)
    assert not (tmp_path / "a.parquet").exists()
