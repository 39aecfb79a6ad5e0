"""Torch networks as ONNX nodes, from the operators that ``torch.export`` finds in them.

``torch.onnx.export`` needs the package onnxscript, or torch's old tracer, which is to go.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sfumato.errors import InputError

#: Rows of the example inputs; the first axis of every tensor stays open in the file.
N_EXAMPLES = 3
SAME = {
    *("alias", "clone", "contiguous", "detach", "detach_", "lift_fresh_copy"),
    *("dropout", "feature_dropout"),
}
ELEMENTWISE = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div"}
ONE_INPUT = {"relu": "Relu", "relu_": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
DTYPES = {torch.float32: np.float32, torch.int64: np.int64, torch.uint8: np.uint8}


def add_network(graph: Any, module: Any, inputs: dict[str, Tensor]) -> list[str]:
    """Add a module's nodes in evaluation mode and return the names of its outputs.

    Parameters
    ----------
    graph : Graph
    module : Module
        Every tensor's first axis is that of the rows, but for weights.
    inputs : dict of str to Tensor
        To each input's name an example of :data:`N_EXAMPLES` rows, in the order of ``forward``.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        For an operator that has no ONNX form here.
    """
    with torch.no_grad():
        program = torch.export.export(module.eval(), tuple(inputs.values()), strict=False)
    signature = program.graph_signature
    tensors = {**program.state_dict, **program.constants}
    sources = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    values = {name: tensors[source].detach().numpy() for name, source in sources.items()}
    values |= dict(zip(signature.user_inputs, inputs, strict=True))
    for node in program.graph.nodes:
        if node.op == "call_function":
            values[node.name] = _add_node(graph, node, values)
    return [values[name] for name in signature.user_outputs]


class Mirrored(torch.nn.Module):
    """The mean logits of pictures and their mirror images, as a PixelReader reads them."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Any) -> dict[str, Any]:
        """Return the logits by attribute of uint8 pictures (n_images, height, width, 3)."""
        seen, mirrored = self.net(pictures), self.net(pictures.flip(2))
        return {name: (seen[name] + mirrored[name]) / 2 for name in seen}


def _add_node(graph, node, values):
    name = node.target._schema.name.removeprefix("aten::")
    given = {a.name: a.default_value for a in node.target._schema.arguments}
    given |= dict(zip(given, node.args, strict=False)) | node.kwargs
    given = dict(torch.fx.node.map_arg(given, lambda each: values[each.name]))
    given["shape"] = [] if node.meta["val"] is None else list(node.meta["val"].shape[1:])
    if isinstance(node.args[0], torch.fx.Node):
        given["sides"] = list(node.args[0].meta["val"].shape[-2:])
    if name == "_assert_tensor_metadata":
        return None
    if name in SAME:
        return next(iter(given.values()))
    if name in ONE_INPUT:
        return graph.add(ONE_INPUT[name], given["self"])
    if name in ELEMENTWISE:
        dtype = DTYPES[node.meta["val"].dtype]
        pair = [v if isinstance(v, str) else np.asarray(v, dtype) for v in _pair(given)]
        return graph.add(ELEMENTWISE[name], *pair)
    if name not in HANDLERS:
        raise InputError(f"the network has an operator {name}, which cannot be exported.")
    return HANDLERS[name](graph, **given)


def _pair(given):
    if given.get("alpha", 1) != 1 or given.get("rounding_mode") is not None:
        raise InputError("the network scales in an addition or rounds; it cannot be exported.")
    return given["self"], given["other"]


def _conv2d(graph, *, input, weight, bias, stride, padding, dilation, groups, **_):
    return graph.add(
        "Conv", input, weight, bias, kernel_shape=weight.shape[2:], strides=_two(stride),
        pads=2 * _two(padding), dilations=_two(dilation), group=groups,
    )  # fmt: skip


def _conv_transpose2d(
    graph, *, input, weight, bias, stride, padding, output_padding, groups, dilation, **_
):
    return graph.add(
        "ConvTranspose", input, weight, bias, kernel_shape=weight.shape[2:], strides=_two(stride),
        pads=2 * _two(padding), output_padding=_two(output_padding), dilations=_two(dilation),
        group=groups,
    )  # fmt: skip


def _linear(graph, *, input, weight, bias, **_):
    return graph.add("Gemm", input, weight, bias, transB=1)


def _batch_norm(graph, *, input, weight, bias, running_mean, running_var, eps, **_):
    return graph.add(
        "BatchNormalization", input, weight, bias, running_mean, running_var, epsilon=eps
    )


def _instance_norm(graph, *, input, weight, bias, eps, **others):
    # ONNX Runtime's InstanceNormalization errs by 1e-4 on flat pictures: it sums one by one.
    centred = input
    for _ in range(2):
        centred = graph.add("Sub", centred, _pixel_mean(graph, centred))
    variance = _pixel_mean(graph, graph.add("Mul", centred, centred))
    deviation = graph.add("Sqrt", graph.add("Add", variance, float(eps)))
    scale = graph.add("Div", weight.reshape(-1, 1, 1), deviation)
    return graph.add("Add", graph.add("Mul", centred, scale), bias.reshape(-1, 1, 1))


