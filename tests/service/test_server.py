"""The service as a process: it starts, outlives slow callers, and ends after what it began."""

import contextlib
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

for module in ("fastapi", "uvicorn", "pebble", "httpx2", "prometheus_client", "PIL", "cv2"):
    pytest.importorskip(module, reason="needs the extra serve")

import httpx2  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import sfumato.cli.commands  # noqa: E402, F401
from sfumato.cli import app  # noqa: E402
from sfumato.data.info import TableInfo  # noqa: E402
from sfumato.data.simulate import simulate  # noqa: E402
from sfumato.erasers.mean_projection import MeanProjectionEraser  # noqa: E402
from sfumato.errors import InputError  # noqa: E402
from sfumato.models import SavedModel, save  # noqa: E402
from sfumato.service.app import Settings  # noqa: E402
from sfumato.service.run import run  # noqa: E402

SERVER = """
import sys
from stand_ins import StandIns
from sfumato.service.app import Settings
from sfumato.service.limits import Limits
from sfumato.service.run import run
if __name__ == "__main__":
    limits = Limits(a_minute=100_000)
    host, *galleries = sys.argv[1:]
    settings = Settings(models=StandIns(galleries=galleries), limits=limits, workers=1)
    run(settings, host, 0, say=lambda text: print(text, flush=True))
"""


def has_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a service's process and its address: of IPv6, because the page's tests use IPv4."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "server.py").write_text(SERVER)
    host = "::1" if has_ipv6() else "127.0.0.1"
    process = subprocess.Popen(
        [sys.executable, folder / "server.py", host, *galleries(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{Path(__file__).parents[1]}:{':'.join(sys.path)}", "PATH": ""},
    )
    address = re.search(r"http://[\d.:\[\]]+", process.stdout.readline())[0]
    for _ in range(300):
        # The address is told before the first connection is taken.
        with contextlib.suppress(httpx2.ConnectError):
            if httpx2.get(f"{address}/readyz").status_code == 200:
                break
        time.sleep(0.1)
    yield process, address
    process.kill()
    process.wait()
    process.stdout.close()


def place_of(address):
    """Return host and port of an address."""
    host, port = address.removeprefix("http://").rsplit(":", 1)
    return host.strip("[]"), int(port)


def galleries(folder):
    """Return the path of a gallery that takes what the examples of /openapi.json send."""
    if find_spec("lancedb") is None:
        return []
    from sfumato.gallery import Gallery, ProtectedTemplates

    steps = ({"method": "leace", "fingerprint": "0123456789ab"},)
    info = TableInfo(None, "dlib-resnet", "55533b28a958", 3, "euclidean", transformations=steps)
    Gallery.create(folder / "people.gallery", ProtectedTemplates(np.ones((1, 3)), info, ["like"]))
    return [str(folder / "people.gallery")]


def photo():
    image = np.full((240, 320, 3), 100, np.uint8)
    image[60:140, 40:120] = (200, 20, 20)
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_the_service_answers_by_its_ipv6_address(server):
    _, address = server
    assert address.startswith("http://[::1]:")
    assert httpx2.get(f"{address}/healthz").status_code == 200
    # And by IPv6's long form, and names of this machine alone.
    for host, status in {
        "[0:0:0:0:0:0:0:1]:1": 200,
        "localhost.": 200,
        "evil.example": 400,
    }.items():
        answer = httpx2.get(f"{address}/healthz", headers={"host": host})
        assert answer.status_code == status
    for origin, status in {address: 422, "http://[::1]:1": 403, "null": 403}.items():
        answer = httpx2.post(f"{address}/v1/embed", content=b"x", headers={"origin": origin})
        assert answer.status_code == status


def answer_to(address, lines):
    """Return what a service answers to these bytes, all of it."""
    found = b""
    with socket.create_connection(place_of(address), timeout=10) as caller:
        # Refused before all was sent, it may close while the rest is on its way.
        with contextlib.suppress(ConnectionError):
            caller.sendall(lines)
        with contextlib.suppress(ConnectionError):
            while part := caller.recv(65_536):
                found += part
    return found


def test_hostile_headers_and_paths_are_refused_and_reach_no_file(server):
    _, address = server
    end = b"\r\nHost: localhost\r\nConnection: close\r\n"
    for head in (
        b"GET /healthz HTTP/1.1" + end + b"X-Long: " + b"a" * 100_000 + b"\r\n",
        b"GET /healthz HTTP/1.1" + end + b"X-Many: a\r\n" * 10_000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1" + end,
        b"GET /healthz HTTP/1.1" + end + b"No colon\r\n",
        b"GET /healthz HTTP/1.1" + end + b"X-Line: a\x00b\r\n",
        b"POST /v1/describe HTTP/1.1" + end + b"Content-Length: -1\r\n",
        b"POST /v1/describe HTTP/1.1" + end + b"Content-Length: 1" + b"0" * 5000 + b"\r\n",
        b"POST /v1/describe HTTP/1.1" + end + b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ):
        # An empty answer: the connection was closed.
        assert answer_to(address, head + b"\r\n").partition(b"\r\n")[0][:12] in (
            b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 414", b"HTTP/1.1 431", b""
        )  # fmt: skip
    for path in (
        "/../run.py", "/%2e%2e/run.py", "/..%2frun.py", "/..%5crun.py", "//etc/passwd",
        "/%2fetc%2fpasswd", "/index.html%00.png", "/%00", "/a" * 4000, "/%ff%fe",
        "/" + "a" * 300, "/v1/gallery/%2e%2e%2fpeople/export", "/v1/audits/" + "a" * 9000,
    ):  # fmt: skip
        found = answer_to(address, b"GET " + path.encode() + b" HTTP/1.1" + end + b"\r\n")
        assert found.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), (path, found[:200])
        assert b"root:" not in found and b"uvicorn" not in found and b"Traceback" not in found
    assert httpx2.get(f"{address}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--detector", "nope", "got 'nope'"),
        ("--encoder", "nope", "encoder must be one of dlib, arcface-onnx:PATH, got 'nope'"),
        ("--encoder", "arcface-onnx:no.onnx", "no.onnx: no such file"),
        ("--proxy", "front.example", "a proxy is named by its IP address, .* got 'front.example'"),
    ],
)
def test_what_cannot_serve_is_refused_before_it_serves(monkeypatch, option, value, words):
    monkeypatch.setattr("sfumato.service.run.run", lambda *_, **__: pytest.fail("it served"))
    done = CliRunner().invoke(app, ["serve", option, value])
    assert isinstance(done.exception, InputError) and re.search(words, str(done.exception))


