"""LEACE on 1,000,000 x 512 float32 against the concept-erasure package and bare products."""

import numpy as np

from benchmarks._timing import best_of
from sfumato.erasers.leace import LeaceEraser

N_ROWS, N_FEATURES = 1_000_000, 512


def run():
    """Time fit and transform, the package's, and the bare products ``X.T @ X``, ``X @ W``."""
    import torch
    from concept_erasure import LeaceFitter

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, N_ROWS)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    X[:, :20] += 0.3 * y[:, None]
    W = rng.standard_normal((N_FEATURES, N_FEATURES), dtype=np.float32)
    gram, _ = best_of(lambda: X.T @ X)
    product, _ = best_of(lambda: X @ W)
    fit, eraser = best_of(lambda: LeaceEraser().fit(X, y))
    transform, ours = best_of(lambda: eraser.transform(X))
    rows, z = torch.from_numpy(X), torch.nn.functional.one_hot(torch.from_numpy(y), 2)
    package_fit, fitter = best_of(lambda: LeaceFitter.fit(rows, z.float(), shrinkage=False), 1)
    package_transform, theirs = best_of(lambda: fitter.eraser(rows).numpy(), 1)
    # The package in float64 on a part of the rows: which of the two rounds more?
    exact = LeaceFitter.fit(rows.double(), z.double(), shrinkage=False).eraser
    expected = exact(rows[:10_000].double()).numpy()
    return {
        "shape": [N_ROWS, N_FEATURES],
        "fit_s": fit,
        "bare_gram_s": gram,
        "fit_to_bare": fit / gram,
        "transform_s": transform,
        "bare_product_s": product,
        "transform_to_bare": transform / product,
        "package_fit_s": package_fit,
        "package_transform_s": package_transform,
        "largest_difference_to_package_float64": float(np.abs(ours[:10_000] - expected).max()),
        "largest_difference_to_package_float32": float(np.abs(ours - theirs).max()),
        "package_float32_to_float64": float(np.abs(theirs[:10_000] - expected).max()),
    }
