"""Open a model of whatever kind, saved or exported."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from sfumato.errors import InputError
from sfumato.models import pictures, storage
from sfumato.perturbers.base import Perturber
from sfumato.readers import storage as readers


def open_model(path, kind=None):
    """Return the model of a file that sfumato saved, or exported (``.onnx``).

    Parameters
    ----------
    path : str or Path
        Where there is no such file, the name of a perturber that comes with sfumato, too.
    kind : {"eraser", "perturber"}, optional
        What it must be; default: anything, readers too.

    Raises
    ------
    InputError
        As :func:`load_any`, or for a file of another kind.
    MissingExtraError
        Without ONNX Runtime for an exported model.
    """
    shipped = pictures.shipped_perturbers()
    if not Path(path).exists() and str(path) in shipped:
        model = pictures.shipped_perturber(str(path))[0]
    elif not Path(path).exists() and kind == "perturber":
        known = ", ".join(shipped) or "none"
        raise InputError(f"{path}: no such file (perturbers that come along: {known}).")
    elif Path(path).suffix.lower() == ".onnx":
        from sfumato.export.running import open_onnx

        model = open_onnx(path)
    else:
        model = load_any(path)[0]
    kinds = {"eraser": storage.SavedModel, "perturber": Perturber}
    if kind is not None and not isinstance(model, kinds[kind]):
        raise InputError(f"{path}: not {'an' if kind == 'eraser' else 'a'} {kind}.")
    return model


def load_any(path):
    """Return what a file holds, and what was saved with a perturber.

    Parameters
    ----------
    path : str or Path
        A file that sfumato saved.

    Returns
    -------
    model : SavedModel, Perturber, TemplateReader or PixelReader
    about : dict
        Empty but for perturbers.

    Raises
    ------
    InputError
        If the file is missing, foreign, broken or newer than this version reads.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        with safe_open(path, framework="numpy") as file:
            keys = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    if pictures.KEY in keys:
        return pictures.load_perturber(path)
    if readers.KEY in keys:
        return readers.load_reader(path), {}
    return storage.load_model(path), {}
