"""What every registered perturber must do."""

import copy
import inspect
import itertools
import re

import numpy as np
import pytest
from sklearn.base import clone

from sfumato._constraints import Interval, Optional, check_parameters, declared_constraints
from sfumato._fitted import declared_state
from sfumato.errors import InputError
from sfumato.models import load, save
from sfumato.models.registry import PERTURBERS, method_name, perturber_class
from sfumato.perturbers.base import with_strength
from sfumato.perturbers.choice import ATTRIBUTES
from sfumato.perturbers.recipes import PerturberRecipe

torch = pytest.importorskip("torch", reason="needs the extra deep")

# Lists: a saved file gives lists back.
SAN = {"widths": [4, 4, 8, 8], "classifier_widths": [4, 8]}
# Small enough for seconds; the defaults are those of the papers.
SMALL = {
    "privacynet": {"size": 32, "width": 4, "n_critic": 1},
    "baseline-gan": {"size": 32, "width": 4, "n_critic": 1},
    "controllable": {"size": 32, "n_shape": 4, "n_texture": 8},
    "face-mixing": {"size": 32},
    "san": {"size": 32} | SAN,
    "flowsan": {"size": 32, "n_steps": 2, "san": SAN},
    "san-ensemble": {"size": 32, "n_sans": 2, "san": SAN},
    "soft": {"n_steps": 1, "readers": "pixels"},
}
NO_ONNX = {
    "controllable": "finds landmarks",
    "face-mixing": "finds landmarks",
    "san-ensemble": "draws a SAN",
    "soft": "searches",
}
RECIPE = PerturberRecipe(4, 8, n_rounds=2)


# None of them is a number that a parameter could be; of others no list, word or truth value.
BAD_NUMBERS = ["three", -1, float("nan"), float("inf")]
BAD_OTHERS = ["three", -1]


def is_number(rule):
    """Return whether a rule is for a number."""
    return isinstance(rule.constraint if isinstance(rule, Optional) else rule, Interval)


def fit_small(method, images, labels):
    """Fit with the recipe where a network is trained."""
    if "recipe" in method.fit_options:
        return method.fit(images, labels, recipe=RECIPE)
    # dlib finds landmarks on noise too.
    pytest.importorskip("dlib", reason="needs the extra faces")
    pytest.importorskip("face_recognition_models", reason="needs the extra faces")
    return method.fit(images, labels)


def draw(n=24, size=32, seed=0):
    """Return noisy pictures with labels of all three attributes, crossed as evenly as n lets."""
    rng = np.random.default_rng(seed)
    crossed = rng.permutation(list(itertools.product(*ATTRIBUTES.values())))
    labels = dict(zip(ATTRIBUTES, np.resize(crossed, (n, len(ATTRIBUTES))).T, strict=True))
    images = rng.random((n, 3, size, size), dtype=np.float32)
    images[labels["gender"] == "male", 0] *= 0.3
    return images, labels


@pytest.fixture(scope="module")
def fitted():
    """Return a function from a name to the perturber fitted on drawn pictures, once."""
    found: dict = {}

    def fit(name):
        if name not in found:
            found[name] = fit_small(perturber_class(name)(**SMALL[name]), *draw())
        return found[name]

    return fit