def test_other_machines_need_keys_and_keys_are_shown_once(tmp_path):
    runner, path = CliRunner(), str(tmp_path / "k.json")
    found = runner.invoke(app, ["serve", "--host", "0.0.0.0"])
    assert "give --keys FILE" in str(found.exception)
    made = runner.invoke(app, ["keys", "create", "camera", "--keys", path, "--scope", "photos"])
    secret = made.stdout.strip()
    assert secret.startswith("sfumato_") and secret not in (tmp_path / "k.json").read_text()
    listed = runner.invoke(app, ["keys", "list", "--keys", path])
    assert "camera  photos" in listed.stdout and secret not in listed.stdout
    assert runner.invoke(app, ["keys", "delete", "camera", "--keys", path]).exit_code == 0
    assert runner.invoke(app, ["keys", "list", "--keys", path, "--json"]).stdout.strip() == "[]"


def test_a_model_without_a_checksum_is_told_before_it_serves(tmp_path, monkeypatch):
    faces, served = simulate(50, 2), []
    eraser = MeanProjectionEraser().fit(faces["embedding"], faces["gender"])
    new, old = tmp_path / "new", tmp_path / "old"
    info = TableInfo("simulated", "toy", "1", faces["embedding"].shape[1])
    save(SavedModel(eraser, ("gender",), info), new)
    with safe_open(new, framework="numpy") as file:
        about = json.loads(file.metadata()["sfumato"])
    about = {k: v for k, v in about.items() if k not in ("kind", "sha256")} | {"format": 1}
    save_file(load_file(new), old, {"sfumato": json.dumps(about)})
    monkeypatch.setattr("sfumato.service.run.run", lambda *given, **_: served.append(given))
    for path, told in ((new, False), (old, True)):
        done = CliRunner().invoke(app, ["serve", "--eraser", str(path)])
        assert done.exit_code == 0, done.exception
        assert ("format 1 has no checksum" in " ".join(done.stderr.split())) is told
    assert len(served) == 2


def test_a_caller_who_keeps_the_connection_is_answered_without_a_wait(monkeypatch):
    served = []
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: served.extend(sockets))
    run(Settings(), "127.0.0.1", 0, say=str)
    (listener,) = served
    with contextlib.closing(listener):
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_generated_requests_find_no_fault(server):
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("needs schemathesis")
    _, address = server
    # It excludes what no schema can say, such as that bytes are a picture.
    command = [program, "--config-file", Path(__file__).with_name("schemathesis.toml"), "run"]
    done = subprocess.run(
        [*command, f"{address}/openapi.json", "-n", "5", "--no-color", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]


# The last of this file: it ends the service.
def test_slow_callers_block_no_other_and_a_stop_ends_what_runs(server):
    process, address = server
    slow = [socket.create_connection(place_of(address)) for _ in range(20)]
    for number, caller in enumerate(slow):
        # Half a header, or a body that does not come.
        rest = b"\r\nContent-Length: 1000\r\n\r\nx" if number % 2 else b""
        caller.sendall(b"POST /v1/describe HTTP/1.1\r\nHost: localhost" + rest)
    started = time.monotonic()
    assert httpx2.post(f"{address}/v1/describe", content=photo()).status_code == 200
    assert time.monotonic() - started < 5
    for caller in slow:
        caller.close()
    answers = []
    content = photo()

    def ask():
        answers.append(httpx2.post(f"{address}/v1/describe", content=content, timeout=30))

    asked = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asked:
        thread.start()
    while httpx2.get(f"{address}/metrics").text.count("sfumato_work_running 0.0"):
        if answers:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    for thread in asked:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert process.wait(timeout=30) in (0, -signal.SIGTERM)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{address}/healthz")


def test_the_page_is_opened_once_it_is_served(monkeypatch):
    served, opened, said = [], threading.Event(), []

    def browse(page):
        # It listens already: a connection waits for the server.
        host, port = place_of(page.rstrip("/"))
        socket.create_connection((host, port), timeout=5).close()
        opened.set()

    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: served.extend(sockets))
    monkeypatch.setattr("webbrowser.open", browse)
    run(Settings(), "127.0.0.1", 0, say=said.append, open_page=True)
    with contextlib.closing(served[0]):
        assert opened.wait(10)
    run(Settings(), "127.0.0.1", 0, say=said.append)
    served[1].close()
    assert "serves on" in said[0]
