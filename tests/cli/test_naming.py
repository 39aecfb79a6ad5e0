"""The words of a command line: method and table, lists, what the shell completes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from sfumato.cli import app
from sfumato.cli import commands as _  # noqa: F401
from sfumato.cli.lists import read_names
from sfumato.cli.naming import method_and_table, no_list
from sfumato.data.simulate import write_simulated
from sfumato.errors import InputError
from sfumato.models import load
from sfumato.models.registry import RECOMMENDED


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("naming")
    write_simulated(folder / "people.parquet", 60, 3, seed=0)
    X = np.random.default_rng(0).normal(size=(40, 9))
    np.savez(folder / "own.npz", vectors=X, sex=np.arange(40) % 2, person=np.arange(40))
    return folder


def test_one_word_is_the_table_of_the_recommended_method():
    assert method_and_table("mine.parquet", None) == (RECOMMENDED, Path("mine.parquet"))
    assert method_and_table("leace", Path("mine.parquet")) == ("leace", Path("mine.parquet"))
    assert method_and_table("./leace", None) == (RECOMMENDED, Path("leace"))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (None, None, "name a table"),
        ("leace", None, "leace is a method; name the table after it."),
        ("leaec", None, "leaec: no such file; did you mean leace and a table?"),
        ("leaec", "t.parquet", "got 'leaec'. Did you mean leace?"),
        ("t.parquet", "leace", "write the method first: leace t.parquet."),
    ],
)
def test_words_that_are_neither_are_told(first, second, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        method_and_table(first, None if second is None else Path(second))
    assert message in str(refused.value)


def test_a_file_of_a_methods_name_is_not_guessed_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("leace").touch()
    with pytest.raises(InputError, match=r"or \./leace for the file of that name"):
        method_and_table("leace", None)
    Path("list").touch()
    assert no_list("list") == "list"


@pytest.mark.parametrize("words", ["fit list", "fit methods", "sweep list"])
def test_list_leads_to_the_list(words):
    with pytest.raises(InputError, match="did you mean `sfumato methods`"):
        raise CliRunner().invoke(app, words.split()).exception


def test_fit_without_a_method_is_the_recommended_one(folder, tmp_path):
    model = tmp_path / "model"
    options = ["-a", "gender, race", "-o", model, "--set", "n_steps=1", "--set", "n_units=8"]
    done = CliRunner().invoke(app, ["fit", *map(str, [folder / "people.parquet", *options])])
    assert done.exit_code == 0, done.output
    assert f"{RECOMMENDED} takes gender, race out" in " ".join(done.stdout.split())
    found = load(model)
    assert found.step["method"] == RECOMMENDED and found.step["attributes"] == ["gender", "race"]


def test_lists_take_commas_and_repetition():
    assert read_names(["a,b", "c"]) == read_names(["a", "b , c"]) == ["a", "b", "c"]
    assert read_names(["a,b", "c"], columns=["a,b"]) == ["a,b", "c"]
    assert read_names(None) == []
    with pytest.raises(InputError, match="names are listed as a,b"):
        read_names(["a,,b"])


def completed(words, incomplete):
    """Return what bash would offer after some words."""
    words = ["sfumato", *map(str, words), incomplete]
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    run = CliRunner().invoke
    done = run(app, env=asked | {"_SFUMATO_COMPLETE": "complete_bash"}, prog_name="sfumato")
    assert done.stderr == ""
    return done.stdout.split()


def test_methods_are_completed():
    assert completed(["fit"], "le") == ["leace"]
    assert completed(["sweep"], "cos") == ["cosine-noise"]


def test_labels_and_columns_of_the_table_are_completed(folder):
    people, own = folder / "people.parquet", folder / "own.npz"
    for words in (["audit", people], ["fit", people], ["fit", "leace", people]):
        assert completed([*words, "-a"], "") == ["gender", "race"], words
        assert completed([*words, "-a"], "gender,") == ["gender,race"], words
    assert completed(["audit", own, "-a"], "s") == ["sex"]
    assert completed(["audit", own, "--identity"], "per") == ["person"]


@pytest.mark.parametrize("table", ["missing.parquet", "broken.parquet", None])
def test_a_completion_never_fails(table, tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    words = ["audit"] if table is None else ["audit", tmp_path / table]
    assert completed([*words, "-a"], "g") == []


def test_context_without_a_table_has_no_names():
    from sfumato.cli.completing import complete_label

    assert complete_label(SimpleNamespace(params={"table": None}, args=[]), "g") == []
