import numpy as np

from sfumato.experiments.erasers_leaderboard import ACROSS, IN_DOMAIN, RAW, Gender
from sfumato.experiments.erasers_unlabelled import _eer, lfw_parts
from sfumato.experiments.experiment import Context
from sfumato.experiments.templates import Templates


def test_rows_with_and_without(measured):
    findings = measured("erasers-unlabelled").findings
    rows = {(row.section, row.name): row.cells for row in findings.rows}
    names = (RAW, "barycentre 0.18", "barycentre 0.18, unlabelled")
    assert set(rows) == {(section, name) for section in (IN_DOMAIN, ACROSS) for name in names}
    raw, plain, adapted = (rows[ACROSS, name] for name in names)
    assert raw["strongest"].mean > 0.8
    assert adapted["strongest"].mean < raw["strongest"].mean
    assert adapted["strongest"].mean != plain["strongest"].mean


def test_nobody_is_in_two_groups(world, tmp_path):
    data = Gender.read(Context(Templates(world, tmp_path), "quick", (0,)))
    parts = lfw_parts(data, 0)
    people = [set(part["identity"].tolist()) for part in parts]
    assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]
    assert len(set.union(*people)) == len(set(data.lfw["identity"].tolist()))
    assert people[0] != set(lfw_parts(data, 1)[0]["identity"].tolist())


def test_pairs_of_people_whom_the_eraser_saw_do_not_count(world, tmp_path):
    data = Gender.read(Context(Templates(world, tmp_path), "quick", (0,)))
    seen = lfw_parts(data, 0)[0]
    of_seen = np.isin(data.lfw["identity"].astype(str), seen["identity"].astype(str))

    def spoilt(X):
        return np.where(of_seen[:, None], 1.0, X)

    assert _eer(data, None, seen) == _eer(data, spoilt, seen)
    assert _eer(data, None, seen.take(slice(0, 0))) != _eer(data, spoilt, seen.take(slice(0, 0)))
