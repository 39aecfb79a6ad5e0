import json
from dataclasses import replace

import numpy as np
import pytest

from sfumato.audit.matching import OO, OP, PO, PP, match_all, match_pairs
from sfumato.audit.verification import verify
from sfumato.data.info import TableInfo
from sfumato.data.pairs import JoinedPairs
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError
from sfumato.metrics.scores import pair_scores
from sfumato.metrics.verification import eer, tmr_at_fmr


@pytest.fixture
def people(rng):
    identity = np.repeat(np.arange(30), 4)
    centres = rng.normal(size=(30, 16))
    X = centres[identity] + 0.4 * rng.normal(size=(120, 16))
    return X.astype(np.float32), identity.astype(str).astype(object)


def write(path, X, identity=None, ids=None, encoder="toy", metric="cosine"):
    columns = {"image_id": ids or [f"face{k}" for k in range(len(X))]}
    if identity is not None:
        columns["identity"] = list(identity)
    batch = table_batch({**columns, "embedding": X})
    info = TableInfo(encoder=encoder, dimension=X.shape[1], metric=metric)
    write_table(path, [batch], batch.schema, info)
    return path


def every_pair(identity, split=None):
    a, b = np.triu_indices(len(identity), 1)
    code = np.unique(identity, return_inverse=True)[1]
    split = None if split is None else np.resize(np.array(split, dtype=object), a.size)
    return JoinedPairs(a, b, code[a] == code[b], code, None, split, 0)


def test_four_matchings_compare_the_same_pairs(people, rng):
    X, identity = people
    P = X + rng.normal(size=X.shape).astype(np.float32)
    found = match_all(X, identity, P, n_resamples=20, fmr=0.01)
    unit = [Z / np.linalg.norm(Z, axis=1, keepdims=True) for Z in (X, P)]
    a, b = np.triu_indices(len(X), 1)
    for name, A, B in [(OO, 0, 0), (PP, 1, 1), (OP, 0, 1), (PO, 1, 0)]:
        scores = np.sum(unit[A][a] * unit[B][b], axis=1)
        genuine = identity[a] == identity[b]
        part = found[name]
        np.testing.assert_allclose(
            np.sort(part.scores.genuine), np.sort(scores[genuine]), atol=1e-5
        )
        result = part.result
        assert result["eer"]["value"] == eer(part.scores.genuine, part.scores.impostor).value
        expected = tmr_at_fmr(part.scores.genuine, part.scores.impostor, 0.01)
        assert result["tmr_at_fmr"]["value"] == pytest.approx(expected)
        for key in ("eer", "tmr_at_fmr", "accuracy"):
            low, high = result[key]["ci95"]
            assert 0 <= low <= high <= 1
    # Noise hurts: the protected faces are told apart worse than the originals.
    assert found[PP].result["eer"]["value"] > found[OP].result["eer"]["value"]
    assert found[OP].result["eer"]["value"] > found[OO].result["eer"]["value"]


def test_listed_pairs_agree_with_all_pairs(people):
    X, identity = people
    every = match_all(X, identity, n_resamples=30)[OO].result
    listed = match_pairs(X, every_pair(identity), n_resamples=30)[OO].result
    for key in ("eer", "tmr_at_fmr"):
        assert listed[key]["value"] == pytest.approx(every[key]["value"])
        assert listed[key]["ci95"] == pytest.approx(every[key]["ci95"])
    assert listed["n_impostor"] == every["n_impostor"] == 120 * 119 / 2 - 30 * 6


def test_the_holdout_measures_on_test_at_the_threshold_of_train(people):
    X, identity = people
    pairs = every_pair(identity, split=["train", "test", "test"])
    scores, test = pair_scores(X, pairs.a, pairs.b), pairs.split == "test"
    # In train, genuine begins at 0.5, in test at 0.2: what lies between is judged wrongly.
    pairs = replace(pairs, genuine=scores > np.where(test, 0.2, 0.5))
    found = match_pairs(X, pairs, n_resamples=0)[OO].result
    assert found["n_genuine"] == (pairs.genuine & test).sum()
    assert found["n_impostor"] == (~pairs.genuine & test).sum()
    assert found["accuracy"]["protocol"] == "threshold chosen on train"
    assert found["accuracy"]["value"] == pytest.approx(
        np.mean((scores > 0.5)[test] == pairs.genuine[test]), abs=0.005
    )
    assert found["eer"]["value"] == 0 and found["eer"]["ci95"] is None


