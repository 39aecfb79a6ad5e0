import numpy as np
import pytest
from scipy.linalg import hadamard
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import SVC

from sfumato.erasers._attributes import read_attributes
from sfumato.erasers.ive import IveEraser, eliminate, standardised
from sfumato.erasers.multi_ive import MultiIveEraser, _independent, _principal
from sfumato.errors import InputError

N_FEATURES = 8
SPREAD = np.geomspace(16, 0.5, N_FEATURES)  # Of the principal components.
# Every feature holds equally much of every component, so that scaling to unit variance turns none.
ROTATION = hadamard(N_FEATURES) / N_FEATURES**0.5


def leaking(rng, n, places):
    """Draw binary attributes, each the sign of one component of a rotated space."""
    signs = rng.choice([-1, 1], size=(n, len(places)))
    scores = rng.normal(size=(n, N_FEATURES))
    scores[:, places] = signs * (1 + 0.1 * rng.normal(size=signs.shape))
    y = np.where(signs > 0, "yes", "no")
    return (scores * SPREAD) @ ROTATION, y[:, 0] if len(places) == 1 else y


def scaled_twin(X):
    return StandardScaler().fit_transform(normalize(X))


def test_dropped_components_vanish_and_others_stay(rng):
    X, y = leaking(rng, 400, [2])
    eraser = MultiIveEraser(n_steps=2, n_eliminations=1).fit(X, y)
    Z = scaled_twin(X)
    components = PCA().fit(Z).components_
    out = eraser.transform(X)
    assert out.shape == X.shape
    np.testing.assert_allclose(out @ components[eraser.eliminated_].T, 0, atol=1e-9)
    left = np.delete(components, eraser.eliminated_, axis=0)
    np.testing.assert_allclose(out @ left.T, Z @ left.T, atol=1e-9)


@pytest.mark.parametrize("attacker", [LogisticRegression(), SVC()])
def test_takes_out_a_component_that_ive_cannot(rng, attacker):
    (X, y), (X_unseen, y_unseen) = leaking(rng, 1200, [3]), leaking(rng, 1200, [3])

    def accuracy(eraser):
        fitted = attacker.fit(eraser.transform(X), y)
        return balanced_accuracy_score(y_unseen, fitted.predict(eraser.transform(X_unseen)))

    assert accuracy(IveEraser(n_steps=2, n_eliminations=1).fit(X, y)) > 0.7
    assert accuracy(MultiIveEraser(n_steps=2, n_eliminations=1).fit(X, y)) < 0.65


@pytest.mark.parametrize("scheme", ["sequential", "joint", "summed"])
def test_two_attributes(rng, scheme):
    X, y = leaking(rng, 1200, [2, 4])
    eraser = MultiIveEraser(scheme=scheme, n_steps=1, n_eliminations=2).fit(X, y)
    for column in y.T:
        before, after = (
            cross_val_score(LogisticRegression(), each, column, scoring="balanced_accuracy").mean()
            for each in (X, eraser.transform(X))
        )
        assert before > 0.95 and after < 0.7


def test_one_attribute_is_the_same_in_all_schemes(rng):
    X, y = leaking(rng, 200, [0])
    orders = [
        MultiIveEraser(scheme=scheme, n_steps=2, n_eliminations=2).fit(X, y).eliminated_
        for scheme in ("sequential", "joint", "summed")
    ]
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def test_schemes_by_hand():
    worth = {"sex": [9, 8, 0, 1, 0], "age": [0, 5, 7, 0, 6]}

    def rank(columns, codes, step):
        return np.array(worth[codes])[columns]

    # In turn: sex takes 0 and 1, then age takes 2; next sex takes 3 and 4.
    turns = eliminate(rank, [("sex", 2), ("age", 1)], np.arange(5), n_steps=1)
    np.testing.assert_array_equal(turns, [0, 1, 2])
    # Summed: 9 13 7 1 6.
    summed = eliminate(rank, [(["sex", "age"], 1)], np.arange(5), n_steps=4)
    np.testing.assert_array_equal(summed, [1, 0, 2, 4])


def columns(y):
    return read_attributes(y, len(y), continuous=False)


def test_shares_of_the_sequential_scheme():
    y = np.array([["f", "a", "x"], ["m", "b", "y"]])
    shares = MultiIveEraser(scheme="sequential", n_eliminations=5)._shares(
        read_attributes(y, len(y), continuous=False)
    )
    assert [share for _, share in shares] == [2, 2, 1]
    with pytest.raises(InputError, match="number of attributes, 3, .* got 2"):
        MultiIveEraser(scheme="sequential", n_eliminations=2)._shares(
            read_attributes(y, len(y), continuous=False)
        )


