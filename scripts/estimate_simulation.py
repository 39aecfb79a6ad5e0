"""Estimate the Gaussian model of ``sfumato.data.simulate`` from a face table.

    python scripts/estimate_simulation.py lfw-embeddings.parquet OUTPUT.safetensors

The table needs the columns embedding, identity, gender and race (or race_predicted). Only
aggregates leave this script: per group of gender and race a mean, a covariance between
people and one within people, each of at least 100 people; smaller groups are merged into
``other``. No row, name or image is written.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from sfumato.data.gaussian import load_gaussian_model
from sfumato.data.simulate import simulate_batches
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.metrics.verification import eer

RACES = ("asian", "black", "white")  # everybody else, and whoever has no label, is "other"
MIN_PEOPLE = 100
PRIVACY = (
    f"Aggregates of at least {MIN_PEOPLE} people a group; smaller groups were merged into "
    "'other'. Holds no row, name or image of a person."
)


def read(path):
    """Return unit embeddings and each row's person, and each person's gender and race."""
    table = FaceTable(path).require("embedding", "identity", "gender")
    name = "race" if "race" in table.label_columns else "race_predicted"
    X, gender, race = table.embeddings().astype(float), table.column("gender"), table.column(name)
    identity = table.column("identity")
    known = np.array([None not in pair for pair in zip(gender, identity, strict=True)])
    X = X[known] / np.linalg.norm(X[known], axis=1, keepdims=True)
    _, first, person = np.unique(identity[known], return_index=True, return_inverse=True)
    gender = gender[known].astype(str)[first]
    race = np.array([r if r in RACES else "other" for r in race[known]])[first]
    for rare in RACES:
        if any(np.sum((race == rare) & (gender == g)) < MIN_PEOPLE for g in np.unique(gender)):
            race[race == rare] = "other"
    return X, person, gender, race


def moments(X, person):
    """Return the mean, the two covariances and their degrees of freedom for one group.

    Most people of LFW have one photo. The covariance of people's means is therefore too
    wide by the share of the photos' own covariance that averaging left, the mean of 1/k
    over people with k photos; that is subtracted (analysis of variance, unweighted means).
    """
    _, person, counts = np.unique(person, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), X.shape[1]))
    np.add.at(means, person, X)
    means /= counts[:, None]
    residuals = X - means[person]
    freedom = len(X) - len(counts)
    within = residuals.T @ residuals / freedom
    between = np.cov(means.T) - within * np.mean(1 / counts)
    return means.mean(axis=0), between, within, len(counts), freedom


def factor(covariance):
    """Clip to positive eigenvalues, keep the trace, return the lower Cholesky factor."""
    values, vectors = np.linalg.eigh(covariance)
    if values.sum() <= 0:
        raise InputError("people differ no more than one person's photos; check identity.")
    clipped = np.maximum(values, 1e-3 * values.mean())
    clipped *= values.sum() / clipped.sum()
    return np.linalg.cholesky((vectors * clipped) @ vectors.T)


def estimate(X, person, gender, race):
    """Return the header's groups and the tensors means, between and within.

    Each covariance is drawn towards the average of its gender by d / (d + n), n its degrees
    of freedom, never towards the other gender: their difference is the quadratic leak.
    """
    labels = sorted({*zip(gender.tolist(), race.tolist(), strict=True)})
    parts = []
    for label in labels:
        members = np.flatnonzero((gender == label[0]) & (race == label[1]))
        if len(members) < MIN_PEOPLE:
            raise InputError(f"group {label} has {len(members)} people, at least {MIN_PEOPLE}.")
        rows = np.isin(person, members)
        parts.append(moments(X[rows], person[rows]))
    tensors = {"means": np.stack([part[0] for part in parts])}
    for name, value, freedom in (("between", 1, 3), ("within", 2, 4)):
        factors = []
        for label, part in zip(labels, parts, strict=True):
            same = [p for p, other in zip(parts, labels, strict=True) if other[0] == label[0]]
            target = np.average(
                [p[value] for p in same], axis=0, weights=[p[freedom] for p in same]
            )
            weight = X.shape[1] / (X.shape[1] + part[freedom])
            factors.append(factor((1 - weight) * part[value] + weight * target))
        tensors[name] = np.stack(factors)
    groups = [
        {"gender": g, "race": r, "people": part[3], "share": part[3] / len(gender)}
        for (g, r), part in zip(labels, parts, strict=True)
    ]
    return groups, tensors


def real_eer(X, person, seed=0):
    """Return the equal error rate of at most 2 photos a person, all pairs of 3,000 photos."""
    order = np.random.default_rng(seed).permutation(len(X))
    taken = np.zeros(person.max() + 1, dtype=int)
    chosen = []
    for row in order:
        if taken[person[row]] < 2:
            taken[person[row]] += 1
            chosen.append(row)
    chosen = [row for row in chosen if taken[person[row]] == 2][:3000]
    return all_pairs_eer(X[chosen], person[chosen])


def all_pairs_eer(X, person):
    """Return the equal error rate over all pairs of rows."""
    first, second = np.triu_indices(len(X), 1)
    scores = (X @ X.T)[first, second]
    same = person[first] == person[second]
    return eer(scores[same], scores[~same]).value


def simulated_eer(model):
    """Return the equal error rate of 1,500 simulated people with two photos each."""
    (batch,) = simulate_batches(1500, 2, races="estimated", model=model)
    X = batch.column("embedding").flatten().to_numpy().reshape(batch.num_rows, -1)
    return all_pairs_eer(X, np.repeat(np.arange(1500), 2))


def calibrate(model, target):
    """Return the quality spread at which the simulated equal error rate is ``target``."""
    low, high = 0.0, 2.0
    for _ in range(12):
        middle = (low + high) / 2
        rate = simulated_eer(replace(model, quality_spread=middle))
        low, high = (middle, high) if rate < target else (low, middle)
    return round(middle, 3)


def save(path, groups, tensors, encoder, spread):
    """Write the tensors (half precision, lower triangles) and their description."""
    lower = np.tril_indices(tensors["means"].shape[1])
    packed = {
        "means": tensors["means"].astype(np.float32),
        "between": np.ascontiguousarray(tensors["between"][:, *lower].astype(np.float16)),
        "within": np.ascontiguousarray(tensors["within"][:, *lower].astype(np.float16)),
    }
    header = {
        "format": 1,
        "content": "lower Cholesky factors of covariances of unit embeddings",
        "encoder": encoder,
        "privacy": PRIVACY,
        "quality_spread": spread,
        "groups": groups,
    }
    save_file(packed, path, metadata={"sfumato": json.dumps(header)})


def main():
    """Read the table, estimate, calibrate, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    X, person, gender, race = read(options.table)
    groups, tensors = estimate(X, person, gender, race)
    encoder = FaceTable(options.table).info.space
    save(options.output, groups, tensors, encoder, 0.0)
    target = real_eer(X, person)
    spread = calibrate(load_gaussian_model(options.output), target)
    save(options.output, groups, tensors, encoder, spread)
    print(f"equal error rate {target:.4f}, quality spread {spread}; wrote {options.output}")
    for group in groups:
        print(group)


if __name__ == "__main__":
    main()
