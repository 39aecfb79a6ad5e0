"""MobileFaceNet in torch, built from the graph of an ONNX file block by block."""

import math
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfumato._constraints import POSITIVE, check_argument
from sfumato.errors import InputError
from sfumato.nets.pixels import to_planes
from sfumato.validation import need

OPERATORS = ("Add", "Clip", "Conv", "Flatten", "Relu", "Reshape")


class Add(nn.Module):
    """The sum of two tensors of one shape: the shortcut of a residual block."""

    def forward(self, a: Any, b: Any) -> Any:
        """Return ``a + b``."""
        return a + b


MODULES = {"add": Add, "clip": nn.Hardtanh, "conv": nn.Conv2d, "flatten": nn.Flatten}
MODULES |= {"relu": nn.ReLU}


class Block(nn.Module):
    """Some layers of a graph between two points that a single tensor passes.

    Parameters
    ----------
    layers : list of dict
        As in :class:`MobileFaceNet`.
    """

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        super().__init__()
        self._source = layers[0]["inputs"][0]
        self._wiring = [(layer["inputs"], layer["output"]) for layer in layers]
        self.layers = nn.ModuleList(
            MODULES[layer["kind"]](**layer["arguments"]) for layer in layers
        )

    def forward(self, x: Any) -> Any:
        """Return the output of the last layer."""
        values = {self._source: x}
        for layer, (inputs, output) in zip(self.layers, self._wiring, strict=True):
            values[output] = layer(*[values[name] for name in inputs])
        return values[output]


class MobileFaceNet(nn.Module):
    """A face encoder [1]_ of convolutions, clips and shortcuts, cut into blocks.

    Parameters
    ----------
    layers : list of dict
        In order, each with ``kind`` (add, clip, conv, flatten or relu), ``inputs`` (names of
        tensors), ``output`` (its tensor's name) and ``arguments`` of its torch module.
    size : int, default=112
        Height and width of the aligned faces in pixels.
    scale : float, default=128
        :meth:`prepare` gives ``(x - 127.5) / scale``.

    Attributes
    ----------
    dimension : int
        Length of the embedding, which is not normalised; compare by cosine.
    blocks : Sequential
        A block starts with a convolution at a point that a single tensor passes, so
        it is one residual bottleneck, or one convolution with what follows it. Its name has
        its number and ``residual``, ``depthwise`` or ``conv``.

    References
    ----------
    .. [1] Chen et al., "MobileFaceNets: efficient CNNs for accurate real-time face verification
       on mobile devices", CCBR 2018, arXiv:1804.07573, Table 1.
    """

    def __init__(
        self, layers: list[dict[str, Any]], *, size: int = 112, scale: float = 128.0
    ) -> None:
        super().__init__()
        self.architecture = {"layers": layers, "size": size, "scale": scale}
        self.size, self.scale = size, scale
        parts = _cut(layers)
        width = len(str(len(parts) - 1))
        self.blocks = nn.Sequential(
            OrderedDict((f"{i:0{width}d}_{_kind(p)}", Block(p)) for i, p in enumerate(parts))
        )
        convolutions = [layer for layer in layers if layer["kind"] == "conv"]
        self.dimension = convolutions[-1]["arguments"]["out_channels"]

    def prepare(self, images: Any) -> Tensor:
        """Return the input for aligned RGB faces of shape (n_images, size, size, 3), uint8.

        Returns
        -------
        Tensor of shape (n_images, 3, size, size), float32
        """
        x = to_planes(images, next(self.parameters()).device)
        if x.shape[-2:] != (self.size, self.size):
            raise InputError(
                f"images must be {self.size} x {self.size} pixels, "
                f"got {x.shape[-2]} x {x.shape[-1]}."
            )
        return (x - 127.5) / self.scale

    def forward(self, x: Any) -> Any:
        """Return embeddings of shape (n_images, dimension) of what :meth:`prepare` gave."""
        return self.blocks(x)


def _cut(layers):
    """Return the layers in blocks; each starts with a convolution that all data passes."""
    last_use = {name: i for i, layer in enumerate(layers) for name in layer["inputs"]}
    parts: list[list[dict]] = [[]]
    live: set[str] = set()
    for i, layer in enumerate(layers):
        if parts[-1] and layer["kind"] == "conv" and live == set(layer["inputs"]):
            parts.append([])
        parts[-1].append(layer)
        live = {name for name in live | {layer["output"]} if last_use.get(name, -1) > i}
    return parts


def _kind(part):
    kinds = Counter(layer["kind"] for layer in part)
    groups = part[0]["arguments"].get("groups", 1)
    return "residual" if kinds["add"] else "depthwise" if groups > 1 else "conv"


