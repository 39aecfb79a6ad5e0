"""Controllable face privacy: move a face along the subspaces of its attributes."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import polar
from sklearn.decomposition import PCA

from sfumato._constraints import POSITIVE, POSITIVE_INT, check_parameters
from sfumato._fitted import COUNT, Array, Arrays, Value
from sfumato.errors import InputError
from sfumato.faces.crops import ZOOM
from sfumato.faces.landmarks import warp_faces
from sfumato.outcomes import Progress
from sfumato.perturbers._face_code import (
    CODE_PARAMETERS,
    FaceCode,
    drawn_rows,
    fit_code,
    fit_reader,
    pictures_and_shapes,
    read_classes,
)
from sfumato.perturbers.base import LABELLER, Perturber
from sfumato.perturbers.choice import Labels, classes_and_codes
from sfumato.perturbers.images import Images, Pictures
from sfumato.validation import need

# Components of the code with less variance than this share of the largest are numerical noise.
RTOL = 1e-8


class ControllableFacePrivacy(Perturber):
    """Multimodal discriminant analysis of shape and texture [1]_; no network.

    A face's code is its landmarks and its shape-free texture, by principal components. In the
    code, whitened by its total scatter, each attribute spans the directions along which its
    classes' means differ; the directions of different attributes are orthogonal, and all that
    is orthogonal to them is identity. Hiding moves the coordinates of the hidden attributes
    from the present class's mean towards the wanted one's.

    Parameters
    ----------
    amount : float > 0, default=1.0
        Share of the way from one class's mean to the other's: 0.5 makes two classes' means equal
        if all pictures are moved, 1 exchanges them.
    region : {"face", "picture"}, default="picture"
        Where texture changes: on the face with its forehead, with a soft edge, or everywhere,
        hair and background too.
    n_shape : int, default=20
        Components of the landmarks.
    n_texture : int, default=100
        Components of the texture.
    size : int, default=128
        Pixels a side.
    zoom : float, default=0.72
        With which the crops were made, see :func:`~sfumato.faces.crops.crop_face`.
    max_faces : int, default=4000
        More training faces than that are drawn from.
    labeller : {"own", "reader"}, default="own"
        What reads the classes off a picture of :meth:`transform` that comes without labels: linear
        discriminants of the code, or the reader of pixels that comes with sfumato, which reads
        more exactly, for what it knows.
    seed : int, default=0

    Attributes
    ----------
    attributes_ : dict of str to list of str
    size_ : int
    code_ : dict of str to ndarray
        Means and bases of shape and texture, see
        :class:`~sfumato.perturbers._face_code.FaceCode`.
    unwhiten_ : ndarray of shape (n_components, n_code)
    directions_ : dict of str to ndarray of shape (n_components, n_classes - 1)
        Orthonormal columns in the whitened code; those of two attributes are orthogonal too.
    means_ : dict of str to ndarray of shape (n_classes, n_classes - 1)
        Coordinates of the classes' means.
    readers_ : dict of str to ndarray of shape (n_classes, n_code + 1)
        By which it reads classes where no labels are given.

    Notes
    -----
    Promised, of the code alone: coordinates of attributes that are not hidden, and identity, stay
    as they are. Not promised: that machines which read pictures otherwise see the same. The
    FlowSAN paper finds matching "severely degraded" and PrivacyNet's that gender edits leak into
    race. Where all pictures change to the other class, an attacker trained afresh on them reads as
    well as before: he learns the exchange. Hide with ``transform(..., at_random=True)``, which
    leaves a picture as it is where its own class is drawn.

    Choices where the paper is silent, or ours (its abstract gives the decomposition, we had to
    choose the algebra): dlib's 68 landmarks; shapes of aligned crops are not aligned again;
    C - 1 directions for C classes, those of the between-class scatter, where the paper takes
    eigenvalues of 1, which need more dimensions than faces; correlated attributes are made
    orthogonal symmetrically (the nearest orthonormal directions, Loewdin), so that none goes
    first; coordinates are shifted by the difference of the means, so that variation within
    a class stays; the picture itself is warped and the decoded change of texture added, so that
    what the components do not carry stays, in the picture's own place.

    References
    ----------
    .. [1] Sim, Zhang, "Controllable face privacy", FG 2015.
    """

    constraints: ClassVar = CODE_PARAMETERS | {
        "amount": POSITIVE,
        "n_shape": POSITIVE_INT,
        "n_texture": POSITIVE_INT,
        "labeller": LABELLER,
    }
    scaled_by = "amount"

    fitted = {
        "attributes_": Value(dict),
        "size_": COUNT,
        "code_": Arrays(),
        "unwhiten_": Array("p", "c"),
        "directions_": Arrays(),
        "means_": Arrays(),
        "readers_": Arrays(),
    }

    def __init__(
        self,
        *,
        amount: float = 1.0,
        region: str = "picture",
        n_shape: int = 20,
        n_texture: int = 100,
        size: int = 128,
        zoom: float = ZOOM,
        max_faces: int = 4000,
        labeller: str = "own",
        seed: int = 0,
    ) -> None:
        self.amount = amount
        self.region = region
        self.n_shape = n_shape
        self.n_texture = n_texture
        self.size = size
        self.zoom = zoom
        self.max_faces = max_faces
        self.labeller = labeller
        self.seed = seed

    def fit(
        self,
        images: Images,
        labels: Labels,
        *,
        progress: Progress | None = None,
    ) -> Self:
        """Learn the code and the attributes' subspaces.

        Parameters
        ----------
        images : array-like
            Faces as :class:`~sfumato.perturbers.images.Pictures` takes them.
        labels : dict of str to array-like of str of shape (n_images,)
            The attributes to hide or to keep, of two classes or more.
        progress : callable, optional
            ``progress(n_done, n_total, what)``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For bad parameters, images or labels, or more directions than components.
        """
        check_parameters(self)
        pictures = Pictures(images, self.size)
        self.attributes_, classes = classes_and_codes(labels, len(pictures))
        self.size_ = self.size
        rows = drawn_rows(self.attributes_, classes, self.max_faces, self.seed)
        code, codes, _ = fit_code(
            pictures,
            rows,
            zoom=self.zoom,
            region=self.region,
            n_shape=self.n_shape,
            n_texture=self.n_texture,
            seed=self.seed,
            progress=progress,
        )
        classes = {name: values[rows] for name, values in classes.items()}
        self.code_ = code.arrays
        white, self.unwhiten_ = whitened(codes)
        self.directions_, self.means_ = discriminant_subspaces(white, classes)
        self.readers_ = {name: fit_reader(codes, values) for name, values in classes.items()}
        return self

    def _codes(self, x):
        return read_classes(
            self.readers_, FaceCode(self.code_).encode(*pictures_and_shapes(x, self.zoom))
        )

    def _perturb(self, x, now, then, hidden):
        torch = need("torch", "deep")
        code, found = FaceCode(self.code_), []
        for n, (picture, shape) in enumerate(zip(*pictures_and_shapes(x, self.zoom), strict=True)):
            change = self._change({name: (now[name][n], then[name][n]) for name in hidden})
            found.append(edited(picture, shape, code, change) if change.any() else picture)
        return torch.from_numpy(np.stack(found).transpose(0, 3, 1, 2))

    def _change(self, moves):
        """Return the change of the code that moves attributes from one class to another."""
        white = sum(
            self.directions_[name] @ (self.means_[name][then] - self.means_[name][now])
            for name, (now, then) in moves.items()
        )
        return self.amount * white @ self.unwhiten_


def edited(
    picture: NDArray[np.float32], shape: NDArray[Any], code: FaceCode, change: NDArray[Any]
) -> NDArray[np.float32]:
    """Return a face whose code has changed.

    Parameters
    ----------
    picture : ndarray of shape (size, size, 3), float32
    shape : ndarray of shape (n_landmarks, 2)
    code : FaceCode
    change : ndarray of shape (n_code,)

    Returns
    -------
    ndarray of shape (size, size, 3), float32
    """
    moved, texture = code.decode_change(change)
    own, added = warp_faces([picture, texture], [shape, code.arrays["mean_shape"]], shape + moved)
    return np.clip(own + added, 0, 1)


def whitened(codes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return codes of unit total scatter, and the way back.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_code)

    Returns
    -------
    white : ndarray of shape (n_samples, n_components)
        Zero mean, covariance the unit matrix; directions without variance are left out.
    unwhiten : ndarray of shape (n_components, n_code)
        ``white @ unwhiten`` is ``codes`` less their mean.
    """
    pca = PCA(svd_solver="full").fit(codes)
    kept = pca.explained_variance_ > RTOL * pca.explained_variance_[0]
    scale = np.sqrt(pca.explained_variance_[kept])
    white = (codes - pca.mean_) @ pca.components_[kept].T / scale
    return white, scale[:, None] * pca.components_[kept]


