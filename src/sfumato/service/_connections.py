"""Connections of callers: how long they may be silent, and how many of them there may be.

uvicorn ends a connection that is silent after an answer. For a first byte, for the end of a head
and for a caller that does not read its answer it would wait for ever, and with too many
connections it would refuse everybody for as long as they are held.
"""

import json
import socket
import time
from collections import Counter
from collections.abc import Collection
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sfumato.service.limits import Limits, network_of

#: Bytes a second that a caller must read of an answer.
SLOWEST = 1000
KERNEL_BYTES = 262_144
#: Chunks of a body, each of which costs as much as a kilobyte: so many, and one for so many bytes.
FEW_CHUNKS, CHUNK_BYTES = 1_000, 256
#: What a connection waits for, in the order in which they are closed when room is needed.
FIRST_REQUEST, NEXT_REQUEST, CALLER, WORK = range(4)


def _last_answer(status, message, *headers):
    """Return the bytes of an answer in one line, after which the connection ends."""
    body = json.dumps({"error": message}).encode()
    headers += ("Content-Type: application/json", "X-Content-Type-Options: nosniff")
    headers += ("Connection: close", f"Content-Length: {len(body)}")
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode() + body


FULL = _last_answer(
    "503 Service Unavailable",
    "too many connections; try again in a few seconds.",
    "Retry-After: 2",
)
NOT_HTTP = _last_answer(
    "400 Bad Request", "not a request of HTTP/1.1, or one with too long a head or too many chunks."
)


class Door:
    """The open connections of a service, and which must go when there are too many.

    Parameters
    ----------
    limits : Limits
    proxies : collection of str
        Addresses whose connections are of many callers, and which have no limit of their own.
    """

    def __init__(self, limits: Limits, proxies: Collection[str] = ()) -> None:
        self._limits, self._proxies = limits, frozenset(map(network_of, proxies))
        self._open: dict[Connection, None] = {}
        self._sweeping = False

    def enter(self, connection: "Connection") -> bool:
        """Let a connection in; return whether there was room for it.

        Room is made by closing one that waits for its caller: of its own address if that has
        too many, otherwise of the address that has most. One without a request goes first, the
        oldest of its kind.
        """
        held = Counter(c.network for c in self._open if c.network not in self._proxies)
        others: list[Connection] = []
        is_full = False
        if held[connection.network] >= self._limits.connections_an_address:
            is_full = True
            others = [c for c in self._open if c.network == connection.network]
        elif len(self._open) >= self._limits.connections:
            is_full = True
            others = [*self._open]
        others = [c for c in others if c.waits_for != WORK]
        if is_full and not others:
            return False
        if is_full:
            oldest = min(others, key=lambda c: (-held[c.network], c.waits_for, c.since))
            self._close(oldest)
        self._open[connection] = None
        if not self._sweeping:
            self._sweeping = True
            self._sweep(connection.loop)
        return True

    def leave(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)

    def _close(self, connection):
        self._open.pop(connection, None)
        connection.transport.abort()

    def _sweep(self, loop):
        """Close connections that were silent for too long, again and again while any is open."""
        now = time.monotonic()
        for connection in [*self._open]:
            if connection.is_overdue(now, self._limits):
                self._close(connection)
        self._sweeping = bool(self._open)
        if self._sweeping:
            limits = self._limits
            loop.call_later(
                min(1.0, limits.head_seconds / 4, limits.unread_seconds / 4), self._sweep, loop
            )


class Chunks:
    """Counts the chunks of bodies, which cost time in which nobody else is served.

    Parameters
    ----------
    conn : h11.Connection
        Whose events it gives.
    """

    def __init__(self, conn: Any) -> None:
        self._next_event = conn.next_event
        self._n_chunks = self._n_bytes = 0

    def next_event(self) -> Any:
        """Return the next event.

        Raises
        ------
        h11.RemoteProtocolError
            If too many chunks say too little.
        """
        event = self._next_event()
        if isinstance(event, h11.Data):
            self._n_chunks += event.chunk_start
            self._n_bytes += len(event.data)
            if self._n_chunks > FEW_CHUNKS + self._n_bytes / CHUNK_BYTES:
                raise h11.RemoteProtocolError("too many chunks")
        elif isinstance(event, h11.Request):
            self._n_chunks = self._n_bytes = 0
        return event


class Connection(H11Protocol):
    """One connection, which tells what it waits for.

    Parameters
    ----------
    door : Door
    **options
        What uvicorn gives a protocol.
    """

    def __init__(self, door: Door, **options: Any) -> None:
        super().__init__(**options)
        self._door = door
        self.conn.next_event = Chunks(self.conn).next_event  # type: ignore[method-assign]
        self.network, self.since = "", time.monotonic()
        self._has_begun = False
        self._unread, self._unread_since = 0, self.since

    def connection_made(self, transport: Any) -> None:
        """Enter, or be refused if there is no room."""
        super().connection_made(transport)
        # Left to itself, the system would keep megabytes of an answer that nobody reads.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES
        )
        self.network = network_of(self.client[0]) if self.client else ""
        if not self._door.enter(self):
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self._door.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first of a further request start its time anew."""
        if self.waits_for == NEXT_REQUEST and not self._has_begun:
            self._has_begun, self.since = True, time.monotonic()
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no request; an answer that has begun is cut off."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(NOT_HTTP)
        if self.cycle is not None:  # Whatever it would answer comes too late.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._has_begun, self.since = False, time.monotonic()
        super().on_response_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Pass over a wish for another protocol: its sender would fill the log."""

    @property
    def waits_for(self) -> int:
        """What has to come before anything goes on."""
        if self.cycle is None:
            return FIRST_REQUEST
        if self.cycle.response_complete:
            return NEXT_REQUEST
        return CALLER if self.cycle.more_body or self.flow.write_paused else WORK

    def resume_writing(self) -> None:
        """Note that the caller has read nearly all that was written."""
        self._unread = 0
        super().resume_writing()

    def is_overdue(self, now: float, limits: Limits) -> bool:
        """Return whether its caller was silent, or did not read, for longer than is allowed."""
        unread = self.transport.get_write_buffer_size()
        if not self._unread or unread <= self._unread - SLOWEST * limits.unread_seconds:
            self._unread, self._unread_since = unread, now
        if unread:
            return now - self._unread_since > limits.unread_seconds
        waits = self.waits_for in (FIRST_REQUEST, NEXT_REQUEST)
        return waits and now - self.since > limits.head_seconds
