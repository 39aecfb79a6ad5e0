"""Who is next before the workers, and who took too much of them."""

import asyncio

import pytest

for module in ("fastapi", "pebble"):
    pytest.importorskip(module, reason="needs the extra serve")

from sfumato.service._line import Busy, Line, Spent  # noqa: E402
from sfumato.service.limits import Refused  # noqa: E402


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self):
        return self.now


def order_of(callers, n_places=1, n_waiting=100, spent=None):
    """Return in which order callers who ask at once get places, and who is refused."""
    served, refused = [], []

    async def ask(line, caller):
        try:
            await line.enter(caller)
        except Busy:
            refused.append(caller)
            return
        served.append(caller)
        await asyncio.sleep(0)
        line.leave(caller)

    async def go():
        line = Line(n_places, n_waiting, spent or Spent(1e9))
        await asyncio.gather(*(ask(line, caller) for caller in callers))
        assert (line.n_free, line.n_waiting) == (n_places, 0)

    asyncio.run(go())
    return "".join(served), "".join(refused)


def test_one_callers_many_let_another_pass():
    assert order_of("aaaaaab")[0].index("b") <= 2
    assert order_of("aaaaaabcbc")[0].index("c") <= 4


def test_one_caller_alone_has_all_places():
    assert order_of("aaaa", n_places=2) == ("aaaa", "")


def test_who_took_less_time_goes_first():
    spent = Spent(1e9, Clock())
    spent.add("a", 5.0)
    spent.add("b", 1.0)
    assert order_of("xabab", spent=spent)[0] == "xbbaa"


def test_in_a_full_line_the_longest_loses_its_last():
    assert order_of("aaaab", n_waiting=3) == ("aaba", "a")
    # Of the same length, who comes last is refused.
    assert order_of("abab", n_waiting=2) == ("aba", "b")
    assert order_of("aaaa", n_waiting=2) == ("aaa", "a")


def test_who_stops_waiting_takes_no_place():
    async def go():
        line = Line(1, 5, Spent(1e9))
        await line.enter("a")
        tasks = [asyncio.create_task(line.enter("b")) for _ in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        assert line.n_waiting == 1
        # Cancelled when it has its place already, which nobody else could leave.
        line.leave("a")
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (line.n_free, line.n_waiting) == (1, 0)

    asyncio.run(go())


def test_seconds_of_work_fade_and_are_limited_while_others_ask():
    clock = Clock()
    spent = Spent(30.0, clock)
    spent.add("a", 60.0)
    spent.add("", 60.0)
    spent.check("a")
    spent.check("")
    spent.add("b", 0.1)
    spent.check("b")
    with pytest.raises(Refused, match="over the limit of 30 s of work a minute") as refused:
        spent.check("a")
    # 60 fade to 30 in 60 ln 2 = 41.6 s.
    assert refused.value.status == 429 and refused.value.wait == pytest.approx(41.6, abs=0.1)
    clock.now = 42.0
    spent.check("a")
    spent.add("a", 10.0)
    with pytest.raises(Refused):
        spent.check("a")
    # Nobody else for a minute.
    clock.now = 61.0
    spent.check("a")
