"""What machines make of the 15 outputs of a perturber, and of the originals."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from sfumato.audit.pictures import attribute_figures, look, pairing_figures
from sfumato.faces.encoders import make_encoder
from sfumato.metrics.identification import cmc_embeddings
from sfumato.metrics.image import psnr, ssim
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.metrics.verification import tmr_at_fmr
from sfumato.perturbers.choice import every_choice
from sfumato.readers.files import shipped_reader
from sfumato.reproduce._perturbers_trained import trained
from sfumato.reproduce.age_and_gender import NAME, AgeAndGenderReader, is_installed
from sfumato.reproduce.pictures import tried_faces

ORIGINAL = "original"
#: Trained by themselves, never against a perturber; the matcher likewise.
READERS, MATCHER = ("pixels", "dlib"), "dlib"
FMRS = tuple(float(x) for x in np.logspace(-3, 0, 13))
RANKS = (1, 2, 5, 10, 20)
SURE = 0.8
UNKNOWN = "unknown"
QUICK = ("A2", "G", "R+A0")


@cache
def machines() -> tuple[Any, ...]:
    """Return sfumato's readers and the encoders that no perturber saw, by name."""
    readers = {name: shipped_reader(name) for name in READERS}
    return readers, {MATCHER: make_encoder(MATCHER)}


@cache
def all_machines() -> tuple[Any, ...]:
    """Return those of :func:`machines` and the package age-and-gender, if it is installed."""
    readers, encoders = machines()
    return readers | ({NAME: AgeAndGenderReader()} if is_installed() else {}), encoders


def reader_names() -> Any:
    """Return the names of :func:`all_machines`' readers; figures kept differ by who reads."""
    return ", ".join(all_machines()[0])


def reader_notes() -> list[Any]:
    """Return what to say of readers that are left out."""
    if NAME in all_machines()[0]:
        return []
    return [f"The package {NAME} is not installed, so that its reader is left out."]


def measured(
    context: Any, name: str, hides: dict[str, dict[str, Any]] | None = None
) -> dict[Any, Any]:
    """Return all figures of one perturber's outputs, kept in the cache.

    Parameters
    ----------
    context : Context
    name : str
        Of the perturber.
    hides : dict of str to dict, optional
        Outputs by name; default: :func:`sfumato.perturbers.choice.every_choice`, three of them
        for the quick preset. ``"original"`` comes besides.

    Returns
    -------
    dict of (str, str, str) to float
        By data set, output, and figure: ``"pixels gender EER"``, ``"P-P TMR@1e-2"``,
        ``"roc 0.001"``, ``"cmc 1"``, ``"SSIM"``, ...
    """
    if hides is None:
        hides = {n: h for n, h in every_choice().items() if context.pick(n in QUICK, True)}
    hides = {ORIGINAL: None} | hides
    shared = replace(context, name="perturbed")
    faces = cache(lambda: tried_faces(context))
    method = cache(lambda: trained(context, name))
    found: dict = {}
    for output, hide in hides.items():
        context.say(f"{name}: {output}")
        cell = partial(_output, faces, method, hide)
        found |= {
            (where, output, what): value
            for (where, what), value in shared.once(f"{name}, {output}", cell).items()
        }
    return found


def _output(faces, method, hide):
    """Return one output's figures by data set and figure."""
    found: dict = {}
    for where, tried in faces().items():
        before = _seen(where, tried)
        images, after = tried.images, before
        if hide is not None:
            images = method().transform(tried.images, hide=hide)
            after = look(images, *machines())
        for (reader, what), value in reading_figures(tried, before, after).items():
            found[where, f"{reader} {what}"] = value
        if tried.identity is not None:
            found |= {(where, what): v for what, v in _matched(before, after, tried).items()}
        found[where, "SSIM"] = float(ssim(tried.images, images).mean())
        if hide is not None:
            found[where, "PSNR"] = float(psnr(tried.images, images).mean())
    return found


_LOOKED: dict = {}


def _seen(where, tried):
    """Return what machines make of the originals, looked at once."""
    key = where, tried.images.shape, float(tried.images.sum())
    if key not in _LOOKED:
        _LOOKED[key] = look(tried.images, *machines())
    return _LOOKED[key]


def reading_figures(tried: Any, before: Any, after: Any) -> dict[Any, Any]:
    """Return how well each reader reads gender, race and age of changed faces.

    Parameters
    ----------
    tried : Tried
        The originals. Where the race is not labelled, the dlib reader's answer on them stands in
        if it is sure; where the age is not labelled, each reader's own answer, as in the paper.
    before, after : Seen
        Of the originals and of the changed faces.

    Returns
    -------
    dict of (str, str) to float
        By reader and ``"gender EER"``, ``"race EER"`` or ``"age MAE"``.
    """
    labels = _labels(tried, before)
    found = attribute_figures(after, labels)
    return found if "age" in labels else found | _age_moved(before, after)


def _labels(tried, before):
    """Return the labels; where a race is not labelled, the dlib reader's if it is sure."""
    labels = dict(tried.labels)
    if "race" not in labels:
        white = before.scores["dlib", "race"]
        labels["race"] = np.select([white > SURE, white < 1 - SURE], ["white", "black"], UNKNOWN)
    return labels


def _age_moved(before, after):
    """Return how far each reader's age moved."""
    return {
        (reader, "age MAE"): float(np.abs(scores - before.scores[reader, what]).mean())
        for (reader, what), scores in after.scores.items()
        if what == "age"
    }


def _matched(before, after, tried):
    """Return the four pairings, the ROC and the CMC of the unseen matcher, P against P."""
    pairings = pairing_figures(before, after, tried.identity)
    found = {what: value for (_, what), value in pairings.items()}
    X, metric = after.templates[MATCHER], after.metrics[MATCHER]
    scores = all_vs_all(X, None, metric, pairs=all_pairs(tried.identity))
    found |= {
        f"roc {fmr:g}": tmr_at_fmr(scores.genuine, scores.impostor, fmr) for fmr in FMRS[:-1]
    }
    # Two photos of each person: the first are the gallery, the second the probes.
    first = np.unique(tried.identity, return_index=True)[1]
    second = np.setdiff1d(np.arange(len(X)), first)
    curve = cmc_embeddings(
        X[second], tried.identity[second], X[first], tried.identity[first], metric
    )
    return found | {f"cmc {rank}": float(curve[min(rank, len(curve)) - 1]) for rank in RANKS}