@pytest.mark.parametrize("name", PERTURBERS)
class TestPerturber:
    def test_it_declares_all_that_fit_learns(self, name, fitted):
        method = fitted(name)
        learnt = {key for key in vars(method) if key.endswith("_") and not key.startswith("_")}
        assert learnt == set(declared_state(type(method)))

    def test_it_is_cloned_and_named(self, name):
        method = perturber_class(name)(**SMALL[name])
        assert clone(method).get_params() == method.get_params()
        assert method_name(method, PERTURBERS) == name

    def test_same_seed_same_pictures(self, name, fitted):
        images, labels = draw()
        again = fit_small(perturber_class(name)(**SMALL[name]), images, labels)
        expected = fitted(name).transform(images, hide="gender", labels=labels)
        np.testing.assert_array_equal(
            again.transform(images, hide="gender", labels=labels), expected
        )

    def test_pictures_come_back_in_shape_and_range(self, name, fitted):
        for size in (32, 41):
            images, labels = draw(5, size, 1)
            copy = images.copy()
            found = fitted(name).transform(images, hide="gender", labels=labels)
            assert found.shape == images.shape and found.dtype == np.float32
            assert found.min() >= 0 and found.max() <= 1 and np.isfinite(found).all()
            np.testing.assert_array_equal(images, copy)
            assert not np.array_equal(found, images)

    def test_a_picture_does_not_depend_on_its_neighbours(self, name, fitted):
        images, labels = draw(6, 32, 2)
        hide = {"gender": "male"}
        whole = fitted(name).transform(images, hide=hide, labels=labels)
        one = {key: values[:1] for key, values in labels.items()}
        alone = fitted(name).transform(images[:1], hide=hide, labels=one)
        np.testing.assert_allclose(alone, whole[:1], atol=1e-4)

    def test_without_labels_it_reads_them_itself(self, name, fitted):
        images, _ = draw(3, 32, 3)
        assert fitted(name).transform(images, hide="gender").shape == images.shape

    def test_saved_and_loaded_it_is_the_same(self, name, fitted, tmp_path):
        images, labels = draw(4, 32, 4)
        method = fitted(name)
        save(method, tmp_path / "p.safetensors", about={"data": "drawn"})
        again = load(tmp_path / "p.safetensors")
        assert type(again) is type(method) and again.get_params() == method.get_params()
        assert again.about == {"data": "drawn"}
        found = again.transform(images, hide="gender", labels=labels)
        expected = method.transform(images, hide="gender", labels=labels)
        np.testing.assert_allclose(found, expected, atol=0.02)

    def test_it_is_exported_or_refused_with_its_reason(self, name, fitted, tmp_path):
        for module in ("onnx", "onnxruntime"):
            pytest.importorskip(module, reason="needs the extra export")
        from sfumato.export.exporting import export_model
        from sfumato.models.onnx_model import OnnxModel

        method, path = fitted(name), tmp_path / "p.onnx"
        if name in NO_ONNX:
            with pytest.raises(InputError, match=f"{name} .*no ONNX form: it {NO_ONNX[name]}"):
                export_model(method, path)
            assert not list(tmp_path.iterdir())
            return
        assert export_model(method, path)["difference"] <= 1e-5
        images, labels = draw(5, 32, 6)
        shown = {key: classes[-1] for key, classes in method.attributes_.items()}
        codes = [[list(method.attributes_[k]).index(v) for v in labels[k]] for k in shown]
        inputs = {"pictures": images, "now": np.transpose(codes)}
        inputs["then"] = [[len(classes) - 1 for classes in method.attributes_.values()]] * 5
        found = OnnxModel(path).run(inputs)["protected"]
        expected = method.transform(images, hide=shown, labels=labels)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_it_declares_rules_for_all_parameters_and_what_its_fit_takes(self, name):
        kind = perturber_class(name)
        assert set(kind().get_params()) <= set(declared_constraints(kind))
        check_parameters(kind())
        taken = set(inspect.signature(kind.fit).parameters) - {"self", "images", "labels"}
        assert kind.fit_options <= taken
        # The control has PrivacyNet's signature, and refuses what holds the person.
        refused = {"matcher", "wanted"} if name == "baseline-gan" else set()
        assert taken - kind.fit_options == refused

    def test_parameters_are_refused_with_name_rule_and_value(self, name):
        images, labels = draw()
        kind = perturber_class(name)
        for parameter, rule in declared_constraints(kind).items():
            for bad in BAD_NUMBERS if is_number(rule) else BAD_OTHERS:
                method = kind(**SMALL[name] | {parameter: bad})
                told = f"{kind.__name__}: {parameter} must be {rule.describe()}, got {bad!r}."
                with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
                    method.fit(images, labels)

    def test_what_would_change_nothing_is_refused_after_fit_too(self, name, fitted):
        images, _ = draw(1)
        method = copy.copy(fitted(name))
        if method.scaled_by is None:
            return
        for bad in (0, *BAD_NUMBERS):
            method.set_params(**{method.scaled_by: bad})
            with pytest.raises(InputError, match=f"{method.scaled_by} must be a number"):
                method.transform(images, hide="gender")

    def test_its_strength_is_set_or_refused(self, name, fitted):
        images, labels = draw(4, 32, 7)
        method = fitted(name)
        if method.scaled_by is None:
            with pytest.raises(InputError, match="has no strength that can be set"):
                with_strength(method, 0.5)
            return
        before = method.get_params()
        parameter = method.scaled_by
        weaker, stronger = (with_strength(method, value) for value in (0.1, 1.0))
        assert weaker.get_params() == before | {parameter: 0.1} and method.get_params() == before
        small, large = (
            np.abs(m.transform(images, hide="gender", labels=labels) - images).mean()
            for m in (weaker, stronger)
        )
        assert 0 < small < large
        for value in (0, *BAD_NUMBERS):
            with pytest.raises(InputError, match="strength must be a number"):
                with_strength(method, value)

    def test_bad_input(self, name, fitted):
        images, labels = draw(4, 32, 5)
        method = fitted(name)
        for arguments, match in (
            ({"hide": "mood"}, "cannot hide or keep 'mood'"),
            ({"hide": "gender", "keep": "gender"}, "both hidden and kept"),
            ({"hide": []}, "at least one"),
            ({"hide": "gender", "labels": {"gender": ["male"]}}, "one label an image, 4, got 1"),
            ({"hide": "gender", "labels": {"gender": ["x"] * 4}}, "gender, row 0: 'x' is none of"),
        ):
            with pytest.raises(InputError, match=match):
                method.transform(images, **arguments)
        with pytest.raises(InputError, match=r"in \[0, 1\]"):
            method.transform(images * 255, hide="gender")
        for seed in (-1, "three", [0, -1]):
            with pytest.raises(InputError, match="seed must be integers >= 0, got"):
                method.transform(images, hide="gender", seed=seed)
        with pytest.raises(Exception, match="not fitted"):
            perturber_class(name)().transform(images, hide="gender")
        with pytest.raises(InputError, match="one label an image"):
            short = {key: values[:-1] for key, values in labels.items()}
            fit_small(clone(method), images, short)


def test_foreign_and_newer_files_are_refused(fitted, tmp_path):
    path = tmp_path / "p.safetensors"
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match="not a readable safetensors"):
        load(path)
    with pytest.raises(InputError, match="not fitted"):
        save(perturber_class("privacynet")(), path)
    with pytest.raises(InputError, match="method must be one of"):
        perturber_class("blur")
