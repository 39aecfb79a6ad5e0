"""The Gaussian model behind simulated faces: aggregates of groups of people, no person."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from sfumato.errors import InputError
from sfumato.validation import check_choice


@dataclass(frozen=True)
class GaussianModel:
    """Group means and covariances of embeddings, between and within people.

    Parameters
    ----------
    genders, races : tuple of str
        The groups' labels, one entry a group.
    shares : ndarray of shape (n_groups,)
        Share of the people of each group in the data of the estimate, summing to 1.
    means : ndarray of shape (n_groups, n_features)
    between, within : ndarray of shape (n_groups, n_features, n_features)
        Lower Cholesky factors of the covariance of people and of one person's photos.
    quality_spread : float
        Standard deviation of the logarithm of a photo's noise variance.
    fingerprint : str
        Twelve hexadecimal digits of the file's SHA-256.
    """

    genders: tuple[str, ...]
    races: tuple[str, ...]
    shares: np.ndarray
    means: np.ndarray
    between: np.ndarray
    within: np.ndarray
    quality_spread: float
    fingerprint: str

    @property
    def n_features(self) -> Any:
        """Number of features of an embedding."""
        return self.means.shape[1]

    def probabilities(self, races: Any) -> Any:
        """Return the probability of each group: genders equal, races as estimated or equal."""
        check_choice(races, ("balanced", "estimated"), "races")
        weights = self.shares if races == "estimated" else np.ones(len(self.genders))
        genders = np.array(self.genders)
        totals = {gender: weights[genders == gender].sum() for gender in self.genders}
        return np.array(
            [w / totals[g] / len(totals) for w, g in zip(weights, self.genders, strict=True)]
        )


def load_gaussian_model(path: str | Path | None = None) -> Any:
    """Read a :class:`GaussianModel`; without ``path`` the one that ships with sfumato.

    Raises
    ------
    InputError
        If the file is missing or holds something else.
    """
    if path is None:
        return _shipped()
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["sfumato"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        n_features = tensors["means"].shape[1]
        return GaussianModel(
            genders=tuple(group["gender"] for group in header["groups"]),
            races=tuple(group["race"] for group in header["groups"]),
            shares=np.array([group["share"] for group in header["groups"]]),
            means=tensors["means"].astype(np.float32),
            between=_lower(tensors["between"], n_features),
            within=_lower(tensors["within"], n_features),
            quality_spread=float(header["quality_spread"]),
            fingerprint=hashlib.sha256(path.read_bytes()).hexdigest()[:12],
        )
    except Exception as error:  # safetensors has its own exception, without a common base
        raise InputError(f"{path}: not a file of simulation aggregates ({error!r}).") from error


@lru_cache(maxsize=1)
def _shipped():
    with as_file(files("sfumato.data") / "lfw_gaussian.safetensors") as path:
        return load_gaussian_model(path)


def _lower(triangles, n_features):
    """Unpack rows of lower triangles into matrices, float32."""
    full = np.zeros((len(triangles), n_features, n_features), dtype=np.float32)
    full[:, *np.tril_indices(n_features)] = triangles
    return full
