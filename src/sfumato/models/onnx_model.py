"""An exported file, run by ONNX Runtime alone: neither onnx, torch nor the method is needed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfumato._constraints import NOT_NEGATIVE_INT, check_argument
from sfumato._onnx_session import OnnxSession
from sfumato.data.info import TableInfo, check_same_space
from sfumato.data.tensors import parse_json
from sfumato.errors import InputError
from sfumato.models.onnx_seal import check_seal, check_whole
from sfumato.validation import check_choice, check_embeddings

FORMAT, KEY = 1, "sfumato"
KINDS = ("eraser", "reader", "perturber")
CHUNK_TEMPLATES, CHUNK_PICTURES = 4096, 32
DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}


class OnnxModel:
    """A file that ``sfumato export`` wrote.

    Parameters
    ----------
    path : str or Path
    n_threads : int, default=1
        Of ONNX Runtime; 0: as many as there are cores.
    sha256 : str, optional
        That the file must have, 64 hexadecimal digits; default: anything.

    Attributes
    ----------
    description : dict
        The metadata: ``kind`` ("eraser", "reader" or "perturber"), ``method``, ``version`` of
        the sfumato that fitted or exported it; of an eraser ``step``, the entry in a table's
        transformations, and ``output``; of a reader ``tasks``; of a perturber ``attributes``
        with the classes that may be shown, and ``classes``, how many a column of codes has.
    info : TableInfo or None
        The embeddings that it takes; None for pictures.
    inputs, outputs : dict of str to list
        Shapes; the first entry is the open number of rows.
    sha256 : str
        Of the file.

    Raises
    ------
    InputError
        If the file is missing, no ONNX file, not one of sfumato, newer than this version,
        damaged or edited (see :mod:`sfumato.models.onnx_seal`), or not the expected one.
    MissingExtraError
        Without ONNX Runtime.
    """

    def __init__(self, path: str | Path, *, n_threads: int = 1, sha256: str | None = None) -> None:
        self.path, self._n_threads = Path(path), n_threads
        content = _content(self.path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in (None, self.sha256):
            raise InputError(
                f"{path}: another file than before (SHA-256 {self.sha256}, was {sha256}); put "
                "the first one back, or start again."
            )
        check_argument(n_threads, NOT_NEGATIVE_INT, "n_threads")
        check_whole(content, self.path)
        self._session = OnnxSession(content, self.path, extra="export", n_threads=n_threads)
        self.description = _description(self._session.metadata, self.path)
        check_seal(content, self.path)
        self.kind, self.method = self.description["kind"], self.description["method"]
        found = self.description.get("info")
        self.info = None if found is None else TableInfo.from_dict(found)
        self.inputs = {each.name: each.shape for each in self._session.inputs}
        self.outputs = {each.name: each.shape for each in self._session.outputs}
        self._check_form()
        self._dtypes = {each.name: DTYPES[each.type] for each in self._session.inputs}

    def __reduce__(self):
        # A session cannot be sent to another process; the file can be opened there.
        return _opened, (self.path, self._n_threads, self.sha256)

    def check(self, info: TableInfo, table: str | Path) -> None:
        """Refuse a table whose embeddings the model was not fitted on.

        Parameters
        ----------
        info : TableInfo
            Of the table.
        table : str or Path
            Its name, for the message.

        Raises
        ------
        InputError
            For another encoder or dimension, as :class:`~sfumato.models.SavedModel` does, and
            always where the model takes pictures.
        """
        if self.info is None:
            raise InputError(f"{self.path}: {self.method} takes pictures, no embeddings.")
        if info.dimension != self.inputs["embedding"][1] or self.info.encoder is not None:
            check_same_space(info, self.info, table=table, model=self.method)

    def transformed(self, info: Any) -> Any:
        """Return the TableInfo of a table after this eraser."""
        self.require("eraser")
        return info.transformed(self.description["step"], **self.description["output"])

    def transform(self, X: ArrayLike, *, chunk_rows: int = CHUNK_TEMPLATES) -> NDArray[np.float32]:
        """Return protected embeddings, as the eraser's own ``transform`` does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        chunk_rows : int, default=4096
            Rows at a time.

        Returns
        -------
        ndarray of shape (n_samples, n_out), float32

        Raises
        ------
        InputError
            For rows that are not finite or have another number of features, or if the model is
            no eraser.
        """
        self.require("eraser")
        X = check_embeddings(X).astype(np.float32, copy=False)
        return self.run({"embedding": X}, chunk_rows=chunk_rows)["protected"]

    def run(
        self,
        inputs: dict[str, ArrayLike],
        *,
        chunk_rows: int | None = None,
        outputs: Sequence[str] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return outputs by name, computed in chunks of rows.

        Parameters
        ----------
        inputs : dict of str to array-like
            Each of shape ``(n_rows, ...)`` as in ``inputs``. Whole numbers stay whole; floats
            must be finite.
        chunk_rows : int, optional
            Default: 4,096 templates or 32 pictures.
        outputs : sequence of str, optional
            Compute these alone; default: all.

        Returns
        -------
        dict of str to ndarray

        Raises
        ------
        InputError
            For a missing input or one of another shape or type.
        """
        given = {name: self._checked(name, inputs) for name in self.inputs}
        counts = {name: len(values) for name, values in given.items()}
        n_rows = max(counts.values())
        if min(counts.values()) != n_rows or not n_rows:
            raise InputError(f"inputs must have one number of rows, at least 1, got {counts}.")
        if chunk_rows is None:
            chunk_rows = CHUNK_PICTURES if self.info is None else CHUNK_TEMPLATES
        wanted = list(self.outputs if outputs is None else outputs)
        found: dict = {}
        for start in range(0, n_rows, chunk_rows):
            rows = slice(start, start + chunk_rows)
            values = {name: v[rows] for name, v in given.items()}
            parts = self._session.run(values, wanted, alone=outputs is not None)
            for name, part in zip(wanted, parts, strict=True):
                self._check_part(name, part, start, min(chunk_rows, n_rows - start))
                if name not in found:
                    found[name] = np.empty((n_rows, *part.shape[1:]), part.dtype)
                found[name][rows] = part
        return found

    def _checked(self, name, inputs):
        shape, dtype = self.inputs[name][1:], self._dtypes[name]
        if name not in inputs:
            raise InputError(f"{self.path}: needs the inputs {', '.join(self.inputs)}.")
        values = np.asarray(inputs[name])
        if values.ndim == 0 or list(values.shape[1:]) != shape:
            wanted = ", ".join(map(str, ["n_rows", *shape]))
            raise InputError(f"{name} must have shape ({wanted}), got {values.shape}.")
        if not np.can_cast(values.dtype, dtype, "same_kind"):
            raise InputError(f"{name} must be {np.dtype(dtype)}, got {values.dtype}.")
        values = np.ascontiguousarray(values, dtype=dtype)
        if dtype == np.float32 and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0])
            raise InputError(f"{name} must be finite, row {row} has a NaN or infinite value.")
        limits = self.description.get("classes", {}).get(name)
        if limits is not None and ((values < 0) | (values >= limits)).any():
            raise InputError(f"{name} must hold class numbers from 0, below {limits} by column.")
        return values

    def _check_part(self, name, part, start, n_rows):
        wanted = (n_rows, *self.outputs[name][1:])
        if part.shape != wanted:
            raise InputError(
                f"{self.path}: {name} has shape {part.shape} in the place of {wanted}; the model "
                "is broken."
            )
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            row = int(np.flatnonzero(~np.isfinite(part.reshape(len(part), -1)).all(axis=1))[0])
            raise InputError(
                f"{self.path}: {name} of row {start + row} has a NaN or infinite value; the "
                "input is out of range, or the model is broken."
            )

    def _check_form(self):
        """Refuse inputs or outputs that no exported file of this kind has."""
        needed = {
            "eraser": ({"embedding": 2}, {"protected": 2}),
            "perturber": ({"pictures": 4, "then": 2}, {"protected": 4}),
            "reader": ({}, {}),
        }[self.kind]
        nodes = self._session.inputs, self._session.outputs
        for ranks, found, what in zip(needed, nodes, ("input", "output"), strict=True):
            for name in sorted(set(ranks) - {each.name for each in found}):
                raise InputError(f"{self.path}: a {self.kind} without the {what} {name!r}.")
            for each in found:
                if each.type not in DTYPES:
                    raise InputError(
                        f"{self.path}: the {what} {each.name!r} cannot be {each.type}."
                    )
                rank = ranks.get(each.name, max(len(each.shape), 1))
                fixed = all(isinstance(n, int) and n > 0 for n in each.shape[1:])
                if len(each.shape) != rank or not fixed:
                    raise InputError(
                        f"{self.path}: the {what} {each.name!r} cannot have the shape "
                        f"{each.shape}; it needs {rank} axes, of a fixed size but for the first."
                    )
        if self.kind == "reader" and len(self.inputs) != 1:
            raise InputError(f"{self.path}: a reader has one input, found {list(self.inputs)}.")

    def require(self, kind: Any) -> None:
        """Raise InputError unless the model is of this kind."""
        if self.kind != kind:
            article = "an" if kind == "eraser" else "a"
            raise InputError(
                f"{self.path}: a model of kind {self.kind} ({self.method}), not {article} {kind}."
            )


def _opened(path, n_threads, sha256):
    return OnnxModel(path, n_threads=n_threads, sha256=sha256)


def _content(path):
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _description(metadata, path):
    if KEY not in metadata:
        raise InputError(f"{path}: an ONNX file, but not one that sfumato exported.")
    description = parse_json(metadata[KEY], path)
    if not isinstance(description, dict):
        raise InputError(f"{path}: its metadata must be a JSON object, got {description!r}.")
    if description.get("format") != FORMAT:
        raise InputError(
            f"{path}: export format {description.get('format')!r}, this version reads {FORMAT}; "
            "update sfumato."
        )
    for name, wanted in (("kind", str), ("method", str)):
        if not isinstance(description.get(name), wanted):
            raise InputError(f"{path}: its metadata must have {name!r}, text.")
    check_choice(description["kind"], KINDS, f"{path}: 'kind'")
    return description
