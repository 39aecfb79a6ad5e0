from types import SimpleNamespace

import pytest

from sfumato.audit.sweep import Point
from sfumato.reproduce import erasers_pareto
from sfumato.reproduce.erasers_leaderboard import ACROSS, IN_DOMAIN, RAW
from sfumato.reproduce.erasers_pareto import _front, draw


def point(value, leakage, fnmr):
    return Point(
        value, leakage, [leakage - 0.02, leakage + 0.02], "svm", fnmr, [fnmr, fnmr], 0, []
    )


FOUND = {RAW: [point(None, 0.9, 0.01)], "a": [point(1, 0.7, 0.02), point(2, 0.8, 0.03)]}


def test_noise_costs_matching_and_the_front_begins_with_the_raw(measured):
    findings = measured("erasers-pareto").findings
    rows = {(row.section, row.name): row.cells for row in findings.rows}
    for section in (IN_DOMAIN, ACROSS):
        raw, noisy = rows[section, RAW], rows[section, "cosine-noise 0.4"]
        assert raw["strongest"].mean > 0.65  # 0.76 to 0.9 by seed, chance 0.5
        assert noisy["strongest"].mean < raw["strongest"].mean
        assert noisy["FNMR@1e-3"].mean > raw["FNMR@1e-3"].mean
        assert any(note.startswith(f"{section}, no other") for note in findings.notes)
    assert set(findings.pictures) == {"celeba", "lfw"}


def test_a_variant_is_its_eraser_with_its_parameters(monkeypatch):
    def fitted(rows, name, seed, parameters):
        raise RuntimeError(name, parameters)

    monkeypatch.setattr(erasers_pareto, "fitted", fitted)
    context, data = SimpleNamespace(pick=lambda quick, full: full), SimpleNamespace(metric="l2")
    for method, chosen in {
        "barycentre": {},
        "barycentre, 5 steps": {"n_steps": 5, "within": 3},
    }.items():
        with pytest.raises(RuntimeError) as asked:
            erasers_pareto._measure(context, data, tuple, method, 0.2, 0, {})
        assert asked.value.args == ("barycentre", chosen | {"budget": 0.2})


def test_dominated_points_are_not_named():
    assert _front("LFW", FOUND).endswith(f": {RAW} (0.900 at 0.0100), a 1 (0.700 at 0.0200).")


def test_curve_shows_every_point_and_method():
    (axes,) = draw("LFW", FOUND).axes
    lines = {container.get_label(): container[0].get_xydata() for container in axes.containers}
    assert lines["a"].tolist() == [[0.02, 0.7], [0.03, 0.8]]
    assert len(lines[RAW]) == 1
