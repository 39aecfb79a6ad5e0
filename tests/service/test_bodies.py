"""What the schema says of a body: the same as the checks that no pattern of pydantic's can do."""

import base64
import re

import pytest

for module in ("fastapi", "pydantic"):
    pytest.importorskip(module, reason="needs the extra serve")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from pydantic import TypeAdapter, ValidationError  # noqa: E402

from sfumato.service._bodies import BASE64, NO_PATH, Name, schemas  # noqa: E402


@given(st.text("a.~/\\\n", max_size=8))
def test_the_schema_of_a_name_allows_what_the_check_allows(name):
    try:
        TypeAdapter(Name).validate_python(name)
        allowed = True
    except ValidationError:
        allowed = False
    # In JSON Schema $ is the end alone; in Python an end of line may follow.
    assert bool(re.search(NO_PATH.replace("$", r"\Z"), name)) == allowed


@given(st.from_regex(BASE64.replace("$", r"\Z"), alphabet=st.characters(codec="ascii")))
def test_the_schema_of_a_photo_allows_base64_alone(text):
    assert len(base64.b64decode(text, validate=True)) == 3 * len(text) // 4 - text.count("=")


@pytest.mark.parametrize("model", ["Probe", "Claim", "ToVerify", "ToIdentify"])
def test_the_schema_asks_for_one_of_two_fields(model):
    either = schemas()[model]["oneOf"]
    assert {name for way in either for name in way["required"]} == (
        {"embedding", "photo"} if model in ("Probe", "Claim") else {"fmr", "threshold"}
    )
