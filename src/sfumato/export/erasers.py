"""Erasers as ONNX graphs: ``embedding`` (N, d) in, ``protected`` (N, d_out) out, float32."""

from dataclasses import asdict

import numpy as np

from sfumato.errors import InputError
from sfumato.export.graph import Graph, add_affine, add_dense, add_unit_rows, single
from sfumato.export.parity import Export, edge_rows
from sfumato.models.registry import method_name
from sfumato.validation import check_choice

#: Maps ``x @ A + b``: one Gemm.
AFFINE = ("inlp", "leace", "mean-projection", "rlace")
#: Draw from the row's bits and the seed: no graph.
KEYED = ("cosine-noise", "ldp-noise", "negative-face", "pe-miu")


def export_eraser(model):
    """Return the Export of a SavedModel.

    Raises
    ------
    InputError
        For a method of :data:`KEYED`, or one that has no graph here.
    """
    method, eraser = method_name(model.eraser), model.eraser
    if method in KEYED:
        raise InputError(
            f"{method} has no ONNX form: it draws from the bits of each row and its seed, by "
            "64-bit arithmetic that ONNX lacks, and the file would give the seed away; "
            "apply it with sfumato protect."
        )
    check_choice(method, tuple(GRAPHS), "method to export")
    graph, n_features = Graph(), eraser.n_features_in_
    cases = [
        ({"embedding": X}, {"protected": eraser.transform(X.astype(np.float64))})
        for X in edge_rows(n_features)
    ]
    n_out = cases[0][1]["protected"].shape[1]
    x = graph.input("embedding", np.float32, [n_features])
    graph.output("protected", GRAPHS[method](graph, x, eraser), np.float32, [n_out])
    description = {
        "kind": "eraser",
        "method": method,
        "version": model.version,
        "step": model.step,
        "info": asdict(model.info),
        "output": {
            "dimension": n_out,
            "metric": eraser.metric,
            "normalisation": "l2" if eraser.unit_length else "none",
        },
    }
    return Export(graph, description, cases)


def _affine(graph, x, eraser):
    # The map of the axes and of zero says all of an affine map, in float64.
    points = np.vstack([np.zeros(eraser.n_features_in_), np.eye(eraser.n_features_in_)])
    images = eraser.transform(points)
    return add_affine(graph, x, images[1:] - images[0], images[0])


def _residual(graph, x, eraser):
    x = add_unit_rows(graph, x, eraser.n_features_in_**0.5)
    return add_unit_rows(graph, graph.add("Add", x, add_dense(graph, x, eraser.encoder_)))


def _pass(graph, x, eraser):
    x = add_unit_rows(graph, x, eraser.n_features_in_**0.5)
    z = add_dense(graph, x, eraser.encoder_, activation="prelu", activate_last=True)
    return add_unit_rows(graph, z)


def _sensitivenets(graph, x, eraser):
    # As in its transform: the length of the row is the bias's factor.
    length = graph.add("ReduceL2", x, axes=[1], keepdims=1)
    extended = graph.add("Concat", x, length, axis=1)
    folded = single(np.vstack([eraser.weights_.T, eraser.bias_]))
    return add_unit_rows(graph, graph.add("MatMul", extended, folded))


def _ive(graph, x, eraser):
    columns = np.eye(eraser.n_features_in_)[:, eraser.kept_]
    return _standardised(graph, x, eraser, columns)


def _multi_ive(graph, x, eraser):
    return _standardised(graph, x, eraser, eraser.map_)


def _standardised(graph, x, eraser, matrix):
    matrix = matrix / eraser.scale_[:, None]
    return add_affine(graph, add_unit_rows(graph, x), matrix, -eraser.mean_ @ matrix)


def _barycentre(graph, x, eraser):
    u = graph.add("MatMul", add_unit_rows(graph, x), single(eraser.basis_))
    for number in range(eraser.n_steps + 1):
        if number == eraser.n_steps:
            u = graph.add("MatMul", u, single(eraser.linear_))
        u = _transport(graph, add_unit_rows(graph, u), _step(eraser, number))
    return graph.add("MatMul", add_unit_rows(graph, u), single(eraser.back_))


def _step(eraser, number):
    names = [name for name in eraser.steps_ if name.startswith(f"{number}.")]
    return {name.partition(".")[2]: eraser.steps_[name] for name in names}


def _transport(graph, u, step):
    """Add Eq. 1 and 2 of the method, all classes' maps in one product."""
    centred = graph.add("Sub", u, single(step["shift"]))
    logits = add_dense(graph, graph.add("Div", centred, single(step["scale"])), step)
    weights = graph.add("Softmax", logits, axis=1)
    n_classes, rank, _ = step["maps"].shape
    constants = step["centre"] - np.einsum("kr,krs->ks", step["means"], step["maps"])
    moved = add_affine(graph, u, np.hstack(list(step["maps"])), constants.ravel())
    moved = graph.add("Reshape", moved, np.array([0, n_classes, rank]))
    weights = graph.add("Unsqueeze", weights, np.array([2]))
    return graph.add("ReduceSum", graph.add("Mul", moved, weights), np.array([1]), keepdims=0)


GRAPHS = {
    **dict.fromkeys(AFFINE, _affine),
    **dict.fromkeys(
        ("angular", "gradient-reversal", "hsic", "lntl", "maxent-arl", "pfrnet"), _residual
    ),
    "barycentre": _barycentre,
    "ive": _ive,
    "multi-ive": _multi_ive,
    "pass": _pass,
    "sensitivenets": _sensitivenets,
}