def discriminant_subspaces(
    white: NDArray[Any], classes: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return each attribute's directions in a whitened code, and its classes' means on them.

    Parameters
    ----------
    white : ndarray of shape (n_samples, n_components)
        Zero mean, unit covariance.
    classes : dict of str to ndarray of int of shape (n_samples,)

    Returns
    -------
    directions : dict of str to ndarray of shape (n_components, n_classes - 1)
        Orthonormal columns, over all attributes together.
    means : dict of str to ndarray of shape (n_classes, n_classes - 1)

    Raises
    ------
    InputError
        If there are more directions than components, or attributes that are the same.
    """
    found, ends = [], [0]
    class_means = {}
    for name, codes in classes.items():
        means = np.stack([white[codes == n].mean(axis=0) for n in range(codes.max() + 1)])
        share = np.bincount(codes) / len(codes)
        # The left singular vectors of the weighted means are eigenvectors of their scatter.
        scatter, _, _ = np.linalg.svd((np.sqrt(share)[:, None] * means).T, full_matrices=False)
        found.append(scatter[:, : len(means) - 1])
        ends.append(ends[-1] + len(means) - 1)
        class_means[name] = means
    together = np.hstack(found)
    rank = np.linalg.matrix_rank(together, tol=1e-6)
    if rank < together.shape[1]:
        raise InputError(
            f"labels: {', '.join(classes)} need {together.shape[1]} separate directions, the "
            f"faces have {rank}; leave out attributes that say the same, or fit on more faces."
        )
    orthonormal, _ = polar(together)
    directions = {
        name: orthonormal[:, start:end]
        for name, start, end in zip(classes, ends[:-1], ends[1:], strict=True)
    }
    return directions, {name: class_means[name] @ directions[name] for name in classes}
