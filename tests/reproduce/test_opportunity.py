import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.svm import SVC

from sfumato.data.sampling import biased_rows
from sfumato.errors import InputError
from sfumato.reproduce._opportunity import Case, decide, read_celeba, sides
from sfumato.reproduce._opportunity import _most as most
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.templates import Faces, FaceTemplates

CASE = Case("attractive", "gender", {"female": "F", "male": "M"})


def faces(n, rng):
    labels = {
        "identity": np.arange(n) // 2,
        "attractive": rng.random(n) < 0.4,
        "gender": np.where(rng.random(n) < 0.5, "female", "male"),
        "smiling": rng.random(n) < 0.5,
    }
    return Faces(rng.normal(size=(n, 3)), labels, "cosine")


@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.7, 0.9]), st.booleans())
def test_as_many_rows_are_drawn_as_can_have_the_shares(seed, share, balanced):
    rng = np.random.default_rng(seed)
    rows = faces(300, rng)
    others = rows["smiling"].astype(str) if balanced else None
    y, gender = rows["attractive"], rows["gender"]
    n_rows = most(y, gender == "female", others, share)
    options = {"privileged": "female", "share": share, "balance": others}
    assert len(biased_rows(y, gender, n_rows, **options)) == n_rows
    # One row of the rarest cell more than there are.
    least = (min(share, 1 - share) / 2) / (2 if balanced else 1)
    with pytest.raises(InputError, match="at most"):
        biased_rows(y, gender, n_rows + int(2 / least), **options)


def test_shares_of_the_rows_drawn(rng):
    drawn = CASE.draw(faces(2_000, rng), 200, 0.7, seed=0)
    female, positive = drawn["gender"] == "female", drawn["attractive"]
    assert (len(drawn), positive.sum()) == (200, 100)
    assert ((female & positive).sum(), (female & ~positive).sum()) == (70, 30)


def test_verdict_by_hand():
    # 20 attractive women, 15 found; 20 attractive men, 10 found; 10 others, none taken.
    labels = {
        "identity": np.arange(50),
        "attractive": np.arange(50) < 40,
        "gender": np.array(["female"] * 20 + ["male"] * 20 + ["female", "male"] * 5),
    }
    decision = np.repeat([1, 0, 1, 0, 0], [15, 5, 10, 10, 10])
    found = CASE.judge(Faces(np.zeros((50, 1)), labels, "cosine"), decision, seed=0)
    assert (found["TPR F"], found["TPR M"], found["gap"]) == (0.75, 0.5, 0.25)
    assert found["accuracy"] == pytest.approx(35 / 50)
    # Two independent rates of 20: 1.96 sqrt(.75 * .25 / 20 + .5 * .5 / 20) = 0.29.
    assert found["half interval"] == pytest.approx(0.29, abs=0.04)


def test_decides_on_what_a_linear_eraser_leaves(rng):
    X = rng.normal(size=(300, 4))
    wide = X @ np.linalg.qr(rng.normal(size=(20, 4)))[0].T
    y = (X[:, 0] > 0).astype(int)
    decision = decide(SVC(), wide[:200], y[:200], wide[200:])
    assert np.mean(decision == y[200:]) > 0.8


def test_nobody_is_on_both_sides(world, tmp_path):
    context = Context(FaceTemplates(world, tmp_path), "quick", (0,))
    train, test = sides(read_celeba(context, "attractive", "attractive"))
    assert len(train) == len(test) == 480
    assert not set(train["identity"]) & set(test["identity"])


def cells(result):
    return {(row.section, row.name): row.cells for row in result.findings.rows}


def test_a_classifier_takes_the_bias_over(rng):
    # The label shows little, gender much.
    people = faces(16_000, rng)
    people.X[:, 0] += people["attractive"]
    people.X[:, 1] += 4 * (people["gender"] == "female")
    test = CASE.draw(people.take(people["identity"] % 2 == 0), 2_400, 0.5, seed=0)
    rest, gaps = people.take(people["identity"] % 2 == 1), []
    for share in (0.5, 0.7):
        train = CASE.draw(rest, 2_400, share, seed=0)
        decision = decide(SVC(), train.X, train["attractive"].astype(int), test.X)
        gaps.append(CASE.judge(test, decision, seed=0)["gap"])
    # Over 5 seeds 0.03 +- 0.05 and 0.61 +- 0.07.
    assert abs(gaps[0]) < 0.25
    assert gaps[1] > gaps[0] + 0.2


def test_sensitivenets_table3(measured):
    found = cells(measured("sensitivenets-table3"))
    for task in ("Attractiveness", "Smiling"):
        rows = [found[task, name] for name in ("x", "x, trained without bias", "LNTL")]
        # Over 4 seeds accuracy 0.75 to 0.94, gender 0.81 to 0.84 (chance 0.5 each).
        assert all(row["accuracy"].mean > 0.6 for row in rows)
        assert rows[0]["gender as read"].mean > 0.7
        assert 0.5 < found[task, "SensitiveNets"]["gender as read"].mean < 1
        for row in rows:
            assert row["gap"].mean == pytest.approx(row["TPR F"].mean - row["TPR M"].mean)
    row = found["Attractiveness", "SensitiveNets"]
    published = [row[name].published for name in ("accuracy", "TPR F", "TPR M", "gap")]
    assert published == [0.777, 0.814, 0.875, 0.068]


def test_blinded_table2(measured):
    found = cells(measured("blinded-table2"))
    assert len(found) == 6
    for row in found.values():
        assert row["equal opportunity"].mean == pytest.approx(1 - row["gap"].mean)
    biased = found["as in the paper", "x (biased)"]
    assert biased["accuracy"].mean > 0.75 and biased["smiling as read"].mean > 0.75
    own = found["fitted on smiling", "SensitiveNets (biased)"]
    assert own["smiling as read"].mean < biased["smiling as read"].mean
    assert biased["equal opportunity"].published == 0.8253
