"""Functions refuse numbers that break a rule in one line, as the methods' constructors do."""

import math
from decimal import Decimal

import numpy as np
import pytest

from sfumato import audit_embeddings, simulate, split_identities, verify
from sfumato.audit.unlinkability import unlinkability
from sfumato.data.planted import planted
from sfumato.data.sampling import biased_rows
from sfumato.data.splits import balanced_rows
from sfumato.data.triplets import hard_triplets
from sfumato.errors import InputError
from sfumato.metrics.accuracy import random_folds
from sfumato.metrics.calibration import expected_calibration_error
from sfumato.metrics.certificates import binned_bound, gaussian_bound, noise_bound, private_bound
from sfumato.metrics.differentials import fairness_discrepancy_rate, garbe, inequity_rate
from sfumato.metrics.floor import resample_rates, resolves
from sfumato.metrics.groups import shares_by_group
from sfumato.metrics.intervals import (
    bootstrap_intervals,
    bootstrap_weights,
    percentile_interval,
    rule_of_three,
)
from sfumato.metrics.leakage import relative_reduction
from sfumato.metrics.ordinal import age_errors, rank_interval
from sfumato.metrics.scores import all_pairs, all_vs_all
from sfumato.metrics.unlinkability import local_linkability
from sfumato.metrics.verification import det_curve, threshold_at_fmr

BAD = (
    ("three", "1e3", "0,5", "", b"3", [], {}, (1, 2), 1j, True, np.True_)
    + (-1, np.int8(-1), math.nan, math.inf, -math.inf, np.float64("nan"))
    + (Decimal("NaN"), Decimal("0.5"), np.array([1, 2]))
)

WHO = np.repeat(np.arange(40), 3)
Y = np.where(WHO % 2, "m", "f")
X = np.random.default_rng(0).normal(size=(40, 16))[WHO] + np.eye(16)[np.arange(120) % 16]
SCORES = all_vs_all(X, WHO)
ORDER = np.linspace(0, 1, 20)
RATES = {"fmr": [0.1, 0.2], "fnmr": [0.1, 0.2]}

#: A function, its good arguments, and those to break.
CALLS = [
    (simulate, {"n_identities": 2}, "n_identities images_per_identity seed"),
    (split_identities, {"identity": WHO}, "share"),
    (planted, {"kind": "linear"}, "n_identities images_per_identity n_features seed"),
    (balanced_rows, {"y": Y}, "seed max_rows"),
    (
        biased_rows,
        {"y": Y, "protected": WHO // 2 % 2, "n_rows": 4, "positive": "m", "privileged": "1"},
        "n_rows share seed",
    ),
    (hard_triplets, {"X": X, "identity": WHO}, "alpha n_triplets seed"),
    (random_folds, {"n_genuine": 20, "n_impostor": 20}, "n_genuine n_impostor n_folds seed"),
    (expected_calibration_error, {"probabilities": [[1, 0]], "codes": [0]}, "n_bins"),
    (bootstrap_weights, {"n_identities": 5}, "n_identities n_resamples seed"),
    (percentile_interval, {"values": ORDER}, "level"),
    (rule_of_three, {}, "n"),
    (
        bootstrap_intervals,
        {"scores": SCORES, "statistics": ["eer"]},
        "statistics fmr n_resamples level seed max_impostor",
    ),
    (shares_by_group, {"right": WHO > 3, "groups": Y}, "min_rows seed"),
    (
        unlinkability,
        {"X": X, "across": {"b": X}, "identity": WHO},
        "X across identity metric test_share omega seed",
    ),
    (local_linkability, {"mated": ORDER, "non_mated": ORDER}, "omega"),
    (private_bound, {"epsilon": 1, "delta": 0}, "epsilon n_classes"),
    (gaussian_bound, {"distance": 1}, "distance n_classes"),
    (noise_bound, {"epsilon": 1, "delta": 0, "distance": 1}, "epsilon distance n_templates"),
    (binned_bound, {"cells": Y, "y": Y}, "delta"),
    (relative_reduction, {"before": 0.9, "after": 0.6, "chance": 0.5}, "before after chance"),
    (age_errors, {"age_years": [4], "predicted_years": [5]}, "within seed"),
    (rank_interval, {"levels": [[0.9, 0.1]]}, "share"),
    (all_pairs, {"identity": WHO}, "max_impostor seed"),
    (all_vs_all, {"X": X, "identity": WHO}, "X metric max_impostor seed"),
    (threshold_at_fmr, {"impostor": ORDER, "fmr": 0.1}, "fmr"),
    (det_curve, {"genuine": ORDER, "impostor": ORDER}, "n_points"),
    (verify, {"table": X, "identity": WHO}, "fmr n_resamples seed metric attributes"),
    (garbe, RATES, "alpha"),
    (fairness_discrepancy_rate, RATES, "alpha"),
    (inequity_rate, RATES, "alpha"),
    (resolves, {"n_impostor": 100}, "fmr"),
    (resample_rates, {"tests": [SCORES], "n_resamples": 2}, "n_resamples seed max_impostor"),
    (
        audit_embeddings,
        {"X": X, "y": Y, "identity": WHO},
        "y identity protected test metric attackers test_share max_train_rows n_resamples seed"
        " crossed by given",
    ),
]


@pytest.mark.parametrize(
    ("function", "good", "name"),
    [(function, good, name) for function, good, names in CALLS for name in names.split()],
    ids=lambda value: getattr(value, "__name__", value if isinstance(value, str) else ""),
)
def test_bad_arguments_are_refused_in_one_line(function, good, name):
    for value in BAD:
        if name in ("within", "before", "after") and np.shape(value) == (2,):
            continue  # Several are good.
        with pytest.raises(InputError) as refusal:
            function(**good | {name: value})
        assert "\n" not in str(refusal.value), value


def test_what_rules_allow_is_accepted():
    assert len(bootstrap_weights(np.int64(5), np.int32(3), seed=np.uint8(1))) == 3
    assert len(split_identities(np.int64(4), np.float32(0.5), seed="a name")[0]) == 4
    assert relative_reduction(np.array([0.9, 0.8]), 0.5, 0.5).tolist() == [1, 1]
    assert threshold_at_fmr(ORDER, np.float64(0.5)) < 1
