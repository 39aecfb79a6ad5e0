from types import SimpleNamespace

import numpy as np
import pytest

from sfumato.audit import floor, protocol
from sfumato.audit._alarms import say_few_rows, say_little, say_threshold
from sfumato.audit.protocol import audit
from sfumato.data.planted import planted

LINEAR = ["logistic regression"]


@pytest.fixture(autouse=True)
def few_resamples_of_the_matching(monkeypatch):
    monkeypatch.setattr(protocol, "MATCHING_RESAMPLES", 10)
    monkeypatch.setattr(floor, "MAX_RESAMPLES", 10)


def said(found, start):
    return [alarm for alarm in found.alarms if alarm.startswith(start)]


@pytest.mark.parametrize(("value", "n_alarms"), [(-0.02, 1), (0.135, 1), (0.249, 1), (0.25, 0)])
def test_little_protection_by_hand(value, n_alarms):
    alarms = say_little({"value": value, "ci95": [value - 0.1, value + 0.1]})
    assert len(alarms) == n_alarms
    assert say_little(None) == []


def test_the_alarm_of_little_protection_gives_its_figure():
    assert say_little({"value": 0.135, "ci95": [0.05, 0.22]}) == [
        "Protects little: 0.135 [0.050, 0.220] of the attackers' advantage gone."
    ]


def test_rows_that_are_hardly_protected_raise_an_alarm_and_protected_ones_none():
    # Shifts a seventh, or all, of the way from one class's mean to the other's.
    X, y, identity = planted("linear", 400)
    gap = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    little, most = (X - share * np.outer(y - 0.5, gap) for share in (0.13, 1))
    options = {"attackers": LINEAR, "n_resamples": 100, "metric": "euclidean"}
    found = [audit(X, y, identity=identity, protected=P, **options) for P in (little, most)]
    assert [len(said(each, "Protects little")) for each in found] == [1, 0]


def test_few_rows_a_feature():
    leakage = SimpleNamespace(n_features=128)
    assert say_few_rows(leakage, 1280) == []
    (text,) = say_few_rows(leakage, 1279)
    assert text.startswith("Attackers had 1,279 rows of 128 features, fewer than 1,280")


def test_features_are_counted_by_rank(rng):
    # 520 rows of rank 16 are enough, in however many columns they lie.
    X, y, identity = planted("linear", 150)
    wide = X @ rng.normal(size=(16, 200))
    options = {"identity": identity, "attackers": LINEAR, "n_resamples": 50}
    assert not said(audit(wide, y, **options), "Attackers had")
    full = np.hstack([X, rng.normal(size=(len(X), 184))])
    assert len(said(audit(full, y, **options), "Attackers had")) == 1


def matchings(raw, protected, **result):
    return {
        name: SimpleNamespace(
            scores=SimpleNamespace(impostor=np.asarray(scores)),
            result={"metric": "cosine", "tmr_at_fmr": {"fmr": 0.01, "threshold": 0.5}} | result,
        )
        for name, scores in {"original-original": raw, "protected-protected": protected}.items()
    }


@pytest.mark.parametrize(("n_above", "n_alarms"), [(10, 0), (14, 0), (15, 1), (30, 1)])
def test_the_threshold_by_hand(n_above, n_alarms):
    protected = np.where(np.arange(1000) < n_above, 0.5, 0.49)
    assert len(say_threshold(matchings(np.zeros(1000), protected))) == n_alarms


def test_the_threshold_is_said_where_it_can_be():
    risen = np.ones(1000)
    (text,) = say_threshold(matchings(risen, risen))
    assert text == (
        "At the raw threshold for FMR 0.01, protected templates match impostors at 1, 100.0 times "
        "as often: set the threshold anew."
    )
    assert say_threshold(None) == []
    assert say_threshold(matchings(risen, risen, tmr_at_fmr=None)) == []
    other = matchings(risen, risen)
    other["protected-protected"].result["metric"] = "euclidean"
    assert say_threshold(other) == []
    assert say_threshold({"original-original": other["original-original"]}) == []


def test_an_eraser_that_crowds_templates_raises_the_threshold_alarm():
    X, y, identity = planted("linear", 300)
    options = {"attackers": LINEAR, "n_resamples": 50}
    crowded = X + 2 * X.std() * np.ones(16)
    found = [audit(X, y, identity=identity, protected=P, **options) for P in (crowded, X + 1e-3)]
    assert [len(said(each, "At the raw threshold")) for each in found] == [1, 0]
