"""ResNet-50 as trained on VGGFace2, and a loader for weights that the user brings."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sfumato.errors import InputError
from sfumato.nets.pixels import to_planes
from sfumato.nets.resnet import STAGES, WIDTHS, Bottleneck
from sfumato.validation import check_choice

#: Mean red, green and blue of VGGFace2's training crops, in [0, 255].
VGGFACE2_MEAN = (131.0912, 103.8827, 91.4953)
MIN_SIDE = 64
#: Classifiers on top of the trunk; they are left out.
HEADS = ("fc.", "classifier.", "head.")
WRAPPERS = ("state_dict", "model_state_dict", "model", "weights")
STEMS = ("conv1.weight", "conv1_7x7_s2.weight")
# The authors' torch files name layers as their Caffe files do.
CAFFE = {"1x1_reduce": "1", "3x3": "2", "1x1_increase": "3"}
CAFFE_LAYER = re.compile(r"conv([2-5])_(\d+)_(1x1_reduce|3x3|1x1_increase|1x1_proj)(_bn)?\.(.+)")


class ResNet50(nn.Module):
    """ResNet-50, pooled to 2048 numbers, as used with VGGFace2 [1]_ [2]_.

    Parameters
    ----------
    n_classes : int, optional
        With it a linear layer follows and the output are its logits; without it the output is
        the embedding.
    colour_order : {"bgr", "rgb"}, default="bgr"
        Order in which :meth:`prepare` lays out the colours. Weights that came from the authors'
        Caffe files want BGR, those of their torch files RGB.
    seed : int, default=0
        Draws the initial weights.

    Attributes
    ----------
    dimension : int
        Length of the embedding, 2048.
    blocks : list of Module
        The stem and the 16 bottlenecks, the last with the pooling; one after the other they
        are the network without its classifier.

    Notes
    -----
    Any input of at least 64 x 64 pixels; the authors' is 224 x 224. As in their files, the stride
    sits in the first 1 x 1 convolution and the stem's pooling rounds up without padding, which
    is not what torchvision's ResNet-50 does.

    References
    ----------
    .. [1] Cao et al., "VGGFace2: a dataset for recognising faces across pose and age", FG 2018.
    .. [2] He et al., "Deep residual learning for image recognition", CVPR 2016, Table 1.
    """

    dimension = 2048

    def __init__(
        self, *, n_classes: int | None = None, colour_order: str = "bgr", seed: int = 0
    ) -> None:
        super().__init__()
        check_choice(colour_order, ("bgr", "rgb"), "colour_order")
        self.architecture = {"n_classes": n_classes, "colour_order": colour_order}
        self.colour_order = colour_order
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._make_layers(n_classes)
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _make_layers(self, n_classes):
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        n_in = 64
        for number, (width, n_blocks) in enumerate(zip(WIDTHS, STAGES[50], strict=True), 1):
            strides = [1 if number == 1 else 2] + [1] * (n_blocks - 1)
            stage = nn.Sequential()
            for stride in strides:
                stage.append(Bottleneck(n_in, width, stride, first=True))
                n_in = 4 * width
            setattr(self, f"layer{number}", stage)
        self.fc = None if n_classes is None else nn.Linear(self.dimension, n_classes)

    @property
    def blocks(self) -> list[Any]:
        """The stem and the 16 bottlenecks in order, the last with the pooling."""
        pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        stem = nn.Sequential(self.conv1, self.bn1, nn.ReLU(), pool)
        bottlenecks = [module for module in self.modules() if isinstance(module, Bottleneck)]
        last = nn.Sequential(bottlenecks[-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return [stem, *bottlenecks[:-1], last]

    def prepare(self, images: Any) -> Tensor:
        """Return the input for RGB crops of shape (n_images, height, width, 3), uint8.

        Returns
        -------
        Tensor of shape (n_images, 3, height, width), float32
            The colours less their mean over VGGFace2, in the network's order.
        """
        x = to_planes(images, self.conv1.weight.device)
        x = x - x.new_tensor(VGGFACE2_MEAN)[:, None, None]
        return x.flip(1) if self.colour_order == "bgr" else x

    def forward(self, x: Tensor) -> Any:
        """Return embeddings of shape (n_images, 2048), or logits of shape (n_images, n_classes).

        Parameters
        ----------
        x : Tensor of shape (n_images, 3, height, width)
            From :meth:`prepare`; at least 64 pixels high and wide.
        """
        if min(x.shape[-2:]) < MIN_SIDE:
            raise InputError(
                f"images must be at least {MIN_SIDE} x {MIN_SIDE} pixels, "
                f"got {x.shape[-2]} x {x.shape[-1]}."
            )
        for block in self.blocks:
            x = block(x)
        return x if self.fc is None else self.fc(x)


def load_vggface2_resnet50(path: str | Path, *, colour_order: str | None = None) -> Any:
    """Return a ResNet-50 with the weights of a file, without the classifier, in eval mode.

    Parameters
    ----------
    path : str or Path
        A ``.safetensors`` file, or a torch file that holds nothing but tensors: no code in it
        is ever run. Keys as in torchvision's ResNet-50 or in the authors' torch files, behind
        any prefix such as ``module.``; keys ``fc``, ``classifier`` and ``head`` are left out.
    colour_order : {"bgr", "rgb"}, optional
        By default RGB for the authors' torch files and BGR for the others, which are converted
        from Caffe files. Trainings of one's own often use RGB.

    Returns
    -------
    ResNet50

    Raises
    ------
    InputError
        If the file is missing or unreadable, or a key is missing, unexpected or misshapen.
    """
    tensors = read_tensors(path)
    tensors, caffe_names = _plain_names(tensors, path)
    net = ResNet50(colour_order=colour_order or ("rgb" if caffe_names else "bgr"))
    wanted = net.state_dict()
    # Files older than torch 0.4 have no such counters, and only training reads them.
    missing = [k for k in wanted if k not in tensors and not k.endswith("num_batches_tracked")]
    unexpected = [key for key in tensors if key not in wanted]
    for kind, keys in (("lacks", missing), ("has unexpected", unexpected)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise InputError(
                f"{path}: {kind} weights {', '.join(keys[:3])}{more}; give a ResNet-50's."
            )
    for key, tensor in tensors.items():
        if tensor.shape != wanted[key].shape:
            raise InputError(
                f"{path}: weights {key} have shape {tuple(tensor.shape)}, "
                f"a ResNet-50's {tuple(wanted[key].shape)}."
            )
    net.load_state_dict(tensors, strict=False)
    return net.eval()


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Return the named tensors of a safetensors or torch file; no code in it is run.

    Returns
    -------
    dict of str to Tensor
        Of the dict inside, where a checkpoint wraps it (``state_dict``, ``model``, ...).

    Raises
    ------
    InputError
        If the file is missing or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    # Broken files raise almost anything, and the exceptions share no base but this.
    except Exception as error:
        raise InputError(
            f"{path}: not a file of tensors alone, and no code in it is run; save the state dict "
            "as safetensors."
        ) from error
    for name in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(
        isinstance(tensor, torch.Tensor) for tensor in content.values()
    ):
        raise InputError(f"{path}: holds no dict of tensors; save the model's state dict.")
    return content


def _plain_names(tensors, path):
    """Return the tensors by torchvision's names, without heads, and whether they were Caffe's."""
    stems = [
        (key.removesuffix(stem), stem != STEMS[0])
        for stem in STEMS
        for key, tensor in tensors.items()
        if f".{key}".endswith(f".{stem}") and tensor.ndim == 4 and tensor.shape[1] == 3
    ]
    if len(stems) != 1:
        raise InputError(
            f"{path}: needs weights {STEMS[0]} on 3 colours, once; give a ResNet-50's, it has "
            f"{', '.join(list(tensors)[:3]) or 'none'}."
        )
    prefix, caffe = stems[0]
    named = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(prefix)
        if not name.startswith(HEADS):
            named[_from_caffe(name) if caffe else name] = tensor
    return named, caffe


def _from_caffe(name):
    name = re.sub(r"^conv1_7x7_s2(_bn)?\.", lambda m: "bn1." if m[1] else "conv1.", name)
    found = CAFFE_LAYER.fullmatch(name)
    if not found:
        return name
    stage, block, layer, norm, rest = found.groups()
    place = f"layer{int(stage) - 1}.{int(block) - 1}"
    if layer == "1x1_proj":
        return f"{place}.downsample.{1 if norm else 0}.{rest}"
    return f"{place}.{'bn' if norm else 'conv'}{CAFFE[layer]}.{rest}"
