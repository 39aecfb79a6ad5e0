"""Who is next when more is asked than can be done at once: nobody's many keep another waiting."""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable

from sfumato.errors import SfumatoError
from sfumato.service.limits import Refused

MINUTE = 60.0


class Busy(SfumatoError):
    """Too many requests wait already."""


class Spent:
    """Seconds of workers that callers took within about a minute: older ones fade away.

    Parameters
    ----------
    most : float
        Beyond which a caller is refused while others ask.
    clock : callable, default=time.monotonic
        Seconds.
    """

    MOST_CALLERS = 10_000

    def __init__(self, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._taken: dict[str, tuple[float, float]] = {}

    def of(self, caller: str) -> float:
        """Return the seconds that a caller took."""
        seconds, at = self._taken.get(caller, (0.0, 0.0))
        return seconds * math.exp((at - self._clock()) / MINUTE) if seconds else 0.0

    def add(self, caller: str, seconds: float) -> None:
        """Count seconds that a caller took; the service itself is none, and has no name."""
        if not caller:
            return
        total = self.of(caller) + seconds
        self._taken.pop(caller, None)
        if len(self._taken) >= self.MOST_CALLERS:
            self._taken.pop(next(iter(self._taken)))
        self._taken[caller] = total, self._clock()

    def check(self, caller: str) -> None:
        """Refuse a caller who took too much while others ask.

        Raises
        ------
        Refused
            429, with the seconds to wait.
        """
        now, taken = self._clock(), self.of(caller)
        others = (at for name, (_, at) in self._taken.items() if name != caller)
        if taken > self._most and any(now - at < MINUTE for at in others):
            raise Refused(
                429,
                f"over the limit of {self._most:g} s of work a minute while others ask.",
                MINUTE * math.log(taken / self._most),
            )


class Line:
    """Callers before places that are taken; each has a line of their own.

    A place that becomes free goes to the caller who has fewest, and of these to the one who took
    least time. If the whole line is full, the caller who has most in it loses their last.

    Parameters
    ----------
    n_places, n_waiting : int
    spent : Spent
    """

    def __init__(self, n_places: int, n_waiting: int, spent: Spent) -> None:
        self.n_places, self._most, self._spent = n_places, n_waiting, spent
        self._taken: Counter[str] = Counter()
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def n_free(self) -> int:
        """Places that nobody has."""
        return self.n_places - self._taken.total()

    @property
    def n_waiting(self) -> int:
        """Requests before places."""
        return sum(map(len, self._lines.values()))

    @property
    def is_full(self) -> bool:
        """Whether a request of the caller who has most would be refused."""
        return self.n_free <= 0 and self.n_waiting >= self._most

    async def enter(self, caller: str) -> None:
        """Wait for a place and take it.

        Raises
        ------
        Busy
        """
        if self.n_free > 0:
            self._taken[caller] += 1
            return
        if self.n_waiting >= self._most:
            self._make_room(caller)
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(caller)
            else:
                self._remove(caller, turn)
            raise

    def leave(self, caller: str) -> None:
        """Give a place back, to whoever is next."""
        self._taken[caller] -= 1
        self._taken += Counter()  # Drops those at 0.
        if not self._lines or self.n_free <= 0:
            return
        following = min(self._lines, key=lambda c: (self._taken[c], self._spent.of(c)))
        turn = self._lines[following][0]
        self._remove(following, turn)
        if following in self._lines:  # Of equals, the others go first.
            self._lines[following] = self._lines.pop(following)
        self._taken[following] += 1
        turn.set_result(None)

    def _make_room(self, caller):
        """End the wait of the last of the longest line, unless it is as short as the caller's."""
        longest = max(self._lines, key=lambda c: len(self._lines[c]), default=caller)
        if len(self._lines.get(longest, ())) <= len(self._lines.get(caller, ())) + 1:
            raise Busy("too many requests wait; try again in a few seconds.")
        turn = self._lines[longest][-1]
        self._remove(longest, turn)
        turn.set_exception(Busy("too many requests wait; try again in a few seconds."))

    def _remove(self, caller, turn):
        if turn in self._lines.get(caller, ()):
            self._lines[caller].remove(turn)
            if not self._lines[caller]:
                del self._lines[caller]
