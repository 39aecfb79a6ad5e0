"""Saved readers: one safetensors file with its description as JSON in the header, never pickle.

Weights of networks are kept in half precision, which changes no figure that counts and halves
the file.
"""

import json
from dataclasses import asdict

import numpy as np
from safetensors.numpy import save_file

from sfumato.data.tensors import read_tensors
from sfumato.errors import InputError
from sfumato.files import atomic_path
from sfumato.readers.recipes import Architecture
from sfumato.readers.tasks import task_from_dict, task_to_dict
from sfumato.readers.templates import TemplateReader
from sfumato.validation import need

FORMAT, KEY = 1, "sfumato_reader"


def save_reader(reader, path, *, about=None):
    """Write a reader, atomically.

    Parameters
    ----------
    reader : TemplateReader or PixelReader
    path : str or Path
    about : dict, optional
        What it was trained on and how well it reads; default: the reader's own.
    """
    if isinstance(reader, TemplateReader):
        arrays, tasks = reader.network_, reader.tasks_
        more = {"parameters": reader.get_params()}
    else:
        tasks = reader.tasks
        arrays = {name: t.detach().cpu().numpy() for name, t in reader.net.state_dict().items()}
        more = {"architecture": asdict(reader.net.trunk.architecture)}
    description = {
        "format": FORMAT,
        "kind": reader.kind,
        "tasks": [task_to_dict(task) for task in tasks],
        "about": reader.about if about is None else about,
        **more,
    }
    half = {name: np.ascontiguousarray(_half(values)) for name, values in arrays.items()}
    with atomic_path(path) as temporary:
        save_file(half, temporary, metadata={KEY: json.dumps(description)})


def load_reader(path):
    """Return the reader of a file; nothing in it is executed.

    Returns
    -------
    TemplateReader or PixelReader
        The latter needs the extra ``deep``. ``about`` is what was saved with it.

    Raises
    ------
    InputError
        If the file is missing, broken, foreign or newer than this version reads.
    """
    description, arrays = read_tensors(path, KEY, "one of a reader")
    if description["format"] != FORMAT:
        raise InputError(
            f"{path}: reader format {description['format']}, this version reads {FORMAT}; "
            "update sfumato."
        )
    arrays = {name: _single(values) for name, values in arrays.items()}
    tasks = [task_from_dict(task) for task in description["tasks"]]
    if description["kind"] == "templates":
        reader = TemplateReader(**description["parameters"])
        reader.network_, reader.tasks_, reader.about = arrays, tasks, description["about"]
        reader.n_features_in_ = len(arrays["shift"])
        return reader
    torch = need("torch", "deep")
    from sfumato.readers.pixels import PixelReader, empty_net

    net = empty_net(Architecture(**description["architecture"]), tasks)
    net.load_state_dict({name: torch.from_numpy(values) for name, values in arrays.items()})
    return PixelReader(net, tasks, description["about"])


def _half(values):
    return values.astype(np.float16) if values.dtype == np.float32 else values


def _single(values):
    return values.astype(np.float32) if values.dtype == np.float16 else values
