"""Face mixing: each face is morphed with a face of the class that it is to show."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sfumato._constraints import POSITIVE_INT, Interval, StrOptions, check_parameters
from sfumato._fitted import COUNT, Arrays, Value
from sfumato.faces.crops import ZOOM
from sfumato.faces.landmarks import face_mask, warp_faces
from sfumato.outcomes import Progress
from sfumato.perturbers._face_code import (
    BATCH,
    CODE_PARAMETERS,
    FaceCode,
    drawn_rows,
    fit_code,
    fit_reader,
    pictures_and_shapes,
    read_classes,
)
from sfumato.perturbers.base import Perturber
from sfumato.perturbers.choice import Labels, classes_and_codes
from sfumato.perturbers.images import Images, Pictures
from sfumato.validation import need

#: Components by which the present class is read where no labels are given.
N_SHAPE, N_TEXTURE = 20, 50


class FaceMixing(Perturber):
    """Morph a face with a candidate face of another class [1]_; no network.

    **With** ``candidates="faces"`` **the fitted model, and its file, hold faces of the people it
    was fitted on.** Share such a file only with their consent. The default holds class means.

    Parameters
    ----------
    amount : float in (0, 1], default=0.5
        The candidate's share in shape and texture: 1 shows the candidate.
    candidates : {"mean", "faces"}, default="mean"
        "mean": the mean face of a class, aligned by shape, which is no single person. "faces",
        as in the paper: ``n_candidates`` training faces a class; each input takes the one whose
        shape is nearest to its own.
    n_candidates : int, default=16
        A class; the faces whose shapes are nearest to the class's mean shape.
    region : {"face", "picture"}, default="face"
        What the candidate covers: the face with its forehead, with a soft edge, or everything,
        hair and background too.
    size : int, default=128
        Pixels a side.
    zoom : float, default=0.72
        With which the crops were made, see :func:`~sfumato.faces.crops.crop_face`.
    max_faces : int, default=4000
        More training faces than that are drawn from.
    seed : int, default=0

    Attributes
    ----------
    attributes_ : dict of str to list of str
    size_ : int
    candidate_shapes_ : dict of str to ndarray of shape (n_classes, n_candidates, 68, 2)
    candidate_faces_ : dict of str to ndarray of shape (n_classes, n_candidates, size, size, 3)
        uint8.
    code_, readers_ : dict of str to ndarray
        By which it reads classes where no labels are given, see
        :mod:`sfumato.perturbers._face_code`.

    Notes
    -----
    It promises nothing about machines, and matching suffers: the FlowSAN paper finds it
    "severely degraded" [2]_. With a fixed candidate an attacker trained on its output reads
    which candidate was mixed in, hence the class; only ``transform(..., at_random=True)`` makes
    that worth less. dlib finds landmarks on any picture, so that a picture without a face is
    mixed all the same.

    Choices where the papers are silent, or ours: dlib's 68 landmarks, not the 76 of MUCT; the
    mesh of the border; the mean face as candidate; the choice of candidates; several attributes
    hidden at once take the equal morph of their candidates; a class drawn anew by ``at_random``
    is mixed in even where it is the present one.

    References
    ----------
    .. [1] Othman, Ross, "Privacy of facial soft biometrics: suppressing gender but retaining
       identity", ECCV Workshops 2014: mean shape, piecewise affine warps, cross-dissolve.
    .. [2] Mirjalili, Raschka, Ross, "FlowSAN: privacy-enhancing semi-adversarial networks to
       confound arbitrary face-based gender classifiers", IEEE Access 2019.
    """

    constraints: ClassVar = CODE_PARAMETERS | {
        "amount": Interval(Real, 0, 1, closed="right"),
        "candidates": StrOptions({"mean", "faces"}),
        "n_candidates": POSITIVE_INT,
    }
    scaled_by = "amount"

    fitted = {
        "attributes_": Value(dict),
        "size_": COUNT,
        "code_": Arrays(),
        "readers_": Arrays(),
        "candidate_shapes_": Arrays(),
        "candidate_faces_": Arrays(),
    }

    def __init__(
        self,
        *,
        amount: float = 0.5,
        candidates: str = "mean",
        n_candidates: int = 16,
        region: str = "face",
        size: int = 128,
        zoom: float = ZOOM,
        max_faces: int = 4000,
        seed: int = 0,
    ) -> None:
        self.amount = amount
        self.candidates = candidates
        self.n_candidates = n_candidates
        self.region = region
        self.size = size
        self.zoom = zoom
        self.max_faces = max_faces
        self.seed = seed

    def fit(
        self,
        images: Images,
        labels: Labels,
        *,
        progress: Progress | None = None,
    ) -> Self:
        """Choose or average the candidates of each class.

        Parameters
        ----------
        images : array-like
            Faces as :class:`~sfumato.perturbers.images.Pictures` takes them.
        labels : dict of str to array-like of str of shape (n_images,)
            The attributes to hide, of two classes or more.
        progress : callable, optional
            ``progress(n_done, n_total, what)``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For bad parameters, images or labels, or a class without a face among those drawn.
        """
        check_parameters(self)
        pictures = Pictures(images, self.size)
        self.attributes_, classes = classes_and_codes(labels, len(pictures))
        self.size_ = self.size
        rows = drawn_rows(self.attributes_, classes, self.max_faces, self.seed)
        code, codes, shapes = fit_code(
            pictures,
            rows,
            zoom=self.zoom,
            region=self.region,
            n_shape=N_SHAPE,
            n_texture=N_TEXTURE,
            seed=self.seed,
            progress=progress,
        )
        self.code_ = code.arrays
        self.readers_, self.candidate_shapes_, self.candidate_faces_ = {}, {}, {}
        choose = self._mean_face if self.candidates == "mean" else self._typical_faces
        for name, names in self.attributes_.items():
            of = classes[name][rows]
            self.readers_[name] = fit_reader(codes, of)
            found = [choose(pictures, rows[of == n], shapes[of == n]) for n in range(len(names))]
            # A small class has fewer candidates, and then the others as many.
            n_each = min(len(chosen) for chosen, _ in found)
            self.candidate_shapes_[name] = np.stack([chosen[:n_each] for chosen, _ in found])
            self.candidate_faces_[name] = np.stack([faces[:n_each] for _, faces in found])
        return self

    def _mean_face(self, pictures, rows, shapes):
        """Return the mean shape of a class, and the mean of its faces warped to it."""
        mean, total = shapes.mean(axis=0), np.zeros((self.size, self.size, 3))
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            planes = pictures.batch(rows[part]).numpy().transpose(0, 2, 3, 1)
            total += warp_faces(planes, shapes[part], mean).sum(axis=0, dtype=np.float64)
        return mean[None], np.rint(total[None] / len(rows) * 255).astype(np.uint8)

    def _typical_faces(self, pictures, rows, shapes):
        """Return the shapes and pictures of the faces nearest to the class's mean shape."""
        away = ((shapes - shapes.mean(axis=0)) ** 2).sum(axis=(1, 2))
        nearest = np.argsort(away, kind="stable")[: self.n_candidates]
        planes = pictures.batch(rows[nearest]).numpy().transpose(0, 2, 3, 1)
        return shapes[nearest], np.rint(planes * 255).astype(np.uint8)

    def _codes(self, x):
        return read_classes(
            self.readers_, FaceCode(self.code_).encode(*pictures_and_shapes(x, self.zoom))
        )

    def _perturb(self, x, now, then, hidden):
        torch = need("torch", "deep")
        mask = face_mask if self.region == "face" else None
        found = []
        for n, (picture, shape) in enumerate(zip(*pictures_and_shapes(x, self.zoom), strict=True)):
            others = [self._candidate(name, then[name][n], shape) for name in hidden]
            faces, shapes = zip(*others, strict=True)
            found.append(mixed(picture, shape, faces, shapes, self.amount, mask))
        return torch.from_numpy(np.stack(found).transpose(0, 3, 1, 2))

    def _candidate(self, name, code, shape):
        """Return picture and shape of the class's candidate whose shape is nearest."""
        shapes = self.candidate_shapes_[name][code]
        nearest = ((shapes - shape) ** 2).sum(axis=(1, 2)).argmin()
        return self.candidate_faces_[name][code][nearest].astype(np.float32) / 255, shapes[nearest]


def mixed(
    picture: NDArray[np.float32],
    shape: NDArray[Any],
    others: Sequence[NDArray[Any]],
    other_shapes: Sequence[NDArray[Any]],
    amount: float,
    mask: Callable[..., Any] | None = None,
) -> NDArray[np.float32]:
    """Return the morph of a face with others.

    Parameters
    ----------
    picture : ndarray of shape (size, size, 3), float32
    shape : ndarray of shape (68, 2)
    others : sequence of ndarray like ``picture``
    other_shapes : sequence of ndarray like ``shape``
    amount : float in [0, 1]
        The others' share, alike among them.
    mask : callable, optional
        ``mask(shape, size)`` is 1 where texture is mixed; default: everywhere.

    Returns
    -------
    ndarray of shape (size, size, 3), float32
        All are warped to the shape (1 - a) S1 + a S2, then dissolved as (1 - a) I1 + a I2.
    """
    target = (1 - amount) * shape + amount * np.mean(other_shapes, axis=0)
    own, *rest = warp_faces([picture, *others], [shape, *other_shapes], target)
    share = amount if mask is None else amount * mask(target, len(picture))[..., None]
    return (1 - share) * own + share * np.mean(rest, axis=0)
