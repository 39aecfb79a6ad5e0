"""Certificates of an audit: of noise, of few values, and none of anything else."""

import numpy as np
import pytest

from sfumato import audit_embeddings, audit_tables, simulate
from sfumato.data.simulate import write_simulated
from sfumato.erasers.ldp_noise import LocalDpEraser
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.metrics.certificates import noise_bound
from sfumato.models.tables import fit_table

FACES = simulate(200, 4, seed=3)
X, WHO, Y = FACES["embedding"], FACES["identity"], FACES["gender"]
OPTIONS = {"identity": WHO, "attackers": ["linear SVM", "kNN"], "n_resamples": 50}


def test_noise_is_certified_and_attackers_stay_below():
    eraser = LocalDpEraser(epsilon=2.0, seed=7).fit(X)
    found = audit_embeddings(
        X, Y, protected=eraser.transform(X), guarantee=eraser.guarantee, **OPTIONS
    )
    certificate = found.certificate
    assert certificate.kind == "noise"
    promised = {name: eraser.guarantee[name] for name in ("epsilon", "delta", "distance")}
    assert certificate.bound == noise_bound(**promised)
    assert certificate.composed == {
        "n_templates": 4,
        "bound": noise_bound(**promised, n_templates=4),
    }
    assert found.after.headline.ci95[0] < certificate.bound < certificate.composed["bound"] < 1
    assert found.to_dict()["certificate"]["bound"] == certificate.bound


def test_a_known_seed_is_no_secret():
    eraser = LocalDpEraser(epsilon=2.0).fit(X)
    found = audit_embeddings(
        X, Y, protected=eraser.transform(X), guarantee=eraser.guarantee, **OPTIONS
    )
    assert found.certificate is None
    assert any("default seed, which all know" in alarm for alarm in found.alarms)


def test_few_values_are_cells():
    # One released label in the place of a template: whether a feature that leaks is positive.
    direction = X[Y == "male"].mean(axis=0) - X[Y == "female"].mean(axis=0)
    scores = (X - X.mean(axis=0)) @ direction
    label = np.column_stack([scores > 0, scores <= 0]).astype(np.float32)
    certificate = audit_embeddings(X, Y, protected=label, **OPTIONS).certificate
    assert (certificate.kind, certificate.confidence) == ("cells", 0.95)
    assert certificate.details["n_cells"] == 2
    assert certificate.details["n_rows"] < 100  # One of a test person.
    assert 0.6 < certificate.details["best_seen"] < certificate.bound < 1
    assert (
        audit_embeddings(X, Y, protected=label, **OPTIONS | {"identity": None}).certificate is None
    )


def test_templates_have_none(tmp_path):
    found = audit_embeddings(X, Y, protected=X @ np.eye(128)[:, :90], **OPTIONS)
    assert found.certificate is None
    found.save(tmp_path / "report.html")
    assert "No certificate" in (tmp_path / "report.html").read_text()


def test_a_protected_table_says_what_its_noise_promises(tmp_path):
    write_simulated(tmp_path / "raw.parquet", 200, 3)
    parameters = {"epsilon": 1.0, "seed": 5}
    fit_table(
        "ldp-noise", tmp_path / "raw.parquet", ["gender"], tmp_path / "m", parameters=parameters
    )
    protect_table(tmp_path / "m", tmp_path / "raw.parquet", tmp_path / "p.parquet")
    (found,) = audit_tables(
        tmp_path / "raw.parquet",
        ["gender"],
        protected=tmp_path / "p.parquet",
        attackers=["linear SVM"],
        n_resamples=20,
    )
    assert found.certificate.bound == pytest.approx(0.553, abs=1e-3)
    assert "seed_known" not in found.certificate.details


@pytest.mark.parametrize(
    ("guarantee", "message"),
    [
        ({"epsilon": 1}, "guarantee lacks delta, distance"),
        ({"epsilon": -1, "delta": 0, "distance": 1}, "guarantee: epsilon must be a number >= 0"),
        ([1], "guarantee must be of type dict"),
    ],
)
def test_bad_guarantees_are_refused(guarantee, message):
    with pytest.raises(InputError, match=message):
        audit_embeddings(X, Y, guarantee=guarantee, **OPTIONS)
