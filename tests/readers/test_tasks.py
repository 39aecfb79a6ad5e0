import json

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.readers.tasks import (
    AGE_MODELS,
    AgeTask,
    ClassTask,
    reading_of,
    task_from_dict,
    task_to_dict,
)


def test_codes_skip_what_is_missing():
    task = ClassTask.of("gender", ["male", None, "female", "", np.nan])
    assert task.classes == ("female", "male")
    assert task.codes(["male", None, "female", ""]).tolist() == [1, -1, 0, -1]
    with pytest.raises(InputError, match="gender, row 1: 'x' is none of female, male"):
        task.codes(["male", "x"])
    with pytest.raises(InputError, match="at least 2 classes, got male"):
        ClassTask.of("gender", ["male", None])


def test_ages_take_the_nearest_rank():
    task = AgeTask.of("age_years", [21, 25, None, 22])
    assert task.ages_years == (21, 22, 25)
    assert task.codes([22, None, 24, 3, 90, 23]).tolist() == [1, -1, 2, 0, 2, 1]
    with pytest.raises(InputError, match="ce, or, coral, corn"):
        AgeTask("age_years", (1, 2), model="mse")


@pytest.mark.parametrize("task", [ClassTask("a", ("x", "y"), 1.5), AgeTask("b_years", (1, 4))])
def test_json_form(task):
    assert task_from_dict(json.loads(json.dumps(task_to_dict(task)))) == task


def test_reading_of_classes_by_hand():
    task = ClassTask("a", ("x", "y"), temperature=2.0)
    found = reading_of(task, np.array([[0.0, 2 * np.log(3)], [5.0, 5.0 - 2 * np.log(4)]]))
    np.testing.assert_allclose(found.probabilities, [[0.25, 0.75], [0.8, 0.2]])
    assert found.label.tolist() == ["y", "x"]
    np.testing.assert_allclose(found.confidence, [0.75, 0.8])
    with pytest.raises(InputError, match="a is no age"):
        found.interval()


def test_reading_of_an_age_by_hand():
    task = AgeTask("age_years", (20, 30, 40, 50))
    levels = np.array([[0.95, 0.8, 0.02]])
    found = reading_of(task, np.log(levels / (1 - levels)))
    np.testing.assert_allclose(found.probabilities, [[0.05, 0.15, 0.78, 0.02]])
    assert found.label.tolist() == [40]
    np.testing.assert_allclose(found.confidence, [0.78])
    low, high = found.interval(0.8)
    assert (low.tolist(), high.tolist()) == ([30], [40])


@pytest.mark.parametrize("model", AGE_MODELS)
def test_levels_are_those_of_the_losses(model):
    torch = pytest.importorskip("torch", reason="needs the extra deep")
    from sfumato.losses import ordinal

    shapes = {"ce": (6, 5), "or": (6, 4, 2)}
    logits = 3 * np.random.default_rng(0).normal(size=shapes.get(model, (6, 4)))
    twin = getattr(ordinal, f"{model}_levels")(torch.from_numpy(logits)).numpy()
    found = reading_of(AgeTask("age_years", (1, 2, 3, 4, 5), model=model), logits)
    np.testing.assert_allclose(found.levels, twin, atol=1e-12)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    if model == "ce":
        assert found.label.tolist() == (logits.argmax(axis=1) + 1).tolist()
