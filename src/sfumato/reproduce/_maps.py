"""t-SNE maps coloured by a label, and how pure a label's neighbourhoods are on them."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from sfumato.audit.plots import CLASSES, STYLE
from sfumato.data.labels import class_codes

N_NEIGHBOURS = 10


def tsne(X: NDArray[Any], *, seed: int = 0) -> NDArray[Any]:
    """Return a two-dimensional t-SNE map, scikit-learn's with its default perplexity of 30.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Centred and scaled as a whole; t-SNE itself follows neighbours, whatever the scale.

    Returns
    -------
    ndarray of shape (n_samples, 2)
    """
    X = np.asarray(X, dtype=np.float64)
    X = X - X.mean(axis=0)
    X /= max(X.std(), np.finfo(float).tiny)
    perplexity = min(30, (len(X) - 1) / 3)
    return TSNE(perplexity=perplexity, random_state=seed, init="pca").fit_transform(X)


def purity(
    points: NDArray[Any], y: ArrayLike, *, n_neighbours: int = N_NEIGHBOURS
) -> tuple[float, float]:
    """Return how often a point's nearest neighbours share its label.

    Parameters
    ----------
    points : ndarray of shape (n_samples, n_dimensions)
    y : array-like of shape (n_samples,)
    n_neighbours : int, default=10

    Returns
    -------
    value : float in [0, 1]
        Averaged over the classes, so that a frequent one does not decide.
    chance : float
        What labels dealt out at random would give.

    Examples
    --------
    >>> purity(np.array([[0.0], [1.0], [10.0], [11.0]]), ["a", "a", "b", "b"], n_neighbours=1)
    (1.0, 0.333...)
    """
    classes, codes = class_codes(y)
    near = NearestNeighbors(n_neighbors=n_neighbours).fit(points).kneighbors(return_distance=False)
    same = (codes[near] == codes[:, None]).mean(axis=1)
    counts = np.bincount(codes)
    value = np.mean([same[codes == code].mean() for code in range(len(classes))])
    return float(value), float(np.mean((counts - 1) / (len(codes) - 1)))


def draw_maps(maps: dict[str, NDArray[Any]], y: dict[str, NDArray[Any]]) -> Any:
    """Draw maps side by side, coloured by one label.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (n_samples, 2)
    y : dict of str to ndarray of shape (n_samples,), or one such array
        The label of each map's points.

    Returns
    -------
    matplotlib Figure
    """
    labels = y if isinstance(y, dict) else dict.fromkeys(maps, y)
    classes = sorted({value for values in labels.values() for value in values.tolist()})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4 * len(maps), 4.8), layout="constrained")
        panels = figure.subplots(1, len(maps), squeeze=False)[0]
        for axes, (title, points) in zip(panels, maps.items(), strict=True):
            for number, value in enumerate(classes):
                chosen = points[labels[title] == value]
                colour = CLASSES[number % len(CLASSES)]
                axes.scatter(*chosen.T, s=9, color=colour, alpha=0.8, lw=0, label=value)
            axes.set(title=title, xticks=[], yticks=[])
            for side in axes.spines.values():
                side.set_visible(False)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3, markerscale=2)
        return figure
