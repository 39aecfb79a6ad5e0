"""PrivacyNet's networks: shapes, weights counted by hand, label planes."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.errors import InputError  # noqa: E402
from sfumato.nets.privacynet import (  # noqa: E402
    Discriminator,
    Generator,
    label_layout,
    label_planes,
    read_labels,
)

THREE = {"gender": ("f", "m"), "race": ("b", "w"), "age": ("a", "b", "c")}


def n_weights(net):
    return sum(p.numel() for p in net.parameters())


def test_generators_weights_by_hand():
    # Convolutions without bias: (3 + 5) -> 64, 64 -> 128, both 4 x 4; twelve 128 -> 128, 3 x 3;
    # 128 -> 64 and 64 -> 64, 4 x 4; the last 64 -> 3 with bias. Norms: two a channel.
    convolutions = 8 * 64 * 16 + 64 * 128 * 16 + 12 * 128 * 128 * 9 + 128 * 64 * 16 + 64 * 64 * 16
    norms = 2 * (64 + 128 + 12 * 128 + 64 + 64)
    assert n_weights(Generator(5)) == convolutions + norms + 64 * 3 + 3


@pytest.mark.parametrize("size", [64, 72])
def test_generator_gives_pictures_of_the_same_size(size):
    x, planes = 2 * torch.rand(2, 3, size, size) - 1, torch.rand(2, 5)
    found = Generator(5, 8)(x, planes)
    assert found.shape == x.shape and found.abs().max() <= 1
    same = Generator(5, 8, residual=True)(x, planes)
    assert (same - x).abs().max() < 0.1


def test_the_middle_of_128_pixels_is_the_papers():
    seen = []
    net = Generator(5, 64)
    net.layers[6].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    net(torch.rand(1, 3, 128, 128), torch.rand(1, 5))
    assert seen == [(1, 128, 32, 32)]


@pytest.mark.parametrize(("size", "patches"), [(64, 2), (128, 2), (224, 7)])
def test_discriminator_has_patches_and_attributes(size, patches):
    source, attributes = Discriminator(size, 5, 4)(torch.rand(2, 3, size, size))
    assert source.shape == (2, 1, patches, patches) and attributes.shape == (2, 5)


def test_discriminators_widths_double():
    net = Discriminator(64, 5, 8, max_width=32)
    widths = [layer.out_channels for layer in net.trunk if hasattr(layer, "out_channels")]
    assert widths == [8, 16, 32, 32, 32]
    with pytest.raises(InputError, match="divisible by 32, got 72"):
        Discriminator(72, 5)


def test_planes_say_what_the_labels_say():
    layout, n_planes = label_layout(THREE)
    codes = {
        "gender": torch.tensor([1, 0]),
        "race": torch.tensor([0, 1]),
        "age": torch.tensor([2, 0]),
    }
    planes = label_planes(codes, layout)
    assert planes.tolist() == [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]] and n_planes == 5
    again = read_labels(2 * planes - 1, layout)
    assert all(torch.equal(again[name], codes[name]) for name in codes)


def test_every_label_moves_the_picture():
    net, x = Generator(5, 8), torch.rand(1, 3, 64, 64)
    plain = net(x, torch.zeros(1, 5))
    for plane in range(5):
        assert not torch.equal(net(x, torch.eye(5)[plane][None]), plain)
