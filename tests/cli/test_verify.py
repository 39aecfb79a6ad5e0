import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401
from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError

run = CliRunner().invoke


@pytest.fixture
def faces(tmp_path, rng):
    identity = np.repeat(np.arange(12), 3)
    X = rng.normal(size=(12, 8))[identity] + 0.3 * rng.normal(size=(36, 8))
    batch = table_batch(
        {
            "image_id": [f"face{k}" for k in range(36)],
            "identity": identity.astype(str).tolist(),
            "embedding": X,
        }
    )
    path = tmp_path / "faces.parquet"
    write_table(path, [batch], batch.schema, TableInfo(encoder="toy", dimension=8))
    return str(path)


def test_json_is_alone_on_stdout(faces):
    found = run(app, ["verify", faces, "--json", "--resamples", "10", "--fmr", "0.01"])
    report = json.loads(found.stdout)["matchings"]["original-original"]
    assert found.exit_code == 0
    assert report["n_genuine"] == 36 and report["tmr_at_fmr"]["fmr"] == 0.01


def test_a_table_of_every_matching(faces):
    found = run(app, ["verify", faces, "--protected", faces, "--resamples", "10"])
    assert found.exit_code == 0
    for text in ("EER", "TMR at FMR", "accuracy", "n_impostor", "all against all", "[low, high]"):
        assert text in found.stdout
    assert "no TMR at FMR 0.001: 594 impostor pairs" in " ".join(found.stderr.split())


def test_every_metric_is_named(faces, tmp_path):
    table = FaceTable(faces)
    info = replace(table.info, metric="blocks:4")
    write_table(tmp_path / "p.parquet", pq.read_table(faces).to_batches(), table.schema, info)
    found = run(app, ["verify", faces, "--protected", str(tmp_path / "p.parquet")])
    assert "cosine / blocks:4" in " ".join(found.stdout.split())


def test_missing_pairs_are_reported_by_the_exit_code(faces, tmp_path):
    pairs = tmp_path / "pairs.csv"
    rows = [f"face{3 * k},face{3 * k + 1},1" for k in range(12)]
    rows += [f"face{3 * k},face{(3 * k + 4) % 36},0" for k in range(12)]
    pairs.write_text("\n".join(["image_a,image_b,genuine", *rows, "face0,nobody,0"]))
    options = ["verify", faces, "--pairs", str(pairs), "--json", "--resamples", "0"]
    found = run(app, options)
    assert found.exit_code == 1
    assert json.loads(found.stdout)["n_missing"] == 1
    assert "1 pairs left out" in found.stderr
    pairs.write_text("\n".join(["image_a,image_b,genuine", *rows]))
    assert run(app, options).exit_code == 0


def test_bad_input_raises_our_error(tmp_path):
    found = run(app, ["verify", str(tmp_path / "none.parquet")])
    assert isinstance(found.exception, InputError)


def test_pairs_listed_again_are_told(faces, tmp_path):
    pairs = tmp_path / "pairs.csv"
    rows = [f"face{3 * k},face{3 * k + 1},1" for k in range(12)]
    rows += [f"face{3 * k},face{(3 * k + 4) % 36},0" for k in range(12)]
    pairs.write_text("\n".join(["image_a,image_b,genuine", *rows, "face1,face0,1", rows[0]]))
    found = run(app, ["verify", faces, "--pairs", str(pairs), "--json", "--resamples", "0"])
    report = json.loads(found.stdout)["matchings"]["original-original"]
    assert (report["n_genuine"], report["n_impostor"]) == (12, 12)
    assert "2 pairs are listed again, in either order; each counts once" in report["notes"]


def test_groups_of_people_are_told_apart(tmp_path, rng):
    identity = np.repeat(np.arange(60), 3)
    X = rng.normal(size=(60, 8))[identity] + 0.3 * rng.normal(size=(180, 8))
    columns = {
        "image_id": [f"face{k}" for k in range(180)],
        "identity": identity.astype(str).tolist(),
        "race": np.where(identity % 2, "a", "b").tolist(),
        "embedding": X,
    }
    batch = table_batch(columns)
    path = str(tmp_path / "faces.parquet")
    write_table(path, [batch], batch.schema, TableInfo(encoder="toy", dimension=8))
    options = ["verify", path, "--by", "race", "--resamples", "10"]
    found = run(app, options)
    assert found.exit_code == 0, found.output
    assert "Groups by race" in found.stdout and "leakage" not in found.stdout
    groups = json.loads(run(app, [*options, "--json"]).stdout)["groups"]["race"]["groups"]
    assert [group["name"] for group in groups] == ["a", "b"]
    assert groups[0]["before"]["fnmr"]["value"] >= 0
