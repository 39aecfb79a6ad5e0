"""ResNet-50: its published size and shapes, and weights from files of several namings."""

import re

import numpy as np
import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from safetensors.torch import save_file  # noqa: E402

from sfumato.nets.vggface2 import ResNet50, load_vggface2_resnet50  # noqa: E402

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def net():
    """Return a net whose running statistics are not the defaults either."""
    net, generator = ResNet50(seed=1), torch.Generator().manual_seed(0)
    for name, buffer in net.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer += torch.rand(buffer.shape, generator=generator)
    return net.eval()


def embed(net):
    with torch.no_grad():
        return net(net.prepare(PHOTOS)).numpy()


def test_number_of_parameters_is_the_published_one(net):
    # 25.6 million with ImageNet's classifier of 2048 x 1000 weights and 1000 biases.
    full = ResNet50(n_classes=1000)
    assert sum(p.numel() for p in full.parameters()) == 25_557_032
    assert sum(p.numel() for p in net.parameters()) == 25_557_032 - 2_049_000
    assert full.eval()(full.prepare(PHOTOS)).shape == (2, 1000)


def test_any_size_from_64_pixels_gives_2048_numbers(net):
    for side in (64, 65, 112):
        photos = np.zeros((1, side, side + 7, 3), np.uint8)
        with torch.no_grad():
            assert net(net.prepare(photos)).shape == (1, net.dimension) == (1, 2048)
    with pytest.raises(InputError, match="at least 64 x 64 pixels, got 63 x 64"):
        net(net.prepare(np.zeros((1, 63, 64, 3), np.uint8)))


def test_stages_have_the_papers_sizes(net):
    # He et al., Table 1: a 224 x 224 input is 56, 28, 14 and 7 wide after the four stages.
    shapes, x = [], torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        for block in net.blocks:
            x = block(x)
            shapes.append(tuple(x.shape[1:]))
    assert [shapes[i] for i in (0, 3, 7, 13)] == [
        (64, 56, 56),
        (256, 56, 56),
        (512, 28, 28),
        (1024, 14, 14),
    ]
    assert len(shapes) == 17 and shapes[-1] == (2048,)


def test_the_stem_and_strides_are_those_of_the_authors_files(net):
    # 32 wide before the pooling: windows start at 0, 2, ..., 30 and the last is cut to 2.
    stem, photos = net.blocks[0], net.prepare(PHOTOS)
    before, after = stem[:3](photos), stem(photos)
    assert before.shape[-1] == 32 and after.shape[-1] == 16
    assert torch.equal(after[..., 0, 0], before[..., :3, :3].amax((-2, -1)))
    assert torch.equal(after[..., 15, 15], before[..., 30:, 30:].amax((-2, -1)))
    for stage in (net.layer2, net.layer3, net.layer4):
        assert stage[0].conv1.stride == (2, 2) and stage[0].conv2.stride == (1, 1)


def test_prepare_takes_the_mean_off_in_the_networks_order():
    photo = np.zeros((1, 64, 64, 3), np.uint8)
    photo[..., 0] = 200
    red = 200 - 131.0912
    bgr = ResNet50().prepare(photo)[0, :, 5, 5]
    np.testing.assert_allclose(bgr, [-91.4953, -103.8827, red], rtol=1e-6)
    rgb = ResNet50(colour_order="rgb").prepare(photo)[0, :, 5, 5]
    np.testing.assert_allclose(rgb, [red, -103.8827, -91.4953], rtol=1e-6)


@pytest.mark.parametrize(
    "bad", [np.zeros((64, 64, 3), np.uint8), np.zeros((1, 64, 64, 3)), PHOTOS[:0], PHOTOS[..., :2]]
)
def test_other_images_are_refused(net, bad):
    with pytest.raises(InputError, match="images must be uint8 of shape"):
        net.prepare(bad)


