"""Turn a face into an embedding: dlib's ResNet or any ArcFace-style ONNX network."""

import functools
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sfumato._constraints import POSITIVE, check_argument
from sfumato._onnx_session import OnnxSession
from sfumato.errors import InputError
from sfumato.faces.align import align_arcface, align_dlib, load_predictor, predictor_path
from sfumato.faces.detect import Face
from sfumato.faces.dlib_resnet import DIMENSION, pixels, to_onnx
from sfumato.faces.model_files import existing_file, file_version
from sfumato.validation import need


class Encoder(Protocol):
    """What :func:`sfumato.jobs.embed.embed` needs of an encoder."""

    name: str
    version: str
    dimension: int
    metric: str
    normalisation: str

    def encode(self, image: np.ndarray, face: Face) -> np.ndarray:
        """Return the float32 embedding, shape (dimension,), of one face of an RGB image."""
        ...


class DlibEncoder:
    """dlib's 128-d ResNet on its own 150 x 150 chips; Euclidean distance, not normalised.

    The network runs in ONNX Runtime, see :mod:`sfumato.faces.dlib_resnet`, and gives what dlib
    gives, to 1e-5.
    """

    name = "dlib-resnet"
    dimension = DIMENSION
    metric = "euclidean"
    normalisation = "none"

    def __init__(self) -> None:
        models = need("face_recognition_models", "faces")
        self._path = models.face_recognition_model_location()
        self._session = OnnxSession(to_onnx(self._path), self._path, extra="faces")
        self._predictor = load_predictor()
        self.files = Path(self._path).name, Path(predictor_path()).name

    def __reduce__(self):
        return type(self), ()

    @functools.cached_property
    def version(self) -> Any:
        """The model file's checksum."""
        return file_version(self._path)

    def encode(self, image: Any, face: Any) -> Any:
        """Return the float32 embedding, shape (128,), of one face of an RGB image."""
        return self.encode_chip(align_dlib(image, face, predictor=self._predictor))

    def encode_chip(self, chip: Any) -> Any:
        """Return the embedding of an aligned RGB chip of shape (150, 150, 3), uint8."""
        (values,) = self._session.run({"image": pixels(chip)}, ["embedding"])
        return np.array(values[0], dtype=np.float32)


class ArcFaceOnnxEncoder:
    """An ArcFace-style ONNX network, run on one thread; cosine similarity, not normalised.

    Parameters
    ----------
    path : str or Path
        A network with one float image input, planes first or last, and the embedding as its
        first output; size and layout are read from the graph, 112 x 112 where it is open.
    scale : float, default=128
        Pixels enter as RGB, ``(x - 127.5) / scale``; some networks want 127.5.
    """

    metric = "cosine"
    normalisation = "none"

    def __init__(self, path: str | Path, *, scale: float = 128.0) -> None:
        path = existing_file(path, "an ArcFace-style ONNX file")
        check_argument(scale, POSITIVE, "scale")
        self.parameters: dict[str, Any] = {"path": str(path), "scale": scale}
        self.name = f"arcface-onnx:{path.stem}"
        self.version, self.files = file_version(path), (path.name,)
        self._path, self._session = path, OnnxSession(str(path), path, extra="faces")
        if not self._session.outputs:
            raise InputError(f"{path}: has no output.")
        self._size, self._planes_first = _layout(self._session, path)
        blank = np.zeros((self._size, self._size, 3), dtype=np.uint8)
        self.dimension = self.encode_chip(blank).size
        if self.dimension < 2:
            raise InputError(f"{path}: its first output holds one number, no embedding.")

    def __reduce__(self):
        return functools.partial(type(self), **self.parameters), ()

    def encode(self, image: Any, face: Any) -> Any:
        """Return the float32 embedding, shape (dimension,), of one face of an RGB image."""
        return self.encode_chip(align_arcface(image, face.landmarks, self._size))

    def encode_chip(self, chip: Any) -> Any:
        """Return the embedding of an aligned RGB crop of shape (size, size, 3), uint8."""
        pixels = (chip.astype(np.float32) - 127.5) / np.float32(self.parameters["scale"])
        if self._planes_first:
            pixels = pixels.transpose(2, 0, 1)
        name = self._session.outputs[0].name
        (values,) = self._session.run({self._session.inputs[0].name: pixels[None]}, [name])
        if values.dtype.kind not in "fiu":
            raise InputError(f"{self._path}: its first output holds {values.dtype}, no numbers.")
        found = np.asarray(values, dtype=np.float32).reshape(-1)
        if not np.isfinite(found).all():
            raise InputError(f"{self._path}: its embedding holds a NaN or infinite value.")
        return found


def _layout(session, path):
    """Return the side of the network's square input and whether its planes come first."""
    found = [f"{each.type} {each.shape}" for each in session.inputs]
    if len(found) != 1 or not found[0].startswith("tensor(float) "):
        raise InputError(f"{path}: needs one float image input, has {found}.")
    shape = session.inputs[0].shape
    if len(shape) != 4:
        raise InputError(f"{path}: needs an image input of four axes, has shape {shape}.")
    if shape[1] == 3:
        planes_first, sides = True, shape[2:]
    elif shape[3] == 3:
        planes_first, sides = False, shape[1:3]
    else:
        raise InputError(f"{path}: needs an input with 3 colour planes, has shape {shape}.")
    height, width = (side if isinstance(side, int) else 112 for side in sides)
    if height != width or height < 1 or isinstance(shape[0], int) and shape[0] != 1:
        raise InputError(f"{path}: needs square images one at a time, has shape {shape}.")
    return height, planes_first


def make_encoder(spec: Any) -> ArcFaceOnnxEncoder | DlibEncoder:
    """Return the encoder that a string names, ``"dlib"`` or ``"arcface-onnx:PATH"``."""
    kind, _, path = str(spec).partition(":")
    if kind == "arcface-onnx" and path:
        return ArcFaceOnnxEncoder(Path(path))
    if spec == "dlib":
        return DlibEncoder()
    raise InputError(f"encoder must be one of dlib, arcface-onnx:PATH, got {spec!r}.")
