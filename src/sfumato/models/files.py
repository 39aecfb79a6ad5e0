"""Save and load models: erasers, readers and perturbers, by a path or a bundled name."""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

import sfumato.erasers
import sfumato.perturbers
import sfumato.readers
from sfumato._fitted import construct, fitted_state, restore
from sfumato.data.info import TableInfo
from sfumato.data.saved import Saved, named, read_saved, write_saved
from sfumato.errors import InputError, MissingExtraError
from sfumato.models.likeness import Likeness
from sfumato.models.registry import (
    ERASERS,
    PERTURBERS,
    eraser_class,
    method_name,
    perturber_class,
)
from sfumato.models.saved_model import SavedModel
from sfumato.readers.files import READERS, reader_of, saved_of

#: Where each kind's bundled models lie.
FOLDERS = {
    "eraser": Path(sfumato.erasers.__file__).parent / "weights",
    "perturber": Path(sfumato.perturbers.__file__).parent / "weights",
    "reader": Path(sfumato.readers.__file__).parent / "weights",
}
_PROBES = 4
_LIKENESS = "likeness."  # Before the names of these arrays.


def bundled(kind: str | None = None) -> dict[str, Path]:
    """Return the files of the models that come with sfumato, of one kind or all, by name."""
    folders = FOLDERS.values() if kind is None else [FOLDERS[kind]]
    return {path.stem: path for f in folders for path in sorted(f.glob("*.safetensors"))}


@overload
def load(source: str | Path, kind: Literal["eraser"]) -> SavedModel: ...
@overload
def load(source: str | Path, kind: str | None = None) -> Any: ...
def load(source: str | Path, kind: str | None = None) -> Any:
    """Return the model of a file that sfumato saved or exported, or a bundled one.

    Nothing in the file is executed. A model is returned only after its file was checked and it
    was run once, on a few random rows or on a blank picture.

    Parameters
    ----------
    source : str or Path
        A file, exported ones by their ending ``.onnx``; where there is none of this name, the
        name of a model that comes with sfumato, such as ``"privacynet"`` or ``"gender"``.
    kind : {"eraser", "reader", "perturber"}, optional
        What it must be; default: anything.

    Returns
    -------
    SavedModel, Perturber, TemplateReader, PixelReader, OnnxEraser, OnnxPerturber or OnnxReader
        With ``sha256``, that of the file; readers and perturbers with their card, ``about``.

    Raises
    ------
    InputError
        If there is no such file or name, or the file is foreign, broken, damaged, of another
        kind or newer than this version reads; the message names the file and the entry.
    MissingExtraError
        Without ONNX Runtime for an exported model, without torch for a network on pixels.
    """
    path = _find(source, kind)
    if path.suffix.lower() == ".onnx":
        from sfumato.models.onnx_running import open_onnx

        return open_onnx(path, kind)
    saved = read_saved(path)
    if kind not in (None, saved.kind):
        raise InputError(f"{path}: a model of kind {saved.kind}, not {_article(str(kind))}.")
    make = {"eraser": _eraser_of, "perturber": _perturber_of, "reader": reader_of}
    return make[saved.kind](saved, path)


