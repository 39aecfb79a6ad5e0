"""Reversal of protections whose strength is known, and partners of rows."""

import numpy as np
import pytest

from sfumato import simulate
from sfumato.audit._partners import other_photos, strangers
from sfumato.audit._rows import Rows
from sfumato.audit.reversal import reverse
from sfumato.metrics.scores import all_vs_all
from sfumato.metrics.verification import threshold_at_fmr

FACES = simulate(160, 4, seed=3)
X, WHO, Y = FACES["embedding"], FACES["identity"], FACES["gender"]
TRAIN = np.isin(WHO, np.unique(WHO)[:100])
SCORES = all_vs_all(X[~TRAIN], WHO[~TRAIN])
THRESHOLD = threshold_at_fmr(SCORES.impostor, 1e-3)
ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(128, 128)))[0]


def reversal(protected, **options):
    rows = Rows(X, Y, WHO, protected.astype(np.float32))
    return reverse(rows.take(TRAIN), rows.take(~TRAIN), threshold=THRESHOLD, **options)


def test_a_secret_rotation_is_no_protection():
    found = reversal(X @ ROTATION)
    assert found.original["value"] == 1
    assert found.another["value"] == pytest.approx(found.raw_another["value"], abs=0.02)
    assert found.stranger["value"] < 3e-3
    assert found.as_released["value"] < 0.05  # The matcher sees nothing, the attacker all.
    assert found.n_pairs == TRAIN.sum()


def test_noise_gives_nothing_back():
    found = reversal(np.random.default_rng(1).normal(size=X.shape))
    assert found.original["value"] < 0.02
    assert found.original["ci95"][1] < 0.06


def test_shares_are_the_slow_twins():
    rng = np.random.default_rng(2)
    protected = X + rng.normal(scale=0.07, size=X.shape)
    found = reversal(protected)
    raw, other, who = X[~TRAIN], protected[~TRAIN].astype(np.float32), WHO[~TRAIN]
    cosine = [
        a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(other, raw, strict=True)
    ]
    expected = np.mean([score >= THRESHOLD for score in cosine])
    assert found.as_released["value"] == pytest.approx(expected)
    hits = [
        raw[a] @ raw[b] / np.linalg.norm(raw[a]) / np.linalg.norm(raw[b]) >= THRESHOLD
        for a, b in other_photos(who).T
    ]
    assert found.raw_another["value"] == pytest.approx(np.mean(hits))
    low, high = found.original["ci95"]
    assert low <= found.original["value"] <= high


def test_other_lengths_and_single_photos():
    first = np.r_[True, WHO[1:] != WHO[:-1]]
    rows = Rows(X, Y, WHO, X[:, :100]).take(first)
    people = np.arange(len(rows.y)) < 80
    found = reverse(rows.take(people), rows.take(~people), threshold=THRESHOLD)
    assert found.as_released is found.another is found.raw_another is None
    assert set(found.to_dict()) >= {"original", "stranger", "threshold", "attacker"}


def test_partners():
    who = ["a", "b", "a", "c", "a", "b"]
    pairs = other_photos(who).T.tolist()
    assert sorted(a for a, _ in pairs) == sorted(b for _, b in pairs) == [0, 1, 2, 4, 5]
    assert all(a != b and who[a] == who[b] for a, b in pairs)
    found = strangers(who).T.tolist()
    assert all(who[a] != who[b] for a, b in found)
    assert len({tuple(pair) for pair in found}) == len(found) == 6 * 5 - 2 - 6
    assert other_photos(["a", "b"]).shape == (2, 0)


def test_an_audit_reports_its_reversal(tmp_path):
    from sfumato import audit_embeddings

    options = {"identity": WHO, "attackers": ["linear SVM"], "n_resamples": 20}
    found = audit_embeddings(X, Y, protected=(X @ ROTATION).astype(np.float32), **options)
    assert found.reversal.original["value"] == 1
    assert found.to_dict()["reversal"]["original"]["value"] == 1
    tmr = found.to_dict()["verification"]["original-original"]["tmr_at_fmr"]
    assert found.reversal.threshold == tmr["threshold"]
    found.save(tmp_path / "report.html")
    assert "Can templates be turned back?" in (tmp_path / "report.html").read_text()
    assert audit_embeddings(X, Y, **options).reversal is None
    assert audit_embeddings(X, Y, protected=X, **options | {"identity": None}).reversal is None
