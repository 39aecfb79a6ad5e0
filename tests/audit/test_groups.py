import json

import numpy as np
import pytest

from sfumato.audit._group_scores import group_scores, pairs_within
from sfumato.audit._rows import Rows
from sfumato.audit.groups import groups_of
from sfumato.audit.protocol import audit
from sfumato.audit.result import AttackResult, Leakage
from sfumato.errors import InputError
from sfumato.metrics.intervals import bootstrap_weights
from sfumato.metrics.scores import all_pairs, all_vs_all

FAST = {"attackers": ["logistic regression"], "n_resamples": 50}


def test_rates_of_groups_and_of_resamples_by_a_slow_twin(rng):
    who = np.repeat(np.arange(14), 3)
    codes = rng.integers(-1, 3, size=42)
    X = rng.normal(size=(14, 4))[who] + 0.6 * rng.normal(size=(42, 4))
    pairs = all_pairs(who)
    scores = all_vs_all(X, None, pairs=pairs)
    weights = np.vstack([np.ones((1, 14), int), bootstrap_weights(14, 6, 1)])
    found = group_scores(scores, pairs, codes, 0.5, weights)
    n_genuine, n_impostor = pairs_within(pairs, codes)
    for group in range(3):
        for draw, weight in enumerate(weights):
            sides = {}
            for rows, values, all_values in (
                (pairs.genuine, scores.genuine, scores.genuine),
                (pairs.impostor, scores.impostor, scores.impostor),
            ):
                drawn = []
                for a, b, value in zip(*rows, values, strict=True):
                    if codes[a] == codes[b] == group:
                        p, q = pairs.code[a], pairs.code[b]
                        drawn += [value] * (weight[p] if p == q else weight[p] * weight[q])
                drawn = np.array(drawn, dtype=float)
                shift = (
                    (drawn.mean() - all_values.mean()) / all_values.std() if drawn.size else None
                )
                sides[len(sides)] = drawn, shift
            (genuine, up), (impostor, down) = sides.values()
            if genuine.size:
                assert found.fnmr[draw, group] == pytest.approx(np.mean(genuine < 0.5))
                assert found.genuine[draw, group] == pytest.approx(up, abs=1e-6)
            if impostor.size:
                assert found.fmr[draw, group] == pytest.approx(np.mean(impostor >= 0.5))
                assert found.impostor[draw, group] == pytest.approx(down, abs=1e-6)
            if draw == 0:
                assert (genuine.size, impostor.size) == (n_genuine[group], n_impostor[group])


@pytest.fixture
def people(rng):
    """Gender stands in one feature; the protection takes it from the young alone."""
    who = np.repeat(np.arange(800), 3)
    y = np.where(who % 2, "m", "f")
    young = who // 2 % 2 == 0
    X = rng.normal(size=(800, 8))[who] + 0.5 * rng.normal(size=(2400, 8))
    X[:, 0] += np.where(y == "m", 4, -4)
    protected = X.copy()
    protected[young, 0] = rng.normal(size=young.sum())
    # The old pay for it: they are made alike.
    protected[~young, 1:] *= 0.4
    return X, y, who, np.where(young, "young", "old"), protected


def test_protection_that_helps_some_alone_shows(people):
    X, y, who, age, protected = people
    result = audit(X, y, identity=who, protected=protected, by={"age": age}, **FAST)
    (grouping,) = result.groups.values()
    old, young = grouping.groups
    assert (old.name, young.name) == ("old", "young")
    assert old.n_people + young.n_people == result.split["test"]["n_people"]
    assert old.before["leakage"].value > 0.85 < young.before["leakage"].value
    assert young.after["leakage"].value < 0.65 and old.after["leakage"].value > 0.85
    assert young.change["leakage"].ci95[1] < 0
    assert old.after["fmr"].value > old.before["fmr"].value
    assert old.change["fmr"].ci95[0] > 0 and young.change["fmr"].ci95[1] < 0
    alarm = "By age, protection helps some and harms others: FMR falls among young and rises"
    assert f"{alarm} among old." in result.alarms
    apart = grouping.apart["after"]
    assert apart["fmr"]["worst"] == "old"
    rates = [group.after["fmr"].value for group in (old, young)]
    # Of two groups Gini is |a - b| / (a + b).
    assert apart["fmr"]["gini"].value == pytest.approx((rates[0] - rates[1]) / sum(rates))
    json.dumps(result.to_dict())


def leakage(correct):
    result = AttackResult("kNN", 0.5, [0, 1], 0, 0.5, 0.5, {}, True, correct)
    return Leakage({"kNN": result}, "kNN")


def measured(X, y, who, by, **options):
    rows = Rows.checked(X, y, who, by=by)
    correct = np.ones(len(y), dtype=bool)
    return groups_of(rows, leakage(correct), None, {"X": "cosine"}, True, **options)


def test_small_groups_are_refused_or_marked(people):
    X, y, who, _, _ = people
    # Nine people, twenty, and the others; some have no label.
    part = np.select([who < 9, who < 29, who < 60], ["tiny", "few", ""], "many").astype(object)
    (found,) = measured(X, y, who, {"part": part}).values()
    assert found.refused == {"tiny": 9}
    few, many = found.groups
    assert (few.name, few.n_people, few.few) == ("few", 20, True)
    assert not many.few and not many.notes
    assert found.notes == ["93 rows have no part"]
    # Ten people of each gender: a reading, and FMR of too few pairs is none.
    assert few.before["leakage"].value == 1
    assert few.before["fmr"] is not None
    assert few.change == few.after == {}


def test_a_group_of_one_class_has_no_leakage(people):
    X, y, who, _, _ = people
    (found,) = measured(X, y, who, {"gender": y}).values()
    assert [group.notes for group in found.groups] == [
        ["no leakage: 0 people are m"], ["no leakage: 0 people are f"],
    ]  # fmt: skip
    assert all(group.before["fnmr"] is not None for group in found.groups)


def test_groups_are_crossed_and_numbers_cut(people, rng):
    X, y, who, age, _ = people
    years = np.linspace(20, 60, 800)[who]
    found = measured(X, y, who, {"age": age, "years": years})
    assert list(found) == ["age", "years", "age x years"]
    assert [group.name for group in found["years"].groups] == ["33.3 - 46.7", "<= 33.3", "> 46.7"]
    assert len(found["age x years"].groups) == 6
    with pytest.raises(InputError, match="by: no row has a name"):
        measured(X, y, who, {"name": [None] * len(y)})


def test_rows_without_identity_have_leakage_alone(people):
    X, y, _, age, _ = people
    (found,) = audit(X, y, by={"age": age}, **FAST).groups.values()
    assert found.fmr is None and found.apart == {}
    assert all(group.before["leakage"] is not None for group in found.groups)
    assert all(group.before["fnmr"] is None for group in found.groups)
