"""What every registered eraser must do."""

import math
import re
from numbers import Integral

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from sfumato._constraints import Interval, Optional, declared_constraints
from sfumato._fitted import declared_state
from sfumato.audit._pairing import compare_order
from sfumato.data.planted import planted
from sfumato.data.rows import unit_rows
from sfumato.errors import InputError
from sfumato.models import SavedModel, load, save
from sfumato.models.registry import ERASERS, eraser_class, method_name
from sfumato.validation import check_embeddings

# Small enough for seconds; the defaults are those of the papers.
SMALL = {
    "barycentre": {"n_steps": 1, "n_units": 16},
    "gradient-reversal": {"n_epochs": 1, "head_epochs": 1, "n_hidden": 8, "learning_rate": 0.01},
    "maxent-arl": {"n_epochs": 1, "head_epochs": 1, "n_hidden": 8, "learning_rate": 0.01},
    "pass": {"n_epochs": 1, "n_units": 8, "n_adversaries": 2},
    "lntl": {
        "n_epochs": 4,
        "head_epochs": 1,
        "n_hidden": 8,
        "learning_rate": 0.1,
        "batch_size": 32,
    },
    "pe-miu": {"block_size": 1},
    "rlace": {"n_iterations": 200},
    "negative-face": {"n_units": 32},
    "inlp": {"n_iterations": 3},
    "angular": {"n_epochs": 1, "n_hidden": 8},
    "pfrnet": {"n_epochs": 1, "n_hidden": 8},
    "hsic": {"n_epochs": 1, "n_hidden": 8, "n_frequencies": 16},
    "ive": {"n_steps": 1, "n_eliminations": 1, "n_trees": 2},
    "multi-ive": {"n_steps": 1, "n_eliminations": 1, "n_trees": 2},
    # Of few random rows in few dimensions none is within the default alpha of another, now and
    # then: 15 rows of 4 features, with a probability of 0.14. Half of all pairs are within 2.
    "sensitivenets": {
        "n_units": 16,
        "n_triplets": 500,
        "n_epochs": 1,
        "detector_epochs": 2,
        "alpha": 2.0,
    },
}
# Training them needs the extra `deep`.
NEEDS_TORCH = {"angular", "gradient-reversal", "hsic", "maxent-arl", "pass", "pfrnet", "lntl"}
NEEDS_TORCH |= {"sensitivenets"}

# Once the order is lost nothing in their output tells it from noise.
WITHOUT_ORDER = {"negative-face", "pe-miu"}

# Their output depends on the bits of a row.
NO_ONNX = {"cosine-noise", "ldp-noise", "negative-face", "pe-miu"}


def make(name):
    if name in NEEDS_TORCH:
        pytest.importorskip("torch")
    return eraser_class(name)(**SMALL.get(name, {}))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.repeat(["f", "m"], 40)
    return rng.normal(size=(80, 6)) + np.where(y == "m", 1.0, 0.0)[:, None], y


