"""A damaged or edited model file is refused, in one line that names the file and the entry."""

import json
import random
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sfumato._constraints import SEED
from sfumato._fitted import COUNT, Array, Value
from sfumato.data.info import TableInfo
from sfumato.data.tensors import checksum
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.models import SavedModel, load, registry, save
from sfumato.perturbers.base import Perturber
from sfumato.readers.tasks import AgeTask, ClassTask
from sfumato.readers.templates import TemplateReader

N_FLIPS = 200
D = 6


def eraser():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, D)), np.resize(["f", "m"], 40)
    X[y == "m", 0] += 2
    info = TableInfo(source="toy", encoder="net", encoder_version="1", dimension=D)
    return SavedModel(LeaceEraser().fit(X, y), ("gender",), info, {"source": "toy"})


def reader():
    rng = np.random.default_rng(1)
    made = TemplateReader(n_layers=1, n_units=4)
    made.tasks_ = [ClassTask("gender", ("f", "m")), AgeTask("age_years", (10, 20, 30))]
    shapes = {"shift": (D,), "weight_0": (4, D), "bias_0": (4,)}
    shapes |= {"gender weight": (2, 4), "gender bias": (2,)}
    shapes |= {"age_years weight": (1, 4), "age_years bias": (2,)}
    made.network_ = {k: rng.normal(size=v).astype(np.float32) for k, v in shapes.items()}
    made.network_["scale"] = np.ones(D, np.float32)
    made.n_features_in_, made.about = D, {"trained_on": "drawn"}
    return made


class Tint(Perturber):
    """Adds a colour where a class is to change."""

    fitted = {"attributes_": Value(dict), "size_": COUNT, "tint_": Array(3)}
    constraints = {"seed": SEED}

    def __init__(self, *, seed=0):
        self.seed = seed

    def fit(self):
        return self

    def _codes(self, x):
        return {"gender": np.zeros(len(x), int)}

    def _perturb(self, x, now, then, hidden):
        import torch

        steps = torch.as_tensor(then["gender"] - now["gender"])[:, None, None, None]
        return (x + steps * torch.from_numpy(self.tint_)[:, None, None]).clamp(0, 1).float()


def perturber():
    pytest.importorskip("torch", reason="needs the extra deep")
    made = Tint()
    made.attributes_, made.size_ = {"gender": ["female", "male"]}, 8
    made.tint_ = np.array([0.1, 0.2, 0.3], np.float32)
    return made


def output(model):
    """Return what a model makes of a few fixed rows or pictures."""
    rng = np.random.default_rng(2)
    if isinstance(model, SavedModel):
        said = [model.attributes, model.info, model.fitted_on, model.step]
        return [model.eraser.transform(rng.normal(size=(5, D))).tolist(), str(said)]
    if isinstance(model, Perturber):
        pictures = rng.random((2, 3, 9, 9), dtype=np.float32)
        return [model.transform(pictures, hide={"gender": "male"}).tolist(), model.about]
    found = model.read(rng.normal(size=(5, D)))
    return [[name, r.probabilities.tolist(), list(r.label)] for name, r in found.items()]


MAKERS = {"eraser": eraser, "reader": reader, "perturber": perturber}


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setitem(registry.PERTURBERS, "tint", f"{Tint.__module__}:Tint")
    monkeypatch.setattr(
        "sfumato.models.files.perturber_class",
        lambda name: Tint if name == "tint" else registry.perturber_class(name),
    )


@pytest.fixture(params=MAKERS)
def saved(request, tmp_path, known):
    """Return a kind and its file of format 2."""
    save(MAKERS[request.param](), tmp_path / "m")
    return request.param, tmp_path / "m"


def header_of(path):
    raw = path.read_bytes()
    return 8 + struct.unpack("<Q", raw[:8])[0]


@pytest.mark.parametrize("where", ["header", "anywhere"])
def test_a_flipped_bit_is_refused_or_changes_nothing(saved, where):
    kind, path = saved
    raw, expected = path.read_bytes(), output(load(path, kind))
    end = header_of(path) if where == "header" else len(raw)
    draw, refused = random.Random(f"{kind} {where}"), 0
    for _ in range(N_FLIPS):
        place, bit = draw.randrange(end), draw.randrange(8)
        damaged = bytearray(raw)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            found = output(load(path, kind))
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
        else:
            assert found == expected, (place, bit)
    # Hexadecimal digits of escapes alone have two spellings.
    assert refused >= N_FLIPS - 2


