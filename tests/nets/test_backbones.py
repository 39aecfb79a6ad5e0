"""Every backbone: its published size, any input, seeds, learning."""

import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.nets.backbones import BACKBONES, make_backbone  # noqa: E402
from sfumato.nets.inception import InceptionV3  # noqa: E402
from sfumato.nets.mobile import IResNet, MobileFaceNetBackbone  # noqa: E402
from sfumato.nets.resnet import BasicBlock, Bottleneck, ResNet  # noqa: E402

# With a classifier of 1000 classes, as their authors and torchvision count them; Inception
# without its auxiliary classifier.
PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "vgg16": 138_357_544,
    "inception-v3": 23_834_568,
}


def n_parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_number_of_parameters_is_the_published_one(name):
    net = make_backbone(name)
    assert n_parameters(net) + 1000 * net.dimension + 1000 == PUBLISHED[name]


def test_face_networks_have_their_published_sizes():
    # The authors' 0.99 million, at an unstated count of PReLU's slopes and of normalisation.
    assert n_parameters(MobileFaceNetBackbone()) == pytest.approx(0.99e6, rel=0.015)
    # insightface's iresnet18 has a dense layer on 7 x 7 x 512 and its normalisation behind.
    trunk = n_parameters(IResNet(widths=(64, 128, 256, 512)))
    assert trunk + (512 * 49 * 512 + 512) + 2 * 512 == 24_025_600


@pytest.mark.parametrize("name", BACKBONES)
def test_any_input_gives_features(name):
    for n_channels, height, width in ((3, 64, 64), (1, 65, 97)):
        net = make_backbone(name, n_channels=n_channels).eval()
        with torch.no_grad():
            found = net(torch.zeros(2, n_channels, height, width))
        assert found.shape == (2, net.dimension)


@pytest.mark.parametrize("name", ["resnet18", "inception-v3", "mobilefacenet", "iresnet"])
def test_weights_come_from_the_seed_alone(name):
    state = torch.random.get_rng_state()
    first, again, other = (make_backbone(name, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    weights = [next(net.parameters()) for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "inception-v3", "mobilefacenet", "iresnet"]
)
def test_every_weight_learns(name):
    net, generator = make_backbone(name), torch.Generator().manual_seed(0)
    x = torch.randn(3, 3, 64, 64, generator=generator)
    net(x).square().sum().backward()
    silent = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias of a layer at which all units are off may rest; whole layers may not.
    assert not silent


def test_half_width_has_about_a_quarter_of_the_parameters():
    whole, half = n_parameters(ResNet(18)), n_parameters(ResNet(18, width=0.5))
    assert 0.24 < half / whole < 0.26


def test_blocks_keep_the_input_in_their_shortcut():
    for block in (BasicBlock(8, 8, 1), Bottleneck(8, 2, 1)):
        for norm in (block.bn1, block.bn2, getattr(block, "bn3", block.bn2)):
            torch.nn.init.zeros_(norm.weight)
        x = torch.rand(2, 8, 5, 5)
        torch.testing.assert_close(block(x), x)


def test_inception_scales_small_images_up_only():
    net, seen = InceptionV3().eval(), []
    net.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-2:]))
    with torch.no_grad():
        for side in (64, 75, 80):
            net(torch.zeros(1, 3, side, 90))
    assert seen == [(75, 90), (75, 90), (80, 90)]


def test_bad_choices():
    with pytest.raises(InputError, match="resnet101"):
        make_backbone("alexnet")
    with pytest.raises(InputError, match="n_channels must be 1 or 3, got 4"):
        make_backbone("resnet18", n_channels=4)
