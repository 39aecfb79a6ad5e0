"""Networks of SANs: their sizes by hand, and what the prototype can reach."""

import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.nets.pixels import luminance  # noqa: E402
from sfumato.nets.san import AuxiliaryNet, SanAutoencoder, auxiliary_net  # noqa: E402


def n_weights(net):
    return sum(value.numel() for value in net.parameters())


def test_weights_of_the_autoencoder_by_hand():
    # 3 x 3 convolutions 4-8-12-256-128 with bias, then 128 channels and 3 of the prototype.
    expected = 4 * 8 * 9 + 8 + 8 * 12 * 9 + 12 + 12 * 256 * 9 + 256 + 256 * 128 * 9 + 128 + 132
    assert n_weights(SanAutoencoder()) == expected == 324_248


def test_weights_of_the_auxiliary_net_by_hand():
    pairs = ((32, 64), (64, 128), (128, 256), (256, 256), (256, 512))
    expected = 1 * 32 * 25 + 32 + sum(a * b * 9 + b for a, b in pairs) + 512 * 2 + 2
    assert n_weights(AuxiliaryNet(224)) == n_weights(AuxiliaryNet(16)) == expected == 2_159_618


@pytest.mark.parametrize(("size", "side"), [(224, 7), (64, 4), (32, 4), (16, 4), (8, 4), (4, 4)])
def test_auxiliary_nets_pool_less_where_there_are_fewer_pixels(size, side):
    net = AuxiliaryNet(size, n_classes=3, widths=(2, 2, 2, 2, 2, 2))
    x = torch.rand(2, 1, size, size)
    assert net.convolutions(x).shape == (2, 2, side, side)
    assert net(x).shape == (2, 3)


def test_an_auxiliary_net_comes_back_from_its_state_in_any_order():
    net = AuxiliaryNet(16, widths=(2, 3, 4, 5, 6, 7)).eval()
    state = dict(sorted(net.state_dict().items(), reverse=True))
    x = torch.rand(3, 1, 16, 16)
    assert torch.equal(auxiliary_net(state, 16)(x), net(x))


@pytest.mark.parametrize("shape", [(8, 12), (64, 64)])
def test_pictures_of_any_size_divisible_by_4(shape):
    torch.manual_seed(0)
    net, (h, w) = SanAutoencoder((2, 2, 4, 4)), shape
    same, other = torch.rand(2, 2, 3, h, w)
    found = net(torch.rand(2, 1, h, w), same, same, other)
    assert [picture.shape for picture in found] == [(2, 1, h, w)] * 2
    assert all(picture.min() > 0 and picture.max() < 1 for picture in found)


@pytest.mark.parametrize("shape", [(10, 8), (8, 2), (0, 0)])
def test_other_sizes_are_refused(shape):
    x, p = torch.rand(1, 1, *shape), torch.rand(1, 3, *shape)
    with pytest.raises(InputError, match="divisible by 4"):
        SanAutoencoder((2, 2, 4, 4))(x, p, p)


def test_outputs_differ_by_the_prototypes_difference_before_the_sigmoid():
    torch.manual_seed(0)
    net = SanAutoencoder((2, 2, 4, 4))
    same, other = torch.rand(2, 3, 3, 8, 8)
    first, second = net(torch.rand(3, 1, 8, 8), same, same, other)
    weight = net.combiner.weight[:, -3:]
    expected = torch.nn.functional.conv2d(other - same, weight)
    torch.testing.assert_close(second.logit() - first.logit(), expected, atol=1e-4, rtol=1e-4)


def test_luminance_by_hand():
    # 0.299 * 1 + 0.587 * 0.5 + 0.114 * 0 = 0.5925; white is 1.
    x = torch.tensor([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])[:, :, None, None]
    torch.testing.assert_close(luminance(x)[:, 0, 0, 0], torch.tensor([0.5925, 1.0]))