def edit(path, *, arrays=None, seal=True, **entries):
    """Change entries of a description (None removes one) and arrays, and seal it again."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        description = json.loads(file.metadata()["sfumato"])
    tensors = load_file(path)
    description = {k: v for k, v in (description | entries).items() if v is not None}
    tensors = {k: v for k, v in (tensors | (arrays or {})).items() if v is not None}
    if seal and "sha256" in description:
        description["sha256"] = checksum(description, tensors)
    save_file(tensors, path, metadata={"sfumato": json.dumps(description)})


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"attributes": 5}, "'attributes' must be a list, got 5"),
        ({"attributes": [5]}, "'attributes' must be names, got 5"),
        ({"attributes": None}, "misses 'attributes'"),
        ({"info": [1]}, "'info' must be a JSON object"),
        ({"info": {"metric": "x"}}, "metric must be one of"),
        ({"fitted_on": "x"}, "'fitted_on' must be a JSON object, got 'x'"),
        ({"parameters": {"evil": 1}}, "LeaceEraser has no parameter 'evil'; it has rtol"),
        ({"parameters": None}, "misses 'parameters'"),
        ({"state": {}}, "misses 'n_features_in_' in its state"),
        ({"state": {"n_features_in_": "6"}}, "'n_features_in_' must be a whole number"),
        (
            {"state": {"n_features_in_": 7}},
            r"'mean_' has shape \(6,\), must .* d = 7",
        ),
        ({"state": {"n_features_in_": 6, "x_": 1}}, "unknown value 'x_'"),
        ({"method": "x"}, "method must be one of"),
        ({"method": 5}, "'method' must be text, got 5"),
        ({"kind": "x"}, "'kind' must be one of eraser, reader, perturber, got 'x'"),
        ({"kind": "reader"}, "misses 'about'"),
        ({"version": None}, "misses 'version'"),
        ({"format": 3}, "model format 3, this version reads 1 and 2; update"),
        ({"format": None}, "model format None"),
        ({"format": 1}, "model format 1"),
        ({"sha256": None}, "misses 'sha256'"),
        ({"sha256": 5, "seal": False}, "'sha256' must be text, got 5"),
        ({"more": 1}, "unknown entry 'more'"),
        ({"arrays": {"mean_": None}}, "misses the array 'mean_'"),
        ({"arrays": {"zz_": np.ones(1)}}, "unknown array 'zz_'"),
        ({"arrays": {"mean_": np.full(D, np.nan)}}, "array 'mean_' has a NaN"),
        ({"arrays": {"mean_": np.full(D, np.inf)}}, "array 'mean_' has a NaN or infinite"),
        ({"arrays": {"updates_": np.ones((D, 1))}}, r"'updates_' has shape \(6, 1\)"),
        ({"arrays": {"mean_": np.full(D, 1e308), "coefficients_": np.full((1, D), 1e300)}}, "m: "),
        ({"arrays": {"mean_": np.zeros(D)}, "seal": False}, "damaged or edited"),
        ({"attributes": ["race"], "seal": False}, "damaged or edited"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_edited_eraser_is_refused(tmp_path, entries, match):
    path = tmp_path / "m"
    save(eraser(), path)
    edit(path, **entries)
    with pytest.raises(InputError, match=match) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"method": "leace"}, "method must be one of template-reader, pixel-reader"),
        ({"parameters": {"n_layers": 2, "n_units": 4}}, "misses the array 'weight_1'"),
        ({"parameters": {"n_layers": 1, "n_units": 0}}, "n_units must be"),
        ({"state": {"tasks": [{"kind": "x"}]}}, "makes no working model"),
        ({"state": {}}, "makes no working model"),
        ({"arrays": {"zz": np.ones(1)}}, "unknown array 'zz'"),
        ({"arrays": {"scale": np.ones(D + 1)}}, "'scale' has shape"),
        ({"about": "x"}, "'about' must be a JSON object"),
    ],
)
def test_an_edited_reader_is_refused(tmp_path, entries, match):
    path = tmp_path / "r"
    save(reader(), path)
    edit(path, **entries)
    with pytest.raises(InputError, match=match) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["{nope", "[1, 2]", "5", '{"format": NaN}', "[" * 100_000])
def test_a_description_that_is_no_object_is_refused(tmp_path, text):
    save_file({"x": np.ones(1)}, tmp_path / "m", metadata={"sfumato": text})
    with pytest.raises(InputError, match=r"m: its description (must be|is not readable) "):
        load(tmp_path / "m")


def test_other_files_are_refused_unread(tmp_path):
    # A Parquet file's first bytes would be the length of a header of exabytes.
    (tmp_path / "t").write_bytes(b"PAR1" + bytes(64))
    for content in (b"PAR1" + bytes(64), b"", b"\x08", struct.pack("<Q", 50) + b"{" + bytes(9)):
        (tmp_path / "t").write_bytes(content)
        with pytest.raises(InputError, match="t: not a readable safetensors file"):
            load(tmp_path / "t")
    with pytest.raises(InputError, match="is a folder; give the file of a model"):
        load(tmp_path)


def test_what_is_not_finite_is_not_saved(tmp_path):
    model = eraser()
    model.eraser.mean_[0] = np.nan
    with pytest.raises(InputError, match="array 'mean_' has a NaN"):
        save(model, tmp_path / "m")
    wide = reader()
    wide.network_["bias_0"][0] = 1e5  # Beyond half precision.
    with pytest.raises(InputError, match="array 'bias_0' has a NaN or infinite"):
        save(wide, tmp_path / "m")
    with pytest.raises(InputError, match="leace cannot be saved .*JSON"):
        save(SavedModel(eraser().eraser, fitted_on={"x": np.nan}), tmp_path / "m")
    assert not list(tmp_path.iterdir())


OLD_KEYS = {"eraser": "sfumato", "reader": "sfumato_reader", "perturber": "sfumato_perturber"}


def as_format_1(kind, path):
    """Rewrite a file as the first version wrote it."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        new = json.loads(file.metadata()["sfumato"])
    old = {k: v for k, v in new.items() if k not in ("sha256", "kind")} | {"format": 1}
    if kind == "reader":
        old |= {"kind": "templates", "tasks": old.pop("state")["tasks"]}
        del old["method"], old["version"]
    if kind == "perturber":
        old["state"]["shown_"] = old["state"]["attributes_"]
    save_file(load_file(path), path, metadata={OLD_KEYS[kind]: json.dumps(old)})


def test_files_of_format_1_are_read(saved):
    kind, path = saved
    new = load(path)
    as_format_1(kind, path)
    old = load(path, kind)
    assert output(old) == output(new)
    assert new.checked and not old.checked and new.sha256 != old.sha256
    save(old, path)
    assert load(path).checked


def test_the_same_model_gives_the_same_file(saved):
    kind, path = saved
    before = path.read_bytes()
    save(MAKERS[kind](), path)
    assert path.read_bytes() == before
