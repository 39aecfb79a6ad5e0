import pytest

torch = pytest.importorskip("torch")

from sfumato.nets.ordinal import CoralLayer, CornLayer, OrLayer  # noqa: E402


def n_parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_shapes_and_parameter_counts():
    x = torch.randn(3, 7)
    assert OrLayer(7, 5)(x).shape == (3, 4, 2)
    assert CoralLayer(7, 5)(x).shape == CornLayer(7, 5)(x).shape == (3, 4)
    assert n_parameters(OrLayer(7, 5)) == 8 * (7 + 1)
    assert n_parameters(CoralLayer(7, 5)) == 7 + 4
    assert n_parameters(CornLayer(7, 5)) == 4 * (7 + 1)


def test_coral_differs_between_levels_by_biases_alone():
    layer = CoralLayer(7, 5)
    assert layer.bias.tolist() == [1.0, 0.75, 0.5, 0.25]
    logits = layer(torch.randn(6, 7))
    torch.testing.assert_close(logits - logits[:, :1], (layer.bias - 1).expand(6, 4))


def test_or_layer_keeps_each_level_apart():
    layer = OrLayer(2, 4)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.arange(6.0))
    assert layer(torch.zeros(1, 2))[0].tolist() == [[0, 1], [2, 3], [4, 5]]
