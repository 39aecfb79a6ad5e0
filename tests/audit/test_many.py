"""Several protected versions against one raw table, which is attacked once."""

import json

import numpy as np
import pytest

from sfumato.audit import _attacking, _raw_cache, protocol
from sfumato.audit.many import audit_many, summarise
from sfumato.audit.protocol import audit
from sfumato.data.planted import planted
from sfumato.data.simulate import write_simulated
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table

FAST = {"attackers": ["logistic regression", "similarity"], "n_resamples": 50}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A simulated table, and its versions after two erasers, by name."""
    folder = tmp_path_factory.mktemp("many")
    write_simulated(folder / "people.parquet", 240, 2)
    for method in ("leace", "mean-projection"):
        fit_table(method, folder / "people.parquet", ["gender"], folder / method)
        protect_table(folder / method, folder / "people.parquet", folder / f"{method}.parquet")
    return folder


@pytest.fixture
def trainings(monkeypatch):
    """Return the names of all attackers that are trained."""
    seen = []

    def spy(attacker, *args, **options):
        seen.append(attacker.name)
        return train(attacker, *args, **options)

    train = _attacking.train_attacker
    monkeypatch.setattr(_attacking, "train_attacker", spy)
    monkeypatch.setattr(protocol, "MATCHING_RESAMPLES", 10)
    return seen


def drawn(seed=0, n_people=120):
    X, y, identity = planted("linear", n_people, 2, seed=seed)
    return {"X": X, "y": y, "identity": identity}


def test_raw_rows_are_attacked_once(tables, trainings):
    paths = [tables / "leace.parquet", tables / "mean-projection.parquet"]
    steps = []
    found = audit_many(
        tables / "people.parquet", ["gender"], paths,
        progress=lambda *step: steps.append(step[:2]), **FAST,
    )  # fmt: skip
    assert list(found) == [str(path) for path in paths]
    assert len(trainings) == 6  # Two on raw rows, two on each version.
    (first,), (second,) = found.values()
    assert first.before.to_dict() == second.before.to_dict()
    assert all(n_done < n_total for n_done, n_total in steps)
    raw, *rows = summarise(found, "gender")
    assert raw["table"] is None and raw["ci95"] == first.before.headline.ci95
    assert [row["table"] for row in rows] == list(found)
    assert rows[1]["eer"] == second.matching["protected-protected"].result["eer"]["value"]
    assert rows[1]["reduction"] == second.reduction


def test_names_may_be_given_and_bad_tables_are_refused_first(tables, trainings):
    raw, leace = tables / "people.parquet", tables / "leace.parquet"
    found = audit_many(raw, ["gender"], {"a": leace}, curve=False, **FAST)
    assert list(found) == ["a"] and summarise(found, "gender")[1]["table"] == "a"
    trainings.clear()
    with pytest.raises(InputError, match="is there twice"):
        audit_many(raw, ["gender"], [leace, leace])
    with pytest.raises(InputError, match="no such file"):
        audit_many(raw, ["gender"], [leace, tables / "none.parquet"])
    with pytest.raises(InputError, match="at least one table"):
        audit_many(raw, ["gender"], [])
    with pytest.raises(InputError, match="test_protected goes with one"):
        audit_many(raw, ["gender"], [leace], test_protected=leace)
    assert trainings == []


def test_a_folder_remembers_for_other_processes(tmp_path, trainings):
    rows = drawn(n_people=400)
    first = audit(**rows, cache=tmp_path / "raw", **FAST)
    assert first.learning.before
    (file,) = (tmp_path / "raw").iterdir()
    assert set(json.loads(file.read_text())["found"]) == {
        *("strongest", "n_features", "n_rows", "attacks", "curves"),
    }
    trainings.clear()
    _raw_cache.forget()
    again = audit(**rows, cache=tmp_path / "raw", **FAST)
    assert trainings == [] and again.to_dict() == first.to_dict()
    for name, attack in first.before.attacks.items():
        np.testing.assert_array_equal(again.before.attacks[name].correct, attack.correct)
    whole = file.read_text()
    key, edited = file.stem.removeprefix("raw-"), json.loads(whole)
    edited["found"]["attacks"]["similarity"]["balanced_accuracy"] = 0.5
    _raw_cache.forget()
    assert _raw_cache.recall(key, tmp_path / "raw")
    file.with_name(f"raw-{key[::-1]}.json").write_text(whole)  # Renamed: of other rows.
    _raw_cache.forget()
    assert _raw_cache.recall(key[::-1], tmp_path / "raw") is None
    for damage in ("{}", "[" * 9000, json.dumps(edited), whole[:-9]):
        file.write_text(damage)
        _raw_cache.forget()
        assert _raw_cache.recall(key, tmp_path / "raw") is None
    assert audit(**rows, cache=tmp_path / "raw", **FAST).to_dict() == first.to_dict()
    assert file.read_text() == whole  # Written anew.


def test_a_place_where_nothing_can_be_kept_is_refused_before_the_work(tmp_path, trainings):
    (tmp_path / "file").write_text("no folder")
    for place, words in (("file", "is a file, where"), ("no/where", "/no is missing; make")):
        with pytest.raises(InputError, match=words):
            audit(**drawn(), cache=tmp_path / place, **FAST)
    assert trainings == []


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1}, {"n_resamples": 60}, {"curve": False}, {"metric": "euclidean"},
        {"attackers": FAST["attackers"][:1]}, {"cache": False}, "X", "y", "identity",
    ],
)  # fmt: skip
def test_other_rows_or_settings_are_attacked_anew(trainings, change):
    rows, options = drawn(), FAST | {"curve": False}
    options = FAST if change == {"curve": False} else options
    audit(**rows, **options)
    trainings.clear()
    audit(**rows, **options)
    assert trainings == []
    if isinstance(change, dict):
        options = options | change
    else:
        other = rows[change].copy()
        other[0] = other[0] + 1 if change != "y" else 1 - other[0]
        rows = rows | {change: other}
    audit(**rows, **options)
    assert trainings


def test_the_last_sixteen_are_remembered(trainings, monkeypatch):
    monkeypatch.setattr(_raw_cache, "MOST", 2)
    for seed in (0, 1, 2):
        audit(**drawn(seed), curve=False, **FAST)
    trainings.clear()
    audit(**drawn(2), curve=False, **FAST)
    assert trainings == []
    audit(**drawn(0), curve=False, **FAST)
    assert trainings


def test_a_basis_is_kept_and_checked(tmp_path):
    rows, options = drawn(), FAST | {"curve": False}
    said = {"purpose": "  <b>bias</b> test ", "retention": None}
    found = audit(**rows, basis=said, **options)
    assert found.to_dict()["basis"] == {"purpose": "<b>bias</b> test"}
    found.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "&lt;b&gt;bias&lt;/b&gt; test" in page and "<b>bias" not in page
    assert "<dt>Retention</dt><dd>not stated</dd>" in page
    assert audit(**rows, **options).to_dict()["basis"] is None
    for bad, message in (
        ({"purpose": " "}, "purpose must say something"),
        ({"purpose": "x" * 2001}, "at most 2,000 characters, got 2,001"),
        ({"why": "x"}, "basis: keys"),
        ({"purpose": 3}, "basis: purpose"),
        ("x", "basis"),
    ):
        with pytest.raises(InputError, match=message):
            audit(**rows, basis=bad, **options)