def test_folds_of_the_list_are_used(people):
    X, identity = people
    result = match_pairs(X, every_pair(identity, ["x", "y", "z"]), n_resamples=0)[OO].result
    assert result["accuracy"]["protocol"] == "3 folds, threshold chosen on the others"


def test_what_the_pairs_cannot_give_is_null_and_explained(people):
    X, identity = people
    few = every_pair(identity[:8])
    result = match_pairs(np.ones((8, 3)), few, fmr=1e-3, n_resamples=0)[OO].result
    assert result["tmr_at_fmr"] is None and result["d_prime"] is None
    assert result["eer"]["value"] == 0.5
    assert "16 impostor pairs resolve no less than 0.062" in result["notes"][0]
    assert any("d_prime needs scores that vary" in note for note in result["notes"])
    tiny = match_all(X[:6], identity[:6], n_resamples=0)[OO].result
    assert tiny["accuracy"] is None
    json.dumps(tiny, allow_nan=False)


def test_a_sample_of_impostors_is_declared(people):
    X, identity = people
    found = match_all(X, identity, n_resamples=0, max_impostor=1000)[OO]
    assert found.result["n_impostor"] == 1000 and found.scores.impostor.size == 1000
    assert found.result["notes"] == ["a uniform sample of 1000 of the 6960 impostor pairs"]


def test_other_dimensions_leave_the_cross_matchings_out(people):
    X, identity = people
    assert set(match_all(X, identity, X[:, :4], n_resamples=0)) == {OO, PP}


def test_protected_faces_are_compared_by_their_own_metric(people, tmp_path):
    X, identity = people
    P = np.round(X).astype(np.float32) % 4
    found = match_all(X, identity, P, protected_metric="agreement", n_resamples=20, fmr=0.01)
    assert set(found) == {OO, PP}  # An original and a protected face cannot be compared.
    assert [found[name].result["metric"] for name in (OO, PP)] == ["cosine", "agreement"]
    assert found[OO].result == match_all(X, identity, n_resamples=20, fmr=0.01)[OO].result
    alone = match_all(P, identity, metric="agreement", n_resamples=20, fmr=0.01)[OO]
    assert found[PP].result == alone.result
    a, b = np.triu_indices(len(X), 1)
    scores = (P[a] == P[b]).mean(axis=1)[identity[a] == identity[b]]
    np.testing.assert_allclose(np.sort(found[PP].scores.genuine), np.sort(scores), atol=1e-6)
    listed = match_pairs(
        X, every_pair(identity), P, protected_metric="agreement", n_resamples=0, fmr=0.01
    )
    assert set(listed) == {OO, PP}
    assert listed[PP].result["eer"]["value"] == pytest.approx(alone.result["eer"]["value"])
    # A table says itself how it is compared; a metric given is that of the originals.
    faces = write(tmp_path / "faces.parquet", X, identity)
    protected = write(tmp_path / "protected.parquet", P, metric="agreement")
    report = verify(faces, protected=protected, n_resamples=20, fmr=0.01)
    assert report[OO]["metric"] == "cosine"
    assert report[PP] == alone.result | {"n_missing": 0}
    given = verify(faces, protected=protected, metric="euclidean", n_resamples=0)
    assert (given[OO]["metric"], given[PP]["metric"]) == ("euclidean", "agreement")
    both = verify(faces, protected=faces, metric="euclidean", n_resamples=0)
    assert both[PP]["metric"] == "euclidean"
    (said,) = both[PP]["notes"]
    assert said.startswith("All protected templates are the raw ones")
    with pytest.raises(InputError, match="metric must be one of cosine"):
        verify(faces, protected=protected, protected_metric="dot")


