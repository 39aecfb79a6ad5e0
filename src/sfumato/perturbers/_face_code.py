"""Faces as numbers: landmarks and shape-free texture by principal components, and their classes.

As in active appearance models (Cootes, Edwards, Taylor, TPAMI 2001), but shapes are not aligned
again: :func:`~sfumato.faces.crops.crop_face` has moved, turned and scaled the faces already.
"""

import math
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from sfumato._constraints import POSITIVE, POSITIVE_INT, Constraint, Interval, StrOptions
from sfumato.errors import InputError
from sfumato.faces import landmarks
from sfumato.outcomes import Progress

BATCH = 64
#: Rules for the parameters of methods that fit a :class:`FaceCode`; each of two classes or more
#: needs two faces.
CODE_PARAMETERS: dict[str, Constraint] = {
    "region": StrOptions({"face", "picture"}),
    "size": POSITIVE_INT,
    "zoom": POSITIVE,
    "max_faces": Interval(Integral, 4, math.inf, closed="left"),
}
# Of the first component's; below it a code says nothing, and saving in half precision moves it.
LEAST_VARIANCE = 1e-5


def drawn_rows(attributes: Any, codes: Any, most: Any, seed: int) -> Any:
    """Return the rows to fit on, in rising order: all, or ``most`` drawn from the seed.

    Raises
    ------
    InputError
        If a class has fewer than two faces among them: a discriminant needs its scatter.
    """
    n_images = len(next(iter(codes.values())))
    rows = np.random.default_rng(seed).permutation(n_images)[:most]
    for name, classes in attributes.items():
        counts = np.bincount(codes[name][rows], minlength=len(classes))
        if counts.min() < 2:
            raise InputError(
                f"{name} has {counts.min()} faces of {classes[counts.argmin()]} among the "
                f"{len(rows)} drawn, it takes 2; raise max_faces or leave the class out."
            )
    return np.sort(rows)


def pictures_and_shapes(x: Tensor, zoom: float) -> tuple[Any, ...]:
    """Return pictures as (n, size, size, 3) float32 in [0, 1], and their landmarks.

    Parameters
    ----------
    x : Tensor of shape (n_images, 3, size, size), float32 in [0, 1]
    zoom : float
        With which the crops were made.

    Raises
    ------
    InputError
        If landmarks are not finite or enclose nothing.
    """
    pictures = np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1))
    found = landmarks.find_landmarks(np.rint(pictures * 255).astype(np.uint8), zoom)
    return pictures, landmarks.check_shapes(found, pictures.shape[1])


