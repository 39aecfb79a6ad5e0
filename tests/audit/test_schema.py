"""The audit's JSON is what ``docs/audit.schema.json`` promises."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from sfumato.audit.protocol import audit
from sfumato.data.planted import planted

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "audit.schema.json").read_text())


@pytest.fixture(scope="module")
def results():
    """The JSON of a raw audit, and of one with protected rows and all that can be asked."""
    X, y, identity = planted("linear", 150, 4)
    names = ["kNN", "logistic regression", "paired original"]
    options = {"identity": identity, "n_resamples": 20}
    rich = audit(
        X, y, protected=X * 1.5, attackers=names, by={"half": X[:, 0] > 0}, given={"a": X[:, 1]},
        across={"other": (X * 2, "cosine")}, basis={"purpose": "a test"}, **options,
    )  # fmt: skip
    plain = audit(X, y, attackers=names[:1], curve=False, n_resamples=20)
    return {"rich": rich.to_dict(), "plain": plain.to_dict()}


def check(result):
    whole = {"schema_version": 1, "attributes": {"y": result}}
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(whole)))


def test_results_follow_the_schema(results):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for result in results.values():
        check(result)
    assert results["rich"]["learning"]["after"]


def test_every_key_is_described(results):
    assert set(results["rich"]) == set(SCHEMA["$defs"]["audit"]["properties"])


@pytest.mark.parametrize("key", ["schema_version", "alarms", "split", "before", "chance"])
def test_what_is_missing_or_wrong_is_noticed(results, key):
    for change in ("gone", "wrong"):
        broken = copy.deepcopy(results["rich"])
        broken.pop(key) if change == "gone" else broken.update({key: "?"})
        with pytest.raises(jsonschema.ValidationError):
            check(broken)
