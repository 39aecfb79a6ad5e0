"""The clause table names places that exist, in the JSON form and in the report."""

import json

import numpy as np
import pytest

from sfumato import audit_embeddings, simulate
from sfumato.audit.standards import CLAUSES, NOT_MEASURED, clause_table, look_up, standards_page
from sfumato.erasers.ldp_noise import LocalDpEraser

FACES = simulate(160, 4, seed=3)
X, WHO, Y = FACES["embedding"], FACES["identity"], FACES["gender"]
OPTIONS = {"identity": WHO, "attackers": ["linear SVM"], "n_resamples": 20}


@pytest.fixture(scope="module")
def full():
    """An audit that measures all that there is to measure."""
    first, second = (LocalDpEraser(epsilon=300.0, seed=seed).fit(X) for seed in (1, 2))
    return audit_embeddings(
        X,
        Y,
        protected=first.transform(X),
        across={"second key": second.transform(X)},
        guarantee=first.guarantee,
        **OPTIONS,
    )


@pytest.fixture(scope="module")
def report(full, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    full.save(path)
    return path.read_text()


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.asks)
def test_each_named_place_and_block_exists(full, report, clause):
    if clause.place is None:
        assert clause.block is None and clause.note
        return
    result = json.loads(json.dumps(full.to_dict()))
    assert look_up(result, clause.place) is not None
    assert f"<h3>{clause.block}" in report


def test_what_was_not_given_is_not_measured(tmp_path):
    found = audit_embeddings(X, Y, **OPTIONS)
    where = {row["asks"]: row["where"] for row in clause_table(found.to_dict())}
    assert where["Unlinkability"] == where["Irreversibility"] == NOT_MEASURED
    assert where["Accuracy with protection"] == where["Theoretical accuracy"] == NOT_MEASURED
    assert "verification/original-original/eer" in where["Accuracy without protection, to compare"]
    found.save(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "No claim of conformity" in text
    assert text.count(NOT_MEASURED) == list(where.values()).count(NOT_MEASURED)


def test_the_page_has_every_clause():
    page = standards_page()
    assert page.count("\n| ISO/IEC") == len(CLAUSES)
    assert all(clause.asks in page for clause in CLAUSES)
    assert np.unique([clause[:2] for clause in CLAUSES], axis=0).shape[0] == len(CLAUSES)
