"""SensitiveNets' ``fit``, 100,000 triplets and 3 x 1024 units, against the bare products.

Three tenths of the default passes, of layers and detectors alike; drawing the triplets
is not shortened. Counted are the multiplications of every training step: forward, and backward
for the weights or, through the frozen detector, for the inputs. A layer's inputs are data and
need no gradient. The bare work is the layers' products alone, of the same sizes and with the
same threads, before and after. A small fit loads the libraries beforehand. Processor times
stand beside the elapsed ones, which other work on the machine distorts.
"""

import time

import numpy as np

from sfumato.erasers.sensitivenets import SensitiveNetsEraser

N_FEATURES, N_PEOPLE, N_EACH = 512, 4_000, 5
N_SENSITIVE = 9_000  # 3,000 people with 3 images (Sect. 4.3)
N_EPOCHS, DETECTOR_EPOCHS = 3, 45
N_BARE = 20


def run():
    """Return the rates of the fit and of the bare products in GFLOP/s, and their ratio."""
    import torch

    eraser = SensitiveNetsEraser(n_epochs=N_EPOCHS, detector_epochs=DETECTOR_EPOCHS)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_SENSITIVE, N_FEATURES), dtype=np.float32)
    y = rng.integers(0, 2, N_SENSITIVE)
    # Unrelated rows: every pair of people is hard to tell apart, so no triplet is dropped.
    primary = rng.standard_normal((N_PEOPLE * N_EACH, N_FEATURES), dtype=np.float32)
    people = np.repeat(np.arange(N_PEOPLE), N_EACH)
    small = SensitiveNetsEraser(n_layers=1, n_triplets=300, n_epochs=1, detector_epochs=1)
    small.fit(X, y, primary=(primary, people))
    before = _bare_seconds(eraser)
    started = _now()
    eraser.fit(X, y, primary=(primary, people))
    seconds = _now() - started
    bare = (before + _bare_seconds(eraser)) / 2
    layers, detectors = _multiplications(eraser)
    ours, ideal = 2e-9 * (layers + detectors) / seconds, 2e-9 * layers / bare
    return {
        "n_triplets": eraser.n_triplets,
        "shape": [N_FEATURES, *[eraser.n_units] * eraser.n_layers],
        "n_threads": torch.get_num_threads(),
        "fit_s": seconds[0],
        "bare_products_s": bare[0],
        "multiplications": layers + detectors,
        "gflop_per_s": ours[0],
        "bare_gflop_per_s": ideal[0],
        "ratio": ours[0] / ideal[0],
        "target_ratio": 0.5,
        "cpu_gflop_per_s": ours[1],
        "bare_cpu_gflop_per_s": ideal[1],
        "cpu_ratio": ours[1] / ideal[1],
    }


def _now():
    """Return the elapsed and the processor time in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def _multiplications(eraser):
    """Return how many multiplications the steps of the layers and of the detectors need."""
    n_images = 3 * eraser.n_triplets * eraser.n_epochs
    n_inputs = N_FEATURES + (eraser.n_layers - 1) * eraser.n_units
    layers = 2 * n_images * n_inputs * eraser.n_units
    # Two classes: trained on D-S (forward, weights), then frozen (forward, inputs).
    read = N_SENSITIVE * eraser.detector_epochs + n_images
    return layers, 2 * read * 2 * eraser.n_units * eraser.n_layers


def _bare_seconds(eraser):
    """Return the times that the layers' products alone would take in the whole fit."""
    import torch

    from sfumato.erasers._sensitivenets_training import Triplets

    n_rows = 3 * Triplets.batch_size
    n_steps = eraser.n_epochs * eraser.n_triplets / Triplets.batch_size
    total = np.zeros(2)
    for n_inputs in (N_FEATURES, *[eraser.n_units] * (eraser.n_layers - 1)):
        x, w, gradient = (
            torch.randn(shape)
            for shape in (
                (n_rows, n_inputs),
                (eraser.n_units, n_inputs),
                (n_rows, eraser.n_units),
            )
        )
        for _ in range(2):  # The first round only warms up.
            started = _now()
            for _ in range(N_BARE):
                x @ w.T
                gradient.T @ x
            seconds = _now() - started
        total += n_steps * seconds / N_BARE
    return total