def test_tables_and_arrays_give_one_report(people, tmp_path):
    X, identity = people
    path = write(tmp_path / "faces.parquet", X, identity)
    from_array = verify(X, identity=identity, n_resamples=20)
    assert verify(path, n_resamples=20) == verify(FaceTable(path), n_resamples=20) == from_array
    assert from_array["protocol"] == "all against all" and from_array["n_missing"] == 0
    json.dumps(from_array.to_dict(), allow_nan=False)


def test_a_protected_table_is_joined_by_image_id(people, tmp_path):
    X, identity = people
    ids = [f"face{k}" for k in range(len(X))]
    faces = write(tmp_path / "faces.parquet", X, identity)
    P = X[:, ::-1].copy()
    shuffled = write(tmp_path / "protected.parquet", P[::-1], ids=ids[::-1])
    found = verify(faces, protected=shuffled, n_resamples=0)
    assert found == verify(faces, protected=P, n_resamples=0)
    assert found[PP]["eer"] == pytest.approx(found[OO]["eer"])
    assert found["n_missing"] == 0


def test_refuses_tables_that_do_not_fit(people, tmp_path):
    X, identity = people
    faces = write(tmp_path / "faces.parquet", X, identity)
    fewer = write(tmp_path / "fewer.parquet", X[1:])
    other = write(tmp_path / "other.parquet", X, encoder="another")
    nobody = write(tmp_path / "nobody.parquet", X)
    with pytest.raises(InputError, match="lacks 1 of the 120 images of .*, e.g. 'face119'"):
        verify(faces, protected=fewer)
    with pytest.raises(InputError, match="embeddings of another cannot be compared with .* toy"):
        verify(faces, protected=other)
    with pytest.raises(InputError, match="needs pairs or identity"):
        verify(nobody)
    with pytest.raises(InputError, match="an array has no image ids"):
        verify(X, pairs="pairs.csv")
    with pytest.raises(InputError, match="so the original must be one too"):
        verify(X, identity=identity, protected=faces)
    with pytest.raises(InputError, match="protected has 119 rows, X 120"):
        verify(X, identity=identity, protected=X[1:])
    with pytest.raises(InputError, match="X has 119 rows, identity 120"):
        verify(X[1:], identity=identity)
    with pytest.raises(InputError, match=r"fmr must be a number in \(0, 1\)"):
        verify(faces, fmr=0)
    with pytest.raises(InputError, match="n_resamples must be an integer >= 0"):
        verify(faces, n_resamples=-1)


def test_refuses_a_list_without_genuine_pairs(people):
    X, identity = people
    pairs = every_pair(np.arange(8))
    with pytest.raises(InputError, match="hold no genuine pair"):
        match_pairs(X[:8], pairs)


def test_protected_rows_in_another_order_are_noticed(people, rng):
    X, identity = people
    P = X @ rng.normal(size=(16, 12)).astype(np.float32)
    right = verify(X, identity=identity, protected=P, n_resamples=0, fmr=0.01)
    wrong = verify(
        X, identity=identity, protected=P[rng.permutation(120)], n_resamples=0, fmr=0.01
    )
    assert right[PP]["eer"]["value"] < 0.2 and right[PP]["notes"] == []
    assert wrong[PP]["eer"]["value"] > 0.35
    assert "do not belong to the raw rows beside them" in wrong[PP]["notes"][-1]


def test_a_row_that_cannot_be_compared_is_named_with_its_file(tmp_path):
    X = np.ones((6, 3), np.float32)
    X[4] = 0
    columns = {"image_id": [f"i{k}" for k in range(6)], "identity": [7, 7.0, 8, 8, 9, 9]}
    batch = table_batch(columns | {"embedding": X})
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(encoder="toy"))
    with pytest.raises(InputError, match=r"t.parquet, row 4: an embedding of zeros cannot be"):
        verify(tmp_path / "t.parquet")


@pytest.mark.parametrize("noise", [0, 1e-9])
def test_templates_that_are_all_the_same_are_refused(people, rng, noise):
    # Their scores differ by rounding alone: EER was 0, TMR 1.
    X, identity = people
    same = np.tile(X[:1], (len(X), 1)) + noise * rng.normal(size=X.shape)
    with pytest.raises(InputError, match="table: all 120 embeddings are the same"):
        verify(same, identity=identity)
    with pytest.raises(InputError, match="protected: all 120 embeddings are the same"):
        verify(X, identity=identity, protected=same)


