from sfumato.reproduce._perturbed_figures import method_note
from sfumato.reproduce.experiment import Context


def test_the_note_names_what_differs_from_the_paper():
    note = method_note(Context(None, "full", (0,)))
    for said in ("64 pixels", "lambda_m 12", "1.2 times", "adds to the picture", "D alone"):
        assert said in note
    assert "2,400 batches of 16 (paper: 200,000 of 16)" in note
    assert "D alone" not in method_note(Context(None, "gpu", (0,)))
