import json

import numpy as np
import pytest

from sfumato.audit._label_readers import effective_people, encode_labels, overlap_weights
from sfumato.audit.protocol import audit
from sfumato.errors import InputError

FAST = {"attackers": ["logistic regression"], "n_resamples": 100, "curve": False}


def test_labels_are_columns():
    train = {
        "smile": np.array(["yes", "no", None, "yes"], dtype=object),
        "age": np.arange(4) + 0.5,
    }
    test = {"smile": np.array(["maybe", "no"], dtype=object), "age": np.array([2.0, np.nan])}
    Z, Z_test = encode_labels(train, test)
    # no, yes, missing; age standardised about 2, its square, missing.
    assert Z[:, :3].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    deviation = np.std([0.5, 1.5, 2.5, 3.5])
    assert Z[:, 3] == pytest.approx(np.array([-1.5, -0.5, 0.5, 1.5]) / deviation)
    assert Z[:, 4] == pytest.approx(Z[:, 3] ** 2) and not Z[:, 5].any()
    assert Z_test.tolist() == [[0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1]]
    with pytest.raises(InputError, match="given: age holds -inf; correct it"):
        encode_labels(train, test | {"age": np.array([-np.inf, 3.0])})
    with pytest.raises(InputError, match="given: age holds text in one place"):
        encode_labels(train, test | {"age": np.array(["old", "young"], dtype=object)})


def test_weights_make_the_classes_alike_by_hand():
    # Among the old 100 women and 300 men, among the young 200 and 200: were women and men
    # equally frequent (300 and 500), women would be 1/3 : 3/5, or 5 of 14, of the old and
    # 2/3 : 2/5, or 5 of 8, of the young. Old women weigh 2 * 9/14, old men 2 * 5/14.
    y = np.repeat(["f", "m", "f", "m"], [100, 300, 200, 200])
    Z = np.repeat([[1.0], [0.0]], 400, axis=0)
    order = np.random.default_rng(0).permutation(800)
    weight = overlap_weights(Z[order], y[order], np.arange(800))
    expected = np.repeat([9 / 7, 5 / 7, 3 / 4, 5 / 4], [100, 300, 200, 200])[order]
    assert weight == pytest.approx(expected, abs=0.06)
    share = [weight[(y[order] == c) & (Z[order, 0] == 1)].sum() / weight[y[order] == c].sum()
             for c in "fm"]  # fmt: skip
    assert share[0] == pytest.approx(share[1], abs=0.01)


def test_effective_people_by_hand():
    y, who = np.array(list("ffffmm")), np.array(list("aabbcd"))
    # People of f weigh 1 and 2: 9 / 5; rows of at most 1 each: 0.5 + 1. Those of m: 0.04.
    found = effective_people(np.array([0.5, 0.5, 1.5, 1.5, 0.02, 0.02]), y, who)
    assert found == pytest.approx({"f": min(16 / 10, 1.5), "m": 0.04})


@pytest.fixture
def people(rng):
    """Age tells gender in eight of ten people; templates show age, and another set gender too."""
    who = np.repeat(np.arange(700), 3)
    y = np.where(rng.random(700) < 0.5, "m", "f")
    old = np.where(rng.random(700) < 0.8, y == "m", y == "f")
    X = rng.normal(size=(2100, 6))
    X[:, 0] += np.where(old, 2, -2)[who]
    both = X.copy()
    both[:, 1] += np.where(y == "m", 1, -1)[who]
    return X, both, y[who], who, np.where(old, "old", "young")[who]


def test_what_goes_with_age_alone_is_gone_among_people_alike(people):
    X, both, y, who, age = people
    result = audit(both, y, identity=who, protected=X, given={"age": age}, **FAST)
    given = result.given
    assert given.alone.value == pytest.approx(0.8, abs=0.06)
    assert result.after.headline.balanced_accuracy == pytest.approx(0.78, abs=0.06)
    # The templates say no more than age does: nothing is left.
    assert given.after.ci95[0] < 0.5 < given.after.ci95[1]
    assert given.balance.value == pytest.approx(0.5, abs=0.05)
    # The raw ones hold gender itself: P(z > -1) = 0.84 for people of one age.
    assert given.before.value == pytest.approx(0.84, abs=0.07)
    # About 105 of each class: four of five weigh 0.4, the others 1 at most, 0.52 in the mean.
    assert all(30 < n < 75 for n in given.effective_people.values())
    assert given.notes == []
    assert json.loads(json.dumps(result.to_dict()))["given"]["labels"] == ["age"]


def test_labels_that_tell_everything_leave_nobody_alike(people):
    X, _, y, who, _ = people
    given = audit(X, y, identity=who, given={"sex": y}, **FAST).given
    assert given.alone.value == 1
    assert given.before is None and given.balance is None
    assert "no reading among people alike" in given.notes[0]


def test_both_sets_need_the_labels(people):
    X, _, y, who, age = people
    test = {"X": X, "y": y, "identity": who, "given": {"smile": age}}
    with pytest.raises(InputError, match="test: given must name the labels"):
        audit(X, y, identity=who, given={"age": age}, test=test, **FAST)


def test_people_who_are_not_quite_alike_are_told(people, monkeypatch):
    X, _, y, who, age = people
    monkeypatch.setattr(
        "sfumato.audit.given.overlap_weights", lambda Z, *args, **_: np.ones(len(Z))
    )
    given = audit(X, y, identity=who, given={"age": age}, **FAST).given
    assert given.balance == given.alone
    assert given.notes == [
        "people are not quite alike: of them the labels alone still tell "
        f"{given.alone.value:.3f}"
    ]  # fmt: skip
