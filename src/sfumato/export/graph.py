"""A thin hand on ``onnx.helper``: nodes are added by operator, arrays become constants."""

import json
from typing import Any

import numpy as np

from sfumato import __version__
from sfumato.models.onnx_model import KEY
from sfumato.models.onnx_seal import BLANK, DIGEST
from sfumato.validation import need

#: Old enough for any ONNX Runtime that this package allows, new enough for every node here.
OPSET, IR_VERSION = 17, 8
BATCH = "N"


class Graph:
    """An ONNX graph under construction.

    A value is the name of a tensor. Arguments of :meth:`add` that are arrays or numbers become
    constants, of float32 if they are Python floats; ``None`` leaves an optional input out.
    """

    def __init__(self) -> None:
        self._onnx = need("onnx", "export")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        # Arrays by identity: weights that are used twice are stored once.
        self._stored: dict[int, Any] = {}

    def input(self, name: str, dtype: Any, shape: Any) -> Any:
        """Declare an input of shape ``(N, *shape)`` and return its name."""
        self._inputs.append(self._value(name, dtype, shape))
        return name

    def output(self, name: str, value: Any, dtype: Any, shape: Any) -> None:
        """Declare that ``value``, a node's result, leaves as ``name``, of shape (N, *shape)."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [name if each == value else each for each in names]
        self._outputs.append(self._value(name, dtype, shape))

    def add(self, operator: Any, *inputs: Any, **attributes: Any) -> Any:
        """Add a node with one output and return the output's name."""
        names = ["" if each is None else self._name(each) for each in inputs]
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, names, [output], **attributes))
        return output

    def single(self, values: Any) -> Any:
        """Return an array in float32, as :meth:`add` stores it."""
        return single(values)

    def unit_rows(self, x: Any, length: float = 1.0) -> Any:
        """Add rows scaled to ``length``; a zero row stays zero."""
        norms = self.add("ReduceL2", x, axes=[1], keepdims=1)
        norms = self.add("Where", self.add("Greater", norms, 0.0), norms, 1.0)
        unit = self.add("Div", x, norms)
        return unit if length == 1 else self.add("Mul", unit, float(length))

    def affine(self, x: Any, matrix: Any, constant: Any) -> Any:
        """Add ``x @ matrix + constant``; shapes (n_in, n_out) and (n_out,)."""
        return self.add("Gemm", x, single(matrix), single(constant))

    def dense(
        self, x: Any, network: Any, *, activation: str = "relu", activate_last: bool = False
    ) -> Any:
        """Add a network of :mod:`sfumato.nets.dense`; "relu" or "prelu"."""
        n_layers = sum(name.startswith("weight_") for name in network)
        for number in range(n_layers):
            x = self.affine(x, network[f"weight_{number}"].T, network[f"bias_{number}"])
            if number < n_layers - 1 or activate_last:
                slope = [single(network[f"slope_{number}"])] if activation == "prelu" else []
                x = self.add({"relu": "Relu", "prelu": "PRelu"}[activation], x, *slope)
        return x

    def model(self, description: Any) -> Any:
        """Return the checked model with a JSON description, and a blank checksum, as metadata."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, "sfumato", self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sfumato",
            producer_version=__version__,
        )
        helper.set_model_props(model, {KEY: json.dumps(description), DIGEST: BLANK})
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def kind(self, dtype: Any) -> int:
        """Return ONNX's number of a NumPy type."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _value(self, name, dtype, shape):
        return self._onnx.helper.make_tensor_value_info(name, self.kind(dtype), [BATCH, *shape])

    def _name(self, value):
        if isinstance(value, str):
            return value
        if id(value) in self._stored:
            return self._stored[id(value)][0]
        given = value
        # Not ascontiguousarray, which gives numbers an axis.
        value = np.asarray(value, np.float32 if isinstance(value, float) else None, order="C")
        name = f"constant_{len(self._constants)}"
        tensor = self._onnx.numpy_helper.from_array(value, name)
        self._constants.append(tensor)
        self._stored[id(given)] = name, given
        return name


def single(values: Any) -> Any:
    """Return an array in float32."""
    return np.asarray(values).astype(np.float32)
