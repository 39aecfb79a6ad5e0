import numpy as np
import pytest


@pytest.fixture
def result(measured):
    return measured("sensitivenets-table1")


def cells(result):
    return {(row.section, row.name): row.cells for row in result.findings.rows}


def test_reads_what_was_planted(result):
    found = cells(result)
    for attribute in ("gender", "ethnicity"):
        for probe in ("neural network", "support vector machine", "random forest"):
            assert found[f"UTKFace, {attribute}", probe]["before"].mean > 0.75
    assert found["UTKFace, ethnicity", "random forest"]["chance"].mean == pytest.approx(1 / 3)
    assert found["LFW", "verification, view 1 test"]["before"].mean > 0.9
    assert ("CelebA test, gender", "strongest of the audit") in found


def test_reduction_is_the_papers(result):
    for row in result.findings.rows:
        before, after, chance = (row.cells[name].mean for name in ("before", "after", "chance"))
        expected = (before - after) / (before - chance)
        assert row.cells["reduction"].mean == pytest.approx(expected)


def test_published_figures_stand_beside_ours(result):
    published = [cell.published for row in result.findings.rows for cell in row.cells.values()]
    # Table I: seven rows of before, after and reduction.
    assert np.sum([value is not None for value in published]) == 21
    row = cells(result)["UTKFace, gender", "support vector machine"]
    assert [row[name].published for name in ("before", "after")] == [0.962, 0.563]
