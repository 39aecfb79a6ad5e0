"""What the service's worker processes do with galleries: one request at a time each.

Processes, not threads: a request that takes too long is ended with its process, which a gallery
outlives, and a lock that a process waits for holds up no other request's answer.
"""

import io
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sfumato.data.info import TableInfo
from sfumato.errors import DamageError, InputError, StorageError
from sfumato.gallery import Gallery, ProtectedTemplates
from sfumato.service import work
from sfumato.service._bodies import Person, ToEnrol, ToIdentify, ToVerify, photo_bytes, read_as

LOG = logging.getLogger(__name__)


def names_of(folders: Iterable[str | Path]) -> Any:
    """Return galleries' folders by the names under which they are served.

    Parameters
    ----------
    folders : iterable of str or Path
        ``people.gallery`` is served as ``people``.

    Raises
    ------
    InputError
        For two of one name.
    """
    found: dict[str, str] = {}
    for folder in folders:
        name = Path(folder).resolve().stem
        if name in found:
            raise InputError(
                f"--gallery: {found[name]} and {folder} would both be served as {name!r}; rename "
                "one of the folders."
            )
        found[name] = str(folder)
    return found


def made_by(info: Any) -> Any:
    """Return what made templates, as a request says it."""
    erasers = [f"{step['method']}:{step['fingerprint']}" for step in info.transformations]
    about = {"encoder": info.encoder, "encoder_version": info.encoder_version}
    return about | {"erasers": erasers, "metric": info.metric}


def summary(name: str) -> Any:
    """Return what a gallery holds, and what its templates must have been made by."""
    gallery = _gallery(name)
    found = _call(name, gallery.summary)
    told = ("n_templates", "n_people", "search", "index", "calibration", "bytes")
    about = {"gallery": name, "made_by": made_by(gallery.info)}
    return about | {"dimension": gallery.info.dimension} | {key: found[key] for key in told}


def people(name: str, first: Any, n_most: Any) -> dict[str, Any]:
    """Return some of the people by name, and how many there are."""
    found = _call(name, _gallery(name).list)
    return {"n_people": len(found), "people": found[first : first + n_most]}


def enrol(name: str, content: bytes, max_bytes: int) -> Any:
    """Add a body's templates; see :meth:`sfumato.gallery.Gallery.enrol`.

    ``max_bytes`` are those of a photo. Like all that tell outcomes, it returns them, too.
    """
    items, maker = _given(read_as(ToEnrol, content), max_bytes)
    gallery = _gallery(name)
    done = _call(name, gallery.enrol, _templates(name, gallery, items, maker))
    if not done.n_enrolled:
        _refuse(done.rejects[0]["row"], done.rejects[0]["reason"])
    found = done.to_dict()
    return found, {"enrolled": found["n_enrolled"], "rejected": found["n_rejects"]}


def verify(name: str, content: bytes, max_bytes: int) -> Any:
    """Compare a body's templates with those whom they claim to be."""
    body = read_as(ToVerify, content)
    items, maker = _given(body, max_bytes)
    gallery = _gallery(name)
    given = _templates(name, gallery, items, maker)
    found = _some(_call(name, gallery.verify, given, **body.given()), items)
    n_accepted = found["n_accepted"]
    outcomes = {"accepted": n_accepted, "refused": found["n_probes"] - n_accepted}
    return found, outcomes | {"rejected": len(found["rejects"])}


def identify(name: str, content: bytes, max_bytes: int) -> Any:
    """Say who a body's templates are."""
    body = read_as(ToIdentify, content)
    items, maker = _given(body, max_bytes)
    gallery = _gallery(name)
    given = _templates(name, gallery, items, maker)
    found = _some(_call(name, gallery.identify, given, k=body.top, **body.given()), items)
    outcomes = {"named": found["n_named"], "nobody": found["n_probes"] - found["n_named"]}
    return found, outcomes | {"rejected": len(found["rejects"])}


def delete(name: str, content: bytes) -> Any:
    """Delete a body's person; see :meth:`sfumato.gallery.Gallery.delete`."""
    found = _call(name, _gallery(name).delete, read_as(Person, content).person)
    # Where exports lie is not the client's.
    left = [
        "the folder of an export" if Path(f).is_absolute() else f for f in found["unknown_files"]
    ]
    return found | {"unknown_files": left}


