"""What Python, a notebook and a data frame say of an audit."""

import pytest
from matplotlib.figure import Figure

from sfumato.audit.protocol import audit
from sfumato.data.planted import planted
from sfumato.errors import InputError

NAMES = ["logistic regression", "quadratic discriminant"]


@pytest.fixture(scope="module")
def result():
    X, y, identity = planted("linear", 120)
    erased = X - X.mean(axis=0)
    return audit(X, y, identity=identity, protected=erased, attackers=NAMES, n_resamples=50)


def test_it_prints_in_a_few_lines(result):
    assert repr(result).startswith("<Audit of attribute: balanced accuracy 0.")
    assert len(repr(result)) < 120 and "\n" not in repr(result)
    said = str(result).splitlines()
    assert "test people" in said[0] and "chance 0.500" in said[1]
    assert [line for line in said if line.startswith("Alarm: ")] == [
        f"Alarm: {alarm}" for alarm in result.alarms
    ]
    assert result.alarms
    assert "array(" not in str(result)


def test_a_notebook_shows_finding_and_chart(result):
    page = result._repr_html_()
    assert "<svg" in page and "chance 0.500" in page and "<script" not in page


def test_the_frame_has_a_row_an_attacker_and_side(result):
    pytest.importorskip("pandas")
    frame = result.to_frame()
    assert len(frame) == 4 and set(frame["side"]) == {"before", "after"}
    one = frame[(frame["side"] == "after") & frame["strongest"]]
    assert list(one["attacker"]) == [result.after.strongest]
    assert float(one["balanced_accuracy"].iloc[0]) == result.after.headline.balanced_accuracy


@pytest.mark.parametrize("kind", ["attackers", "matching", "scores", "t-SNE"])
def test_every_kind_is_drawn(result, kind):
    assert isinstance(result.plot(kind), Figure)


def test_another_kind_is_a_line(result):
    with pytest.raises(InputError, match="kind must be one of"):
        result.plot("pie")
