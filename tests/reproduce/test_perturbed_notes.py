import pytest

from sfumato.reproduce._perturbed_figures import method_note
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.pictures import marked


def test_the_note_names_what_differs_from_the_paper():
    note = method_note(Context(None, "full", (0,)))
    for said in ("64 pixels", "lambda_m 12", "1.2 times", "adds to the picture", "D alone"):
        assert said in note
    assert "2,400 batches of 16 (paper: 200,000 of 16)" in note
    assert "D alone" not in method_note(Context(None, "gpu", (0,)))


def test_race_by_no_true_label_is_marked():
    assert marked("race EER", "CelebA") == "race EER (labels of the dlib reader)"
    assert marked("LFW", "LFW") == "LFW (predicted labels)"
    assert marked("race EER", "UTKFace") == "race EER"


def test_figure_6_and_the_leaderboard_mark_race_alone(measured):
    pytest.importorskip("face_recognition_models")
    sections = {row.section for row in measured("privacynet-figure6").findings.rows}
    assert sections == {"CelebA (labels of the dlib reader)", "LFW (predicted labels)", "UTKFace"}
    kept = {row.section for row in measured("privacynet-figure5").findings.rows}
    assert kept == {"CelebA", "LFW", "UTKFace"}
    told = {row.section for row in measured("perturbers-leaderboard").findings.rows}
    assert {"CelebA, race EER (labels of the dlib reader)", "UTKFace, race EER"} <= told
    assert "CelebA, gender EER" in told