class FaceCode:
    """Shape and shape-free texture of faces; fitted, kept as arrays.

    Parameters
    ----------
    arrays : dict of str to ndarray
        ``mean_shape`` (n_landmarks, 2), ``shape_basis`` (n_shape, 2 * n_landmarks),
        ``mean_texture`` (size, size, 3), ``texture_basis`` (n_texture, size, size, 3) and
        ``mask`` (size, size): where texture counts, on the mean shape.
    """

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self.n_shape = len(arrays["shape_basis"])

    def textures(self, pictures: Any, shapes: Any) -> Any:
        """Return the pictures warped to the mean shape, 0 outside the mask."""
        a = self.arrays
        return landmarks.warp_faces(pictures, shapes, a["mean_shape"]) * a["mask"][..., None]

    def encode(self, pictures: Any, shapes: Any) -> Any:
        """Return codes of shape (n_images, n_shape + n_texture)."""
        a = self.arrays
        away = (shapes - a["mean_shape"]).reshape(len(shapes), -1)
        other = self.textures(pictures, shapes) - a["mean_texture"]
        basis = a["texture_basis"].reshape(len(a["texture_basis"]), -1)
        texture = other.reshape(len(shapes), -1) @ basis.T
        return np.hstack([away @ a["shape_basis"].T, texture]).astype(np.float64)

    def decode_change(self, change: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return what a change of a code does to landmarks and to shape-free texture.

        Parameters
        ----------
        change : ndarray of shape (n_shape + n_texture,)

        Returns
        -------
        shape : ndarray of shape (n_landmarks, 2)
        texture : ndarray of shape (size, size, 3), float32
        """
        a = self.arrays
        shape = (change[: self.n_shape] @ a["shape_basis"]).reshape(-1, 2)
        texture = np.tensordot(change[self.n_shape :], a["texture_basis"], axes=1)
        return shape, texture.astype(np.float32)


def fit_code(
    pictures: Any,
    rows: NDArray[Any],
    *,
    zoom: float,
    region: str,
    n_shape: int,
    n_texture: int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[FaceCode, NDArray[Any], NDArray[Any]]:
    """Fit a :class:`FaceCode`, and encode the faces it was fitted on.

    Parameters
    ----------
    pictures : Pictures
    rows : ndarray of int of shape (n_rows,)
    zoom : float
    region : {"face", "picture"}
        Whether texture is that of the face with its forehead, or of all the picture.
    n_shape, n_texture : int
        Components; fewer where there are fewer faces.
    seed : int
    progress : callable, optional
        ``progress(n_done, n_total, what)``.

    Returns
    -------
    code : FaceCode
    codes : ndarray of shape (n_rows, n_shape + n_texture)
    shapes : ndarray of shape (n_rows, n_landmarks, 2)
    """
    size, parts = pictures.size, []
    for start in range(0, len(rows), BATCH):
        found = pictures_and_shapes(pictures.batch(rows[start : start + BATCH]), zoom)
        parts.append(found[1])
        if progress is not None:
            progress(min(start + BATCH, len(rows)), 2 * len(rows), "landmarks")
    shapes = np.concatenate(parts)
    mean = shapes.mean(axis=0)
    whole = np.ones((size, size), np.float32)
    mask = landmarks.face_mask(mean, size) if region == "face" else whole
    code = FaceCode({"mean_shape": mean, "shape_basis": np.empty((0, 0)), "mask": mask})
    textures = np.empty((len(rows), size, size, 3), np.float32)
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        planes = pictures.batch(rows[part]).numpy().transpose(0, 2, 3, 1)
        textures[part] = code.textures(planes, shapes[part])
        if progress is not None:
            progress(len(rows) + min(start + BATCH, len(rows)), 2 * len(rows), "textures")
    return _components(code.arrays, shapes, textures, n_shape, n_texture, seed)


def _components(arrays, shapes, textures, n_shape, n_texture, seed):
    n, size = len(shapes), textures.shape[1]
    pca = PCA(min(n_shape, n - 1, 2 * shapes.shape[1]), svd_solver="full")
    shape_codes, arrays["shape_basis"] = _carried(pca, shapes.reshape(n, -1))
    # In place: thousands of textures fill gigabytes.
    pca = PCA(min(n_texture, n - 1), svd_solver="randomized", random_state=seed, copy=False)
    texture_codes, basis = _carried(pca, textures.reshape(n, -1))
    arrays["texture_basis"] = basis.reshape(-1, size, size, 3).astype(np.float32)
    arrays["mean_texture"] = pca.mean_.reshape(size, size, 3).astype(np.float32)
    if shape_codes.shape[1] + texture_codes.shape[1] == 0:
        raise InputError(f"images: all {n} are alike; fit on different faces.")
    return FaceCode(arrays), np.hstack([shape_codes, texture_codes]).astype(float), shapes


def _carried(pca, faces):
    """Return codes and basis of the components that carry more than noise."""
    if not np.ptp(faces, axis=0).any():
        # Nothing varies; scikit-learn would divide by zero.
        pca.mean_ = faces[0]
        return np.empty((len(faces), 0)), np.empty((0, faces.shape[1]))
    codes = pca.fit_transform(faces)
    kept = pca.explained_variance_ > LEAST_VARIANCE * pca.explained_variance_[0]
    return codes[:, kept], pca.components_[kept]


def fit_reader(codes: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Return a linear discriminant with equal priors as weights and offset of each class.

    Parameters
    ----------
    codes : ndarray of shape (n_images, n_components)
    classes : ndarray of int of shape (n_images,)

    Returns
    -------
    ndarray of shape (n_classes, n_components + 1)
    """
    n_classes = int(classes.max()) + 1
    lda = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage="auto", priors=np.full(n_classes, 1 / n_classes)
    ).fit(codes, classes)
    weights = np.column_stack([lda.coef_, lda.intercept_])
    # Of two classes scikit-learn keeps the difference.
    return np.vstack([-weights / 2, weights / 2]) if n_classes == 2 else weights


def read_classes(readers: Any, codes: Any) -> dict[str, Any]:
    """Return the class that each attribute's linear discriminant sees, as numbers."""
    return {
        name: (codes @ weights[:, :-1].T + weights[:, -1]).argmax(axis=1)
        for name, weights in readers.items()
    }
