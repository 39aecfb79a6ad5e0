"""Perturbers trained for the experiments, kept in the cache between them."""

from typing import Any

import numpy as np

from sfumato.errors import InputError
from sfumato.models.files import load, save
from sfumato.models.registry import perturber_class
from sfumato.perturbers.images import Pictures
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.reproduce.pictures import Learnt

ROWS = 64
SIZES = {"quick": 64, "full": 128, "gpu": 128}
GAN: dict[str, tuple[dict, PerturberRecipe | None]] = {
    "quick": ({"size": 64, "width": 4, "n_critic": 1}, PerturberRecipe(2, 4, n_rounds=1)),
    # What one core can do in an hour, with adversaries that were trained before.
    "full": (
        {
            "size": 64,
            "width": 32,
            "residual": True,
            "n_critic": 1,
            "matching_weight": 12.0,
            "labeller": "reader",
            "strength": 1.2,
        },
        PerturberRecipe(2_400, 16, learning_rate=4e-4, n_rounds=12, precision="auto"),
    ),
    # The paper's 200,000 batches of 16, at 128 pixels in the place of its 224.
    "gpu": (
        {"size": 128, "width": 64, "labeller": "reader"},
        PerturberRecipe(200_000, 16, learning_rate=1e-4, n_rounds=100, precision="auto"),
    ),
}
# Presets whose generators have others to fool besides D; the paper's have not.
ADVERSARIES = {"quick": PerturberRecipe(2, 4, n_rounds=1), "full": None}
_TINY = {"widths": [4, 4, 8, 8], "classifier_widths": [4, 8]}
# Of each SAN and of its classifier: a quarter of an hour on one core.
_SAN = PerturberRecipe(1_000, 16, learning_rate=1e-3, n_rounds=4, precision="auto")
# Without a recipe: the method's own, or one that trains no network.
SETTINGS: dict[str, dict[str, tuple[dict, PerturberRecipe | None]]] = {
    "privacynet": GAN,
    "baseline-gan": GAN,
    "san": {
        "quick": ({"size": 64, **_TINY}, PerturberRecipe(2, 4, n_rounds=1)),
        "full": ({"size": 64}, _SAN),
        "gpu": ({"size": 224}, None),
    },
    "san-ensemble": {
        "quick": ({"size": 64, "n_sans": 2, "san": _TINY}, PerturberRecipe(2, 4, n_rounds=1)),
        "full": ({"size": 64, "n_sans": 2}, _SAN),
        "gpu": ({"size": 224}, None),
    },
    "flowsan": {
        "quick": ({"size": 64, "n_steps": 2, "san": _TINY}, PerturberRecipe(2, 4, n_rounds=1)),
        "full": ({"size": 64, "n_steps": 2}, _SAN),
        "gpu": ({"size": 224}, None),
    },
    "face-mixing": {preset: ({"size": size}, None) for preset, size in SIZES.items()},
    "controllable": {
        preset: ({"size": size, "labeller": "reader"}, None) for preset, size in SIZES.items()
    },
    "soft": {preset: ({}, None) for preset in SIZES},
}


def trained(context: Any, name: str, seed: int = 0, *, erased: bool = False) -> Any:
    """Return a perturber trained by the preset's recipe, from the cache if it is there.

    Its checkpoints, log and curves lie beside it, ``CACHE/trained/NAME-PRESET-SEED``: a training
    that was cut off goes on.

    Parameters
    ----------
    context : Context
    name : str
    seed : int, default=0
    erased : bool, default=False
        Of "privacynet": the matcher's templates of changed pictures are trained to be what an
        eraser of gender makes of the originals' (see :func:`erased_by`). Kept in
        ``NAME-erased-...``.

    Raises
    ------
    InputError
        If MobileFaceNet, which PrivacyNet learns from, is not among the models.
    """
    kind = f"{name}-erased" if erased else name
    folder = context.templates.cache / "trained" / f"{kind}-{context.preset}-{seed}"
    path = folder / f"{name}.safetensors"
    if path.is_file():
        return load(path, "perturber")
    parameters, recipe = SETTINGS[name][context.preset]
    images, labels, identity = Learnt.read(context, parameters["size"]).of("train")
    method = perturber_class(name)(seed=seed, **parameters)
    more: dict = {"recipe": recipe} if recipe is not None else {}
    if "folder" in method.fit_options:
        more["folder"] = folder
    if "matcher" in method.fit_options:
        more["matcher"] = matcher(context)
    if erased and more["matcher"] is not None:
        eraser = erased_by(context, more["matcher"], images, labels, identity, seed)
        more["wanted"] = eraser.transform
    if "adversaries" in method.fit_options and context.preset in ADVERSARIES:
        more["adversaries"] = _adversaries(context, images, labels, parameters["size"], seed)
    more["progress"] = lambda done, total, what: context.say(f"{name}: {done}/{total} {what}")
    method.fit(images, labels, **more)
    folder.mkdir(parents=True, exist_ok=True)
    save(method, path, about=_about(context, labels, recipe, erased))
    return method


def _adversaries(context, images, labels, size, seed):
    """Return networks to fool, of one training for all perturbers."""
    from sfumato.perturbers.adversaries import train_adversaries

    return train_adversaries(
        images,
        labels,
        size=size,
        recipe=ADVERSARIES[context.preset],
        seed=seed,
        folder=context.templates.cache / "trained" / f"adversaries-{context.preset}-{seed}",
        progress=lambda done, total, what: context.say(f"{done}/{total} {what}"),
    )


def erased_by(context: Any, net: Any, images: Any, labels: Any, identity: Any, seed: int) -> Any:
    """Return a barycentre eraser of gender, fitted on a matcher's templates of pictures.

    It leaves out Eq. 4, which scales axes: the erased template stays near the original's.
    """
    from sfumato.erasers.barycentre import BarycentreEraser

    others = np.column_stack([labels[name] for name in labels if name != "gender"])
    eraser = BarycentreEraser(within=None, seed=seed).set_params(
        **context.pick({"n_steps": 1, "n_units": 32}, {})
    )
    X = _templates(net, Pictures(images, images.shape[1]))
    about = {"identity": identity, "context": context.pick(None, others)}
    return eraser.fit(X, labels["gender"], **about)


def _templates(net, pictures):
    """Return what a matcher makes of pictures, shape (n_images, n_features)."""
    import torch

    rows = np.array_split(np.arange(len(pictures)), -(-len(pictures) // ROWS))
    with torch.no_grad():
        return np.concatenate([net(pictures.batch(part)).numpy() for part in rows])


def matcher(context: Any) -> Any:
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


def _about(context, labels, recipe, erased):
    counts = {
        name: dict(zip(*np.unique(v, return_counts=True), strict=True))
        for name, v in labels.items()
    }
    return {
        "preset": context.preset,
        "recipe": None if recipe is None else vars(recipe),
        **({"wanted": "templates with gender erased by a barycentre"} if erased else {}),
        "trained_on": {k: {c: int(n) for c, n in v.items()} for k, v in counts.items()},
    }