def test_a_verification_has_one_shape():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 8)) + np.repeat(3 * rng.normal(size=(10, 8)), 3, axis=0)
    identity = np.repeat(np.arange(10), 3)
    alone = verify(X, identity=identity, n_resamples=0)
    both = verify(X, identity=identity, protected=X[:, ::-1], n_resamples=0)
    assert [*alone.matchings] == ["original-original"]
    assert both.matchings["original-original"] == alone.raw == both.raw
    assert [*both.to_dict()] == [*alone.to_dict()] == ["matchings", "n_missing"]
    # As it was before: the figures themselves, or one dict a matching.
    assert alone["eer"] == alone.raw["eer"] == both["original-original"]["eer"]
    assert alone["n_missing"] == both["protected-protected"]["n_missing"] == 0
    assert "eer" not in both and "floor" not in alone
    assert both._repr_html_().count("<tr>") == 1 + len(both.matchings)
    assert len(pytest.importorskip("pandas").DataFrame(both._rows())) == len(both.to_frame())


def rates_by_hand(X, a, b, genuine, group, threshold):
    """Return FNMR and FMR of the pairs whose photos are both of one group."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    accepted = (unit[a] * unit[b]).sum(axis=1) >= threshold
    found = {}
    for name in np.unique(group):
        own = (group[a] == name) & (group[b] == name)
        found[name] = (~accepted[own & genuine]).mean(), accepted[own & ~genuine].mean()
    return found


@pytest.mark.parametrize("listed", [False, True])
def test_groups_at_one_threshold_by_a_slow_twin(rng, listed):
    identity = np.repeat(np.arange(150), 3)
    # Every second person's photos are twice as far apart.
    group = np.where(identity % 2, "far", "near")
    X = rng.normal(size=(150, 6))[identity]
    X += rng.normal(size=X.shape) * np.where(identity % 2, 0.8, 0.4)[:, None]
    a, b = np.triu_indices(len(X), 1)
    genuine = identity[a] == identity[b]
    pairs = None
    if listed:
        kept = (rng.random(len(a)) < 0.3) & (identity[a] > 9) & (identity[b] > 9)
        a, b, genuine = a[kept], b[kept], genuine[kept]
        # As in a list, in no order.
        a, b = np.where(rng.random(len(a)) < 0.5, (a, b), (b, a))
        pairs = JoinedPairs(a, b, genuine, identity, None, None, 0)
    found = verify(
        X, pairs=pairs, identity=None if listed else identity, protected=2 * X,
        by={"group": group}, fmr=0.01, n_resamples=10,
    )  # fmt: skip
    grouping = found.groups["group"]
    expected = rates_by_hand(X, a, b, genuine, group, grouping.threshold["before"])
    assert grouping.fmr == 0.01 and len(grouping.groups) == 2
    for each in grouping.groups:
        assert each.before["fnmr"].value == pytest.approx(expected[each.name][0])
        assert each.before["fmr"].value == pytest.approx(expected[each.name][1])
        assert each.before["leakage"] is None
        assert each.n_people == (70 if listed else 75)
        # Only the lengths differ.
        assert each.change["fnmr"].value == pytest.approx(0)
    far, near = grouping.groups
    assert far.before["fnmr"].ci95[0] > near.before["fnmr"].ci95[1]
    json.dumps(found.to_dict())
    assert found["groups"]["group"]["by"] == "group"


def test_refuses_labels_that_are_not_the_rows(rng):
    X, identity = rng.normal(size=(40, 4)), np.repeat(np.arange(20), 2)
    with pytest.raises(InputError, match=r"by: sex must have one entry a row, 40, got \(39,\)"):
        verify(X, identity=identity, by={"sex": ["f"] * 39})
    with pytest.raises(InputError, match="an array has no columns: give by as"):
        verify(X, identity=identity, by=["sex"])