@pytest.mark.parametrize("name", ERASERS)
class TestEraser:
    def test_it_declares_all_that_fit_learns(self, name, data):
        method = make(name).fit(*data)
        learnt = {key for key in vars(method) if key.endswith("_") and not key.startswith("_")}
        assert learnt == set(declared_state(type(method)))

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
    def test_scikit_learn_contract(self, name):
        check_estimator(make(name))

    def test_same_seed_same_map(self, name, data):
        X, y = data
        first, second = (make(name).fit(X, y).transform(X) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_input_is_left_alone(self, name, data):
        X, y = data
        copies = X.copy(), y.copy()
        make(name).fit(X, y).transform(X)
        np.testing.assert_array_equal(X, copies[0])
        np.testing.assert_array_equal(y, copies[1])

    def test_save_and_load(self, name, data, tmp_path):
        X, y = data
        eraser = make(name).fit(X, y)
        save(SavedModel(eraser, ("gender",)), tmp_path / "model.safetensors")
        loaded = load(tmp_path / "model.safetensors")
        assert loaded.attributes == ("gender",)
        assert loaded.eraser.get_params() == eraser.get_params()
        assert loaded.fingerprint == SavedModel(eraser).fingerprint
        np.testing.assert_array_equal(loaded.eraser.transform(X), eraser.transform(X))

    def test_float32_stays_float32(self, name, data):
        X, y = data
        eraser = make(name).fit(X, y)
        out = eraser.transform(X.astype(np.float32))
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, eraser.transform(X), atol=1e-4)

    def test_rows_are_independent(self, name, data):
        X, y = data
        eraser = make(name).fit(X, y)
        np.testing.assert_allclose(eraser.transform(X[7:9]), eraser.transform(X)[7:9], atol=1e-6)

    def test_bad_input_is_refused(self, name, data):
        X, y = data
        bad = X.copy()
        bad[3, 2] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            make(name).fit(bad, y)
        with pytest.raises(ValueError, match="features"):
            make(name).fit(X, y).transform(X[:, :4])
        with pytest.raises(ValueError):
            make(name).fit(X, y[:-1])

    def test_an_audit_sees_rows_in_another_order(self, name):
        X, y, _ = planted("linear", 100, 4)
        eraser = make(name).fit(X, y.astype(str))
        erased, metric = eraser.transform(X), getattr(eraser, "metric", None) or "cosine"
        right = compare_order(X, erased, "cosine", metric)
        assert right["related"] and right["misplaced"] < 0.04
        order = np.random.default_rng(1).permutation(len(X))
        wrong = compare_order(X, erased[order], "cosine", metric)
        assert not wrong["related"]
        assert wrong["structured"] or name in WITHOUT_ORDER

    def test_clone_is_unfitted(self, name, data):
        X, y = data
        assert clone(make(name).fit(X, y)).get_params() == make(name).get_params()

    def test_strength_is_a_parameter(self, name):
        strength = eraser_class(name).strength
        if strength is not None:
            parameter, values = strength
            assert parameter in make(name).get_params()
            assert len(values) >= 3

    def test_it_is_exported_or_refused_with_its_reason(self, name, data, tmp_path):
        for module in ("onnx", "onnxruntime"):
            pytest.importorskip(module, reason="needs the extra export")
        from sfumato.export.exporting import export_model
        from sfumato.models.onnx_model import OnnxModel

        eraser, path = make(name).fit(*data), tmp_path / "m.onnx"
        if name in NO_ONNX:
            with pytest.raises(InputError, match="has no ONNX form: it draws"):
                export_model(eraser, path)
            assert not list(tmp_path.iterdir())
            return
        assert export_model(eraser, path)["difference"] <= 1e-5
        # Rows that the export did not look at.
        X = np.random.default_rng(1).normal(3, 2, size=(50, 6)).astype(np.float32)
        expected = eraser.transform(X.astype(np.float64))
        found = OnnxModel(path).transform(X)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())

    def test_has_a_name(self, name, data):
        assert method_name(make(name)) == name


def test_unknown_method_lists_the_known():
    known = ", ".join(ERASERS)
    with pytest.raises(InputError, match=f"method must be one of {known}, got 'x'"):
        eraser_class("x")


def numeric_rules(name):
    """Return the rules of an eraser's numeric parameters, without ``Optional`` around them."""
    for parameter, rule in declared_constraints(eraser_class(name)).items():
        inner = rule.constraint if isinstance(rule, Optional) else rule
        if isinstance(inner, Interval) and parameter in eraser_class(name)().get_params():
            yield parameter, rule, inner


@pytest.mark.parametrize("name", ERASERS)
def test_every_parameter_has_a_rule_that_the_default_keeps(name):
    eraser = eraser_class(name)()
    rules = declared_constraints(type(eraser))
    for parameter, value in eraser.get_params().items():
        assert rules[parameter].accepts(value), parameter


@pytest.mark.parametrize("name", ERASERS)
def test_bad_numbers_are_refused_with_name_rule_and_value(name, data):
    kind = eraser_class(name)
    for parameter, rule, _ in numeric_rules(name):
        for bad in ("three", -1, math.nan, math.inf):
            told = f"{kind.__name__}: {parameter} must be {rule.describe()}, got {bad!r}."
            with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
                kind(**{parameter: bad}).fit(*data)


def ends(rule):
    """Return an interval's least and greatest value, of those that do not take forever."""
    if rule.kind is Integral:
        return [value for value in (rule.low, rule.high) if value < 300]
    low = rule.low if rule.closed in ("both", "left") else np.nextafter(rule.low, 1)
    high = rule.high if rule.closed in ("both", "right") else np.nextafter(rule.high, 0)
    return [float(low), min(float(high), 1e6)]


