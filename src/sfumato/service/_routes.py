"""What can be asked of the service, and which worker function answers."""

import json
import logging
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import generate_latest
from pydantic import BaseModel

from sfumato.errors import InputError
from sfumato.service import work
from sfumato.service._answers import answer, as_answer, run
from sfumato.service._bodies import RawTemplates, TwoPhotos, describes
from sfumato.service._reading import measured
from sfumato.service.keys import KeyFile, find_key
from sfumato.service.limits import Refused, network_of, read_body

LOG = logging.getLogger("sfumato.service")
# The audit's report brings its own styles and pictures along.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
BYTES = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
PHOTO = {"application/octet-stream": BYTES, "image/jpeg": BYTES, "image/png": BYTES}
TABLE = {"application/octet-stream": BYTES, "application/vnd.apache.parquet": BYTES}


class Problem(BaseModel):
    """What is wrong, in one line."""

    error: str


# By content, since a route's own answers may be pages or pictures.
PROBLEM = {
    "description": "What is wrong, in one line.",
    "content": {"application/json": {"schema": Problem.model_json_schema()}},
}


def allowed(scope):
    """Return a dependency that lets callers with this scope in; its value is the caller."""

    def check(request: Request):
        state = request.app.state
        caller = network_of(request.client.host) if request.client else "unknown"
        if state.settings.keys is not None:
            secret = request.headers.get("x-api-key", "")
            key = find_key(_keys(state.settings.keys), secret)
            if key is None:
                raise Refused(401, "give a valid key in the header X-API-Key.")
            if not key.allows(scope):
                raise Refused(403, f"this key does not allow {scope}.")
            # Not its name: another key may have that later, and must not have this one's audits.
            caller = key.id
        state.rate.take(caller)
        request.state.caller = request.state.held.caller = caller
        return caller

    return Depends(check)


def _keys(path):
    """Return the keys, read anew, so that one that was deleted opens nothing from then on."""
    try:
        return KeyFile(path).read()
    except InputError as error:
        LOG.error("%s", error)
        raise Refused(
            503, "the keys of this service cannot be read; tell whoever runs it."
        ) from None


def answers(*statuses):
    """Return what OpenAPI says of a route's errors."""
    return dict.fromkeys((401, 403, 429, 503, *statuses), PROBLEM)


def _body(content):
    return {"requestBody": {"required": True, "content": content}}


OF_WORK = answers(400, 408, 413, 422, 500, 503, 504)
OF_JSON = OF_WORK | answers(415)
OPEN = APIRouter(tags=["health"])
ROUTES = APIRouter(prefix="/v1")
TEMPLATES = measured(RawTemplates)
TWO_PHOTOS = measured(TwoPhotos)
Largest = Annotated[bool, Query(description="The largest face alone.")]


@OPEN.get("/healthz")
def healthz():
    """Whether the service runs."""
    return {"status": "ok"}


@OPEN.get("/readyz", responses={503: PROBLEM})
async def readyz(request: Request):
    """Whether the models are loaded and a request finds a place, and what can be done."""
    if request.app.state.can is None:
        raise Refused(503, "the models are being loaded.", 2)
    pool = request.app.state.pool
    n_free, line = pool.n_free, pool.line
    if not pool.n_loaded:
        raise Refused(503, "the models are being loaded anew, since workers ended.", 2)
    if line.is_full:
        raise Refused(503, f"{line.n_waiting} requests wait for {line.n_places} workers.", 2)
    limits = request.app.state.settings.limits
    return request.app.state.can | {
        "workers": line.n_places,
        "free_workers": n_free,
        "limits": {"photo_bytes": limits.photo_bytes, "table_bytes": limits.table_bytes},
    }


@OPEN.get(
    "/metrics",
    dependencies=[allowed("metrics")],
    responses=answers(),
    response_class=PlainTextResponse,
)
def metrics(request: Request):
    """Figures for Prometheus."""
    found = request.app.state.metrics
    found.running.set(
        sum(pool.n_running for pool in (request.app.state.pool, request.app.state.of_audits))
    )
    return Response(generate_latest(found.registry), media_type="text/plain; version=0.0.4")


@ROUTES.post("/describe", responses=OF_WORK, openapi_extra=_body(PHOTO), tags=["photos"])
async def describe(
    request: Request,
    caller: str = allowed("photos"),
    reader: Annotated[Literal["dlib", "pixels"], Query(description="Which reader.")] = "dlib",
    largest: Largest = False,
):
    """Read age, gender, ethnicity, smile and more off the faces of a photo."""
    return await answer(request, work.describe, await _photo(request), reader, largest)


@ROUTES.post("/embed", responses=OF_WORK, openapi_extra=_body(PHOTO), tags=["templates"])
async def embed(request: Request, caller: str = allowed("templates"), largest: Largest = False):
    """Templates of the faces of a photo, protected if the service has an eraser."""
    return await answer(request, work.embed, await _photo(request), largest)


