"""What of bodies and answers may be in memory at once, and how bodies in JSON are measured."""

import asyncio
import json
import tracemalloc

import pytest

for module in ("fastapi", "pebble", "pydantic"):
    pytest.importorskip(module, reason="needs the extra serve")

from sfumato.service._answers import PIECE, Answer  # noqa: E402
from sfumato.service._bodies import RawTemplates, ToEnrol, TwoPhotos  # noqa: E402
from sfumato.service._budget import SMALL, Accounts, Budget, Held  # noqa: E402
from sfumato.service._reading import check_shape, most_bytes  # noqa: E402
from sfumato.service.limits import Limits, Refused  # noqa: E402

LIMITS = Limits()


def test_a_caller_leaves_as_much_to_others_as_it_takes():
    budget = Budget(100 * SMALL)
    first, second = Held(budget, "a"), Held(budget, "b")
    first.take(50 * SMALL)
    with pytest.raises(Refused, match="too many bytes are under way") as refused:
        Held(budget, "a").take(2)
    assert refused.value.status == 503 and refused.value.wait > 0
    second.take(25 * SMALL)
    with pytest.raises(Refused):
        second.take(1)
    # Nobody is refused little while there is room.
    Held(budget, "c").take(SMALL)
    first.release()
    second.take(10 * SMALL)
    second.release()
    assert budget.n_held == SMALL


def test_no_room_is_no_room():
    budget = Budget(SMALL)
    Held(budget, "a").force(SMALL)
    with pytest.raises(Refused):
        Held(budget, "b").take(1)


def test_what_a_request_holds_is_given_back_unless_handed_over():
    budget, kept = Budget(10), []

    async def app(scope, receive, send):
        held = scope["state"]["held"]
        held.take(3)
        if scope["path"] == "/audit":
            kept.append(held.hand_over())
        if scope["path"] == "/fails":
            raise ValueError

    async def go(path):
        await Accounts(app, budget)({"type": "http", "path": path}, None, None)

    asyncio.run(go("/"))
    with pytest.raises(ValueError):
        asyncio.run(go("/fails"))
    assert budget.n_held == 0
    asyncio.run(go("/audit"))
    assert budget.n_held == 3
    kept[0].release()
    assert budget.n_held == 0


@pytest.mark.parametrize("n_bytes", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
def test_an_answer_goes_in_pieces(n_bytes):
    sent, content = [], bytes(range(256)) * (n_bytes // 256 + 1)

    async def send(message):
        sent.append(message)

    asyncio.run(Answer(content[:n_bytes])({}, None, send))
    assert b"".join(message["body"] for message in sent[1:]) == content[:n_bytes]
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    assert all(len(message["body"]) <= PIECE for message in sent[1:])
    assert dict(sent[0]["headers"])[b"content-length"] == b"%d" % n_bytes


def test_bytes_are_limited_by_what_the_model_takes():
    # 10,000 rows of 128 numbers of 26 bytes, and brackets.
    assert most_bytes(RawTemplates, 128, LIMITS) == 10_000 + 10_000 * (128 * 26 + 10)
    assert most_bytes(RawTemplates, 512, LIMITS) == LIMITS.json_bytes
    assert most_bytes(TwoPhotos, 128, Limits(photo_bytes=300)) == 10_000 + 2 * 402


def test_numbers_are_counted_before_anything_is_parsed():
    # As many as can be: 10,000 rows of the model's 3.
    check_shape(RawTemplates, 3, json.dumps({"embeddings": [[-1.5] * 3] * 10_000}).encode())
    zeros = b'{"embeddings":[' + b",".join([b"[" + b"0," * 65_535 + b"0]"] * 40) + b"]}"
    tracemalloc.start()
    with pytest.raises(Refused, match="more than the limit of 231,000 values") as refused:
        check_shape(RawTemplates, 3, zeros)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
    assert refused.value.status == 413


@pytest.mark.parametrize("content", [b"[" * 1_000_000, b'{"a":' * 1_000_000])
def test_lists_in_lists_are_refused(content):
    with pytest.raises(Refused, match="lists and objects"):
        check_shape(ToEnrol, 128, content)