def export(name: str, max_bytes: Any) -> Any:
    """Return all templates as the bytes of a face table."""
    gallery, content = _gallery(name), io.BytesIO()
    n_bytes = 4 * gallery.info.dimension * _call(name, gallery.summary)["n_templates"]
    if n_bytes > max_bytes:
        raise InputError(
            f"{n_bytes:,} bytes of templates are more than the limit of {max_bytes:,}; run "
            "sfumato gallery export where the gallery is."
        )
    _call(name, gallery.export, content)
    return content.getvalue()


def _given(body, max_bytes):
    """Return a body's templates, photos as bytes, and what made them, as plain values."""
    items = body.model_dump()["templates"]
    for row, item in enumerate(items):
        if item["photo"] is not None:
            item["photo"] = photo_bytes(item["photo"], max_bytes, f"templates.{row}.photo")
    return items, None if body.made_by is None else body.made_by.model_dump()


def _gallery(name):
    """Return a gallery, which this process keeps open."""
    loaded = work.loaded()
    if name not in loaded.galleries or loaded.galleries[name].replaced:
        folder = names_of(loaded.models.galleries)[name]
        loaded.galleries[name] = _call(name, Gallery, folder)
    return loaded.galleries[name]


def _call(name, function, *args, **options):
    """Call what a gallery does; where its files lie, and what is wrong with them, is logged."""
    try:
        return function(*args, **options)
    except (DamageError, StorageError, OSError) as error:
        LOG.error("%s", error)
        state = error.state if isinstance(error, StorageError) else ""
        text = f"gallery {name}: its files cannot be read or written; "
        text += _without_path(state, name) or "tell whoever runs this service"
        raise StorageError(f"{text}.") from None
    except InputError as error:
        raise InputError(_without_path(error, name)) from None


def _without_path(text, name):
    folder, text = Path(names_of(work.loaded().models.galleries)[name]), str(text)
    for path in (folder.absolute(), folder):
        whole = rf"(?<![\w/.-]){re.escape(str(path))}(?![\w-])"
        text = re.sub(whole, f"gallery {name}", text)
    return text


def _templates(name, gallery, items, maker):
    """Return a request's templates; those of photos are made, protected and checked here."""
    info = _info(items, maker)
    X = np.full((len(items), gallery.info.dimension), np.nan, dtype=np.float32)
    for row, item in enumerate(items):
        x = item["embedding"] if item["photo"] is None else _from_photo(row, item["photo"])
        if len(x) != X.shape[1]:
            raise InputError(
                f"templates, row {row}: has {len(x)} numbers, those of gallery {name} have "
                f"{X.shape[1]}."
            )
        with np.errstate(over="ignore"):
            X[row] = x
    ids = [item["id"] for item in items]
    return ProtectedTemplates(X, info, ids, [item.get("person") for item in items], "templates")


def _info(items, maker):
    """Return what made the templates: as the request says, or this service's own models."""
    own = _own_info() if any(item["photo"] is not None for item in items) else None
    if all(item["photo"] is not None for item in items):
        return own
    if maker is None:
        raise InputError("made_by must say what made the embeddings: their encoder and erasers.")
    told = maker | {"transformations": [_step(text) for text in maker["erasers"]]}
    told.pop("erasers")
    info = TableInfo.from_dict(told)
    if own is not None and made_by(own) != made_by(info):
        raise InputError(
            "made_by is not what this service makes of photos; send photos and embeddings in "
            "requests of their own."
        )
    return info


def _step(text):
    method, _, fingerprint = text.partition(":")
    return {"method": method, "fingerprint": fingerprint}


def _own_info():
    """Return the TableInfo of the templates that this service makes and protects."""
    encoder, model = work.loaded().encoder, work.loaded().eraser
    if model is None:
        raise InputError("this service has no eraser for photos; start it with --eraser MODEL.")
    info = TableInfo(
        None, encoder.name, encoder.version, encoder.dimension, encoder.metric,
        encoder.normalisation,
    )  # fmt: skip
    model.check(info, "the photos")
    metric = model.eraser.metric
    return info.transformed(model.step, dimension=None, normalisation="none", metric=metric)


def _from_photo(row, photo):
    try:
        raw = work.largest_template(photo)
        return work.loaded().eraser.eraser.transform(raw[None])[0]
    except InputError as error:
        _refuse(row, error)


def _some(found, items):
    """Return what was found, if any template could be used."""
    if not found["probes"]:
        _refuse([item["id"] for item in items].index(found["rejects"][0]["probe"]),
                found["rejects"][0]["reason"])  # fmt: skip
    return found


def _refuse(row, reason):
    raise InputError(f"templates, row {row}: {reason}".removesuffix(".") + ".") from None
