"""An exported file that was damaged or edited, or keeps data elsewhere, is refused."""

import random

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")

from sfumato.data.info import TableInfo  # noqa: E402
from sfumato.data.tables import FaceTable, table_batch, write_table  # noqa: E402
from sfumato.erasers.leace import LeaceEraser  # noqa: E402
from sfumato.errors import InputError  # noqa: E402
from sfumato.export.exporting import export_model  # noqa: E402
from sfumato.jobs.protect_templates import protect_table  # noqa: E402
from sfumato.models import SavedModel, load  # noqa: E402
from sfumato.models.onnx_model import OnnxModel  # noqa: E402
from sfumato.models.onnx_seal import BLANK, DIGEST, seal  # noqa: E402

N_FLIPS, D = 200, 6


@pytest.fixture
def path(tmp_path, rng):
    X, y = rng.normal(size=(40, D)), np.resize(["f", "m"], 40)
    X[y == "m", 0] += 2
    model = SavedModel(LeaceEraser().fit(X, y), ("gender",), TableInfo(encoder="e", dimension=D))
    export_model(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def sealed_again(model):
    """Return a model's bytes with a valid checksum: what someone does who knows the format."""
    for entry in model.metadata_props:
        if entry.key == DIGEST:
            entry.value = BLANK
    return seal(model.SerializeToString())


def to_identity(model):
    """Replace the weights of the one Gemm by those of the identity."""
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        other = np.eye(D, dtype=np.float32) if values.ndim == 2 else 0 * values
        tensor.CopyFrom(onnx.numpy_helper.from_array(other, tensor.name))


def test_a_flipped_bit_is_refused(path, rng):
    raw, draw = path.read_bytes(), random.Random(0)
    expected, X = load(path), rng.normal(size=(5, D)).astype(np.float32)
    expected = expected.eraser.transform(X)
    for _ in range(N_FLIPS):
        damaged = bytearray(raw)
        damaged[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(InputError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    path.write_bytes(raw)
    np.testing.assert_array_equal(load(path).eraser.transform(X), expected)


def test_other_weights_are_refused(path):
    model = onnx.load(path)
    to_identity(model)
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"m\.onnx: damaged or edited: .* export it again"):
        load(path)


def test_a_file_without_a_checksum_is_refused(path):
    model = onnx.load(path)
    kept = [entry for entry in model.metadata_props if entry.key != DIGEST]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"has no checksum .*; export it again"):
        load(path)


@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph"])
def test_data_in_another_file_is_refused(path, place):
    model = onnx.load(path)
    array = np.eye(D, dtype=np.float32)
    tensor = onnx.numpy_helper.from_array(array, "elsewhere")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    (path.parent / "weights.bin").write_bytes(array.tobytes())
    if place == "initializer":
        model.graph.initializer.append(tensor)
    else:
        node = onnx.helper.make_node("Constant", [], ["elsewhere"], value=tensor)
        if place == "subgraph":
            graph = onnx.helper.make_graph([node], "g", [], [])
            node = onnx.helper.make_node("If", ["x"], ["y"], then_branch=graph)
        model.graph.node.append(node)
    path.write_bytes(sealed_again(model))
    with pytest.raises(InputError, match="keeps data in another file"):
        load(path)


def test_metadata_of_another_form_is_refused(path):
    for old, new, match in (
        ('"kind": "eraser"', '"kind": "x"', "'kind' must be one of"),
        ('"method": "leace"', '"method": 5', "must have 'method', text"),
        ('"format": 1', '"format": 1}', "not readable JSON"),
        ('"step": {', '"more": {', "makes no working model"),
    ):
        raw, model = path.read_bytes(), onnx.load(path)
        entry = next(entry for entry in model.metadata_props if entry.key == "sfumato")
        assert old in entry.value
        entry.value = entry.value.replace(old, new)
        path.write_bytes(sealed_again(model))
        with pytest.raises(InputError, match=match) as caught:
            load(path)
        assert f"{path}: " in str(caught.value)
        path.write_bytes(raw)


@pytest.fixture
def table(tmp_path, rng):
    columns = {"image_id": [f"{n}" for n in range(30)], "embedding": rng.normal(size=(30, D))}
    batch = table_batch(columns)
    write_table(tmp_path / "t.parquet", [batch], batch.schema, TableInfo(encoder="e", dimension=D))
    return FaceTable(tmp_path / "t.parquet")


def test_whoever_seals_the_identity_again_protects_nothing(path, table, tmp_path):
    model = onnx.load(path)
    to_identity(model)
    path.write_bytes(sealed_again(model))
    with pytest.raises(InputError, match="leace erases nothing: every protected row is the raw"):
        protect_table(path, table, tmp_path / "p.parquet")
    assert not (tmp_path / "p.parquet").exists()


def test_output_that_is_not_finite_is_refused(path, table, tmp_path):
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(3e38), tensor.name))
    path.write_bytes(sealed_again(model))
    with pytest.raises(InputError, match=r"protected of row \d+ has a NaN or infinite value"):
        protect_table(path, table, tmp_path / "p.parquet")