def mobilefacenet_from_onnx(path: str | Path, *, scale: float = 128.0) -> MobileFaceNet:
    """Return the network of an ONNX file in torch, with its weights, in eval mode.

    Parameters
    ----------
    path : str or Path
        One image input of shape (1 or open, 3, size, size), one embedding output; of the
        operators Conv, Clip, Relu, Add and a last Reshape or Flatten to one row an image (batch
        norm folded into the convolutions, as exporters do).
    scale : float, default=128
        Pixels enter as RGB, ``(x - 127.5) / scale``, as in
        :class:`sfumato.faces.encoders.ArcFaceOnnxEncoder`.

    Returns
    -------
    MobileFaceNet
        Takes any number of images at once, even where the file fixes one.

    Raises
    ------
    InputError
        If the file is missing, broken, or has another operator or layout.
    MissingExtraError
        Without the package onnx: onnxruntime runs a file but gives no weights of it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    check_argument(scale, POSITIVE, "scale")
    graph = _Graph(path, need("onnx", "deep"))
    net = MobileFaceNet(graph.layers, size=graph.size, scale=float(scale))
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        for module, arrays in zip(convolutions, graph.weights, strict=True):
            for parameter, array in zip(module.parameters(), arrays, strict=True):
                parameter.copy_(torch.tensor(array))
    return net.eval()


class _Graph:
    """The layers and weights of an ONNX file; ``weights`` has the arrays of each conv."""

    def __init__(self, path: str | Path, onnx: Any) -> None:
        self._path, self._onnx = path, onnx
        try:
            graph = onnx.load(path, load_external_data=False).graph
            self._constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        # protobuf's and onnx's own exceptions share no base but this.
        except Exception as error:
            raise InputError(f"{path}: not an ONNX file with its weights inside.") from error
        self.size = self._input_size(graph)
        self._readers = {
            "add": self._read_nothing,
            "clip": self._read_clip,
            "conv": self._read_conv,
            "flatten": self._read_flatten,
            "relu": self._read_nothing,
        }
        self._known = {value.name for value in graph.input}
        self.layers: list[dict] = []
        self.weights: list[list] = []
        for node in graph.node:
            self._append(node)
        if not self.weights or [o.name for o in graph.output] != [self.layers[-1]["output"]]:
            raise InputError(f"{path}: needs one output, that of the last of some layers.")

    def _input_size(self, graph):
        inputs = [value for value in graph.input if value.name not in self._constants]
        shapes = [
            [side.dim_value for side in value.type.tensor_type.shape.dim] for value in inputs
        ]
        if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3:
            raise InputError(f"{self._path}: needs one input of 3 colour planes, has {shapes}.")
        # An open side is 0; ArcFace's crops are the usual ones.
        height, width = (side or 112 for side in shapes[0][2:])
        if height != width:
            raise InputError(f"{self._path}: needs square images, has {height} x {width}.")
        return height

    def _append(self, node):
        attributes = {a.name: self._onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant" and "value" in attributes:
            value = self._onnx.numpy_helper.to_array(attributes["value"])
            self._constants[node.output[0]] = value
            return
        if node.op_type not in OPERATORS:
            raise self._error(node, f"known operators are {', '.join(OPERATORS)}")
        kind = "flatten" if node.op_type == "Reshape" else node.op_type.lower()
        arguments = self._readers[kind](node, attributes)
        inputs = [name for name in node.input if name and name not in self._constants]
        if len(inputs) != (2 if kind == "add" else 1):
            raise self._error(node, "one of its inputs is of the wrong kind")
        if not self._known.issuperset(inputs):
            raise self._error(node, "no earlier node gives one of its inputs")
        self._known.add(node.output[0])
        self.layers.append(
            {"kind": kind, "inputs": inputs, "output": node.output[0], "arguments": arguments}
        )

    def _error(self, node, rule):
        return InputError(f"{self._path}: node {node.name or node.op_type!r}: {rule}.")

    def _read_nothing(self, node, attributes):
        return {}

    def _read_clip(self, node, attributes):
        bounds = [self._constants.get(name) for name in node.input[1:]]
        if any(bound is not None and np.size(bound) != 1 for bound in bounds):
            raise self._error(node, "a bound must be one number")
        low, high = (*bounds, None, None)[:2]
        low = attributes.get("min", -math.inf) if low is None else low
        high = attributes.get("max", math.inf) if high is None else high
        return {"min_val": float(low), "max_val": float(high)}

    def _read_flatten(self, node, attributes):
        named = node.input[1] if len(node.input) > 1 else None
        shape = self._constants.get(named, ()) if node.op_type == "Reshape" else (1, -1)
        if len(shape) != 2 or shape[0] not in (-1, 0, 1) or attributes.get("axis", 1) != 1:
            raise self._error(node, "only a reshape to one row an image is known")
        return {}

    def _read_conv(self, node, attributes):
        names, pads = list(filter(None, node.input[1:])), attributes.get("pads", [0] * 4)
        if not names or any(name not in self._constants for name in names):
            raise self._error(node, "its weights must be stored in the file")
        arrays = [self._constants[name] for name in names]
        weight, automatic = arrays[0], attributes.get("auto_pad", b"NOTSET") != b"NOTSET"
        if weight.ndim != 4 or pads[:2] != pads[2:] or automatic:
            raise self._error(node, "only 2-d convolutions with equal padding are known")
        self.weights.append(arrays)
        groups = int(attributes.get("group", 1))
        return {
            "in_channels": weight.shape[1] * groups,
            "out_channels": weight.shape[0],
            "kernel_size": list(weight.shape[2:]),
            "stride": list(attributes.get("strides", [1, 1])),
            "padding": list(pads[:2]),
            "dilation": list(attributes.get("dilations", [1, 1])),
            "groups": groups,
            "bias": len(arrays) > 1,
        }
