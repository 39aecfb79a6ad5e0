"""Recipes, schedules and readers refuse numbers that they could not train with."""

import re
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from sfumato._constraints import Interval, Optional, declared_constraints
from sfumato.errors import InputError
from sfumato.perturbers.recipes import PerturberRecipe
from sfumato.readers.heads import DomainAdaptationClassifier
from sfumato.readers.recipes import ReaderRecipe
from sfumato.readers.templates import TemplateReader

pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.training.lntl_encoder import UnlearningRecipe
from sfumato.training.networks import Schedule

X, Y = np.ones((24, 4), np.float32), ["a", "b"] * 12
USED = {
    PerturberRecipe: lambda **p: PerturberRecipe(**{"n_iterations": 1} | p),
    ReaderRecipe: lambda **p: ReaderRecipe(
        **{"n_epochs": 1, "batch_size": 1, "learning_rate": 1e-3} | p
    ),
    UnlearningRecipe: UnlearningRecipe,
    Schedule: lambda **p: Schedule(**{"n_epochs": 1, "batch_size": 1} | p),
    TemplateReader: lambda **p: TemplateReader(**p).fit(X, {"mood": Y}),
    DomainAdaptationClassifier: lambda **p: DomainAdaptationClassifier(**p).fit(X, Y),
}


@pytest.mark.parametrize("kind", USED)
def test_every_parameter_has_a_rule(kind):
    named = {field.name for field in fields(kind)} if is_dataclass(kind) else kind().get_params()
    assert set(named) == set(declared_constraints(kind))


@pytest.mark.parametrize("kind", USED)
def test_bad_numbers_are_refused_with_name_rule_and_value(kind):
    for name, rule in declared_constraints(kind).items():
        if not isinstance(rule.constraint if isinstance(rule, Optional) else rule, Interval):
            continue
        for bad in ("three", -1, float("nan"), -float("inf")):
            told = f"{kind.__name__}: {name} must be {rule.describe()}, got {bad!r}."
            with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
                USED[kind](**{name: bad})
