"""Callers who open connections and say nothing, or read nothing, take nobody's place."""

import contextlib
import json
import socket
import threading
import time

import pytest

for module in ("fastapi", "uvicorn", "pebble", "httpx2", "prometheus_client", "PIL", "cv2"):
    pytest.importorskip(module, reason="needs the extra serve")

import httpx2  # noqa: E402
import uvicorn  # noqa: E402
from httpx2 import HTTPTransport  # noqa: E402

from sfumato.service.app import Settings  # noqa: E402
from sfumato.service.limits import Limits, network_of  # noqa: E402
from sfumato.service.run import configure  # noqa: E402


async def answer(scope, receive, send):
    """Answer after the body, or early: with who called, or as many bytes as the path says."""
    is_early = scope["path"] == "/early"
    while not is_early and scope["type"] == "http" and (await receive()).get("more_body"):
        pass
    number = scope["path"].strip("/").removeprefix("early")
    body = b"x" * int(number) if number else scope["client"][0].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def start():
    """Return a function that serves with limits, of our own app's server, and the address."""
    with contextlib.ExitStack() as stack:

        def start(proxies=(), **limits):
            settings = Settings(limits=Limits(**limits), proxies=tuple(proxies))
            config = configure(answer, settings, "127.0.0.1", 0)
            config.lifespan = "off"
            listener = stack.enter_context(contextlib.closing(config.bind_socket()))
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
            thread.start()
            while not server.started:
                time.sleep(0.01)
            stack.callback(thread.join, 10)
            stack.callback(setattr, server, "force_exit", True)
            stack.callback(setattr, server, "should_exit", True)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


@pytest.fixture
def connect():
    """Return a function that opens connections and sends the start of something."""
    with contextlib.ExitStack() as stack:

        def connect(address, n, content=b"", source="127.0.0.1"):
            host, port = address.removeprefix("http://").split(":")
            found = []
            for _ in range(n):
                caller = socket.create_connection(
                    (host, int(port)), timeout=20, source_address=(source, 0)
                )
                found.append(stack.enter_context(contextlib.closing(caller)))
                caller.sendall(content)
            return found

        yield connect