@ROUTES.post(
    "/protect/photo",
    responses=OF_WORK | {200: {"content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}}}},
    openapi_extra=_body(PHOTO),
    tags=["photos"],
)
async def protect_photo(
    request: Request,
    caller: str = allowed("photos"),
    hide: Annotated[str, Query(description="gender,age; age=old names the class to show.")] = "",
    keep: Annotated[str, Query(description="Attributes that must stay readable.")] = "",
    face: Annotated[int | None, Query(ge=0, le=1000, description="This face alone.")] = None,
    at_random: Annotated[
        bool, Query(description="Draw the class to show among all, where none is named.")
    ] = True,
    strength: Annotated[
        float | None, Query(gt=0, description="How much to change; default as saved.")
    ] = None,
    form: Annotated[str, Query(pattern="^(png|jpg|webp)$", description="Of the photo.")] = "png",
    check: Annotated[
        bool, Query(description="Answer with JSON: the photo, and what machines say of it.")
    ] = False,
):
    """Return a photo whose faces are changed so that machines misread what is hidden."""
    photo, ending = await _photo(request), f".{form}"
    kept = tuple(filter(None, keep.split(",")))
    options = (parse_hide(hide), kept, face, at_random, strength)
    if check:
        return await answer(request, work.protect_photo_in_json, photo, *options, ending, check)
    found = await run(request, work.protect_photo, photo, *options, ending, check)
    kind = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}[form]
    headers = {
        "X-Faces": json.dumps(found["faces"]),
        "X-Skipped": json.dumps(found["skipped"]),
        "X-Notes": json.dumps(["changed, not checked (check=true does)", *found["notes"]]),
    }
    return as_answer(request, found["photo"], kind, headers)


@ROUTES.post(
    "/protect/templates",
    responses=OF_JSON,
    openapi_extra=describes(
        RawTemplates, two_of_three_numbers={"embeddings": [[0.1, 0.2, 0.3]] * 2}
    ),
    tags=["templates"],
)
async def protect_templates(
    request: Request,
    caller: str = allowed("templates"),
    body: bytes = TEMPLATES,
):
    """Templates with the eraser's attributes taken out."""
    return await answer(request, work.protect_templates, body)


@ROUTES.post("/verify", responses=OF_JSON, openapi_extra=describes(TwoPhotos), tags=["photos"])
async def verify(request: Request, caller: str = allowed("photos"), body: bytes = TWO_PHOTOS):
    """Whether the largest faces of two photos are one person's, at an FMR of 1 in 1,000."""
    return await answer(request, work.verify, body, request.app.state.settings.limits.photo_bytes)


@ROUTES.post(
    "/audits", status_code=202, responses=OF_WORK, openapi_extra=_body(TABLE), tags=["audit"]
)
async def start_audit(
    request: Request,
    attribute: Annotated[list[str], Query(min_length=1, max_length=5)],
    caller: str = allowed("audit"),
    protect: Annotated[bool, Query(description="Audit before and after the eraser.")] = False,
    max_rows: Annotated[int, Query(ge=100, le=200_000)] = 20_000,
    quick: Annotated[bool, Query(description="Only the three attackers that see most.")] = False,
):
    """Begin an audit of a face table with embeddings and labels (Parquet)."""
    limits, audits = request.app.state.settings.limits, request.app.state.audits
    audits.check(caller)
    table = await read_body(request, limits.table_bytes, limits.body_seconds)
    held = request.state.held
    return {"id": audits.start(caller, held, table, attribute, protect, max_rows, quick)}


@ROUTES.get("/audits/{name}", responses=answers(404, 422), tags=["audit"])
def audit_state(request: Request, name: str, caller: str = allowed("audit")):
    """How far an audit is, and what it found."""
    audits = request.app.state.audits
    return audits.describe(audits.get(caller, name))


@ROUTES.get(
    "/audits/{name}/report",
    responses=answers(404, 409, 422),
    response_class=HTMLResponse,
    tags=["audit"],
)
def audit_report(request: Request, name: str, caller: str = allowed("audit")):
    """Return the report, one HTML page that needs no other file."""
    job = request.app.state.audits.get(caller, name)
    if job.state != "done":
        raise Refused(409, f"the audit is {job.state}.")
    return HTMLResponse(job.result["report"], headers={"Content-Security-Policy": REPORT_POLICY})


@ROUTES.delete("/audits/{name}", status_code=204, responses=answers(404, 422), tags=["audit"])
async def delete_audit(request: Request, name: str, caller: str = allowed("audit")):
    """Forget an audit; one that runs is stopped."""
    request.app.state.audits.delete(caller, name)


def parse_hide(text):
    """Return ``hide`` of a perturber from "gender,age=old"."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not pairs:
        raise Refused(422, "hide must name an attribute, such as gender.")
    return {name: shown or None for name, _, shown in pairs}


async def _photo(request):
    limits = request.app.state.settings.limits
    return await read_body(request, limits.photo_bytes, limits.body_seconds)
