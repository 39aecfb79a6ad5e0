"""dlib's face network as an ONNX graph, read from the weight file that dlib publishes.

dlib runs its network on one core in 72 ms a face; ONNX Runtime takes 6 ms for the
same function. The file is a serialised dlib network: the parameters of each layer follow one
another from the input to the output, as little-endian float32 behind a header with their shape
[1]_. The architecture [2]_ is a ResNet-34 with fewer layers and half the filters: 29
convolutions, each followed by an affine layer (a batch norm at rest), which is folded into it.

References
----------
.. [1] King, dlib, ``dlib/cuda/tensor_tools.h`` and ``dlib/serialize.h``.
.. [2] King, dlib, ``examples/dnn_face_recognition_ex.cpp``.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.validation import need

SIZE = 150
DIMENSION = 128
#: dlib's ``input_rgb_image``: RGB, minus these, over 256.
AVERAGE = np.array([122.782, 117.001, 104.298], dtype=np.float32)
#: Filters and residual blocks of each level; all but the first start by halving the size.
LEVELS = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
FIRST_FILTERS, FIRST_KERNEL = 32, 7
OPSET, IR_VERSION = 17, 8


def pixels(chip: Any) -> NDArray[np.float32]:
    """Return the network's input for one RGB chip of shape (150, 150, 3), uint8.

    Returns
    -------
    ndarray of shape (1, 3, 150, 150), float32
    """
    return ((chip.astype(np.float32) - AVERAGE) / np.float32(256)).transpose(2, 0, 1)[None]


def read_weights(path: str | Path) -> tuple[list[Any], NDArray[Any]]:
    """Return the arrays of dlib's weight file, from the input to the output.

    Parameters
    ----------
    path : str or Path
        ``dlib_face_recognition_resnet_model_v1.dat``.

    Returns
    -------
    convolutions : list of (ndarray, ndarray)
        Weight of shape (n_filters, n_channels, height, width) and bias, the affine layers
        folded in, float32.
    last : ndarray of shape (256, 128)

    Raises
    ------
    InputError
        If the file is not that network.
    """
    data, position = Path(path).read_bytes(), 0

    def tensor(*shape):
        nonlocal position
        header = b"\x01\x02" + b"".join(map(_packed, (*shape, 1, 1, 1)[:4]))
        start, n = data.find(header, position) + len(header), int(np.prod(shape))
        if start < position + len(header) or start + 4 * n > len(data):
            raise InputError(
                f"{path}: not dlib's face network; no parameters of shape {shape} after byte "
                f"{position}."
            )
        position = start + 4 * n
        return np.frombuffer(data, "<f4", n, start).reshape(shape).astype(np.float64)

    convolutions = []
    for n_in, n_out, kernel in _convolutions():
        n_weights = n_out * n_in * kernel**2
        weight, bias = np.split(tensor(n_weights + n_out), [n_weights])
        gamma, beta = np.split(tensor(2 * n_out), 2)
        weight = weight.reshape(n_out, n_in, kernel, kernel) * gamma[:, None, None, None]
        bias = bias * gamma + beta
        convolutions.append((weight.astype(np.float32), bias.astype(np.float32)))
    return convolutions, tensor(LEVELS[-1][0], DIMENSION).astype(np.float32)


def _packed(value):
    """Return dlib's form of a positive integer: its length in bytes, then the bytes."""
    raw = value.to_bytes((value.bit_length() + 7) // 8, "little")
    return bytes([len(raw)]) + raw


def _convolutions():
    """Yield input channels, filters and kernel size of every convolution."""
    yield 3, FIRST_FILTERS, FIRST_KERNEL
    widths = [FIRST_FILTERS] + [n for n, n_blocks in LEVELS for _ in range(n_blocks)]
    for n_in, n_out in pairwise(widths):
        yield n_in, n_out, 3
        yield n_out, n_out, 3


def to_onnx(path: str | Path) -> Any:
    """Return the serialised ONNX model of dlib's weight file.

    Its input ``image`` has shape (n, 3, 150, 150), see :func:`pixels`; its output
    ``embedding`` shape (n, 128).
    """
    onnx = need("onnx", "faces")
    convolutions, last = read_weights(path)
    graph = _Graph(onnx, convolutions)
    x = graph.relu(graph.convolution("image", stride=2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    size, n_channels = _halved(_halved(SIZE, FIRST_KERNEL), 3), FIRST_FILTERS
    for level, (n_filters, n_blocks) in enumerate(LEVELS):
        for block in range(n_blocks):
            halve = level > 0 and block == 0
            x, size = _residual(graph, x, size, n_filters - n_channels, halve)
            n_channels = n_filters
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    graph.add("MatMul", x, graph.constant(last), name="embedding")
    return graph.model(SIZE, DIMENSION).SerializeToString()


def _halved(size, kernel):
    """Return the side after a layer of stride 2; dlib pads only where the stride is 1."""
    return (size - kernel) // 2 + 1


def _residual(graph, x, size, n_new, halve):
    """Add a residual block; where it halves, dlib fills up the smaller summand with zeros."""
    y = graph.relu(graph.convolution(x, stride=2 if halve else 1))
    y = graph.convolution(y)
    if halve:
        x = graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        smaller, size = _halved(size, 3), _halved(size, 2)
        y = graph.fill(y, 0, size - smaller)
        x = graph.fill(x, n_new, 0)
    return graph.relu(graph.add("Add", y, x)), size


class _Graph:
    """An ONNX graph under construction; a node's output has the node's name."""

    def __init__(self, onnx: Any, convolutions: Any) -> None:
        self._onnx = onnx
        self._convolutions = iter(convolutions)
        self._nodes: list = []
        self._constants: list = []

    def add(self, kind: Any, *inputs: Any, name: str | None = None, **attributes: Any) -> Any:
        name = name or f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: Any) -> Any:
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def relu(self, x: Any) -> Any:
        return self.add("Relu", x)

    def convolution(self, x: Any, stride: int = 1) -> Any:
        weight, bias = next(self._convolutions)
        kernel = weight.shape[-1]
        return self.add(
            "Conv",
            x,
            self.constant(weight),
            self.constant(bias),
            strides=[stride, stride],
            pads=[kernel // 2 if stride == 1 else 0] * 4,
        )

    def fill(self, x: Any, n_channels: Any, n_pixels: Any) -> Any:
        """Append zeros: channels, and pixels below and to the right."""
        if not n_channels and not n_pixels:
            return x
        ends = np.array([0, 0, 0, 0, 0, n_channels, n_pixels, n_pixels], dtype=np.int64)
        return self.add("Pad", x, self.constant(ends))

    def model(self, size: Any, dimension: Any) -> Any:
        helper, real = self._onnx.helper, self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "dlib face recognition",
            [helper.make_tensor_value_info("image", real, ["n", 3, size, size])],
            [helper.make_tensor_value_info("embedding", real, ["n", dimension])],
            self._constants,
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        self._onnx.checker.check_model(model)
        return model
