"""Saved models: one safetensors file with a JSON description in its header, never pickle.

The arrays are the fitted attributes; the description holds the method, its parameters, what
it was fitted on and with which embeddings, and the version of sfumato. Any safetensors reader
opens the file; nothing in it is executed.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from sfumato import __version__
from sfumato._fitted import fitted_state, restore
from sfumato.data.info import TableInfo, check_same_space
from sfumato.data.tensors import read_tensors
from sfumato.errors import InputError
from sfumato.files import atomic_path
from sfumato.models.registry import eraser_class, method_name

FORMAT = 1


@dataclass(frozen=True)
class SavedModel:
    """A fitted eraser with its provenance.

    Parameters
    ----------
    eraser : estimator
    attributes : tuple of str
        The protected attributes that it takes out.
    info : TableInfo
        The embeddings that it takes.
    fitted_on : dict
        ``source``, ``n_rows``, ``n_identities`` and ``identities`` (``"eraser"``: only the
        identities that :func:`sfumato.data.splits.role` gives to erasers; ``"all"``; or a
        column's value such as ``"partition=train"``) and the split's ``seed``.
    version : str
        The sfumato that fitted it.
    """

    eraser: Any
    attributes: tuple[str, ...] = ()
    info: TableInfo = field(default_factory=TableInfo)
    fitted_on: dict = field(default_factory=dict)
    version: str = __version__

    @property
    def fingerprint(self):
        """Twelve hexadecimal digits of the arrays' SHA-256."""
        return fingerprint_of(self.eraser, method_name(self.eraser))

    @property
    def step(self):
        """The entry that this eraser adds to a table's transformations."""
        return {
            "method": method_name(self.eraser),
            "version": self.version,
            "fingerprint": self.fingerprint,
            "attributes": list(self.attributes),
            "fitted_on": self.fitted_on,
        }

    def check(self, info, table):
        """Refuse a table whose embeddings the eraser was not fitted on."""
        if info.dimension != self.eraser.n_features_in_ or self.info.encoder is not None:
            check_same_space(info, self.info, table=table, model=self.step["method"])


def fingerprint_of(estimator, name):
    """Return twelve hexadecimal digits of the SHA-256 of a method's name and fitted state."""
    digest = hashlib.sha256(name.encode())
    arrays, scalars = fitted_state(estimator)
    digest.update(json.dumps(scalars, sort_keys=True).encode())
    for key in sorted(arrays):
        digest.update(f"{key} {arrays[key].dtype} {arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()[:12]


def save_model(model, path):
    """Write a fitted eraser, atomically.

    Parameters
    ----------
    model : SavedModel or estimator
    path : str or Path
    """
    model = model if isinstance(model, SavedModel) else SavedModel(model)
    arrays, scalars = fitted_state(model.eraser)
    description = {
        "format": FORMAT,
        "method": method_name(model.eraser),
        "parameters": model.eraser.get_params(),
        "state": scalars,
        "attributes": list(model.attributes),
        "info": asdict(model.info),
        "fitted_on": model.fitted_on,
        "version": model.version,
    }
    contiguous = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    with atomic_path(path) as temporary:
        save_file(contiguous, temporary, metadata={"sfumato": json.dumps(description)})


def load_model(path):
    """Read a saved eraser; nothing is executed and no training library is imported.

    Returns
    -------
    SavedModel

    Raises
    ------
    InputError
        If the file is missing, foreign, broken or newer than this version reads.
    """
    description, arrays = read_tensors(path, "sfumato", "one that sfumato saved")
    if description["format"] != FORMAT:
        raise InputError(
            f"{path}: model format {description['format']}, this version reads {FORMAT}; "
            "update sfumato."
        )
    eraser = eraser_class(description["method"])(**description["parameters"])
    try:
        restore(eraser, arrays, description["state"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return SavedModel(
        eraser=eraser,
        attributes=tuple(description["attributes"]),
        info=TableInfo.from_dict(description["info"]),
        fitted_on=description["fitted_on"],
        version=description["version"],
    )