def test_the_joint_scheme_crosses_the_attributes():
    y = np.array([["f", "old"], ["f", "young"], ["m", "old"], ["m", "young"]])
    ((codes, share),) = MultiIveEraser(scheme="joint", n_eliminations=5)._shares(
        read_attributes(y, len(y), continuous=False)
    )
    np.testing.assert_array_equal(codes, [0, 1, 2, 3])
    assert share == 5


def test_principal_components_are_those_of_an_oracle(rng):
    Z = rng.normal(size=(50, 5)) @ rng.normal(size=(5, 5))
    Z -= Z.mean(axis=0)
    forward, back = _principal(Z)
    oracle = PCA().fit(Z).components_
    np.testing.assert_allclose(np.abs(np.sum(forward.T * oracle, axis=1)), 1)
    np.testing.assert_allclose(forward @ back, np.eye(5), atol=1e-9)


def test_independent_components_find_sources_and_lead_back(rng):
    sources = rng.uniform(-1, 1, size=(2000, 4))
    Z = sources @ rng.normal(size=(4, 4))
    Z -= Z.mean(axis=0)
    forward, back = _independent(Z, *_principal(Z), seed=0)
    found = np.abs(np.corrcoef(Z @ forward, sources, rowvar=False)[:4, 4:])
    assert (found.max(axis=0) > 0.98).all()
    np.testing.assert_allclose(forward @ back, np.eye(4), atol=1e-9)
    np.testing.assert_allclose((Z @ forward).std(axis=0), 1)


def test_independent_components_take_out_a_source(rng):
    sources = rng.uniform(-1, 1, size=(1500, N_FEATURES))
    # Far from the origin and with a feature more, scaling to unit length mixes next to nothing.
    mixed = sources @ rng.normal(size=(N_FEATURES, N_FEATURES + 1))
    X, y = mixed + 100, sources[:, 5] > 0
    eraser = MultiIveEraser(domain="ica", n_steps=1, n_eliminations=2).fit(X, y)
    before, after = (
        cross_val_score(LogisticRegression(), each, y).mean()
        for each in (scaled_twin(X), eraser.transform(X))
    )
    assert before > 0.8 and after < 0.65
    # The way there and back along what is left is a projection.
    np.testing.assert_allclose(eraser.map_ @ eraser.map_, eraser.map_, atol=1e-9)


def test_without_a_domain_it_is_ive(rng):
    X, y = leaking(rng, 200, [0])
    size = {"n_steps": 2, "n_eliminations": 2}
    one, other = MultiIveEraser(domain="none", **size).fit(X, y), IveEraser(**size).fit(X, y)
    np.testing.assert_array_equal(one.eliminated_, other.eliminated_)
    np.testing.assert_allclose(one.transform(X), other.transform(X))


def test_blocked_components_stay(rng):
    X, y = leaking(rng, 300, [0])
    free = MultiIveEraser(n_steps=1, n_eliminations=2).fit(X, y)
    blocked = MultiIveEraser(n_steps=2, n_eliminations=2, n_blocked=3).fit(X, y)
    assert free.eliminated_.min() < 3 <= blocked.eliminated_.min()


def test_components_without_variance_are_no_matter(rng):
    X, y = leaking(rng, 300, [2])
    wide = np.hstack([X, X[:, :1], np.zeros((300, 1))])
    eraser = MultiIveEraser(n_steps=7, n_eliminations=1).fit(wide, y)
    Z = standardised(wide, eraser.mean_, eraser.scale_)
    assert np.linalg.matrix_rank(Z) == N_FEATURES
    assert np.linalg.matrix_rank(eraser.transform(wide), tol=1e-6) == 1
    with pytest.raises(InputError, match="below the 8 that may be dropped of n_features = 10"):
        MultiIveEraser(n_steps=8, n_eliminations=1).fit(wide, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"domain": "fft"}, "domain must be one of 'ica', 'none', 'pca', got 'fft'"),
        ({"scheme": "vote"}, "scheme must be one of 'joint', 'sequential', 'summed', got 'vote'"),
        ({"n_blocked": 2, "domain": "ica"}, "n_blocked must be 0, .* got 2 with domain='ica'"),
        ({"n_steps": 2, "n_blocked": 3}, "below the 5 that may be dropped of n_features = 8"),
    ],
)
def test_bad_parameters(rng, parameters, message):
    with pytest.raises(InputError, match=message):
        MultiIveEraser(**parameters).fit(*leaking(rng, 60, [0]))
