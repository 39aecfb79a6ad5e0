import numpy as np
import pytest

from sfumato.audit.sweep import Point, draw_sweep, pareto, pick, sweep, sweep_table
from sfumato.data.simulate import write_simulated
from sfumato.erasers.cosine_noise import CosineNoiseEraser
from sfumato.erasers.leace import LeaceEraser
from sfumato.erasers.pe_miu import PeMiuEraser
from sfumato.errors import InputError


def point(value, leakage, fnmr):
    return Point(value, leakage, [leakage, leakage], "kNN", fnmr, [fnmr, fnmr], fnmr, [])


POINTS = [point(None, 0.95, 0.01), point(1, 0.8, 0.02), point(2, 0.85, 0.03), point(3, 0.6, 0.2)]


def test_pick_by_hand():
    assert pick(POINTS, 0.05).value == 1
    assert pick(POINTS, 0.2).value == 3
    assert pick(POINTS, 0.01).value is None
    with pytest.raises(InputError, match=r"FMR 1e-3 of at most 0.001; the lowest is 0.0100"):
        pick(POINTS, 0.001)


def test_pareto_by_hand():
    # 2 is worse than 1 in both.
    assert [p.value for p in pareto(POINTS)] == [None, 1, 3]


@pytest.fixture
def people(rng):
    def draw(first, n):
        who = np.repeat(np.arange(first, first + n), 4)
        y = who % 2
        X = rng.normal(size=(n, 16))[np.repeat(np.arange(n), 4)] * 2
        X = X + 0.5 * rng.normal(size=X.shape)
        X[:, 0] += 4 * y
        return {"X": X, "y": np.where(y == 1, "m", "f"), "identity": who}

    return draw


def test_more_noise_leaks_less_and_matches_worse(people):
    fit, rows = people(0, 50), people(1000, 500)
    points = sweep(
        CosineNoiseEraser(),
        {"X": fit["X"], "y": fit["y"]},
        rows,
        values=[0.8, 0.4],
        attackers=["logistic regression", "kNN"],
        n_resamples=20,
    )
    assert [p.value for p in points] == [None, 0.8, 0.4]
    # Of 60 test people over 2 seeds 0.83 +- 0.09 and 0.60 +- 0.02; here there are 150.
    assert points[0].leakage > 0.65
    assert points[2].leakage < points[0].leakage - 0.02
    assert points[0].fnmr < points[1].fnmr < points[2].fnmr
    for p in points:
        assert p.fnmr_ci95[0] <= p.fnmr <= p.fnmr_ci95[1]
    figure = draw_sweep(points, "cosine", 0.5)
    assert len(figure.axes[0].texts) == 3


def test_every_strength_is_matched_by_its_own_metric(people):
    # By cosine shuffled blocks would not match at all.
    fit, rows = people(0, 50), people(1000, 100)
    points = sweep(
        PeMiuEraser(), {"X": fit["X"]}, rows, values=[8, 4],
        attackers=["logistic regression"], n_resamples=10,
    )  # fmt: skip
    assert max(p.eer for p in points[1:]) < points[0].eer + 0.1 < 0.2


def test_bad_input_is_refused(people):
    rows = people(0, 40)
    with pytest.raises(InputError, match="LeaceEraser has no strength to sweep over"):
        sweep(LeaceEraser(), {}, rows)
    with pytest.raises(InputError, match="rows needs identity"):
        sweep(CosineNoiseEraser(), {}, {"X": rows["X"], "y": rows["y"]})


def test_table_end_to_end(tmp_path):
    table = tmp_path / "people.parquet"
    write_simulated(table, 300, 3, seed=0)
    name, chance, points = sweep_table(
        "cosine-noise",
        table,
        "gender",
        values=[0.9],
        attackers=["quadratic discriminant"],
        n_resamples=10,
    )
    assert name in CosineNoiseEraser().get_params() and chance == 0.5
    assert points[1].fnmr >= points[0].fnmr


def test_refusals_name_the_attribute(tmp_path):
    write_simulated(tmp_path / "t.parquet", 12, 2)
    with pytest.raises(InputError, match=r"^gender: class '(fe)?male' has \d"):
        sweep_table("cosine-noise", tmp_path / "t.parquet", "gender")


@pytest.mark.parametrize("values", [7, [], "1", [float("nan")]])
def test_strengths_must_be_a_list_of_numbers(values):
    with pytest.raises(InputError, match="values must be a list, each a finite number"):
        sweep(CosineNoiseEraser(), {}, {"identity": [1]}, values=values)
