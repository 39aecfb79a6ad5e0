"""Answers that workers wrote: sent in pieces, so that a slow reader holds few of them twice."""

from typing import Any

from starlette.responses import Response

from sfumato.service import work

PIECE = 262_144


class Answer(Response):
    """An answer that waits for its reader after every piece."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send(start | {"headers": self.raw_headers})
        for at in range(0, max(len(self.body), 1), PIECE):
            piece, is_last = self.body[at : at + PIECE], at + PIECE >= len(self.body)
            await send({"type": "http.response.body", "body": piece, "more_body": not is_last})


async def run(request: Any, function: Any, *args: Any) -> Any:
    """Return what a worker's function gives for a request, whose body is then no longer held."""
    held = request.state.held
    held.check()
    try:
        return await request.app.state.pool.run(function, *args, caller=request.state.caller)
    finally:
        held.release()


async def answer(request: Any, function: Any, *args: Any) -> Answer:
    """Return an answer in JSON of what a worker's function gives; the worker writes it."""
    content, outcomes = await run(request, work.in_json, function, *args)
    for outcome, number in outcomes.items():
        request.app.state.metrics.templates.labels(outcome).inc(number)
    return as_answer(request, content, "application/json")


def as_answer(request: Any, content: bytes, kind: str, headers: Any = None) -> Answer:
    """Return bytes as an answer, which is held until it has been sent."""
    request.state.held.force(len(content))
    return Answer(content, headers=headers, media_type=kind)
