import json

import numpy as np
import pytest

from sfumato.audit.floor import FMRS, listed_rows, price_floor, price_floors
from sfumato.audit.protocol import audit
from sfumato.audit.sweep import sweep
from sfumato.audit.verification import verify
from sfumato.data.pairs import JoinedPairs
from sfumato.erasers.cosine_noise import CosineNoiseEraser
from sfumato.errors import InputError
from sfumato.metrics.scores import all_pairs

FAST = {"attackers": ["logistic regression"], "n_resamples": 50}


@pytest.fixture
def people(rng):
    """People whom a matcher tells apart by gender more than by anything else."""
    who = np.repeat(np.arange(160), 3)
    y = np.where(who % 2, "m", "f")
    X = rng.normal(size=(160, 6))[who] + 0.3 * rng.normal(size=(480, 6))
    X = np.hstack([X, np.where(y == "m", 2.0, -2.0)[:, None]])
    race = np.array(list("uvw"))[who // 2 % 3]
    return X, y, who, race


def test_a_perfect_eraser_costs_the_floor(people):
    X, y, who, _ = people
    # All of one gender: what no eraser can undercut without helping the matcher otherwise.
    perfect = np.hstack([X[:, :6], np.full((480, 1), 2.0)])
    found = price_floor(X, all_pairs(who), {"gender": y}, perfect)
    assert [cost.fmr for cost in found.costs] == [None, *FMRS[:2]]
    for cost in found.costs:
        assert cost.floor_by_raw.value > 1.1
        # A few tens of genuine pairs are refused at a rare FMR.
        assert cost.protected_by_floor.value == pytest.approx(
            1, abs=0.15 if cost.fmr is None else 0.3
        )
        low, high = cost.protected_by_floor.ci95
        assert low < 1 < high
        assert cost.protected_by_floor.value == cost.protected.value / cost.floor.value
        assert cost.floor_by_raw.value == cost.floor.value / cost.raw.value
    assert found.n_impostor < found.n_impostor_raw == 480 * 477 / 2
    assert found.notes == [
        f"no FNMR at FMR 1e-4: {found.n_impostor:,} impostor pairs of one class are too few"
    ]


def test_every_attribute_has_a_floor_and_all_crossed(people):
    X, y, who, race = people
    found = price_floors(X, all_pairs(who), {"gender": y, "race": race}, n_resamples=0)
    assert list(found) == ["gender", "race", "gender x race"]
    assert found["gender x race"].n_impostor < found["race"].n_impostor
    assert found["race"].costs[0].floor.ci95 is None
    # Nobody shares a name: no floor, and why.
    found = price_floors(X, all_pairs(who), {"gender": y, "name": who.astype(str)}, n_resamples=0)
    assert found["name"].costs == []
    assert found["name"].notes == [
        "no impostor pair is of one class; give more people of each class"
    ]


def test_listed_pairs_have_the_same_floor(people):
    X, y, who, _ = people
    rows = all_pairs(who)
    both = np.concatenate([rows.genuine, rows.impostor], axis=1)
    order = np.random.default_rng(0).permutation(both.shape[1])
    a, b = both[:, order]
    listed = JoinedPairs(b, a, who[a] == who[b], rows.code, None, None, 0)
    kept = np.ones(a.size, dtype=bool)
    first = price_floor(X, rows, {"gender": y}, n_resamples=5)
    second = price_floor(X, listed_rows(listed, kept), {"gender": y}, n_resamples=5)
    assert first.to_dict() == second.to_dict()
    kept[:100] = False
    used = listed_rows(listed, kept)
    assert used.genuine.shape[1] + used.impostor.shape[1] == a.size - 100


def test_verify_tells_the_floor(people):
    X, y, who, race = people
    found = verify(X, identity=who, attributes={"gender": y, "race": race}, n_resamples=20)
    json.dumps(found.to_dict())
    assert list(found["floor"]) == ["gender", "race", "gender x race"]
    cost = found["floor"]["gender"]["costs"][0]
    assert cost["raw"]["value"] == pytest.approx(found["eer"]["value"])
    assert "floor" not in verify(X, identity=who, n_resamples=0)
    with pytest.raises(InputError, match="give attributes as"):
        verify(X, identity=who, attributes=["gender"])


def test_audit_tells_the_floor_of_test_people(people):
    X, y, who, race = people
    result = audit(X, y, identity=who, protected=X, crossed={"race": race}, **FAST)
    assert list(result.floor) == ["attribute", "race", "attribute x race"]
    cost = result.floor["attribute"].costs[0]
    assert cost.raw.value == pytest.approx(
        result.matching["original-original"].result["eer"]["value"]
    )
    assert cost.protected_by_floor.value == pytest.approx(1 / cost.floor_by_raw.value)
    assert result.to_dict()["floor"]["race"]["attributes"] == ["race"]
    json.dumps(result.to_dict())
    assert audit(X, y, **FAST).floor is None
    with pytest.raises(InputError, match="crossed: race must have one entry a row, 480, got 2"):
        audit(X, y, identity=who, crossed={"race": ["u", "v"]}, **FAST)


def test_sweep_tells_the_cost_of_every_point(people):
    X, y, who, _ = people
    half = who < 80
    fit = {"X": X[half], "y": y[half]}
    rows = {"X": X[~half], "y": y[~half], "identity": who[~half]}
    points = sweep(CosineNoiseEraser(), fit, rows, values=[0.9, 0.3], **FAST)
    raw, *noisy = [point.floor["costs"][0] for point in points]
    assert raw["protected"] is None
    assert [cost["floor"] for cost in noisy] == [raw["floor"]] * 2
    for point, cost in zip(points[1:], noisy, strict=True):
        assert cost["protected"]["value"] == pytest.approx(point.eer)
    assert noisy[0]["protected_by_floor"]["value"] < noisy[1]["protected_by_floor"]["value"]
