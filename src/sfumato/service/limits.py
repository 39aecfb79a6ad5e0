"""What a request may cost: bytes, time to send them, and how many in a while."""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect

from sfumato.errors import InputError, SfumatoError


@dataclass(frozen=True)
class Limits:
    """Of one service.

    Parameters
    ----------
    photo_bytes, table_bytes, json_bytes : int
        Of an uploaded photo, of a table to audit or exported, and of a body in JSON.
    bytes_under_way : int
        Of bodies and answers in memory at once, those of audits that wait or run included. A
        caller may have as much as is left for others.
    body_seconds : float
        In which a body must have come.
    work_seconds : float
        For the work on a request.
    audit_seconds : float
        For an audit.
    work_bytes, audit_work_bytes : int
        Memory for the work on a request, and for an audit, beyond what the models take. The
        templates of galleries that a worker keeps are included.
    worker_seconds : float, optional
        Of workers' time that one caller may take within a minute while others ask; default: half
        of all. Requests beyond are refused.
    audits_a_caller : int
        Audits of one caller that run or wait.
    a_minute : int
        Requests of one key, or of one address without keys.
    waiting : int
        Requests that may wait for a worker.
    connections, connections_an_address : int
        That may be open; of IPv6, a /64 counts as one address. For a further one, the oldest that
        waits for its caller is closed.
    head_seconds : float
        In which the head of a request must have come, after the connection or the last answer.
    unread_seconds : float
        In which a caller must read some of an answer.
    """

    photo_bytes: int = 20_000_000
    table_bytes: int = 200_000_000
    json_bytes: int = 60_000_000
    bytes_under_way: int = 500_000_000
    body_seconds: float = 30.0
    work_seconds: float = 60.0
    audit_seconds: float = 1800.0
    work_bytes: int = 2_000_000_000
    audit_work_bytes: int = 900_000_000
    worker_seconds: float | None = None
    audits_a_caller: int = 5
    a_minute: int = 600
    waiting: int = 64
    connections: int = 500
    connections_an_address: int = 100
    head_seconds: float = 10.0
    unread_seconds: float = 30.0


class Refused(SfumatoError):
    """A request beyond a limit, with the HTTP status and seconds to wait, if any."""

    def __init__(self, status: Any, message: str, wait: Any = None) -> None:
        super().__init__(message)
        self.status, self.wait = status, wait

    def __reduce__(self):
        return type(self), (self.status, str(self), self.wait)


async def read_body(request: Any, max_bytes: Any, seconds: Any) -> Any:
    """Return a request's body, which never touches the disk.

    Raises
    ------
    Refused
        413 if it is too large, by its header or as it comes; 408 if it comes too slowly; 400 if
        it is empty, its length is no number or its caller is gone; 503 if too much is under way.
    """
    declared = request.headers.get("content-length", "0")
    # More digits are no length of anything, and Python refuses to read thousands of them.
    if not declared.isascii() or not declared.isdigit() or len(declared) > 20:
        raise Refused(400, "Content-Length must be a number.")
    if int(declared) > max_bytes:
        raise Refused(413, f"{int(declared):,} bytes are more than the limit of {max_bytes:,}.")
    parts, n_bytes = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                n_bytes += len(part)
                if n_bytes > max_bytes:
                    raise Refused(413, f"the body is over the limit of {max_bytes:,} bytes.")
                request.state.held.take(len(part))
                parts.append(part)
    except ClientDisconnect as error:
        raise Refused(400, "the caller is gone.") from error
    except TimeoutError as error:
        raise Refused(408, f"the body did not come within {seconds:g} s.") from error
    if not n_bytes:
        raise Refused(400, "the body is empty; send the file as it is.")
    return b"".join(parts)


def check_addresses(proxies: Iterable[str]) -> None:
    """Refuse a proxy that is no address: its X-Forwarded-For would never be believed.

    Raises
    ------
    InputError
        Naming it.
    """
    for proxy in proxies:
        try:
            ipaddress.ip_address(proxy)
        except ValueError:
            raise InputError(
                f"a proxy is named by its IP address, such as 192.0.2.7, got {proxy!r}."
            ) from None


def network_of(host: str) -> str:
    """Return whom an address belongs to: itself, but of IPv6 its /64, which one caller has.

    Examples
    --------
    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2"), network_of("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7')
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address.packed, 64), strict=False))


class Rate:
    """At most so many requests a minute for each caller, after which some are allowed anew.

    Parameters
    ----------
    a_minute : int
    clock : callable, default=time.monotonic
        Seconds.
    """

    MOST_CALLERS = 10_000

    def __init__(self, a_minute: int, clock: Callable[..., Any] = time.monotonic) -> None:
        self._a_minute, self._clock = a_minute, clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, caller: Any) -> None:
        """Count a request.

        Raises
        ------
        Refused
            429, with the seconds to wait, if the caller has none left.
        """
        now, a_second = self._clock(), self._a_minute / 60
        left, at = self._left.pop(caller, (float(self._a_minute), now))
        left = min(self._a_minute, left + (now - at) * a_second)
        if len(self._left) >= self.MOST_CALLERS:
            self._left.pop(next(iter(self._left)))
        self._left[caller] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if left < 1:
            wait = (1 - left) / a_second
            raise Refused(429, f"over the limit of {self._a_minute} requests a minute.", wait)
