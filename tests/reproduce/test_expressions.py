import numpy as np
import pytest

from sfumato.reproduce import _expressions
from sfumato.reproduce._expressions import CLASSES, SHARED, Expressions
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.templates import FaceTemplates


@pytest.fixture
def expressions(world, tmp_path):
    return Expressions(Context(FaceTemplates(world, tmp_path), "quick", (0,)))


def test_probes_read_five_expressions_of_people_that_nothing_learnt_from(expressions):
    rows, held_out = expressions.halves(0)
    assert set(rows["expression"]) == set(CLASSES) and "fear" not in CLASSES
    assert set(held_out["expression"]) == set(SHARED) == set(CLASSES) - {"neutral"}
    assert set(held_out["source"]) == {"ckplus48"}
    assert not set(rows["identity"]) & set(held_out["identity"])


def test_neutral_is_not_a_data_set_to_the_detector(expressions, monkeypatch):
    learnt = {}

    class Eraser:
        def __init__(self, **_):
            pass

        def fit(self, X, y, **more):
            learnt.update(n=len(X), y=y, **more)

    monkeypatch.setattr(_expressions, "SensitiveNetsEraser", Eraser)
    monkeypatch.setattr(_expressions, "LearningNotToLearnEraser", Eraser)
    rows, _ = expressions.halves(0)
    expressions.fit_sensitivenets(rows, 0)
    assert learnt["n"] == np.sum(rows["source"] == "jaffe") and set(learnt["y"]) == set(CLASSES)
    rows.labels["gender"] = np.where(rows["source"] == "jaffe", "female", "male")
    expressions.fit_lntl(rows, 0, keep="gender")
    assert set(learnt["y"]) == set(SHARED) and set(learnt["primary"]) == {"female", "male"}
