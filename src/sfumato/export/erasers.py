"""Erasers as ONNX graphs: ``embedding`` (N, d) in, ``protected`` (N, d_out) out, float32."""

from dataclasses import asdict
from typing import Any

import numpy as np

from sfumato.export.graph import Graph
from sfumato.export.parity import Export, edge_rows
from sfumato.models.registry import method_name


def export_eraser(model: Any) -> Export:
    """Return the Export of a SavedModel.

    Raises
    ------
    InputError
        For a method that has no graph, with the reason.
    """
    method, eraser = method_name(model.eraser), model.eraser
    graph, n_features = Graph(), eraser.n_features_in_
    x = graph.input("embedding", np.float32, [n_features])
    protected = eraser.add_to(graph, x)
    cases = [
        ({"embedding": X}, {"protected": eraser.transform(X.astype(np.float64))})
        for X in edge_rows(n_features)
    ]
    n_out = cases[0][1]["protected"].shape[1]
    graph.output("protected", protected, np.float32, [n_out])
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
    if model.likeness is not None:
        description["likeness"] = model.likeness.to_texts()
    return Export(graph, description, cases)