def rewritten(path, nodes=None, **values):
    """Replace nodes, inputs or outputs, as whoever can seal a file could."""
    model = onnx.load(path)
    values = {"node": nodes, **{name: [value] for name, value in values.items()}}
    for name, found in values.items():
        if found is not None:
            del getattr(model.graph, name)[:]
            getattr(model.graph, name).extend(found)
    path.write_bytes(sealed_again(model))
    return path


def value(name, shape, kind=onnx.TensorProto.FLOAT):
    return onnx.helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"input": value("embedding", ["N"])}, r"input 'embedding' cannot have the shape \['N'\]"),
        ({"input": value("embedding", ["N", "M"])}, "cannot have the shape .* needs 2 axes"),
        ({"output": value("protected", ["N", D, 1])}, "output 'protected' cannot have the shape"),
        ({"output": value("protected", ["N", D], 11)}, r"cannot be tensor\(double\)"),
        ({"input": value("embedding", ["N", D], 11)}, r"cannot be tensor\(double\)"),
    ],
)
def test_other_shapes_and_types_are_refused(path, change, match):
    kind = onnx.TensorProto.DOUBLE if "double" in match else onnx.TensorProto.FLOAT
    if "input" in change:
        nodes = [onnx.helper.make_node("Cast", ["embedding"], ["protected"], to=1)]
    elif kind == onnx.TensorProto.DOUBLE:
        nodes = [onnx.helper.make_node("Cast", ["embedding"], ["protected"], to=kind)]
    else:
        nodes = [onnx.helper.make_node("Unsqueeze", ["embedding", "last"], ["protected"])]
        change["initializer"] = onnx.numpy_helper.from_array(np.array([2]), "last")
    with pytest.raises(InputError, match=match) as caught:
        load(rewritten(path, nodes, **change))
    assert str(caught.value).startswith(f"{path}: ")


def test_a_network_that_fails_when_it_runs_names_its_file(path):
    seven = onnx.numpy_helper.from_array(np.array([7, D]), "seven")
    nodes = [onnx.helper.make_node("Reshape", ["embedding", "seven"], ["protected"])]
    eraser = load(rewritten(path, nodes, initializer=seven)).eraser
    with pytest.raises(InputError, match=r"m\.onnx: ONNX Runtime cannot run it \(") as caught:
        eraser.transform(np.ones((5, D)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_network_that_gives_other_rows_is_named(path):
    one = onnx.helper.make_node("Compress", ["embedding", "first"], ["protected"], axis=0)
    first = onnx.numpy_helper.from_array(np.array([True]), "first")
    eraser = load(rewritten(path, [one], initializer=first)).eraser
    with pytest.raises(InputError, match=rf"protected has shape \(1, {D}\) in the place of"):
        eraser.transform(np.ones((5, D)))


def test_a_worker_refuses_a_file_that_was_exchanged(path):
    import pickle

    waiting = pickle.dumps(OnnxModel(path))
    model = onnx.load(path)
    to_identity(model)
    path.write_bytes(sealed_again(model))
    with pytest.raises(InputError, match=r"another file than before \(SHA-256 "):
        pickle.loads(waiting)