def save(
    model: Any,
    path: str | Path,
    *,
    about: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write a model, atomically.

    Parameters
    ----------
    model : SavedModel, eraser, Perturber, TemplateReader or PixelReader
        Fitted.
    path : str or Path
    about : dict, optional
        Of a reader or a perturber: what it was trained on and what was measured, its model
        card; default: the one that it has.
    half : bool, default=False
        Keep an eraser's numbers in half precision, in a quarter of the file; it computes in
        double precision after :func:`load`, but has another fingerprint than before. Readers and
        perturbers always are.

    Raises
    ------
    InputError
        If it is not fitted, of no registered method, or has a value that is not finite.
    """
    write_saved(_saved(model, about), path, half=half)


#: Names of :func:`load` and :func:`save` from when there was a module for each kind.
load_model, save_model = load, save


def _find(source: str | Path, kind: str | None) -> Path:
    path, known = Path(source), bundled()
    if path.is_dir():
        raise InputError(f"{source}: is a folder; give the file of a model.")
    if path.exists() or str(source) not in known:
        if path.exists() or path.suffix:
            return path
        listed = "; ".join(
            f"{each}s: {', '.join(bundled(each))}"
            for each in FOLDERS
            if kind in (None, each) and bundled(each)
        )
        also = f", nor a bundled model ({listed})" if listed else ""
        raise InputError(f"{source}: no such file{also}.")
    return known[str(source)]


def _saved(model: Any, about: Mapping[str, Any] | None) -> Saved:
    if _registered(model, READERS):
        return saved_of(model, about)
    given = model if isinstance(model, SavedModel) else SavedModel(model)
    if _registered(given.eraser, ERASERS):
        arrays, values = fitted_state(given.eraser)
        more = {
            "attributes": list(given.attributes),
            "info": asdict(given.info),
            "fitted_on": given.fitted_on,
        }
        name, parameters = method_name(given.eraser), given.eraser.get_params()
        if given.likeness is not None:
            arrays |= {_LIKENESS + key: a for key, a in given.likeness.arrays().items()}
        return Saved("eraser", name, parameters, values, arrays, more, given.version)
    name = method_name(model, PERTURBERS)
    arrays, values = fitted_state(model)
    more = {"about": dict(model.about if about is None else about)}
    return Saved("perturber", name, model.get_params(), values, arrays, more)


def _registered(model: Any, registry: Mapping[str, str]) -> bool:
    return f"{type(model).__module__}:{type(model).__qualname__}" in registry.values()


def _eraser_of(saved: Saved, path: Path) -> SavedModel:
    with named(path):
        eraser = construct(eraser_class(saved.method), saved.parameters)
        arrays = {key: a for key, a in saved.arrays.items() if not key.startswith(_LIKENESS)}
        known = {k.removeprefix(_LIKENESS): a for k, a in saved.arrays.items() if k not in arrays}
        restore(eraser, arrays, saved.state)
        likeness = Likeness.from_arrays(known, eraser.n_features_in_) if known else None
        probe = np.random.default_rng(0).standard_normal((_PROBES, eraser.n_features_in_))
        found = eraser.transform(probe.astype(np.float32))
        if len(found) != _PROBES or found.ndim != 2 or not np.isfinite(found).all():
            raise InputError(f"{saved.method} gives no finite embeddings for random ones.")
        return SavedModel(
            eraser,
            tuple(saved.more["attributes"]),
            TableInfo.from_dict(saved.more["info"]),
            saved.more["fitted_on"],
            saved.version,
            saved.sha256,
            saved.format > 1,
            likeness,
        )


def _perturber_of(saved: Saved, path: Path) -> Any:
    with named(path):
        perturber = construct(perturber_class(saved.method), saved.parameters)
        restore(perturber, saved.arrays, saved.state)
        perturber.about, perturber.sha256 = saved.more["about"], saved.sha256
        perturber.checked = saved.format > 1
        # A missing dependency is reported where the perturber is used.
        with contextlib.suppress(MissingExtraError):
            _try_perturber(perturber)
        return perturber


def _try_perturber(perturber: Any) -> None:
    side = min(perturber.size_, 1024)
    picture = np.full((1, 3, side, side), 0.5, np.float32)
    shown = {name: [classes[0]] for name, classes in perturber.attributes_.items()}
    hide = {name: classes[-1] for name, classes in perturber.attributes_.items()}
    found = perturber.trial().transform(picture, hide=hide, labels=shown)
    if found.shape != picture.shape or not np.isfinite(found).all():
        raise InputError(f"{type(perturber).__name__} gives no finite picture for a grey one.")


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "eraser" else f"a {kind}"
