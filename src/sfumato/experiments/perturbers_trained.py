"""Perturbers trained for the experiments, kept in the cache between them."""

import numpy as np

from sfumato.errors import InputError
from sfumato.experiments.pictures import Learnt
from sfumato.models.pictures import load_perturber, save_perturber
from sfumato.models.registry import perturber_class
from sfumato.perturbers.recipes import Recipe

GAN: dict[str, tuple[dict, Recipe]] = {
    "quick": ({"size": 64, "width": 4, "n_critic": 1}, Recipe(2, 4, n_rounds=1)),
    # What two cores can do in an hour; the residual form and the warm-up are ours.
    "full": (
        {"size": 64, "width": 32, "residual": True, "n_critic": 2, "warm_up": 0.15},
        Recipe(6_000, 16, learning_rate=2e-4, n_rounds=12, precision="auto"),
    ),
    # The paper's: 200,000 batches of 16.
    "gpu": (
        {"size": 128, "width": 64},
        Recipe(200_000, 16, learning_rate=1e-4, n_rounds=100, precision="auto"),
    ),
}
SETTINGS = {"privacynet": GAN, "baseline-gan": GAN}
NEEDS_MATCHER = ("privacynet",)


def trained(context, name, seed=0):
    """Return a perturber trained by the preset's recipe, from the cache if it is there.

    Its checkpoints, log and curves lie beside it, ``CACHE/trained/NAME-PRESET-SEED``: a training
    that was cut off goes on.

    Raises
    ------
    InputError
        If MobileFaceNet, which PrivacyNet learns from, is not among the models.
    """
    folder = context.templates.cache / "trained" / f"{name}-{context.preset}-{seed}"
    path = folder / f"{name}.safetensors"
    if path.is_file():
        return load_perturber(path)[0]
    parameters, recipe = SETTINGS[name][context.preset]
    images, labels, _ = Learnt.read(context, parameters["size"]).of("train")
    more = {"matcher": matcher(context)} if name in NEEDS_MATCHER else {}
    method = perturber_class(name)(seed=seed, **parameters).fit(
        images,
        labels,
        recipe=recipe,
        folder=folder,
        progress=lambda done, total, what: context.say(f"{name}: {done}/{total} {what}"),
        **more,
    )
    save_perturber(method, path, about=_about(context, labels, recipe))
    return method


def matcher(context):
    """Return MobileFaceNet in torch, for crops."""
    from sfumato.nets.matcher import CropMatcher
    from sfumato.nets.mobilefacenet import mobilefacenet_from_onnx

    kind, _, path = context.templates.encoder.partition(":")
    if kind != "arcface-onnx":
        if context.preset == "quick":
            return None
        raise InputError(
            "PrivacyNet learns from MobileFaceNet; give --encoder arcface-onnx:PATH, or put "
            "mobilefacenet.onnx into models beside the data."
        )
    return CropMatcher(mobilefacenet_from_onnx(path))


def _about(context, labels, recipe):
    counts = {
        name: dict(zip(*np.unique(v, return_counts=True), strict=True))
        for name, v in labels.items()
    }
    return {
        "preset": context.preset,
        "recipe": vars(recipe),
        "trained_on": {k: {c: int(n) for c, n in v.items()} for k, v in counts.items()},
    }
