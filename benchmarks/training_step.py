"""One training step of a reader on pixels against its bare convolutions.

The step is the whole one of `coral-table1`'s network: 64 photos out of a uint8 array, scaled,
mirrored and cut by Kornia, forward, CORAL's loss, backward, AdamW. The bare work is every
convolution of the network alone, forward and backward, on inputs of the same sizes and layout.
"""

import time

import numpy as np

from sfumato.reproduce.ages import AGE, CPU

NETWORK = CPU.architecture
N_IMAGES, BATCH, N_BARE = 640, 64, 5


def run():
    """Return images a second, both rates in GFLOP/s, and their ratio."""
    import torch

    from sfumato.readers.pixels import PixelTrunk

    trunk = PixelTrunk(NETWORK)
    layers = _convolutions(trunk)
    bare = [_bare_seconds(layers)]
    seconds, fast = _step_seconds(), _step_seconds("auto")
    bare.append(_bare_seconds(layers))
    work = 2e-9 * sum(layer["multiplications"] for layer in layers)
    ideal = float(np.mean(bare))
    return {
        "network": f"{NETWORK.backbone} {NETWORK.options}, {NETWORK.crop} pixels",
        "n_threads": torch.get_num_threads(),
        "images_per_s": BATCH / seconds,
        "images_per_s_auto_precision": BATCH / fast,
        "bare_images_per_s": BATCH / ideal,
        "gflop_per_s": work / seconds,
        "bare_gflop_per_s": work / ideal,
        "ratio": ideal / seconds,
    }


def _step_seconds(precision="32-true"):
    """Return the median time of a training step, from the second epoch on."""
    from sfumato.readers.pixels import train_pixels
    from sfumato.readers.recipes import ReaderRecipe

    rng, stamps = np.random.default_rng(0), []
    images = rng.integers(0, 256, (N_IMAGES + 8, NETWORK.size, NETWORK.size, 3), dtype=np.uint8)
    labels = {AGE: rng.integers(21, 61, len(images)).astype(object)}
    train_pixels(
        images, labels, np.arange(len(images)) >= N_IMAGES, NETWORK,
        ReaderRecipe(2, BATCH, 1e-3, precision=precision),
        augmentation="crop", progress=lambda *at: stamps.append(time.perf_counter()),
    )  # fmt: skip
    return float(np.median(np.diff(stamps[N_IMAGES // BATCH :])))


def _convolutions(trunk):
    """Return each convolution with its input's shape and its multiplications of a step."""
    import torch

    found, handles = [], []

    def note(layer, inputs, output):
        per_output = layer.weight[0].numel()
        # Forward, weights, and inputs unless those are photos.
        times = 2 if inputs[0].shape[1] == 3 else 3
        found.append(
            {
                "layer": layer,
                "shape": inputs[0].shape,
                "multiplications": times * output.numel() * per_output,
            }
        )

    for module in trunk.modules():
        if isinstance(module, torch.nn.Conv2d):
            handles.append(module.register_forward_hook(note))
    photos = torch.zeros(BATCH, NETWORK.size, NETWORK.size, 3, dtype=torch.uint8)
    with torch.no_grad():
        trunk.eval()(photos)
    for handle in handles:
        handle.remove()
    return found


def _bare_seconds(layers):
    """Return the time that forward and backward of the convolutions alone take."""
    import torch

    total = 0.0
    for entry in layers:
        x = torch.randn(entry["shape"]).contiguous(memory_format=torch.channels_last)
        x.requires_grad_(entry["shape"][1] != 3)
        times = []
        for _ in range(N_BARE):
            started = time.perf_counter()
            entry["layer"](x).sum().backward()
            times.append(time.perf_counter() - started)
        total += float(np.median(times))
    return total
