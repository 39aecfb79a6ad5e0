"""Every experiment's quick preset runs, on drawn templates; `-s` shows how long each takes."""

import json

import pytest

from sfumato.reproduce.registry import EXPERIMENTS, load_experiment


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_runs(name, measured):
    result = measured(name)
    print(f"{name}: {result.seconds:.1f} s")
    assert result.findings.rows and result.findings.notes
    json.dumps(result.to_dict(), allow_nan=False)


def test_quick_presets_together_promise_less_than_ten_minutes():
    assert sum(load_experiment(name).seconds["quick"] for name in EXPERIMENTS) < 600
