"""Exported files in the place of the models that they were made of, run by ONNX Runtime.

Each opens its file again where it is unpickled, so that worker processes can have it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato.data.saved import named
from sfumato.errors import InputError
from sfumato.models.likeness import Likeness
from sfumato.models.onnx_model import OnnxModel
from sfumato.models.saved_model import SavedModel
from sfumato.perturbers.base import Perturber
from sfumato.readers.tasks import AgeTask, Reading, task_from_dict


def open_onnx(path: str | Path, kind: str | None = None) -> "OnnxEraser | OnnxReader":
    """Return an exported eraser, perturber or reader that is used like the native one.

    Parameters
    ----------
    path : str or Path
        What ``sfumato export`` wrote.
    kind : {"eraser", "reader", "perturber"}, optional
        What it must be; default: anything.

    Returns
    -------
    OnnxEraser, OnnxPerturber or OnnxReader

    Raises
    ------
    InputError
        As :class:`sfumato.models.onnx_model.OnnxModel`.
    """
    model = OnnxModel(path)
    if kind is not None:
        model.require(kind)
    with named(path):
        if model.kind == "eraser":
            return OnnxEraser.of(model)
        return OnnxPerturber(path) if model.kind == "perturber" else OnnxReader(model)


@dataclass(frozen=True)
class OnnxEraser(SavedModel):
    """An exported eraser with the provenance of the saved one."""

    @classmethod
    def of(cls, model: Any) -> Any:
        """Return the eraser of an OnnxModel."""
        step, known = model.description["step"], model.description.get("likeness")
        n_features = model.inputs["embedding"][1]
        return cls(
            eraser=_Transform(model),
            attributes=tuple(step["attributes"]),
            info=model.info,
            fitted_on=step["fitted_on"],
            version=step["version"],
            sha256=model.sha256,
            likeness=None if known is None else Likeness.from_texts(known, n_features),
        )

    @property
    def fingerprint(self) -> Any:
        """That of the eraser which was exported."""
        return self.step["fingerprint"]

    @property
    def step(self) -> Any:
        """The entry that the eraser which was exported adds to a table's transformations."""
        return self.eraser.model.description["step"]


class _Transform:
    def __init__(self, model: Any) -> None:
        self.model, self.transform = model, model.transform
        self.n_features_in_ = model.inputs["embedding"][1]
        self.unit_length = model.description["output"]["normalisation"] == "l2"
        self.metric = model.description["output"]["metric"]


class OnnxPerturber(Perturber):
    """An exported perturber; torch scales the pictures to its size and back.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._model = OnnxModel(path)
        known = self._model.description
        if "seen" not in known:
            raise InputError("exported by an older sfumato; export it again.")
        self.seed, self.size_ = known["seed"], known["size"]
        self.attributes_ = known["seen"]
        self.also_shown = {
            name: classes[len(known["seen"][name]) :]
            for name, classes in known["attributes"].items()
        }
        self.labeller = known.get("labeller", "own")
        self.method, self.fingerprint = self._model.method, known["fingerprint"]
        self.about, self.sha256 = known.get("about", {}), self._model.sha256

    def fit(self) -> Any:
        """Raise InputError: the file holds what was fitted."""
        raise InputError(f"{self.path}: an exported perturber cannot be fitted; fit the method.")

    def _codes(self, x):
        codes = np.zeros((len(x), len(self.attributes_)), np.int64)
        seen = self._run(x, dict.fromkeys(("now", "then"), codes), "seen")
        return {name: seen[:, n] for n, name in enumerate(self.attributes_)}

    def _perturb(self, x, now, then, hidden):
        import torch

        codes = {"now": now, "then": then}
        codes = {k: np.stack([v[n] for n in self.attributes_], 1) for k, v in codes.items()}
        return torch.from_numpy(self._run(x, codes, "protected"))

    def _run(self, x, codes, output):
        given = {name: codes[name] for name in self._model.inputs if name != "pictures"}
        return self._model.run({"pictures": x.numpy(), **given}, outputs=[output])[output]


class OnnxReader:
    """An exported reader, of templates or of pixels.

    Parameters
    ----------
    model : OnnxModel
    """

    checked = True

    def __init__(self, model: OnnxModel) -> None:
        model.require("reader")
        self._model = model
        self.kind = "pixels" if "pictures" in model.inputs else "templates"
        self.about, self.sha256 = model.description["about"], model.sha256
        self.crops = model.description.get("crops")
        self.tasks = self.tasks_ = [task_from_dict(t) for t in model.description["tasks"]]
        for task in self.tasks:
            n = len(task.ages_years if isinstance(task, AgeTask) else task.classes)
            if model.outputs.get(task.name, [])[1:] != [n]:
                raise InputError(f"the output {task.name!r} does not hold {n} probabilities.")

    def read(self, X: ArrayLike) -> dict[str, Reading]:
        """Return what templates or cut out faces say of each attribute.

        Parameters
        ----------
        X : array-like of shape (n_faces, n_features), or (n_faces, side, side, 3), uint8

        Returns
        -------
        dict of str to Reading
        """
        (name,) = self._model.inputs
        found = self._model.run({name: X})
        return {task.name: _reading(task, found[task.name]) for task in self.tasks}


def _reading(task, probabilities):
    if not isinstance(task, AgeTask):
        return Reading(task, probabilities)
    # The probability of an age is the difference of two levels.
    levels = probabilities[:, :0:-1].cumsum(axis=1)[:, ::-1]
    return Reading(task, probabilities, levels)