def is_closed(caller, seconds=10):
    """Return whether the service ends a connection, all of whose bytes are read, in a while."""
    caller.settimeout(seconds)
    try:
        while caller.recv(65_536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_idle_connections_of_the_same_address_make_room(start, connect):
    address = start(connections_an_address=5, head_seconds=600)
    idle = connect(address, 8)
    # In which order those of one moment are taken is the kernel's and the loop's.
    assert sum(is_closed(caller, 0.5) for caller in idle) == 3
    for _ in range(20):
        assert httpx2.get(f"{address}/").status_code == 200


def test_an_address_with_few_connections_keeps_them(start, connect):
    address = start(connections=10, connections_an_address=9, head_seconds=600)
    ordinary = connect(address, 2, source="127.0.0.2")
    flood = connect(address, 30)
    assert [is_closed(caller, 0.3) for caller in ordinary] == [False] * 2
    assert sum(not is_closed(caller, 0.1) for caller in flood) == 8
    with httpx2.Client(transport=HTTPTransport(local_address="127.0.0.3")) as client:
        assert client.get(f"{address}/").status_code == 200


def test_a_request_under_way_is_not_closed_for_room(start, connect):
    address = start(connections_an_address=2, head_seconds=600)
    body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1"
    asked = connect(address, 1, body)
    time.sleep(0.3)
    connect(address, 1)
    # The silent one goes, though it came later.
    assert httpx2.get(f"{address}/").status_code == 200
    asked[0].sendall(b"23456789")
    assert asked[0].recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("content", [b"", b"GET / HTTP/1.1\r\nHost: loc", b"GET / HTTP/1.1\r\n"])
def test_a_head_must_come_in_time(content, start, connect):
    address = start(head_seconds=1.0)
    [caller] = connect(address, 1, content)
    started = time.monotonic()
    assert is_closed(caller)
    assert 0.9 < time.monotonic() - started < 5


def test_a_head_that_drips_after_an_answer_must_come_in_time(start, connect):
    address = start(head_seconds=1.0)
    [caller] = connect(address, 1, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he")
    assert caller.recv(1000).startswith(b"HTTP/1.1 200")
    started = time.monotonic()
    with pytest.raises(ConnectionError):
        while time.monotonic() - started < 10:
            caller.sendall(b"a")
            time.sleep(0.1)


def test_connections_of_a_proxy_are_of_many_callers(start, connect):
    address = start(["127.0.0.1"], connections_an_address=3, head_seconds=600)
    assert [is_closed(caller, 0.1) for caller in connect(address, 9)] == [False] * 9


@pytest.mark.parametrize("proxies, caller", [(["127.0.0.1"], "192.0.2.1"), ([], "127.0.0.1")])
def test_who_called_is_claimed_by_proxies_alone(proxies, caller, start):
    answer = httpx2.get(start(proxies), headers={"X-Forwarded-For": "192.0.2.1"})
    assert answer.text == caller


@pytest.mark.parametrize("seconds_a_read, is_ended", [(None, True), (0.1, False)])
def test_an_answer_that_is_not_read_ends(seconds_a_read, is_ended, start, connect):
    address = start(unread_seconds=1.0)
    n_bytes = 30_000_000
    [caller] = connect(address, 1, b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n_bytes)
    n_read = 0
    for _ in range(30):
        time.sleep(0.1)
        n_read += 0 if seconds_a_read is None else len(caller.recv(100_000))
    with contextlib.suppress(ConnectionError):
        while n_read < n_bytes and (part := caller.recv(1_000_000)):
            n_read += len(part)
    assert (n_read < n_bytes) == is_ended


@pytest.mark.parametrize(
    ("n_chunks", "n_bytes", "status"), [(900, 1, b"200"), (4000, 300, b"200"), (4000, 1, b"400")]
)
def test_chunks_that_say_little_are_refused(n_chunks, n_bytes, status, start, connect):
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (n_bytes, b"x" * n_bytes)
    address = start()
    (caller,) = connect(address, 1, head + chunk * n_chunks + b"0\r\n\r\n")
    caller.settimeout(10)
    assert caller.recv(12) == b"HTTP/1.1 " + status
    assert httpx2.get(address).status_code == 200


CHUNKED = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [b"G<script> / HTTP/1.1\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 30_000],
        [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"],
        [CHUNKED % b"", b"1\r\na\r\nzz\r\n"],
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\r\n\r\n"],
    ],
)
def test_what_is_no_request_gets_one_line_of_json(parts, start, connect, caplog):
    address = start()
    (caller,) = connect(address, 1, parts[0])
    for part in parts[1:]:
        time.sleep(0.2)
        caller.sendall(part)
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := caller.recv(10_000):
            found += part
    head, _, body = found[found.index(b"HTTP/1.1 400") :].partition(b"\r\n\r\n")
    assert json.loads(body)["error"].startswith("not a request of HTTP/1.1")
    assert {b"Content-Length: %d" % len(body), b"Connection: close"} <= {*head.split(b"\r\n")}
    assert not [record for record in caplog.records if record.exc_info]
    assert httpx2.get(address).status_code == 200


def test_nonsense_after_an_early_answer_ends_the_connection(start, connect, caplog):
    (caller,) = connect(start(), 1, CHUNKED % b"early")
    assert caller.recv(12) == b"HTTP/1.1 200"
    caller.sendall(b"zz\r\n")
    assert is_closed(caller, 5)
    assert not [record for record in caplog.records if record.exc_info]


def test_a_wish_for_another_protocol_is_passed_over(start, caplog):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert httpx2.get(start(), headers=headers).status_code == 200
    assert "upgrade" not in caplog.text.lower()


def test_an_address_of_ipv6_is_its_network():
    assert network_of("2001:db8:0:1:a::1") == network_of("2001:db8:0:1:b::2")
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8:0:2::1")
    assert network_of("testclient") == "testclient"