def _pixel_mean(graph, x):
    """Add the mean of each plane, by columns and then of these."""
    return graph.add("ReduceMean", graph.add("ReduceMean", x, axes=[2]), axes=[3])


def _leaky_relu(graph, *, negative_slope, self, **_):
    return graph.add("LeakyRelu", self, alpha=negative_slope)


def _prelu(graph, *, self, weight, shape, **_):
    return graph.add("PRelu", self, weight.reshape(-1, *[1] * (len(shape) - 1)))


def _clamp(graph, *, self, min, max, **_):
    return graph.add("Clip", self, *(None if v is None else np.float32(v) for v in (min, max)))


def _max_pool2d(graph, *, self, kernel_size, stride, padding, dilation, ceil_mode, **_):
    return graph.add(
        "MaxPool", self, kernel_shape=_two(kernel_size), strides=_two(stride or kernel_size),
        pads=2 * _two(padding), dilations=_two(dilation), ceil_mode=int(ceil_mode),
    )  # fmt: skip


def _avg_pool2d(
    graph, *, self, kernel_size, stride, padding, ceil_mode, count_include_pad, **others
):
    if ceil_mode or others.get("divisor_override"):
        raise InputError("the network has an average pooling that cannot be exported.")
    return graph.add(
        "AveragePool", self, kernel_shape=_two(kernel_size), strides=_two(stride or kernel_size),
        pads=2 * _two(padding), count_include_pad=int(count_include_pad),
    )  # fmt: skip


def _upsample_nearest2d(graph, *, input, scale_factors, **_):
    return graph.add(
        "Resize", input, None, np.array([1, 1, *scale_factors], np.float32), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


def _argmax(graph, *, self, dim, keepdim, **_):
    return graph.add("ArgMax", self, axis=dim, keepdims=int(keepdim))


def _mean(graph, *, self, dim, keepdim, **_):
    return graph.add("ReduceMean", self, axes=dim, keepdims=int(keepdim))


def _sum(graph, *, self, dim, keepdim, **_):
    return graph.add("ReduceSum", self, np.array(dim), keepdims=int(keepdim))


def _cat(graph, *, tensors, dim, **_):
    return graph.add("Concat", *tensors, axis=dim)


def _permute(graph, *, self, dims, **_):
    return graph.add("Transpose", self, perm=dims)


def _reshape(graph, *, self, shape, **_):
    return graph.add("Reshape", self, np.array([0, *shape]))


def _expand(graph, *, self, size, **_):
    return graph.add("Expand", self, np.array([1, *(1 if n == -1 else n for n in size[1:])]))


def _slice(graph, *, self, dim, start, end, step, **_):
    ends = [np.array([n]) for n in (start or 0, np.iinfo(np.int64).max if end is None else end)]
    return graph.add("Slice", self, *ends, np.array([dim]), np.array([step]))


def _flip(graph, *, self, dims, **_):
    ends = np.full(len(dims), -1), np.full(len(dims), np.iinfo(np.int64).min)
    return graph.add("Slice", self, *ends, np.array(dims), np.full(len(dims), -1))


def _select(graph, *, self, dim, index, **_):
    return graph.add("Gather", self, np.array(index), axis=dim)


def _index_select(graph, *, self, dim, index, **_):
    return graph.add("Gather", self, index, axis=dim)


def _to(graph, *, self, dtype, **_):
    return graph.add("Cast", self, to=graph.kind(DTYPES[dtype]))


def _scaled(scale):
    """Return the handler of an operator that mixes rows and columns of pixels linearly."""

    def handler(graph, *, shape, sides, **given):
        x = given["self"] if "self" in given else given["input"]
        for axis in (0, 1):
            # What becomes of each single row, or column, of pixels.
            units = torch.eye(sides[axis])[None, None]
            to = [shape[1 + axis], sides[axis]]
            mixed = scale(units, to)[0, 0].numpy()
            x = graph.add("MatMul", *((mixed, x) if axis == 0 else (x, mixed.T)))
        return x

    return handler


def _two(values):
    values = [values] if isinstance(values, int) else list(values)
    return 2 * values if len(values) == 1 else values


HANDLERS = {
    "_upsample_bilinear2d_aa": _scaled(
        lambda x, to: functional.interpolate(x, to, mode="bilinear", antialias=True)
    ),
    "adaptive_avg_pool2d": _scaled(functional.adaptive_avg_pool2d),
    "argmax": _argmax,
    "avg_pool2d": _avg_pool2d,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "clamp": _clamp,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "expand": _expand,
    "flip": _flip,
    "flatten": _reshape,
    "index_select": _index_select,
    "instance_norm": _instance_norm,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "max_pool2d": _max_pool2d,
    "mean": _mean,
    "permute": _permute,
    "prelu": _prelu,
    "select": _select,
    "slice": _slice,
    "sum": _sum,
    "to": _to,
    "unflatten": _reshape,
    "unsqueeze": _reshape,
    "upsample_bilinear2d": _scaled(lambda x, to: functional.interpolate(x, to, mode="bilinear")),
    "upsample_nearest2d": _upsample_nearest2d,
}
