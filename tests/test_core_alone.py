"""The core works without any extra, and importing it is light."""

import subprocess
import sys

import sfumato

EXTRAS = (
    *("torch", "lightning_fabric", "kornia", "cv2", "dlib", "onnxruntime", "lancedb"),
    "PIL.Image",
)
BLOCK = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS[:-1]!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_no_heavy_library():
    heavy = ("numpy", "sklearn", "scipy", "pyarrow", "matplotlib", "pandas", *EXTRAS)
    loaded = run(f"import sys, sfumato; print([m for m in {heavy!r} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_a_gallery_is_imported_without_lancedb():
    code = f"import sys, sfumato.gallery; print([m for m in {EXTRAS!r} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_help_loads_no_heavy_library():
    heavy = ("sklearn", "scipy", "pyarrow", "matplotlib", *EXTRAS)
    code = (
        "import sys\nfrom sfumato.cli import main\nsys.argv = ['sfumato', '--help']\n"
        "try: main()\nexcept SystemExit: "
        f"print('loaded', [m for m in {heavy!r} if m in sys.modules])"
    )
    assert run(code).strip().endswith("loaded []")


def test_the_main_job_with_the_core_alone(tmp_path):
    code = f"""{BLOCK}
import sfumato
from sfumato.audit import audit, verify
data = sfumato.simulate(300, 4)
X, y, identity = data["embedding"], data["gender"], data["identity"]
fit, held_out = sfumato.split_identities(identity)
eraser = sfumato.LeaceEraser().fit(X[fit], y[fit])
sfumato.save_model(eraser, r"{tmp_path}/m")
protected = sfumato.load_model(r"{tmp_path}/m").eraser.transform(X[held_out])
found = audit(X[held_out], y[held_out], identity=identity[held_out], protected=protected,
              attackers=["logistic regression", "kNN"], n_resamples=50)
found.save(r"{tmp_path}/report.html")
print(verify(X, identity=identity, n_resamples=0)["eer"]["value"] < 0.1)
"""
    assert run(code).strip() == "True"


def test_a_missing_extra_is_one_line_with_the_remedy():
    code = f"""{BLOCK}
import numpy as np, sfumato
try:
    sfumato.SensitiveNetsEraser().fit(np.eye(4), [0, 1, 0, 1])
except sfumato.errors.MissingExtraError as error:
    print(error)
"""
    expected = "this needs torch, which is not installed: pip install 'sfumato[deep]'"
    assert run("import sfumato.errors\n" + code).strip() == expected


def test_a_saved_sensitivenets_is_applied_without_torch(tmp_path):
    import numpy as np
    import pytest

    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    small = {"n_units": 8, "n_triplets": 100, "n_epochs": 1, "detector_epochs": 1}
    eraser = sfumato.SensitiveNetsEraser(**small).fit(X, np.arange(40) % 2)
    sfumato.save_model(eraser, tmp_path / "m")
    code = f"""{BLOCK}
import numpy as np, sfumato
print(sfumato.load_model(r"{tmp_path}/m").eraser.transform(np.eye(5)).shape)
"""
    assert run(code).strip() == "(5, 8)"
