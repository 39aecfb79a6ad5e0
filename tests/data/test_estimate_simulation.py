"""The script that estimates the simulation gives back what was put in, and only groups."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from sfumato.data.gaussian import load_gaussian_model
from sfumato.data.info import TableInfo
from sfumato.data.tables import table_batch, write_table
from sfumato.errors import InputError

PATH = Path(__file__).parents[2] / "scripts" / "estimate_simulation.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("estimate_simulation", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def people(rng, n, between, within, one_photo):
    """Draw n people in 2-d, most of them with one photo, as in LFW."""
    counts = np.where(np.arange(n) < one_photo * n, 1, 4)
    person = np.repeat(np.arange(n), counts)
    means = rng.multivariate_normal([1, 2], between, n)
    return means[person] + rng.multivariate_normal([0, 0], within, len(person)), person


def test_between_covariance_is_freed_of_the_photos_own(script, rng):
    between, within = np.array([[2.0, 0.5], [0.5, 1]]), np.array([[1.0, -0.3], [-0.3, 1]])
    X, person = people(rng, 40_000, between, within, one_photo=0.7)
    mean, got_between, got_within, n, freedom = script.moments(X, person)
    np.testing.assert_allclose(mean, [1, 2], atol=0.05)
    np.testing.assert_allclose(got_between, between, atol=0.08)
    np.testing.assert_allclose(got_within, within, atol=0.03)
    assert (n, freedom) == (40_000, 3 * 12_000)


def test_factor_clips_to_positive_and_keeps_the_trace(script):
    lower = script.factor(np.diag([4.0, 1.0, -0.5]))
    covariance = lower @ lower.T
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert np.trace(covariance) == pytest.approx(4.5)
    with pytest.raises(InputError, match="people differ no more"):
        script.factor(np.diag([1.0, -2.0]))
    exact = np.array([[2.0, 0.5], [0.5, 1]])
    np.testing.assert_allclose(script.factor(exact) @ script.factor(exact).T, exact)


def test_groups_below_a_hundred_people_are_merged_and_nothing_else_is_written(
    script, rng, tmp_path
):
    # 120 white and 99 black women, 130 and 140 men: black must go to "other" for both.
    sizes = {("f", "white"): 120, ("f", "black"): 99, ("m", "white"): 130, ("m", "black"): 140}
    sizes |= {("f", None): 30, ("m", "latino"): 10}
    groups = [label for label, n in sizes.items() for _ in range(n) for _ in (0, 1)]
    means = rng.standard_normal((len(groups) // 2, 6))
    identity = [f"Secret Name {i // 2}" for i in range(len(groups))]
    batch = table_batch(
        {
            "image_id": [str(i) for i in range(len(groups))],
            "identity": identity,
            "gender": [g for g, _ in groups],
            "race_predicted": [r for _, r in groups],
            "embedding": means.repeat(2, axis=0) + 0.3 * rng.standard_normal((len(groups), 6)),
        }
    )
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(dimension=6))
    X, person, gender, race = script.read(tmp_path / "t.parquet")
    found, tensors = script.estimate(X, person, gender, race)
    assert {(g["gender"], g["race"]): g["people"] for g in found} == {
        ("f", "white"): 120,
        ("f", "other"): 129,
        ("m", "white"): 130,
        ("m", "other"): 150,
    }
    output = tmp_path / "m.safetensors"
    script.save(output, found, tensors, "x", 0.5)
    assert b"Secret" not in output.read_bytes()
    model = load_gaussian_model(output)
    assert model.shares.sum() == pytest.approx(1) and model.quality_spread == 0.5
    np.testing.assert_allclose(model.between, tensors["between"], atol=1e-3)
    with safe_open(output, framework="numpy") as file:
        assert set(file.keys()) == {"means", "between", "within"}
        assert set(json.loads(file.metadata()["sfumato"])) >= {"privacy", "groups"}
