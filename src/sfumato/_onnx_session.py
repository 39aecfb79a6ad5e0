"""A network in ONNX Runtime, whose every fault is one line that names its file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.validation import need


class OnnxSession:
    """A network that runs on the CPU.

    Parameters
    ----------
    model : str or bytes
        A file's name, or its content.
    path : str or Path
        For messages.
    extra : str
        The extra of this package that installs ONNX Runtime.
    n_threads : int, default=1
        0: as many as there are cores.

    Attributes
    ----------
    inputs, outputs : list
        ONNX Runtime's nodes, each with ``name``, ``shape`` and ``type``.

    Raises
    ------
    InputError
        If ONNX Runtime cannot load it.
    MissingExtraError
        Without ONNX Runtime.
    """

    def __init__(
        self, model: str | bytes, path: str | Path, *, extra: str, n_threads: int = 1
    ) -> None:
        self._runtime, self._path = need("onnxruntime", extra), path
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
        options.log_severity_level = 4  # What goes wrong is raised.
        providers = ["CPUExecutionProvider"]
        try:
            self._session = self._runtime.InferenceSession(model, options, providers=providers)
            self.inputs, self.outputs = self._session.get_inputs(), self._session.get_outputs()
        # ONNX Runtime's own exceptions share no base but this.
        except Exception as error:
            raise InputError(f"{path}: not an ONNX file that ONNX Runtime can load.") from error

    @property
    def metadata(self) -> dict[str, str]:
        """The file's own entries."""
        try:
            return dict(self._session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # They may be no text.
            raise InputError(f"{self._path}: its metadata cannot be read.") from error

    def run(
        self, inputs: dict[str, NDArray[Any]], outputs: Sequence[str], *, alone: bool = False
    ) -> list[NDArray[Any]]:
        """Return outputs in the order of their names.

        Parameters
        ----------
        inputs : dict of str to ndarray
        outputs : sequence of str
        alone : bool, default=False
            Leave out the nodes that they do not need.

        Raises
        ------
        InputError
            If the network fails, or gives something else than arrays.
        """
        options = self._runtime.RunOptions()
        options.only_execute_path_to_fetches = alone
        options.log_severity_level = 4
        try:
            found = self._session.run(list(outputs), inputs, options)
        except Exception as error:
            said = " ".join(str(error).split()).removeprefix("[ONNXRuntimeError] : ")[:200]
            raise InputError(f"{self._path}: ONNX Runtime cannot run it ({said}).") from error
        for name, values in zip(outputs, found, strict=True):
            if not isinstance(values, np.ndarray):
                raise InputError(f"{self._path}: its output {name!r} is no array.")
        return found
