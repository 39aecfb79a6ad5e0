"""Linking two releases: keys that are lost, rotations that are found out, and copies."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import sfumato.cli.commands  # noqa: F401
from sfumato import audit_embeddings, simulate
from sfumato.audit.unlinkability import unlinkability
from sfumato.cli import app
from sfumato.data.simulate import write_simulated
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.ldp_noise import LocalDpEraser
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table

FACES = simulate(160, 4, seed=3)
X, WHO, Y = FACES["embedding"], FACES["identity"], FACES["gender"]
RNG = np.random.default_rng(0)
ROTATED = (X @ np.linalg.qr(RNG.normal(size=(128, 128)))[0]).astype(np.float32)
NOISE, OTHER_NOISE = RNG.normal(size=(2, *X.shape))


def linked(A, B, **options):
    return unlinkability(A, {"b": B}, identity=WHO, **options).releases["b"]


def test_a_copy_is_linked_wholly():
    found = linked(X, X)
    for how in ("as_released", "regression"):
        assert found[how]["same_photo"]["d_sys"] == pytest.approx(1, abs=1e-3)
        assert 0.8 < found[how]["other_photo"]["d_sys"] < 1
    assert found["regression"]["attacker"] == "ridge"


def test_noise_is_linked_by_nobody():
    found = linked(NOISE, OTHER_NOISE)
    for how in ("as_released", "regression"):
        for photo in ("same_photo", "other_photo"):
            part = found[how][photo]
            assert part["d_sys"] < 0.1
            assert part["d_sys"] < 1.6 * part["floor"]
            assert part["ci95"][0] < 0.06  # Of 2 draws in 10 it is above 0.02.


def test_a_rotation_as_key_stops_the_matcher_and_not_the_regression():
    found = linked(X, ROTATED)
    assert found["as_released"]["same_photo"]["d_sys"] < 0.4
    assert found["regression"]["same_photo"]["d_sys"] > 0.99
    assert found["regression"]["other_photo"]["d_sys"] > 0.8
    both = unlinkability(X, {"turned": ROTATED, "noise": NOISE}, identity=WHO)
    assert both.d_sys == found["regression"]["same_photo"]["d_sys"]
    assert both.to_dict()["releases"].keys() == {"turned", "noise"}


def test_two_keys_of_noise():
    weak, strong = (
        [LocalDpEraser(epsilon=epsilon, seed=seed).fit(X).transform(X) for seed in (1, 2)]
        for epsilon in (1000, 1)
    )
    assert linked(*weak)["as_released"]["same_photo"]["d_sys"] > 0.9
    found = linked(*strong)["as_released"]["same_photo"]
    assert found["d_sys"] < 2 * found["floor"]


def test_other_lengths_and_metrics():
    categories = (X[:, :60] > 0).astype(float)
    found = linked(X, (categories, "agreement"))
    assert found["as_released"] is None
    assert found["regression"]["same_photo"]["d_sys"] > 0.5
    first = np.r_[True, WHO[1:] != WHO[:-1]]
    single = unlinkability(X[first], {"b": X[first]}, identity=WHO[first])
    assert single.releases["b"]["as_released"]["other_photo"] is None


def test_an_audit_links_its_protected_rows(tmp_path):
    options = {"identity": WHO, "attackers": ["linear SVM"], "n_resamples": 20}
    y = Y.astype(object)
    y[:40] = None  # Rows without the label are left out on both sides.
    across = {"b": X, "c": ROTATED}
    found = audit_embeddings(X, y, protected=ROTATED, across=across, **options)
    (said,) = [alarm for alarm in found.alarms if alarm.startswith("across")]
    assert said.startswith("across c: these are the audited templates themselves")
    part = found.to_dict()["unlinkability"]["releases"]["b"]
    assert part["regression"]["same_photo"]["d_sys"] > 0.99
    assert part["as_released"]["same_photo"]["d_sys"] < 0.3
    found.save(tmp_path / "report.html")
    assert "Can releases be linked?" in (tmp_path / "report.html").read_text()
    assert audit_embeddings(X, Y, protected=ROTATED, **options).unlinkability is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"across": {"b": X[:9]}}, "across must have one entry a row, 640, got 9"),
        ({"across": {}}, "across must be a dict of at least one name"),
        ({"across": {"b": X}, "identity": None}, "across needs identity"),
        ({"across": {"b": X}, "test": {"X": X, "y": Y}}, "across links one data set"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        audit_embeddings(X, Y, **{"identity": WHO} | change)


def test_tables_under_two_keys_are_joined_by_image(tmp_path):
    write_simulated(tmp_path / "raw.parquet", 200, 3)
    for seed in (1, 2):
        model, out = tmp_path / f"noise{seed}", tmp_path / f"key{seed}.parquet"
        parameters = {"epsilon": 1000.0, "seed": seed}
        fit_table("ldp-noise", tmp_path / "raw.parquet", ["gender"], model, parameters=parameters)
        protect_table(model, tmp_path / "raw.parquet", out)
    table = FaceTable(tmp_path / "key2.parquet")
    names, X = np.array(table.column("image_id")), table.embeddings()
    order = np.random.default_rng(0).permutation(len(names))
    shuffled = table_batch({"image_id": names[order], "embedding": X[order]})
    write_table(tmp_path / "shuffled.parquet", [shuffled], shuffled.schema, table.info)
    command = ["audit", "raw.parquet", "-a", "gender", "--protected", "key1.parquet"]
    command += ["--across", "key2.parquet", "--across", "shuffled.parquet"]
    command += ["--attacker", "linear SVM"]
    paths = [str(tmp_path / word) if word.endswith(".parquet") else word for word in command]
    ran = CliRunner().invoke(app, [*paths, "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)["attributes"]["gender"]["unlinkability"]["releases"]
    first, second = found.values()
    assert first == second
    assert first["as_released"]["same_photo"]["d_sys"] > 0.8
