"""Readers as ONNX graphs: probabilities of each attribute's classes, and ages in years."""

from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sfumato import __version__
from sfumato.data.info import TableInfo
from sfumato.export.graph import Graph, single
from sfumato.export.parity import Export, edge_pictures, edge_rows
from sfumato.readers.tasks import ClassTask, task_to_dict

UNDECIDED = 1e-4


def export_template_reader(reader: Any) -> Export:
    """Return the Export of a TemplateReader."""
    check_is_fitted(reader)
    net, graph = reader.network_, Graph()
    x = graph.input("embedding", np.float32, [reader.n_features_in_])
    x = graph.add("Div", graph.add("Sub", x, single(net["shift"])), single(net["scale"]))
    if reader.n_layers:
        hidden = {k: v for k, v in net.items() if k.startswith(("weight_", "bias_"))}
        x = graph.dense(x, hidden, activate_last=True)
    for task in reader.tasks_:
        weight, bias = net[f"{task.name} weight"].T, net[f"{task.name} bias"]
        # CORAL's one column of weights serves all levels.
        weight = np.broadcast_to(weight, (len(weight), len(bias)))
        logits = graph.affine(x, weight, bias)
        if _paired(task):
            logits = graph.add("Reshape", logits, np.array([0, len(bias) // 2, 2]))
        _add_reading(graph, task, logits)
    cases = [
        ({"embedding": X}, _expected(reader.read(X.astype(np.float64))))
        for X in edge_rows(reader.n_features_in_)
    ]
    info = asdict(_info(reader.about.get("encoder"), reader.n_features_in_))
    description = _description(reader, "template-reader", reader.tasks_)
    return Export(graph, {**description, "info": info}, cases)


def export_pixel_reader(reader: Any) -> Export:
    """Return the Export of a PixelReader."""
    import torch

    from sfumato.export.networks import N_EXAMPLES, Mirrored, add_network

    side, graph = reader.crops["size"], Graph()
    graph.input("pictures", np.uint8, [side, side, 3])
    blank = torch.zeros(N_EXAMPLES, side, side, 3, dtype=torch.uint8)
    found = add_network(graph, Mirrored(reader.net), {"pictures": blank})
    logits = dict(zip(reader.net.names, found, strict=True))
    for task in reader.tasks:
        _add_reading(graph, task, logits[task.name])
    pictures = np.round(255 * edge_pictures((side, side, 3))).astype(np.uint8)
    cases = [
        ({"pictures": images}, _expected(reader.read(images)))
        for images in (pictures, pictures[:1])
    ]
    description = _description(reader, "pixel-reader", reader.tasks)
    return Export(graph, {**description, "crops": reader.crops}, cases)


def _add_reading(graph, task, logits):
    """Add the outputs of a task, the twin of :func:`sfumato.readers.tasks.reading_of`."""
    logits = graph.add("Div", logits, float(task.temperature))
    if isinstance(task, ClassTask):
        probabilities = graph.add("Softmax", logits, axis=1)
        graph.output(task.name, probabilities, np.float32, [len(task.classes)])
        return
    if task.model == "ce":
        probabilities = graph.add("Softmax", logits, axis=1)
        rank = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    else:
        levels = _add_levels(graph, task.model, logits)
        before = graph.add("Pad", levels, np.array([0, 1, 0, 0]), 1.0)
        after = graph.add("Pad", levels, np.array([0, 0, 0, 1]), 0.0)
        probabilities = graph.add("Sub", before, after)
        likely = graph.add("Greater", levels, 0.5)
        counted = graph.add("Cast", likely, to=graph.kind(np.int64))
        rank = graph.add("ReduceSum", counted, np.array([1]), keepdims=0)
    years = graph.add("Gather", np.array(task.ages_years), rank)
    graph.output(task.name, probabilities, np.float32, [len(task.ages_years)])
    graph.output(f"{task.name}_value", years, np.int64, [])


def _add_levels(graph, model, logits):
    if model == "or":
        below, at_least = (graph.add("Gather", logits, np.array(n), axis=2) for n in (0, 1))
        logits = graph.add("Sub", at_least, below)
    if model != "corn":
        return graph.add("Sigmoid", logits)
    # ONNX has sums along an axis, no products: sum_k log s(l_k) = -sum_k softplus(-l_k).
    logs = graph.add("Neg", graph.add("Softplus", graph.add("Neg", logits)))
    return graph.add("Exp", graph.add("CumSum", logs, np.array(1)))


def _paired(task):
    return not isinstance(task, ClassTask) and task.model == "or"


def _expected(readings):
    found = {}
    for name, reading in readings.items():
        found[name] = reading.probabilities
        if reading.levels is not None:
            # Where two ages are equally likely, rounding decides.
            if reading.task.model == "ce":
                second, first = np.sort(reading.probabilities, axis=1)[:, -2:].T
                undecided = first - second < UNDECIDED
            else:
                undecided = (np.abs(reading.levels - 0.5) < UNDECIDED).any(axis=1)
            found[f"{name}_value"] = np.ma.masked_array(reading.label, undecided)
    return found


def _info(encoder, n_features):
    """Return the TableInfo of a reader's encoder, such as ``"dlib-resnet / 1 / 128-d"``."""
    if encoder is None:
        return TableInfo(dimension=n_features)
    name, version, _ = encoder.rsplit(" / ", 2)
    return TableInfo(encoder=name, encoder_version=version, dimension=n_features)


def _description(reader, method, tasks):
    return {
        "kind": "reader",
        "method": method,
        "version": __version__,
        "tasks": [task_to_dict(task) for task in tasks],
        "about": {key: value for key, value in reader.about.items() if key != "measured"},
    }
