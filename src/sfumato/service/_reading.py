"""How bodies in JSON are taken in: measured here, parsed by workers.

A body in JSON takes forty times its size when it is parsed, and seconds in which nothing else
is answered. So its bytes are limited by what the models take, its numbers and lists are counted
as they stand, and a worker parses it, whose memory and time are limited.

They are read by hand, not by FastAPI: it would take in a body of any size, from anybody, before
it asks for a key. A body must be called JSON, which a page of another site cannot do without
this service's leave; otherwise such a page could delete people from a gallery.
"""

import asyncio
from typing import Any

from fastapi import Depends, Request

from sfumato.service.limits import Limits, Refused, read_body

#: Of a number as text, such as -1.2345678901234567e-300, a comma and a space.
NUMBER_BYTES = 26
#: Commas and brackets of a body that are not those of numbers: names may have some, too.
FEW, FEW_A_ROW = 1_000, 20


def measured(model: Any) -> Any:
    """Return a dependency whose value is the bytes of a request's body, not parsed yet.

    Parameters
    ----------
    model : type of Body
        Which will parse it.

    Raises
    ------
    Refused
        415 for another content type, 503 while the models are loaded, 413 for more numbers or
        lists than the models take; and what :func:`~sfumato.service.limits.read_body` refuses.
    """

    async def read(request: Request):
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "send JSON, with the header Content-Type: application/json.")
        limits = request.app.state.settings.limits
        try:
            # What it may hold is known when the models are.
            warming = asyncio.shield(request.app.state.warming)
            await asyncio.wait_for(warming, limits.work_seconds)
        except TimeoutError:
            raise Refused(503, "the models are being loaded.", 2) from None
        dimension = request.app.state.dimension
        content = await read_body(
            request, most_bytes(model, dimension, limits), limits.body_seconds
        )
        check_shape(model, dimension, content)
        return content

    return Depends(read)


def most_bytes(model: Any, dimension: int, limits: Limits) -> int:
    """Return how many bytes a body may have: so many rows of numbers, and its photos."""
    rows = model.most_rows * (NUMBER_BYTES * dimension + model.field_bytes)
    photos = model.most_photos * (4 * (limits.photo_bytes + 2) // 3)
    return min(limits.json_bytes, 10_000 + rows + photos)


def check_shape(model: Any, dimension: int, content: bytes) -> None:
    """Refuse a body of more numbers or lists than the models take, without parsing it.

    Raises
    ------
    Refused
        413.
    """
    most = model.most_rows * (dimension + FEW_A_ROW) + FEW
    if content.count(b",") > most:
        raise Refused(413, f"the body has more than the limit of {most:,} values.")
    most = model.most_rows * FEW_A_ROW + FEW
    if content.count(b"[") + content.count(b"{") > most:
        raise Refused(413, f"the body has more than the limit of {most:,} lists and objects.")
