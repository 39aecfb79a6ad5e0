"""Torch networks as ONNX nodes give what torch gives; an unknown operator is named."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
pytest.importorskip("onnx", reason="needs the extra export")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from sfumato.errors import InputError  # noqa: E402
from sfumato.export.graph import Graph  # noqa: E402
from sfumato.export.networks import N_EXAMPLES, add_network  # noqa: E402
from sfumato.nets.inception import pooled, reduction_35, row  # noqa: E402
from sfumato.nets.mobile import InvertedResidual  # noqa: E402
from sfumato.nets.privacynet import Generator  # noqa: E402
from sfumato.nets.resnet import Bottleneck  # noqa: E402


class Scaled(nn.Module):
    """Pictures of another size."""

    def __init__(self, size, mode="bilinear", antialias=False):
        super().__init__()
        self.size, self.mode, self.antialias = size, mode, antialias

    def forward(self, x):
        return functional.interpolate(x, self.size, mode=self.mode, antialias=self.antialias)


class Planes(nn.Module):
    """A generator with the planes of one label."""

    def __init__(self, residual):
        super().__init__()
        self.net = Generator(1, 4, residual=residual)

    def forward(self, x):
        return self.net(x[:, :3], x[:, 3, 0, :1])


CASES = {
    "antialias": (Scaled((5, 9), antialias=True), (3, 12, 20)),
    "bilinear": (Scaled((15, 16)), (3, 8, 10)),
    "adaptive pooling": (nn.AdaptiveAvgPool2d(7), (2, 10, 4)),
    "inception": (nn.Sequential(row(8, 4), pooled(4, 288), reduction_35(288)), (8, 9, 9)),
    "mobile": (nn.Sequential(InvertedResidual(4, 4, 1, 2), nn.AvgPool2d(3, 2)), (4, 9, 9)),
    "resnet": (nn.Sequential(Bottleneck(4, 2, 2), nn.Flatten(), nn.Linear(200, 3)), (4, 9, 9)),
    "generator": (Planes(False), (4, 16, 16)),
    "residual generator": (Planes(True), (4, 16, 16)),
    "leaky": (nn.Sequential(nn.LeakyReLU(0.2), nn.MaxPool2d(3, 2, 1), nn.Dropout2d()), (2, 8, 8)),
}


def shaken(module):
    """Give every weight and statistic a value that matters."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = 0.3 * torch.randn(tensor.shape, generator=generator)
            tensor.copy_(drawn.abs() + 0.5 if "var" in name else drawn)
    return module.eval()


def run(module, shape, x):
    graph = Graph()
    graph.input("x", np.float32, shape)
    (value,) = add_network(graph, module, {"x": torch.zeros(N_EXAMPLES, *shape)})
    graph.output("y", value, np.float32, ["a", "b", "c"][: module(x).ndim - 1])
    session = onnxruntime.InferenceSession(graph.model({}).SerializeToString())
    return session.run(["y"], {"x": x.numpy()})[0]


@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_torch_gives(name):
    module, shape = CASES[name]
    module = shaken(module)
    for n_rows in (1, 5):
        x = torch.rand(n_rows, *shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            expected = module(x).numpy()
            np.testing.assert_allclose(run(module, shape, x), expected, atol=1e-5, rtol=1e-5)


def test_flat_pictures_are_normalised_as_exactly_as_torch_does():
    x = 1 + 1e-3 * torch.rand(2, 4, 128, 128, generator=torch.Generator().manual_seed(0))
    module = nn.InstanceNorm2d(4, affine=True).eval()
    with torch.no_grad():
        exact = module.double()(x.double()).numpy()
        theirs = np.abs(module.float()(x).numpy() - exact).max()
    ours = np.abs(run(module, [4, 128, 128], x) - exact).max()
    assert ours < max(3 * theirs, 1e-6)


def test_an_unknown_operator_is_named():
    with pytest.raises(InputError, match="an operator softshrink, which cannot be exported"):
        run(nn.Softshrink(), [4], torch.zeros(2, 4))
