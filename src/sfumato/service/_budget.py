"""How much of bodies and answers may be in memory at once, shared fairly between callers."""

from collections import Counter

from sfumato.service.limits import Refused

#: What every caller may have as long as there is any room at all.
SMALL = 1_000_000


class Budget:
    """Bytes of the requests under way.

    A caller may have as much as is left for all others: one alone half of it, two a third each.

    Parameters
    ----------
    n_bytes : int
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._held: Counter[str] = Counter()

    @property
    def n_held(self) -> int:
        """Bytes that are held."""
        return self._held.total()

    def check(self, caller: str, n_more: int = 0) -> None:
        """Refuse what a caller may not have.

        Raises
        ------
        Refused
            503.
        """
        left = self._n_bytes - self.n_held - n_more
        own = self._held[caller] + n_more
        if left < 0 or own > max(left, SMALL):
            raise Refused(503, "too many bytes are under way; try again in a few seconds.", 2)

    def change(self, caller: str, n_bytes: int) -> None:
        """Count bytes that a caller has more, or fewer if negative."""
        self._held[caller] += n_bytes
        if not self._held[caller]:
            del self._held[caller]


class Held:
    """What one request holds of a budget.

    Parameters
    ----------
    budget : Budget
    caller : str
    """

    def __init__(self, budget: Budget, caller: str = "") -> None:
        self._budget, self.caller, self._n_bytes = budget, caller, 0

    def check(self) -> None:
        """Refuse work whose answer would find no room; see :meth:`Budget.check`."""
        self._budget.check(self.caller)

    def take(self, n_bytes: int) -> None:
        """Hold more, if the caller may; see :meth:`Budget.check`."""
        self._budget.check(self.caller, n_bytes)
        self.force(n_bytes)

    def force(self, n_bytes: int) -> None:
        """Hold more, such as an answer that is there already."""
        self._budget.change(self.caller, n_bytes)
        self._n_bytes += n_bytes

    def release(self) -> None:
        """Give all of it back."""
        self._budget.change(self.caller, -self._n_bytes)
        self._n_bytes = 0

    def hand_over(self) -> "Held":
        """Return what another must release, which this request holds no more."""
        found = Held(self._budget, self.caller)
        found._n_bytes, self._n_bytes = self._n_bytes, 0
        return found


class Accounts:
    """ASGI middleware: what a request holds is given back after its answer was sent.

    Parameters
    ----------
    app : ASGI application
    budget : Budget
    """

    def __init__(self, app, budget):
        self._app, self._budget = app, budget

    async def __call__(self, scope, receive, send):
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held = Held(self._budget)
        scope.setdefault("state", {})["held"] = held
        try:
            await self._app(scope, receive, send)
        finally:
            held.release()
