"""The main job end to end on real faces: photos, templates, attack, erase, attack again."""

import numpy as np
import pytest

from sfumato.audit.tables import audit_tables
from sfumato.audit.verification import verify
from sfumato.data.tables import FaceTable, write_table
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table

N_PHOTOS = 1600


@pytest.fixture(scope="module")
def faces(shared, tmp_path_factory):
    """Templates of a part of LFW with as many women as men."""
    pytest.importorskip("cv2")
    pytest.importorskip("onnxruntime")
    from sfumato.jobs.embed import embed

    folder = tmp_path_factory.mktemp("faces")
    detector = f"yunet:{shared('models/yunet_n_640_640.onnx')}"
    encoder = f"arcface-onnx:{shared('models/mobilefacenet.onnx')}"
    lfw = FaceTable(shared("data/lfw.parquet"))
    gender = lfw.column("gender")
    rng = np.random.default_rng(0)
    wanted = np.zeros(lfw.n_rows, dtype=bool)
    for value in ("female", "male"):
        rows = np.flatnonzero(gender == value)
        wanted[rng.choice(rows, N_PHOTOS // 2, replace=False)] = True
    batches, start = [], 0
    for batch in lfw.batches():
        batches.append(batch.filter(wanted[start : start + batch.num_rows].tolist()))
        start += batch.num_rows
    write_table(folder / "lfw.parquet", batches, lfw.schema, lfw.info)
    summary = embed(
        folder / "lfw.parquet", folder / "faces.parquet", detector=detector, encoder=encoder
    )
    assert summary.n_templates == N_PHOTOS and summary.n_rejects == 0
    return folder / "faces.parquet"


def test_photos_to_a_proven_leak_and_its_partial_end(faces, tmp_path):
    fit_table("leace", faces, ["gender"], tmp_path / "m")
    protect_table(tmp_path / "m", faces, tmp_path / "protected.parquet")
    (result,) = audit_tables(
        faces,
        ["gender"],
        protected=tmp_path / "protected.parquet",
        attackers=["logistic regression", "kNN", "quadratic discriminant"],
        n_resamples=200,
    )
    before, after = result.before.attacks, result.after.attacks
    linear = "logistic regression"
    assert result.before.headline.balanced_accuracy > 0.8
    # LEACE takes from the linear attacker and leaves the quadratic one what it reads.
    assert after[linear].balanced_accuracy < before[linear].balanced_accuracy - 0.05
    assert after["quadratic discriminant"].ci95[0] > 0.75
    result.save(tmp_path / "report.html")


def test_matching_works_on_real_templates(faces):
    report = verify(faces, n_resamples=50)
    assert report["eer"]["value"] < 0.05
    assert report["n_genuine"] > 100
