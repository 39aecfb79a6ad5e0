import numpy as np

from sfumato.reproduce.erasers_leaderboard import ACROSS, RAW
from sfumato.reproduce.erasers_leaderboard_crossed import IN_DOMAIN, Crossed
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.templates import FaceTemplates

NAME = "erasers-leaderboard-crossed"


def test_six_classes_are_read_before_and_less_after(measured):
    rows = {(row.section, row.name): row.cells for row in measured(NAME).findings.rows}
    for section in (IN_DOMAIN, ACROSS):
        raw, leace = (rows[section, name]["logistic regression"].mean for name in (RAW, "leace"))
        assert raw > 0.5
        assert leace < raw - 0.2
    assert "EER" in rows[ACROSS, RAW] and "EER" not in rows[IN_DOMAIN, RAW]


def test_eraser_and_attackers_share_no_row_and_no_person(world, tmp_path):
    data = Crossed.read(Context(FaceTemplates(world, tmp_path), "quick", (0,)))
    X, y, identity, ages = data.fit_rows(0)
    assert identity is None and len(set(y)) == 6 and len(ages) == len(X)
    sides = data.sections(0)
    for train, test in sides.values():
        assert not set(train["identity"]) & set(test["identity"])
    fitted = {row.tobytes() for row in X}
    audited = np.concatenate([side["X"] for side in sides[IN_DOMAIN]]).astype(np.float32)
    assert not fitted & {row.tobytes() for row in audited}
