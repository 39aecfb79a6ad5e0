import numpy as np
import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.errors import InputError
from sfumato.gallery._calibration import Calibration
from sfumato.metrics.scores import all_vs_all
from sfumato.metrics.verification import fnmr_at_fmr, threshold_at_fmr


def test_thresholds_are_those_of_the_verification_metrics(gallery, table, people):
    X, names, _ = people
    counts = gallery.calibrate(table())
    # 12 people with 3 templates each: 12 * 3 genuine, 66 * 9 impostor pairs.
    assert counts == {
        "n_templates": 36,
        "n_identities": 12,
        "n_genuine": 36,
        "n_impostor": 594,
        "n_impostor_all": 594,
    }
    scores = all_vs_all(X, names)
    for fmr in (1 / 594, 0.01, 0.2):
        found = gallery.threshold(fmr)
        assert found.score == threshold_at_fmr(scores.impostor, fmr)
        assert found.fnmr == fnmr_at_fmr(scores.genuine, scores.impostor, fmr)
        assert np.mean(scores.impostor >= found.score) <= fmr
    assert gallery.summary()["calibration"] == counts


def test_an_fmr_that_the_pairs_cannot_give_is_refused(gallery, table):
    gallery.calibrate(table())
    with pytest.raises(
        InputError, match="needs at least 1,000 impostor pairs, .* has 594"
    ) as error:
        gallery.identify(table(), fmr=1e-3)
    assert "\n" not in str(error.value)
    for fmr in (1e-300, 5e-324):
        with pytest.raises(InputError, match="needs at least 1,000,000,000,000,000 impostor"):
            gallery.threshold(fmr)
    for fmr in (0, 1, -1, float("nan")):
        with pytest.raises(InputError, match=r"a number in \(0, 1\)"):
            gallery.threshold(fmr)


def test_few_false_matches_are_told():
    # 100 impostor pairs: at 0.3 30 of them match, at 0.29 fewer.
    made = Calibration(np.ones(3, np.float32), np.linspace(0, 1, 100, dtype=np.float32))
    assert made.threshold(0.3).note is None
    assert made.threshold(0.29).note == (
        "rests on 29 false matches of 100 impostor pairs; 30 of 104 would hold it to about 30 %"
    )


def test_a_calibration_is_kept_and_not_overwritten(gallery, table):
    with pytest.raises(InputError, match="no calibration: run sfumato gallery calibrate"):
        gallery.threshold(0.01)
    gallery.calibrate(table(), max_impostor=500)
    with pytest.raises(InputError, match="calibrated already"):
        gallery.calibrate(table())
    assert gallery.summary()["calibration"]["n_impostor"] == 500
    gallery.calibrate(table(), overwrite=True)
    assert gallery.summary()["calibration"]["n_impostor"] == 594
    for given in ({}, {"fmr": 0.1, "score": 0.1}):
        with pytest.raises(InputError, match="either fmr or threshold"):
            gallery.threshold(**given)


def test_what_a_stranger_meets_is_reported(gallery, table):
    gallery.calibrate(table())
    found = gallery.identify(table(), fmr=0.01)
    assert found["false_matches_of_a_stranger"] == pytest.approx(0.36)
    assert found["threshold"]["fmr"] == 0.01 and found["threshold"]["n_impostor"] == 594
    assert gallery.identify(table(), threshold=0)["false_matches_of_a_stranger"] is None


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_threshold_that_is_no_number_is_refused(gallery, table, score):
    with pytest.raises(InputError, match="threshold must be a finite number, got"):
        gallery.identify(table(), threshold=score)
