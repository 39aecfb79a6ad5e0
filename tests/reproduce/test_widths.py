import numpy as np

from sfumato.data.rows import unit_rows
from sfumato.models.registry import ERASERS
from sfumato.reproduce._joined import JoinedTemplates
from sfumato.reproduce._map_rank import NO_NARROWER, map_rank, ranks
from sfumato.reproduce._widths import FULL_RANK, MATCHING, RANK
from sfumato.reproduce.templates import Faces


def test_rank_of_linear_maps(rng):
    X = unit_rows(rng.normal(size=(40, 12)))
    # Templates of unit length move in 11 directions, whatever the number of outputs; five
    # outputs move in 5, and in 4 once they have unit length too.
    wide, narrow = rng.normal(size=(12, 30)), rng.normal(size=(12, 5))
    assert map_rank(lambda X: X, X) == 11
    assert map_rank(lambda X: X @ wide, X) == 11
    assert map_rank(lambda X: X @ narrow, X) == 5
    assert map_rank(lambda X: unit_rows(X @ narrow), X) == 4


def test_ranks_of_methods_that_could_keep_all(rng):
    X = rng.normal(size=(40, 12))
    assert ranks(lambda X: 3 * X, X, 0) == {"rank": 11, "full rank": 11}
    assert ranks(lambda X: X[:, :6], X, 0) == {"rank": 6, "full rank": 11}
    assert set(NO_NARROWER) <= set(ERASERS)


def test_fewer_units_have_a_lower_rank(measured):
    rows = {
        row.name: row.cells
        for row in measured("sensitivenets-widths").findings.rows
        if row.section == MATCHING
    }
    # Drawn templates have 16 features: 128 units keep all of 15 directions.
    assert rows["raw"][RANK].mean == rows["raw"][FULL_RANK].mean == 15
    assert rows["128 units"][RANK].mean == 15
    assert rows["8 units"][RANK].mean == 7


def test_joined_templates_are_of_the_faces_that_both_have(rng):
    def source(ids):
        X = np.arange(1.0, len(ids) + 1)[:, None] * np.ones((len(ids), 2))
        labels = {"image_id": np.array(ids), "gender": np.array([f"of {i}" for i in ids])}
        faces = Faces(X, labels, "cosine")
        return type("Source", (), {"cache": None, "encoder": "e", "faces": lambda *_: faces})()

    found = JoinedTemplates(source(["b", "a", "c"]), source(["c", "d", "b"])).faces("any")
    assert found["image_id"].tolist() == ["b", "c"]
    assert found["gender"].tolist() == ["of b", "of c"]
    # Each half has length 1 / sqrt(2), so that no encoder outweighs the other.
    np.testing.assert_allclose(found.X, 0.5)
    assert found.X.shape == (2, 4)
