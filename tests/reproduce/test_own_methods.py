"""Methods of a user's own in the leaderboards, and how they are loaded."""

from types import SimpleNamespace

import numpy as np
import pytest

from sfumato.erasers.mean_projection import MeanProjectionEraser
from sfumato.errors import InputError
from sfumato.own_classes import make_own
from sfumato.reproduce import run
from sfumato.reproduce.erasers_leaderboard import fit_one
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.own_methods import make_methods

MINE = """
class Eraser:
    def fit(self, X, y):
        self.seen = len(X)
        return self
    def transform(self, X):
        return X
class Perturber:
    attributes_ = {"gender": ["female", "male"]}
    def transform(self, images, *, hide):
        return images
class Needs:
    def __init__(self, n):
        self.n = n
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Write a module beside which the command is started."""
    (tmp_path / "mine_own.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)


def test_a_class_is_found_in_the_current_folder(mine):
    made = make_methods("erasers-leaderboard", {"eraser": ["mine_own:Eraser"], "perturber": []})
    assert [*made] == ["mine_own:Eraser"] and hasattr(made["mine_own:Eraser"], "transform")
    named = {"eraser": [], "perturber": ["mine_own:Perturber"]}
    assert [*make_methods("perturbers-leaderboard", named)] == ["mine_own:Perturber"]


@pytest.mark.parametrize(
    ("experiment", "kind", "name", "message"),
    [
        ("erasers-leaderboard", "eraser", "leace", "--eraser takes module:Class, got 'leace'"),
        ("erasers-leaderboard", "eraser", "mine_own:Nobody", "cannot be made"),
        ("erasers-leaderboard", "eraser", "mine_own:Needs", "cannot be made .TypeError"),
        ("erasers-leaderboard", "eraser", "mine_own:Perturber", "lacks fit"),
        ("erasers-leaderboard", "perturber", "mine_own:Perturber", "perturbers-leaderboard does"),
        ("coral-table1", "eraser", "mine_own:Eraser", "coral-table1 takes none"),
    ],
)
def test_what_cannot_be_measured_is_refused(mine, experiment, kind, name, message):
    with pytest.raises(InputError, match=message):
        make_methods(experiment, {kind: [name]})


def test_an_experiment_without_room_for_them_is_refused():
    with pytest.raises(InputError, match="coral-table1 takes no methods of your own"):
        run.reproduce("coral-table1", None, own={"mine": object()})


def test_an_eraser_of_ones_own_is_fitted_as_a_copy(mine):
    X = np.random.default_rng(0).normal(size=(40, 6))
    y = np.arange(40) % 2
    own = make_own("mine_own:Eraser", "--eraser")
    fitted, seconds = fit_one((X, y, np.arange(40), None), own, 3)
    assert fitted.seen == 40 and not hasattr(own, "seen") and seconds >= 0
    ours, _ = fit_one((X, y, np.arange(40), None), MeanProjectionEraser(), 3)
    assert ours.transform(X).shape == X.shape


def test_own_methods_are_measured_anew(tmp_path):
    templates = SimpleNamespace(cache=tmp_path, encoder="none")
    context = Context(templates, "quick", (0,), name="x", own={"mine": object()})
    calls = []

    def measure(name):
        calls.append(name)
        return {("section", "column"): 1.0}

    for _ in range(2):
        found = context.once_each(["leace", "mine"], measure, "seed 0")
    assert calls == ["leace", "mine", "mine"]
    assert found == {("section", "leace", "column"): 1.0, ("section", "mine", "column"): 1.0}
