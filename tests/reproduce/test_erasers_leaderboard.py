import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.tables import table_batch, write_table
from sfumato.reproduce import erasers_leaderboard
from sfumato.reproduce.erasers_leaderboard import ACROSS, CONTEXT, IN_DOMAIN, RAW
from sfumato.reproduce.run import listing, reproduce
from sfumato.reproduce.templates import FaceTemplates
from sfumato.reproduce.writing import write_result

D = 12


def write(path, source, gender, identity, rng, labels=None):
    """Write a table of people whose gender moves a mean and a variance."""
    n = len(gender)
    people = rng.normal(size=(identity.max() + 1, D))[identity] * 2
    X = people + 0.4 * rng.normal(size=(n, D))
    X[:, 0] += 9 * gender
    columns = {
        "image_id": [f"{source}{i}" for i in range(n)],
        "identity": [f"{source} {i}" for i in identity],
        "gender": np.where(gender == 1, "male", "female"),
        **(labels or {}),
        "embedding": X.astype(np.float32),
    }
    batch = table_batch(columns)
    info = TableInfo(source=source, encoder="drawn", encoder_version="1", dimension=D)
    write_table(path, [batch], batch.schema, info)
    return columns["image_id"]


@pytest.fixture
def folder(tmp_path, rng):
    data = tmp_path / "data"
    data.mkdir()
    who = np.repeat(np.arange(240), 4)
    labels = {name: rng.integers(2, size=960).astype(bool) for name in CONTEXT}
    partition = np.array(["train", "val", "test"])[np.searchsorted([120, 180], who, "right")]
    write(data / "celeba.parquet", "celeba", who % 2, who, rng, labels | {"partition": partition})
    labels = {"race": ["white"] * 200, "age_years": rng.integers(10, 80, size=200)}
    who = np.arange(200)
    write(data / "utkface.parquet", "utkface", who % 2, who, rng, labels)
    who = np.repeat(np.arange(120), 3)
    ids = write(data / "lfw.parquet", "lfw", who % 2, who, rng)
    pairs = {
        "image_a": ids[::3],
        "image_b": ids[1::3][:60] + ids[1::3][61:] + ids[1:2],
        "genuine": [True] * 60 + [False] * 60,
        "view": ["view2"] * 120,
        "split": [f"fold{i % 10}" for i in range(120)],
    }
    pq.write_table(pa.table(pairs), data / "lfw_pairs.parquet")
    return data


def test_ranks_methods_on_both_data_sets(folder, tmp_path, monkeypatch):
    methods = {name: erasers_leaderboard.ERASERS[name] for name in ("leace", "ldp-noise")}
    monkeypatch.setattr(erasers_leaderboard, "ERASERS", methods)
    result = reproduce("erasers-leaderboard", FaceTemplates(folder, tmp_path), n_seeds=2)
    rows = {(row.section, row.name): row.cells for row in result.findings.rows}
    assert set(rows) == {(s, m) for s in (IN_DOMAIN, ACROSS) for m in (RAW, *methods)}
    for section in (IN_DOMAIN, ACROSS):
        raw, leace = rows[section, RAW], rows[section, "leace"]
        assert len(raw["strongest"].values) == 2
        assert raw["logistic regression"].mean > 0.9
        assert leace["logistic regression"].mean < 0.7
        assert "fit seconds" not in raw and leace["fit seconds"].mean > 0
    order = [row.cells["strongest"].mean for row in result.findings.rows[:3]]
    assert order == sorted(order)
    assert "EER view 2" in rows[ACROSS, RAW] and "EER view 2" not in rows[IN_DOMAIN, RAW]
    write_result(result, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "erasers-leaderboard.json").read_text())
    assert found["seeds"] == [0, 1] and len(found["rows"]) == 6


def test_erasers_see_training_people_only(folder, tmp_path):
    from sfumato.reproduce.experiment import Context

    data = erasers_leaderboard.Gender.read(Context(FaceTemplates(folder, tmp_path), "quick", (0,)))
    _, _, identity, labels = data.fit_rows(0)
    people, counts = np.unique(identity, return_counts=True)
    assert counts.max() == 3  # of four images
    audited = {
        name for sides in data.sections(0).values() for s in sides for name in s["identity"]
    }
    assert not audited & set(people.tolist())
    assert labels[0, -1] == "celeba" and labels[-1, -1] == "utkface"


def test_is_listed():
    assert "erasers-leaderboard" in [entry["name"] for entry in listing()]


def test_an_interrupted_run_measures_no_method_twice(folder, tmp_path, monkeypatch):
    methods = {name: erasers_leaderboard.ERASERS[name] for name in ("leace", "ldp-noise")}
    monkeypatch.setattr(erasers_leaderboard, "ERASERS", methods)
    measured, whole, limit = [], erasers_leaderboard.measure, [4]

    def measure(data, method, seed, **options):
        if len(measured) == limit[0]:
            raise KeyboardInterrupt
        measured.append((method, seed))
        return whole(data, method, seed, **options)

    monkeypatch.setattr(erasers_leaderboard, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        reproduce("erasers-leaderboard", FaceTemplates(folder, tmp_path), n_seeds=2)
    limit[0] = None
    result = reproduce("erasers-leaderboard", FaceTemplates(folder, tmp_path), n_seeds=2)
    assert len(measured) == 6 and len(set(measured)) == 6
    assert all(len(row.cells["strongest"].values) == 2 for row in result.findings.rows)
    again = reproduce("erasers-leaderboard", FaceTemplates(folder, tmp_path), n_seeds=2)
    assert again.to_dict()["rows"] == result.to_dict()["rows"] and len(measured) == 6
