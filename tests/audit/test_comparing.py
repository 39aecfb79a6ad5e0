"""Erasers side by side: the same people, the same attackers, one table."""

import json

import numpy as np
import pytest

from sfumato.audit.comparing import RAW, compare
from sfumato.data.simulate import simulate
from sfumato.erasers.base import Eraser
from sfumato.errors import InputError


class Nothing:
    """Hides nothing; remembers what it saw."""

    def fit(self, X, y):
        self.seen = X
        return self

    def transform(self, X):
        return X + 0


class Noise(Nothing):
    """Leaves nothing of the template."""

    def transform(self, X):
        return np.random.default_rng(0).normal(size=X.shape)


@pytest.fixture(scope="module")
def faces():
    found = simulate(300, 3, seed=1)
    return {name: found[name] for name in ("embedding", "identity", "gender")}


@pytest.fixture(scope="module")
def found(faces):
    mine = Nothing()
    erasers = {"mine": mine, "<noise>": Noise(), "leace": "leace"}
    options = {"n_resamples": 50, "curve": False}
    found = compare(erasers, faces, "gender", attackers=["logistic regression"], **options)
    assert not hasattr(mine, "seen")  # It works on a copy.
    return found


def test_each_is_attacked_on_the_same_people(found):
    rows = {row["eraser"]: row for row in found.rows}
    assert [*rows][0] == RAW and {*rows} == {RAW, "mine", "<noise>", "leace"}
    # What hides nothing is read as raw embeddings are; noise and LEACE by a linear attacker not.
    raw = rows[RAW]["balanced_accuracy"]
    assert rows["mine"]["balanced_accuracy"] == raw > 0.6
    assert rows["<noise>"]["balanced_accuracy"] < raw > rows["leace"]["balanced_accuracy"]
    assert rows["<noise>"]["eer"] > 0.3 > rows["leace"]["eer"]
    splits = [audit.split for audit in found.audits.values()]
    assert splits[0] == splits[1] == splits[2]


def test_a_comparison_prints_plots_and_becomes_data(found):
    assert json.loads(json.dumps(found.to_dict()))["erasers"] == found.rows
    page = found._repr_html_()
    assert "&lt;noise&gt;" in page and "<noise>" not in page and RAW in str(found)
    labels = [text.get_text() for text in found.plot().axes[0].get_yticklabels()]
    assert labels[::-1] == [row["eraser"] for row in found.rows]
    pandas = pytest.importorskip("pandas")
    assert isinstance(found.to_frame(), pandas.DataFrame)


def test_what_erases_nothing_is_called_so(found):
    (said,) = [alarm for alarm in found.alarms if "nothing was erased" in alarm]
    assert said.startswith("mine: All protected templates are the raw ones")
    # What holds of all erasers stands once, without their names.
    shared = set.intersection(*(set(audit.alarms) for audit in found.audits.values()))
    assert shared and shared <= set(found.alarms)
    for shown in (str(found), found._repr_html_(), json.dumps(found.to_dict())):
        assert "nothing was erased" in shown


def test_one_eraser_twice_is_refused(faces):
    mine = Nothing()
    for twice in ({"a": mine, "b": mine}, {"a": "leace", "b": "leace"}):
        with pytest.raises(InputError, match="^erasers: a and b are one eraser"):
            compare(twice, faces, "gender")


def test_what_is_no_eraser_is_refused(faces):
    class Short(Nothing):
        def transform(self, X):
            return X[1:]

    for erasers, message in (
        ({}, "erasers must be a dict"),
        ({"a": Nothing}, "a must be an object with fit and transform"),
        ({"a": object()}, "a must be an object with fit and transform"),
        ({"a": "leech"}, "leech"),
        ({"a": Short()}, "a: transform must return one row a row"),
    ):
        with pytest.raises(InputError, match=message):
            compare(erasers, faces, "gender")


def test_sfumatos_erasers_are_told_who_is_who(faces, monkeypatch):
    given = {}
    monkeypatch.setattr(Eraser, "fit", lambda self, X, y, **options: given.update(options) or self)
    monkeypatch.setattr(Eraser, "transform", lambda self, X: X[1:])
    with pytest.raises(InputError):
        compare({"leace": "leace"}, faces, "gender")
    assert len(given["identity"]) > 0
