"""The demonstration: its picture, its page, and what it says last. The training is not run."""

from types import SimpleNamespace

import numpy as np
import pytest

from sfumato.errors import MissingExtraError
from sfumato.reproduce import demo
from sfumato.reproduce.demo_photo import DemoPhoto
from sfumato.reproduce.drawn_face import draw_face


def test_the_face_is_drawn_where_crops_have_it():
    from sfumato.faces.crops import crop_landmarks

    face = draw_face()
    assert face.shape == (128, 128, 3) and face.dtype == np.uint8
    left, right = crop_landmarks(128)[:2].round().astype(int)
    # The pupils are dark, the skin between the eyes is not.
    for x, y in (left, right):
        assert face[y, x].max() < 90
    between = (left + right) // 2
    assert face[between[1], between[0]].min() > 120
    np.testing.assert_array_equal(face, draw_face())


def photo(after):
    said = {
        "gender": {
            "before": {"label": "female", "probability": 0.8},
            "after": {"label": after, "probability": 0.7},
        },
        "age_years": dict.fromkeys(("before", "after"), {"years": 30, "low": 25, "high": 40}),
        "ethnicity": dict.fromkeys(("before", "after"), {"label": "x", "probability": 0.5}),
    }
    return DemoPhoto({"before": draw_face(), "after": draw_face()}, said)


def test_the_sentence_says_what_the_reader_says():
    assert "female 0.80 before and male 0.70 after; privacynet changes" in photo("male").sentence
    assert not photo("female").hidden and "it reads it still" in photo("female").sentence
    assert photo("male").rows == [
        ("gender", "female 0.80", "male 0.70"),
        ("age", "30 (25-40)", "30 (25-40)"),
    ]


def test_the_picture_is_described_twice():
    pytest.importorskip("torch", reason="needs the extra deep")
    from sfumato.reproduce.demo_photo import show_photo

    found = show_photo()
    before, after = found.pictures["before"], found.pictures["after"]
    assert before.shape == after.shape and (before != after).any()
    assert {"gender", "age_years"} <= {*found.readings}
    assert found.to_dict()["hidden"] in (True, False)


@pytest.mark.parametrize("missing", [False, True])
def test_the_page_holds_table_and_pictures(tmp_path, monkeypatch, missing):
    def show_photo():
        if missing:
            raise MissingExtraError("deep", "torch")
        return photo("male")

    def leakage_of(linear):
        attacks = {"logistic regression": linear, "b": 0.9}
        attacks = {name: SimpleNamespace(balanced_accuracy=a) for name, a in attacks.items()}
        return SimpleNamespace(attacks=attacks, strongest="b", headline=attacks["b"])

    rows = {"X": np.eye(4) + 0.5, "protected": np.eye(4) + 0.5, "identity": ["a", "a", "b", "b"]}
    matched, reports = [], []

    def audit(*arguments, attackers, match, **options):
        before, after = leakage_of(0.9), leakage_of(0.6)
        matched.append(match)
        return [SimpleNamespace(before=before, after=after, chance=0.5, rows=rows)]

    monkeypatch.setattr(demo, "N_IDENTITIES", 20)
    monkeypatch.setattr(demo, "audit_tables", audit)
    for name in ("fit_table", "protect_table"):
        monkeypatch.setattr(demo, name, lambda *arguments, **options: None)
    monkeypatch.setattr(demo, "write_report", lambda audits, path: reports.append(path.name))
    monkeypatch.setattr(demo, "show_photo", show_photo)
    found = demo.run_demo(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<tr>") == 1 + 3 + (0 if missing else 3) and demo.NEXT in page
    assert page.count("data:image/png;base64,") == (0 if missing else 2)
    assert ("photo" in found.skipped) is missing
    # Of 0.4 above chance 0.3 is gone for the linear attacker, nothing for the other.
    assert "75% / 0%" in page
    # One report, with the intervals of matching, which are what takes long; a row has an EER each.
    assert matched == [False, False, True] and reports == ["barycentre.html"]
    assert 'href="barycentre.html"' in page and "leace.html" not in page
    assert page.count(" -&gt; 0.") == 3 * 3
    assert found.sentence.startswith(
        "barycentre, recommended: the strongest of 2 attackers reads 0.90 of raw"
    )


def test_the_eer_is_that_of_the_audit():
    from sfumato.audit.matching import OO, match_all
    from sfumato.data.simulate import simulate

    people = simulate(60, 3)
    rows = {"X": people["embedding"], "identity": people["identity"]}
    found = match_all(rows["X"], rows["identity"], n_resamples=0)[OO]
    assert demo._eer(rows, "X", seed=0) == found.result["eer"]["value"]
