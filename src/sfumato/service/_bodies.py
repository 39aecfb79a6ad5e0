"""The JSON bodies of requests: what they hold, and their limits."""

import binascii
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.json_schema import models_json_schema

from sfumato.data.names import CONTROL, MAX_LENGTH, is_foreign_path
from sfumato.errors import InputError
from sfumato.service.limits import Refused

REF = "#/components/schemas/{model}"
MOST_TEMPLATES, MOST_RAW_TEMPLATES = 1000, 10_000


def _no_path(name):
    if is_foreign_path(name):
        raise ValueError("must not be a path from elsewhere, such as /x, ../x or a\\b")
    return name


#: What _no_path says, for the schema alone: pydantic's own patterns cannot look ahead.
NO_PATH = rf"^(?!~?(/|$))(?!(.*/)?\.\.?(/|$))[^{CONTROL}\\]+$"
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

#: Without control characters and ends of lines, which would forge lines of logs and tables.
Text = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH, pattern=rf"^[^{CONTROL}]+$")]
Name = Annotated[Text, AfterValidator(_no_path), Field(json_schema_extra={"pattern": NO_PATH})]
Photo = Annotated[
    str,
    Field(
        min_length=4,
        description="A photo in base64.",
        json_schema_extra={"pattern": BASE64, "contentEncoding": "base64"},
    ),
]


def _either(**types):
    """Return the JSON Schema of two fields of these types of which exactly one is given."""
    one, other = types
    alone = [(one, other), (other, one)]
    return {
        "oneOf": [
            {
                "required": [given],
                "properties": {given: {"type": types[given]}, missing: {"type": "null"}},
            }
            for given, missing in alone
        ]
    }


class Body(BaseModel):
    """What all have in common: no unknown fields, no NaN, no numbers written as texts."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    #: Rows of numbers that it may have, bytes of a row's other fields, and photos.
    most_rows: ClassVar[int] = 0
    field_bytes: ClassVar[int] = 4_000
    most_photos: ClassVar[int] = 0


class RawTemplates(Body):
    """Templates to protect: rows of as many numbers as the eraser takes."""

    most_rows: ClassVar[int] = MOST_RAW_TEMPLATES
    field_bytes: ClassVar[int] = 10

    embeddings: list[Annotated[list[float], Field(min_length=1, max_length=65_536)]] = Field(
        min_length=1, max_length=MOST_RAW_TEMPLATES
    )


class TwoPhotos(Body):
    """Two photos, base64, of which the largest faces are compared."""

    most_photos: ClassVar[int] = 2

    first: Photo
    second: Photo


class MadeBy(Body):
    """What made templates; ``GET /v1/gallery/{gallery}`` tells what a gallery takes."""

    encoder: Text | None = None
    encoder_version: Text | None = None
    erasers: list[Text] = Field(
        default=[], max_length=20, description="method:fingerprint, the first applied first."
    )
    metric: Text = "cosine"


class Probe(Body):
    """A protected template, or a photo (base64) of whose largest face one is made here."""

    model_config = ConfigDict(json_schema_extra=_either(embedding="array", photo="string"))

    id: Name
    embedding: list[float] | None = Field(default=None, min_length=1, max_length=65_536)
    photo: Photo | None = None

    @model_validator(mode="after")
    def _one_of_both(self):
        if (self.embedding is None) == (self.photo is None):
            raise ValueError("give either embedding or photo, one of them")
        return self


class Claim(Probe):
    """A template or photo, and the person it shows, or claims to."""

    person: Name


class ToEnrol(Body):
    """Templates to add; ``made_by`` is needed where there are embeddings."""

    most_rows: ClassVar[int] = MOST_TEMPLATES
    most_photos: ClassVar[int] = MOST_TEMPLATES

    made_by: MadeBy | None = None
    templates: list[Claim] = Field(min_length=1, max_length=MOST_TEMPLATES)


class Limit(Body):
    """From which score on two templates match: one of both."""

    model_config = ConfigDict(json_schema_extra=_either(fmr="number", threshold="number"))

    fmr: float | None = Field(default=None, gt=0, lt=1, description="False match rate.")
    threshold: float | None = Field(default=None, description="The score itself.")

    @model_validator(mode="after")
    def _one_of_both_limits(self):
        if (self.fmr is None) == (self.threshold is None):
            raise ValueError("give either fmr or threshold, one of them")
        return self

    def given(self):
        """Return both by name, one of them None."""
        return {"fmr": self.fmr, "threshold": self.threshold}


class ToVerify(Limit):
    """Templates, each with the person it claims to be."""

    most_rows: ClassVar[int] = MOST_TEMPLATES
    most_photos: ClassVar[int] = MOST_TEMPLATES

    made_by: MadeBy | None = None
    templates: list[Claim] = Field(min_length=1, max_length=MOST_TEMPLATES)


class ToIdentify(Limit):
    """Templates of whoever it may be."""

    most_rows: ClassVar[int] = MOST_TEMPLATES
    most_photos: ClassVar[int] = MOST_TEMPLATES

    made_by: MadeBy | None = None
    templates: list[Probe] = Field(min_length=1, max_length=MOST_TEMPLATES)
    top: int = Field(default=5, ge=1, le=100, description="At most so many people each.")


class Person(Body):
    """A person by the name of their enrolment."""

    person: Text


def bodies(model):
    """Yield a model and those that build on it."""
    yield model
    for built in model.__subclasses__():
        yield from bodies(built)


def schemas():
    """Return the JSON Schema of every body by its name, for the components of OpenAPI."""
    models: list[Any] = [(model, "validation") for model in bodies(Body)]
    return models_json_schema(models, ref_template=REF)[1]["$defs"]


def describes(model, **examples):
    """Return what OpenAPI says of a body: its schema and examples by name."""
    content: dict[str, Any] = {"schema": {"$ref": REF.format(model=model.__name__)}}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def read_as(model, content):
    """Return a body parsed, an instance of ``model``.

    Raises
    ------
    InputError
        With the first thing that is wrong, without its value.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, found["loc"]))[:MAX_LENGTH] or "the body"
        raise InputError(f"{where}: {found['msg'].removeprefix('Value error, ')}.") from None


def photo_bytes(text, max_bytes, what):
    """Return a photo from its base64.

    Raises
    ------
    Refused
        422 if it is none, 413 if it is too large.
    """
    if len(text) > 4 * (max_bytes + 2) // 3:
        raise Refused(413, f"{what}: the photo is over the limit of {max_bytes:,} bytes.")
    try:
        # Strict, as the schema: b64decode lets superfluous padding pass.
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Refused(422, f"{what} must be a photo in base64.") from None
