import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfumato.data.sampling import biased_rows, biased_split
from sfumato.errors import InputError


def labels(n=4000, seed=0):
    """Return attractiveness, smiling, gender and person; the first goes with gender."""
    rng = np.random.default_rng(seed)
    gender = np.where(rng.random(n) < 0.6, "female", "male")
    attractive = rng.random(n) < np.where(gender == "female", 0.67, 0.27)
    return attractive, rng.random(n) < 0.5, gender, rng.integers(0, n // 10, n)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 700),
    st.floats(0.05, 0.95),
    st.sampled_from(["true", "false"]),
    st.sampled_from(["true", "false"]),
)
def test_every_cell_has_its_share(seed, n_rows, share, positive, privileged):
    attractive, smiling, gender, _ = labels(seed=seed)
    rows = biased_rows(
        attractive,
        smiling,
        n_rows,
        privileged=privileged,
        positive=positive,
        share=share,
        balance=gender,
        seed=seed,
    )
    assert len(rows) == n_rows == len(set(rows.tolist()))
    assert (np.diff(rows) > 0).all()
    y, s = attractive[rows] == (positive == "true"), smiling[rows] == (privileged == "true")
    for label in (True, False):
        for group in (True, False):
            for sex in ("female", "male"):
                count = np.sum((y == label) & (s == group) & (gender[rows] == sex))
                expected = n_rows / 4 * (share if label == group else 1 - share)
                assert abs(count - expected) < 1


def test_the_papers_sample():
    # 70 % and 30 % smiling, half of each cell female, half of all attractive.
    attractive, smiling, gender, _ = labels()
    rows = biased_rows(attractive, smiling, 1000, privileged="true", balance=gender)
    y, s, g = attractive[rows], smiling[rows], gender[rows]
    assert (y.mean(), s[y].mean(), s[~y].mean()) == (0.5, 0.7, 0.3)
    assert [np.mean(g[(y == a) & (s == b)] == "male") for a in (0, 1) for b in (0, 1)] == [0.5] * 4


def test_a_seed_draws_the_same_rows_and_others_differ():
    attractive, smiling, *_ = labels()
    first, again, other = (
        biased_rows(attractive, smiling, 500, privileged="true", seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 250


def test_every_row_of_a_cell_has_the_same_chance():
    attractive, smiling, *_ = labels(200)
    drawn = np.zeros(200)
    for seed in range(400):
        drawn[biased_rows(attractive, smiling, 40, privileged="true", seed=seed)] += 1
    cell = drawn[attractive & smiling]
    expected = 400 * 14 / len(cell)
    assert np.abs(cell - expected).max() < 5 * np.sqrt(expected)


def test_rows_without_a_label_stay_out():
    attractive, smiling, gender, _ = labels(2000)
    columns = [attractive.astype(object), smiling.astype(object), gender.astype(object)]
    for start, column in zip((0, 100, 200), columns, strict=True):
        column[start : start + 100] = None
    y, s, g = columns
    rows = biased_rows(y, s, 200, privileged="true", balance=g)
    assert rows.min() >= 300


def test_several_attributes_are_balanced_together():
    attractive, smiling, gender, _ = labels()
    young = np.arange(4000) % 3 > 0
    both = np.column_stack([gender, young])
    rows = biased_rows(attractive, smiling, 800, privileged="true", share=0.5, balance=both)
    _, counts = np.unique(both[rows], axis=0, return_counts=True)
    assert counts.tolist() == [200] * 4


def test_a_scarce_cell_says_how_many_rows_it_has_and_how_many_can_be_drawn():
    # 30 of y=1, s=1, of which 0.7 / 2 of the rows must come: of 87 rows 30.45, and the row left
    # over goes to the first cell; of 88 rows 30.8 -> 31.
    y, s = np.repeat([0, 0, 1, 1], [90, 90, 90, 30]), np.repeat([0, 1, 0, 1], [90, 90, 90, 30])
    with pytest.raises(InputError) as caught:
        biased_rows(y, s, 200, privileged="1")
    assert str(caught.value) == (
        "the cell y=1, protected=1 has 30 rows, 70 are needed for n_rows=200; "
        "n_rows may be 87 at most."
    )
    assert len(biased_rows(y, s, 87, privileged="1")) == 87
    with pytest.raises(InputError, match="31 are needed for n_rows=88"):
        biased_rows(y, s, 88, privileged="1")


def test_the_rows_left_over_go_to_the_largest_remainders():
    # Of 11 rows 3.85, 1.65, 1.65 and 3.85: three are left over after 3, 1, 1 and 3.
    y, s = np.repeat([0, 0, 1, 1], 9), np.repeat([0, 1, 0, 1], 9)
    rows = biased_rows(y, s, 11, privileged="1")
    assert np.bincount(2 * y[rows] + s[rows]).tolist() == [4, 2, 1, 4]


def test_the_split_parts_people_and_biases_the_training_alone():
    attractive, smiling, gender, people = labels(9000)
    train, test = biased_split(
        attractive, smiling, people, n_train=1500, n_test=400, privileged="true", balance=gender
    )
    assert not set(people[train]) & set(people[test])
    for rows, share in ((train, 0.7), (test, 0.5)):
        y, s = attractive[rows], smiling[rows]
        assert (s[y].mean(), s[~y].mean()) == pytest.approx((share, 1 - share), abs=0.002)
    assert (len(train), len(test)) == (1500, 400)


def test_the_split_says_which_side_is_short():
    attractive, smiling, _, people = labels()
    with pytest.raises(InputError, match="^test people: the cell y=.* n_rows may be [0-9]+ at"):
        biased_split(attractive, smiling, people, n_train=400, n_test=3000, privileged="true")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [0, 1, 2, 1]}, "y must have 2 classes, got 0, 1, 2"),
        ({"protected": ["a"] * 4}, "protected needs at least 2 classes, got a"),
        ({"protected": [0, 1]}, "protected must have one entry a row, 4, got 2"),
        ({"privileged": "x"}, "privileged must be one of 0, 1, got 'x'"),
        ({"positive": "x"}, "positive must be one of 0, 1, got 'x'"),
        ({"share": 1}, r"share must be a number in \(0, 1\), got 1"),
        ({"n_rows": 0}, "n_rows must be an integer >= 1, got 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, message):
    good = {"y": [0, 0, 1, 1], "protected": [0, 1, 0, 1], "n_rows": 4, "privileged": "1"}
    with pytest.raises(InputError, match=message):
        biased_rows(**good | change)
