import numpy as np

from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.reproduce import erasers_unseen
from sfumato.reproduce._recorded import CUBIC
from sfumato.reproduce.erasers_leaderboard import IN_DOMAIN, RAW
from sfumato.reproduce.erasers_unseen import FLOOR, Rows, _halves, _rows_of
from sfumato.reproduce.templates import Faces


def test_every_population_is_attacked_never_seen_and_adapted(measured):
    cells = {(r.section, r.name): r.cells for r in measured("erasers-unseen").findings.rows}
    assert {section for section, _ in cells} == {
        IN_DOMAIN, "LFW, never seen", "LFW, adapted", "UTKFace asian, never seen",
        "UTKFace asian, adapted",
    }  # fmt: skip
    raw = cells["LFW, never seen", RAW]
    assert raw["strongest"].mean > 0.8 and CUBIC in raw
    erased = cells["LFW, adapted", "barycentre"]
    assert erased["strongest"].mean < raw["strongest"].mean
    assert 0.5 < erased["labels right"].mean <= 1
    # The hardest impostors are of the same gender.
    floor = cells["LFW, never seen", FLOOR]
    assert floor["FNMR@1e-3"].mean >= raw["FNMR@1e-3"].mean


def fake():
    """Return a stand-in of the data: four races, each gender in all of them."""
    n = 80
    labels = {
        "image_id": np.array([f"u{i}" for i in range(n)]),
        "gender": np.array(["f", "m"] * (n // 2), dtype=object),
        "race": np.repeat(["asian", "black", "indian", "white"], n // 4).astype(object),
    }
    utkface = Faces(np.random.default_rng(0).normal(size=(n, 4)), labels, "cosine")

    class Data:
        def fit_rows(self, seed, *, per_person):
            assert per_person is None
            context = np.full((n + 2, 3), None, dtype=object)
            context[:, -1] = ["celeba"] * 2 + ["utkface"] * n
            context[2:, -2] = labels["race"]
            X = np.vstack([np.ones((2, 4)), utkface.X])
            y = np.append(["f", "m"], labels["gender"]).astype(str)
            return X, y, np.arange(n + 2).astype(str), context

    Data.utkface, Data.lfw, Data.metric = utkface, utkface, "cosine"
    return Data()


def test_no_row_of_the_race_is_fitted_and_nobody_is_on_two_sides(monkeypatch):
    data, seen = fake(), []

    def fit(self, X, y, **options):
        seen.append((X, y, options))
        return self

    monkeypatch.setattr(BarycentreEraser, "fit", fit)
    rows = _rows_of(data, 0)
    rest = rows.take(rows.table != "utkface black")
    pool, attacked, people = _halves(data, "black")
    assert not set(pool[people]) & set(attacked[people]) and len(pool) + len(attacked) == 20
    joined, right = rest.join(pool, "black", people)
    assert 0 <= right <= 1
    for fitted, name in ((rest, "barycentre"), (joined, "barycentre, by table")):
        erasers_unseen._transform(fitted, name, 0, True)
    (plain, _, first), (adapted, _, second) = seen
    assert len(plain) == 62 and first["population"] is None
    assert len(adapted) == 62 + len(pool)
    assert set(second["population"]) == {"celeba", "utkface", "black"}
    for X in (plain, adapted):
        hidden = (X[:, None] == attacked.X[None]).all(axis=2)
        assert not hidden.any()


def test_labels_of_the_pool_are_not_used():
    data = fake()
    pool, _, people = _halves(data, "black")
    # The known rows say that all are women who have a positive first feature.
    X = np.random.default_rng(1).normal(size=(600, 4))
    y = np.where(X[:, 0] > 0, "f", "m")
    rows = Rows(X, y, y, np.full((600, 3), None, dtype=object), np.full(600, "celeba", object))
    joined, _ = rows.join(pool, "black", people)
    expected = np.where(pool.X[:, 0] > 0, "f", "m")
    assert np.mean(joined.y[600:] == expected) > 0.85
    assert joined.context[600:, -1].tolist() == ["black"] * len(pool)
