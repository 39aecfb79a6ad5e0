"""Exported methods in ONNX Runtime on one core, against the NumPy or torch transform.

Erasers: 100,000 x 512 drawn rows, fitted on 2,000 of them at their default sizes (few steps of
training, which changes no time). Readers: the shipped ones, on drawn templates and pixels.
Perturbers: pictures of 64 pixels, networks at their default sizes, one batch of training. Parity
is the greatest difference over the greatest output, on the timed rows. Run it with
``OMP_NUM_THREADS=1``.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks._timing import best_of
from sfumato.export.erasers import GRAPHS
from sfumato.export.exporting import export_model
from sfumato.export.parity import difference
from sfumato.models.onnx_model import OnnxModel
from sfumato.models.registry import eraser_class, perturber_class
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.readers.files import shipped_reader

N_ROWS, N_FEATURES, N_FITTED, N_FACES = 100_000, 512, 2_000, 256
SIZE, N_PICTURES = 64, 32
PERTURBERS = {
    "privacynet": {},
    "baseline-gan": {},
    "san": {},
    "flowsan": {},
    "san-ensemble": {"selection": "average"},
}
# Training is cut short; no size of a map is changed.
SHORT = {
    "n_epochs": 1,
    "head_epochs": 1,
    "detector_epochs": 1,
    "n_triplets": 2_000,
    "n_iterations": 3,
    "n_trees": 2,
}
# Drawn rows without identities are far from each other.
MORE = {"sensitivenets": {"alpha": 2.0}}


def run():
    """Return, for each method, rows a second of both, their ratio, and the parity."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    y = rng.integers(0, 2, N_FITTED)
    found = {"shape": [N_ROWS, N_FEATURES], "n_faces": N_FACES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for method in GRAPHS:
            eraser = eraser_class(method)()
            known = {k: v for k, v in SHORT.items() if k in eraser.get_params()}
            eraser.set_params(**known, **MORE.get(method, {}))
            eraser.fit(X[:N_FITTED] + 0.3 * y[:, None], y)
            export_model(eraser, path, overwrite=True)
            found[method] = _beside(OnnxModel(path), eraser.transform, "embedding", X)
        reader = shipped_reader("dlib")
        export_model(reader, path, overwrite=True)
        found["reader dlib"] = _beside(
            OnnxModel(path), _gender(reader), "embedding", X[:, :128].copy(), "gender"
        )
        reader = shipped_reader("pixels")
        side = reader.crops["size"]
        export_model(reader, path, overwrite=True)
        faces = rng.integers(256, size=(N_FACES, side, side, 3)).astype(np.uint8)
        found["reader pixels"] = _beside(
            OnnxModel(path), _gender(reader), "pictures", faces, "gender"
        )
        for method, more in PERTURBERS.items():
            found[method] = _perturber(method, more, path, rng)
    return found


def _perturber(method, more, path, rng):
    images = rng.random((N_PICTURES, 3, SIZE, SIZE), dtype=np.float32)
    known = np.resize(["female", "male"], N_PICTURES)
    perturber = perturber_class(method)(size=SIZE, **more)
    perturber.fit(images, {"gender": known}, recipe=PerturberRecipe(1, 4, n_rounds=1))
    export_model(perturber, path, overwrite=True)
    model = OnnxModel(path)
    codes = {"then": np.ones((N_PICTURES, 1), int), "now": np.resize([0, 1], N_PICTURES)[:, None]}
    codes = {name: values for name, values in codes.items() if name in model.inputs}

    def call(pictures):
        return perturber.transform(pictures, hide={"gender": "male"}, labels={"gender": known})

    return _beside(model, call, "pictures", images, **codes)


def _gender(reader):
    return lambda rows: reader.read(rows)["gender"].probabilities


def _beside(model, call, name, rows, output="protected", **more):
    bare, expected = best_of(lambda: call(rows))
    seconds, found = best_of(lambda: model.run({name: rows, **more}, outputs=[output])[output])
    return {
        "onnx_rows_per_second": len(rows) / seconds,
        "python_rows_per_second": len(rows) / bare,
        "onnx_to_python": bare / seconds,
        "difference": difference(found, expected),
    }
