"""The HTTP service: its workers, limits, errors, figures and page.

A photo or a table is the body of its request, as it is: nothing is parsed before the limits are
checked, and nothing of it is written anywhere. Logs hold routes, statuses and times alone.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from sfumato import __version__
from sfumato.errors import InputError, SfumatoError, StorageError
from sfumato.service._audits import Audits
from sfumato.service._bodies import schemas
from sfumato.service._budget import Accounts, Budget
from sfumato.service._gallery_routes import GALLERIES
from sfumato.service._heads import check_head, host_names
from sfumato.service._line import Busy
from sfumato.service._pool import MOST_JOBS, TookTooLong, WorkPool
from sfumato.service._routes import OPEN, ROUTES
from sfumato.service.limits import Limits, Rate, Refused
from sfumato.service.work import Models

LOG = logging.getLogger("sfumato.service")
PAGE = Path(__file__).parent / "page"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


@dataclass(frozen=True)
class Settings:
    """Of one service.

    Parameters
    ----------
    models : Models
    limits : Limits
    keys : str, optional
        A file of API keys; without one everybody on this machine may ask, and nobody else.
    workers : int
        Processes. Audits have others, half as many and at least one.
    hosts : tuple of str
        Names by which it may be called; others are refused, so that no page of another site
        reaches it by a name of its own.
    proxies : tuple of str
        Addresses of proxies before it, of which X-Forwarded-For is believed.
    """

    models: Models = field(default_factory=Models)
    limits: Limits = field(default_factory=Limits)
    keys: str | None = None
    workers: int = 2
    hosts: tuple[str, ...] = LOOPBACK
    proxies: tuple[str, ...] = ()


def make_app(settings: Settings | None = None) -> FastAPI:
    """Return the ASGI application.

    Parameters
    ----------
    settings : Settings, optional

    Returns
    -------
    FastAPI
        Its workers start with it and end with it, after the requests that run.
    """
    settings = settings or Settings()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        pool, of_audits = _pools(settings)
        app.state.pool, app.state.of_audits = pool, of_audits
        app.state.audits = Audits(of_audits, settings.limits.audits_a_caller)
        app.state.can = None
        app.state.warming = asyncio.create_task(_warm_up(app, pool))
        yield
        app.state.warming.cancel()
        await asyncio.gather(*(asyncio.to_thread(each.close) for each in (pool, of_audits)))

    app = FastAPI(
        title="sfumato",
        version=__version__,
        summary="What faces give away, and how to keep it.",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings, app.state.rate = settings, Rate(settings.limits.a_minute)
    app.state.metrics = Metrics()
    app.state.hosts = host_names(settings.hosts)
    app.middleware("http")(_watch)
    app.add_middleware(Accounts, budget=Budget(settings.limits.bytes_under_way))
    for kind, answer in ERRORS.items():
        app.add_exception_handler(kind, answer)
    app.include_router(OPEN)
    app.include_router(ROUTES)
    app.include_router(GALLERIES)
    # FastAPI does not read these bodies, so it does not know them.
    app.openapi().setdefault("components", {}).setdefault("schemas", {}).update(schemas())
    # Not mounted: a mount would answer a wrong method on a path of ours with 404.
    app.router.default = StaticFiles(directory=PAGE, html=True)
    return app


def _pools(settings):
    """Return the processes for requests, and those for audits, at least one."""
    limits, n_workers = settings.limits, settings.workers
    return (
        WorkPool(
            settings.models, limits, workers=n_workers, waiting=limits.waiting,
            seconds=limits.work_seconds,
        ),
        WorkPool(
            settings.models, limits, workers=max(1, n_workers // 2), waiting=MOST_JOBS,
            seconds=limits.audit_seconds, for_audits=True,
        ),
    )  # fmt: skip


async def _warm_up(app, pool):
    """Note what the models can do, as soon as a worker has them."""
    while True:
        try:
            can = await pool.warm_up()
            break
        except SfumatoError as error:
            LOG.error("%s", error)
            await asyncio.sleep(1)
    app.state.dimension = can.pop("dimension")
    app.state.can = can


class Metrics:
    """For Prometheus: requests by route and status, seconds, and what is under way."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sfumato_requests", "Requests.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "sfumato_request_seconds", "Seconds.", ["route"], buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.templates = Counter(
            "sfumato_gallery_templates", "Templates sent to galleries by what became of them.",
            ["outcome"], registry=self.registry,
        )  # fmt: skip
        self.running = Gauge(
            "sfumato_work_running", "Work in and before workers.", registry=self.registry
        )


async def _watch(request, call_next):
    """Count and log a request by its route, never by its path, which may hold a name."""
    started = time.perf_counter()
    try:
        check_head(request.scope, request.app.state.hosts)
    except Refused as error:
        response = _line(error.status, error)
    else:
        response = await call_next(request)
    seconds = time.perf_counter() - started
    route = getattr(request.scope.get("route"), "path", None) or "page"
    metrics = request.app.state.metrics
    metrics.requests.labels(route, response.status_code).inc()
    metrics.seconds.labels(route).observe(seconds)
    LOG.info("%s %s %d %.0f ms", request.method, route, response.status_code, 1e3 * seconds)
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    return response


def _line(status, message, wait=None, headers=None):
    headers = dict(headers or {})
    if wait is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    return JSONResponse({"error": " ".join(str(message).split())}, status, headers)


ERRORS = {
    Refused: lambda request, error: _line(error.status, error, error.wait),
    InputError: lambda request, error: _line(422, error),
    Busy: lambda request, error: _line(503, error, 2),
    TookTooLong: lambda request, error: _line(504, error),
    StorageError: lambda request, error: _line(503, error),
    SfumatoError: lambda request, error: _line(500, error),
    HTTPException: lambda request, error: _line(
        error.status_code, error.detail, headers=_allow(request, error)
    ),
    RequestValidationError: lambda request, error: _line(422, _first(error)),
}


def _allow(request, error):
    """Return the headers of an error; for a wrong method with the methods that this path takes."""
    if error.status_code != 405:
        return error.headers
    methods: set[str] = set()
    for path, operations in request.app.openapi()["paths"].items():
        if compile_path(path)[0].match(request.url.path):
            methods.update(name.upper() for name in operations)
    return {"Allow": ", ".join(sorted(methods)) or "GET, HEAD"}


def _first(error):
    """Return the first thing that is wrong with a request's parameters, without its values."""
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc'][1:]))}: {found['msg']}"


DESCRIPTION = """
Send a photo, or a Parquet table, as the body of a request. Nothing that you send is kept.

Machines that never saw pictures like the changed ones misread them; machines that were trained on
such pictures may not. A template without gender still says who someone is. What these readers say
of a face is a guess: do not sort people by it (EU AI Act, Art. 5).
"""