def shape(X):
    """Return the rows' distances from each other, in units of their mean."""
    distances = np.linalg.norm(X[:, None] - X, axis=2)
    return distances / distances.mean()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ERASERS)
def test_at_the_ends_of_its_rules_it_erases_something_or_is_refused(name):
    rng = np.random.default_rng(0)
    y = np.repeat(["f", "m"], 40)
    X = rng.normal(size=(80, 6)) + np.where(y == "m", 4.0, 0.0)[:, None]
    for parameter, _, rule in numeric_rules(name):
        for value in ends(rule):
            eraser = make(name).set_params(**{parameter: value})
            try:
                out = eraser.fit(X, y).transform(X)
            except InputError:
                continue
            for before in (X, unit_rows(X)):
                assert np.abs(shape(out) - shape(before)).max() > 1e-4, (parameter, value)


@pytest.mark.parametrize("name", ERASERS)
def test_rows_that_cannot_be_learnt_from_are_refused_in_one_line(name, data):
    X, y = data
    for bad, told in (
        (X[:1], "X needs at least 2 rows, got n_samples = 1"),
        (np.zeros_like(X), "X: all 80 rows are zero"),
        (np.ones_like(X), "X: all 80 rows are equal"),
        (X * 1e25, "X, row 0: features must be at most 1e\\+15 in size, got .*e\\+2[45]"),
    ):
        with pytest.raises(InputError, match=told) as error:
            make(name).fit(bad, y[: len(bad)])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ERASERS)
def test_bad_labels_are_refused_in_one_line(name, data):
    X, y = data
    eraser = make(name)
    if not eraser.reads_labels:
        eraser.fit(X)
        return
    with pytest.raises(InputError, match="y needs at least 2 classes, got f"):
        eraser.fit(X, np.full(80, "f"))
    with pytest.raises(InputError, match="y, attribute 1 needs at least 2 classes, got 7"):
        eraser.fit(X, np.column_stack([y, np.full(80, 7)]))
    missing = y.astype(object)
    missing[5] = None
    with pytest.raises(InputError, match="y, row 5: the label is missing"):
        eraser.fit(X, missing)
    with pytest.raises(InputError, match="requires y to be passed"):
        eraser.fit(X)
    if not eraser.continuous:
        with pytest.raises(InputError, match="y is continuous .80 distinct numbers"):
            eraser.fit(X, np.arange(80.0))


@pytest.mark.parametrize("name", ERASERS)
def test_what_it_does_not_use_is_refused(name, data):
    X, y = data
    eraser = make(name)
    for argument in {"context", "primary"} - set(eraser.uses):
        with pytest.raises(InputError, match=f"takes no {argument}; leave it out"):
            eraser.fit(X, y, **{argument: y})
    with pytest.raises(InputError, match="identity must have one entry a row, 80, got 3"):
        eraser.fit(X, y, identity=[1, 2, 3])


@pytest.mark.parametrize("name", ERASERS)
def test_a_broken_model_raises(name, data):
    X, y = data
    eraser = make(name).fit(X, y)
    for value in vars(eraser).values():
        for array in value.values() if isinstance(value, dict) else [value]:
            if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.flags.writeable:
                array[:] = np.nan
    if name in ("negative-face", "pe-miu"):  # Comparisons and a shuffle: no number is made.
        return
    with pytest.raises(InputError, match="the result of row 0 is not finite"):
        eraser.transform(X)


def test_tensors_and_columns_of_vectors_are_embeddings():
    pandas, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 6)).astype(np.float32), np.arange(60) % 2
    X[:, 0] += 2 * y
    eraser = eraser_class("leace")()
    wanted = eraser.fit(X, y).transform(X)
    tensor = torch.tensor(X, requires_grad=True)
    column = pandas.Series(list(X))
    for values in (tensor, column):
        assert np.allclose(eraser.fit(values, y).transform(values), wanted, atol=1e-5)
    assert np.array_equal(check_embeddings(tensor), X)
    assert np.array_equal(check_embeddings(column), X)
    frame = eraser.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == [f"leaceeraser{n}" for n in range(6)]
