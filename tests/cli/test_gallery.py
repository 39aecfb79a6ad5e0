import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.cli import app, commands  # noqa: F401
from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError

STEP = {"method": "leace", "version": "0", "fingerprint": "abc", "attributes": [], "fitted_on": {}}


@pytest.fixture
def faces(tmp_path, rng):
    identity = np.repeat(np.arange(12), 3)
    X = rng.normal(size=(12, 8))[identity] + 0.1 * rng.normal(size=(36, 8))
    columns = {"image_id": [f"f{k}" for k in range(36)], "identity": identity.astype(str).tolist()}
    batch = table_batch(columns | {"embedding": X})
    info = TableInfo(encoder="toy", encoder_version="1", dimension=8, transformations=(STEP,))
    write_table(tmp_path / "faces.parquet", [batch], batch.schema, info)
    write_table(tmp_path / "raw.parquet", [batch], batch.schema, replace(info, transformations=()))
    return tmp_path


def run(*arguments, code=0):
    done = CliRunner().invoke(app, ["gallery", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def test_the_whole_life_of_a_gallery(faces):
    g, table = faces / "g", faces / "faces.parquet"
    assert "toy / 1 / 8-d / leace:abc" in run("create", g, table).stdout
    assert "36 of 36 templates enrolled" in run("enrol", g, table).stdout
    again = run("enrol", g, table, "--json", code=1)
    assert json.loads(again.stdout)["n_rejects"] == 36
    assert "f0: template id is in the gallery already" in again.stderr
    assert "594 impostor pairs of 12 people" in run("calibrate", g, table).stdout
    named = json.loads(run("identify", g, table, "--fmr", "0.01", "--json").stdout)
    assert named["search"] == "exact" and named["n_named"] == 36
    shown = run("identify", g, table, "--fmr", "0.01", "-k", "1")
    assert "36 of 36 named among 36 templates, search: exact" in shown.stdout
    assert "matches 0.36 templates on average" in shown.stderr
    assert "rests on 6 false matches" in shown.stderr
    assert "36 of 36 accepted" in run("verify", g, table, "--threshold", "0.9").stdout
    other = json.loads(run("verify", g, table, "--person", "3", "--fmr", "0.01", "--json").stdout)
    assert 3 <= other["n_accepted"] < 10
    assert len(json.loads(run("list", g, "--json").stdout)) == 12
    assert "first enrolled" in run("list", g).stdout
    assert "3 templates of 7 deleted" in run("delete", g, "7").stdout
    about = json.loads(run("info", g, "--json").stdout)
    assert about["n_templates"] == 33 and about["calibration"]["n_impostor"] == 594
    assert "33 templates of 11 people" in run("info", g).stdout
    run("export", g, "-o", faces / "out.parquet")
    assert FaceTable(faces / "out.parquet").check().n_rows == 33


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["create", "g", "raw.parquet"], "raw templates"),
        (["info", "."], "not a gallery"),
        (["info", "nowhere"], "no such folder"),
        (["identify", "made", "faces.parquet"], "either fmr or threshold"),
        (["identify", "made", "faces.parquet", "--fmr", "0.1"], "no calibration"),
        (["delete", "made", "nobody"], "not enrolled"),
        (["index", "made"], "below 10,000"),
        (["create", "made", "faces.parquet"], "exists already"),
    ],
)
def test_mistakes_are_one_line(faces, monkeypatch, arguments, message):
    monkeypatch.chdir(faces)
    run("create", "made", "faces.parquet")
    with pytest.raises(InputError, match=message) as error:
        run(*arguments)
    assert "\n" not in str(error.value)


def test_a_missing_extra_is_one_line(faces, monkeypatch):
    import sys

    from sfumato.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sfumato\[gallery\]'"):
        run("create", faces / "g", faces / "faces.parquet")
    assert not (faces / "g").exists()