def test_weights_are_drawn_from_the_seed_alone():
    before = torch.random.get_rng_state()
    a, b = ResNet50(seed=3), ResNet50(seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(a.layer4[2].conv3.weight, b.layer4[2].conv3.weight)
    assert not torch.equal(a.conv1.weight, ResNet50(seed=4).conv1.weight)


def test_saved_and_loaded_is_the_same_net(net, tmp_path):
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    loaded = load_vggface2_resnet50(tmp_path / "w.safetensors")
    assert not loaded.training
    np.testing.assert_array_equal(embed(loaded), embed(net))


@pytest.mark.parametrize("prefix", ["", "module.", "model.backbone."])
def test_torch_files_with_prefixes_wrappers_and_a_head(net, tmp_path, prefix):
    state = {
        prefix + name: tensor
        for name, tensor in net.state_dict().items()
        if "num_batches" not in name
    }
    state |= {prefix + "fc.weight": torch.zeros(8631, 2048), prefix + "fc.bias": torch.zeros(8631)}
    torch.save({"epoch": 3, "state_dict": state} if prefix else state, tmp_path / "w.pth")
    np.testing.assert_array_equal(embed(load_vggface2_resnet50(tmp_path / "w.pth")), embed(net))


def caffe_name(name):
    """Return the authors' name of one of torchvision's names."""
    name = name.replace("downsample.0", "1x1_proj").replace("downsample.1", "1x1_proj_bn")
    if "layer" not in name:
        return name.replace("conv1", "conv1_7x7_s2").replace("bn1", "conv1_7x7_s2_bn")
    kinds = {"1": "1x1_reduce", "2": "3x3", "3": "1x1_increase"}
    name = re.sub(r"(conv|bn)(\d)", lambda m: kinds[m[2]] + ("_bn" if m[1] == "bn" else ""), name)
    return re.sub(r"layer(\d)\.(\d)\.", lambda m: f"conv{int(m[1]) + 1}_{int(m[2]) + 1}_", name)


def test_the_authors_names_mean_rgb(net, tmp_path):
    state = {caffe_name(name): tensor for name, tensor in net.state_dict().items()}
    assert {"conv2_1_1x1_proj_bn.bias", "conv5_3_1x1_increase.weight"} <= set(state)
    torch.save(state | {"classifier.weight": torch.zeros(8631, 2048, 1, 1)}, tmp_path / "w.pth")
    loaded = load_vggface2_resnet50(tmp_path / "w.pth")
    assert loaded.colour_order == "rgb"
    assert torch.equal(loaded.layer4[2].conv3.weight, net.layer4[2].conv3.weight)
    other = load_vggface2_resnet50(tmp_path / "w.pth", colour_order="bgr")
    np.testing.assert_array_equal(embed(other), embed(net))


def test_wrong_keys_are_named_in_one_line(net, tmp_path):
    state, path = net.state_dict(), tmp_path / "w.safetensors"
    broken = {
        "lacks weights layer3.5.bn2.weight; give": ({"layer3.5.bn2.weight": None}),
        "unexpected weights extra.a, extra.b, extra.c and 1 more; give": {
            f"extra.{letter}": torch.zeros(1) for letter in "abcd"
        },
        r"weights bn1.bias have shape \(5,\), a ResNet-50's \(64,\)": {"bn1.bias": torch.zeros(5)},
        "needs weights conv1.weight on 3 colours": {"conv1.weight": torch.zeros(64, 1, 7, 7)},
    }
    for words, change in broken.items():
        changed = {name: t for name, t in (state | change).items() if t is not None}
        save_file(changed, path)
        with pytest.raises(InputError, match=words) as caught:
            load_vggface2_resnet50(path)
        assert "\n" not in str(caught.value)


class Evil:
    """Would run code where pickle is trusted."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code was run')",)


def test_no_code_of_a_file_is_run(tmp_path):
    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "text.pth").write_text("not a network")
    (tmp_path / "text.safetensors").write_text("not a network")
    for name in ("evil.pth", "text.pth", "text.safetensors"):
        with pytest.raises(InputError, match="not a file of tensors alone") as caught:
            load_vggface2_resnet50(tmp_path / name)
        assert "\n" not in str(caught.value)
    torch.save({"conv1.weight": 3}, tmp_path / "number.pth")
    with pytest.raises(InputError, match="no dict of tensors"):
        load_vggface2_resnet50(tmp_path / "number.pth")
    with pytest.raises(InputError, match="no such file"):
        load_vggface2_resnet50(tmp_path / "none.pth")
