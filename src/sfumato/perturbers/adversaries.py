"""Networks that read attributes off pictures, trained for a generator to fool."""

from collections.abc import Callable
from pathlib import Path

import torch

from sfumato.losses.gan import attribute_loss
from sfumato.nets.attributes import AttributeNet
from sfumato.nets.privacynet import label_layout, read_labels
from sfumato.outcomes import Progress
from sfumato.perturbers._draws import Draws
from sfumato.perturbers.choice import Labels, classes_and_codes
from sfumato.perturbers.images import Images, Pictures
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.training.loop import make_fabric
from sfumato.training.networks import Schedule, train_networks
from sfumato.validation import need

WEIGHT_DECAY = 1e-3
WARM_UP = 0.1
N_SHOWN = 500


def train_adversaries(
    images: Images,
    labels: Labels,
    *,
    size: int,
    width: int = 24,
    recipe: PerturberRecipe | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> list[AttributeNet]:
    """Return one plain and one residual network that read the attributes off altered pictures.

    Parameters
    ----------
    images, labels
        As for :meth:`sfumato.perturbers.privacynet.PrivacyNetPerturber.fit`.
    size : int
        Pixels a side of what they see, 32 or more.
    width : int, default=24
        Of :class:`~sfumato.nets.attributes.AttributeNet`.
    recipe : PerturberRecipe, optional
        Default: 1,500 batches of 64. The rate, AdamW's, rises for a tenth of them, then falls.
    seed : int, default=0
    folder : str or Path, optional
        For checkpoints, the logs and curves: a run that was cut off goes on.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    list of Module
        Logits (n_images, n_logits) of pictures in [-1, 1].

    Raises
    ------
    InputError
        For bad pictures or labels, or if the training diverges.
    """
    recipe = recipe or PerturberRecipe(1_500, 64, learning_rate=2e-3, n_rounds=5, precision="auto")
    pictures = Pictures(images, size)
    attributes, codes = classes_and_codes(labels, len(pictures))
    layout, n_logits = label_layout(attributes)
    found = []
    for number, kind in enumerate(("plain", "residual")):
        own = None if folder is None else Path(folder) / kind

        def said(done, total, what, kind=kind):
            if progress is not None:
                progress(done, total, f"{kind} adversary, {what}")

        net = AttributeNet(n_logits, width, residual=kind == "residual", seed=seed + number)
        found.append(_train(net, pictures, codes, layout, recipe, seed, own, said))
    return found


def _train(net, pictures, codes, layout, recipe, seed, folder, progress):
    fabric = make_fabric(recipe.accelerator, precision=recipe.precision)
    adam = torch.optim.AdamW(net.parameters(), recipe.learning_rate, weight_decay=WEIGHT_DECAY)
    wrapped, optimizer = fabric.setup(net, adam)
    draw = Draws(pictures, codes, {name: n for name, (_, n) in layout.items()}, fabric)
    alter = make_altered()

    def step(rows, at):
        batch = draw(len(rows))
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * min(at / WARM_UP, (1 - at) / (1 - WARM_UP))
        loss = attribute_loss(wrapped(alter(batch.x)).float(), batch.now, layout)
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return {"attribute": float(loss.detach())}

    @torch.no_grad()
    def validate():
        batch = draw.shown(N_SHOWN)
        net.eval()
        said = read_labels(wrapped(batch.x), layout)
        net.train()
        return {name: float((said[name] == batch.now[name]).float().mean()) for name in layout}

    train_networks(
        step,
        validate,
        {"net": net, "optimizer": optimizer},
        recipe.round_iterations * recipe.batch_size,
        Schedule(recipe.n_rounds, recipe.batch_size, seed=seed),
        folder=folder,
        settings={"recipe": vars(recipe), "rows": len(pictures)},
        progress=progress,
        keep="last",
    )
    return net.cpu().eval()


def make_altered() -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that alters pictures in [-1, 1], drawing from torch's generator.

    Turned, moved, lit otherwise, blurred, noisy; gradients pass.
    """
    K = need("kornia.augmentation", "deep")
    alter = K.AugmentationSequential(
        K.RandomAffine(10.0, (0.06, 0.06), (0.9, 1.1), padding_mode="reflection", p=0.8),
        K.ColorJiggle(0.2, 0.2, 0.2, 0.02, p=0.6),
        K.RandomGaussianBlur((5, 5), (0.5, 1.5), p=0.8),
        K.RandomGaussianNoise(std=0.04, p=0.5),
        data_keys=["input"],
    )
    return lambda x: 2 * alter((x + 1) / 2) - 1
