"""What can be asked of galleries: who enrols, compares, reads or deletes, each with its scope.

Names of people are in bodies alone, never in addresses, which proxies write into their logs.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from sfumato.service import galleries
from sfumato.service._answers import answer, as_answer, run
from sfumato.service._bodies import Person, ToEnrol, ToIdentify, ToVerify, describes
from sfumato.service._reading import measured
from sfumato.service._routes import OF_JSON, allowed, answers
from sfumato.service.limits import Refused

OF_READING = answers(404, 422, 500, 503, 504)
OF_BODY = OF_JSON | answers(404)
GALLERIES = APIRouter(prefix="/v1/gallery", tags=["gallery"])
TO_ENROL = measured(ToEnrol)
TO_VERIFY = measured(ToVerify)
TO_IDENTIFY = measured(ToIdentify)
PERSON = measured(Person)
MADE_BY = {
    "encoder": "dlib-resnet", "encoder_version": "55533b28a958",
    "erasers": ["leace:0123456789ab"], "metric": "euclidean",
}  # fmt: skip
TEMPLATE = {"id": "ada-1", "embedding": [0.1, -0.2, 0.3]}
CLAIM = TEMPLATE | {"person": "Ada Lovelace"}
PHOTO = {"id": "ada-2", "person": "Ada Lovelace", "photo": "iVBORw0KGgo="}


def _served(
    request: Request,
    gallery: Annotated[str, Path(description="Its name.", examples=["people"])],
):
    """Return a gallery's name, if it is served."""
    served = galleries.names_of(request.app.state.settings.models.galleries)
    if not served:
        raise Refused(404, "no gallery is served here; start with sfumato serve --gallery FOLDER.")
    if gallery not in served:
        raise Refused(404, "no such gallery; GET /v1/gallery names those that are served.")
    return gallery


SERVED = Depends(_served)


@GALLERIES.get("", responses=answers())
def served_galleries(request: Request, caller: str = allowed("gallery-compare")):
    """List the names of the galleries that are served."""
    return {"galleries": list(galleries.names_of(request.app.state.settings.models.galleries))}


@GALLERIES.get("/{gallery}", responses=OF_READING)
async def gallery_summary(
    request: Request, caller: str = allowed("gallery-compare"), gallery: str = SERVED
):
    """Say what a gallery holds, and what its templates must have been made by."""
    return await answer(request, galleries.summary, gallery)


@GALLERIES.get("/{gallery}/people", responses=OF_READING)
async def list_people(
    request: Request,
    caller: str = allowed("gallery-read"),
    gallery: str = SERVED,
    first: Annotated[int, Query(ge=0, le=2**31, description="How many to pass over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many.")] = 1000,
):
    """List the people by name, with how many templates each has and since when."""
    return await answer(request, galleries.people, gallery, first, limit)


@GALLERIES.post(
    "/{gallery}/enrol",
    responses=OF_BODY,
    openapi_extra=describes(
        ToEnrol,
        template={"made_by": MADE_BY, "templates": [CLAIM]},
        photo={"templates": [PHOTO]},
    ),
)
async def enrol(
    request: Request,
    caller: str = allowed("gallery-write"),
    gallery: str = SERVED,
    body: bytes = TO_ENROL,
):
    """Add protected templates, or photos; 422 if none of them could be added."""
    return await answer(request, galleries.enrol, gallery, body, _most(request))


@GALLERIES.post(
    "/{gallery}/verify",
    responses=OF_BODY,
    openapi_extra=describes(
        ToVerify,
        template={"made_by": MADE_BY, "templates": [CLAIM], "fmr": 0.001},
        photo={"templates": [PHOTO], "threshold": -0.6},
    ),
)
async def verify_claims(
    request: Request,
    caller: str = allowed("gallery-compare"),
    gallery: str = SERVED,
    body: bytes = TO_VERIFY,
):
    """Compare each with the person it claims to be (1:1); 422 if none can be compared."""
    return await answer(request, galleries.verify, gallery, body, _most(request))


@GALLERIES.post(
    "/{gallery}/identify",
    responses=OF_BODY,
    openapi_extra=describes(
        ToIdentify,
        template={"made_by": MADE_BY, "templates": [TEMPLATE], "fmr": 1e-6, "top": 3},
        photo={"templates": [{"id": "door", "photo": PHOTO["photo"]}], "threshold": -0.6},
    ),
)
async def identify(
    request: Request,
    caller: str = allowed("gallery-compare"),
    gallery: str = SERVED,
    body: bytes = TO_IDENTIFY,
):
    """Say who each is, of the enrolled people or nobody (1:N); 422 if none can be compared."""
    return await answer(request, galleries.identify, gallery, body, _most(request))


@GALLERIES.post(
    "/{gallery}/delete",
    responses=OF_BODY,
    openapi_extra=describes(Person, person={"person": "Ada Lovelace"}),
)
async def delete_person(
    request: Request,
    caller: str = allowed("gallery-write"),
    gallery: str = SERVED,
    body: bytes = PERSON,
):
    """Delete a person: their templates leave the gallery's files, and so does any index."""
    return await answer(request, galleries.delete, gallery, body)


@GALLERIES.get(
    "/{gallery}/export",
    responses=OF_READING | {200: {"content": {"application/vnd.apache.parquet": {}}}},
    response_class=Response,
)
async def export(request: Request, caller: str = allowed("gallery-read"), gallery: str = SERVED):
    """All templates as a face table (Parquet), which the command line reads."""
    most = request.app.state.settings.limits.table_bytes
    content = await run(request, galleries.export, gallery, most)
    return as_answer(request, content, "application/vnd.apache.parquet")


def _most(request):
    return request.app.state.settings.limits.photo_bytes
