"""``sfumato embed``: exit codes, JSON alone on stdout, reasons on stderr."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands  # noqa: F401  (registers every command)
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError

for module in ("cv2", "onnxruntime", "PIL"):
    pytest.importorskip(module, reason="needs the extra faces")


@pytest.fixture
def call(shared, tmp_path):
    """Return a function that embeds a folder of two real faces and one broken photo."""
    folder = tmp_path / "photos" / "ada"
    folder.mkdir(parents=True)
    table = pq.ParquetFile(shared("data/lfw.parquet")).read_row_group(0, columns=["image"])
    for i, row in enumerate(table.slice(0, 2).to_pylist()):
        (folder / f"{i}.webp").write_bytes(row["image"]["bytes"])
    models = [
        *("--detector", f"yunet:{shared('models/yunet_n_640_640.onnx')}"),
        *("--encoder", f"arcface-onnx:{shared('models/mobilefacenet.onnx')}"),
    ]

    def run(*arguments):
        output = str(tmp_path / "out.parquet")
        arguments = ["embed", str(tmp_path / "photos"), "-o", output, *models, *arguments]
        done = CliRunner().invoke(app, [*arguments, "--workers", "1"])
        if isinstance(done.exception, InputError):
            raise done.exception
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def test_embed_a_folder(call, tmp_path):
    done = call("--json", "--identity-from-folder", "--keep-images")
    summary = json.loads(done.stdout)
    assert done.exit_code == 0 and summary["n_templates"] == 2
    assert summary["rejects_path"] is None and summary["reasons"] == {}
    table = FaceTable(tmp_path / "out.parquet").check()
    assert table.column("image_id").tolist() == ["ada/0.webp", "ada/1.webp"]
    assert table.columns == ["image_id", "identity", "image", "embedding"]
    assert np.linalg.norm(table.embeddings(), axis=1).min() > 0
    with pytest.raises(InputError, match="--force"):
        call()
    assert call("--force").exit_code == 0


def test_the_first_line_names_the_models_and_their_terms(call, tmp_path):
    files = "yours to check (yunet_n_640_640.onnx, mobilefacenet.onnx)"
    first = (
        "Detector yunet with its own landmarks, encoder arcface-onnx:mobilefacenet. Commercial "
        f"use: {files}; docs/licences.md says why."
    )
    assert call().stdout.splitlines()[0] == first
    done = call("--json", "--force")
    assert json.loads(done.stdout) and done.stderr.splitlines()[0] == first


def test_rejects_exit_with_1_and_are_counted_by_reason(call, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "photos" / name).write_bytes(b"")
    done = call()
    assert done.exit_code == 1
    assert "2 templates from 4 photos" in done.stdout
    assert "2 photos rejected" in done.stderr and "2  the file is empty" in done.stderr
    assert "rejected" not in done.stdout
    assert json.loads(call("--force", "--json").stdout)["reasons"] == {"the file is empty": 2}


def test_options_reach_the_library(call, tmp_path):
    done = call("--max-pixels", "10")
    assert done.exit_code == 1 and "more than the limit of 10" in done.stderr
    call("--force", "--all-faces", "--pad", "0")
    ids = FaceTable(tmp_path / "out.parquet").column("image_id")
    assert set(ids) >= {"ada/0.webp#0", "ada/1.webp#0"}
    with pytest.raises(InputError, match="pad must be"):
        call("--force", "--pad", "3")


def test_describe_writes_what_the_bundled_reader_of_the_templates_reads(call, tmp_path):
    from sfumato.readers.files import shipped_reader

    pytest.importorskip("dlib", reason="needs the extra faces")
    models = ("--detector", "dlib", "--encoder", "dlib")
    done = call("--describe", "--keep-images", *models)
    assert done.exit_code == 0 and "Do not sort people" in done.stderr
    table = FaceTable(tmp_path / "out.parquet").check()
    X = table.embeddings()
    assert X.shape == (2, 128)
    found = shipped_reader("dlib").read(X)
    for name in ("gender", "ethnicity", "smiling", "attractive"):
        assert table.column(f"{name}_read").tolist() == found[name].label.tolist()
        surely = table.column(f"{name}_read_probability")
        np.testing.assert_allclose(surely, found[name].confidence, atol=1e-6)
    assert table.column("age_years_read").tolist() == found["age_years"].label.tolist()
    # A second reading would hide the first.
    again = ["embed", str(tmp_path / "out.parquet"), "-o", str(tmp_path / "b.parquet")]
    done = CliRunner().invoke(app, [*again, "--describe", *models])
    assert isinstance(done.exception, InputError) and "gender_read" in str(done.exception)


def test_describe_reads_pixels_where_no_reader_reads_the_templates(call, tmp_path, shared):
    pytest.importorskip("torch", reason="needs the extra deep")
    from sfumato.jobs.describe import describe
    from sfumato.readers.files import shipped_reader

    plain = call()
    assert plain.exit_code == 0
    X = FaceTable(tmp_path / "out.parquet").embeddings()
    call("--force", "--describe")
    table = FaceTable(tmp_path / "out.parquet").check()
    np.testing.assert_array_equal(table.embeddings(), X)
    detector = f"yunet:{shared('models/yunet_n_640_640.onnx')}"
    twin = describe(tmp_path / "photos", workers=1, reader=shipped_reader("pixels"),
                    detector=detector, largest=True)  # fmt: skip
    for row, face in enumerate(twin.faces):
        assert table.column("gender_read")[row] == face["gender"]["label"]
        assert table.column("age_years_read")[row] == face["age_years"]["years"]
        surely = table.column("expression_read_probability")[row]
        assert surely == pytest.approx(face["expression"]["probability"], abs=1e-3)
