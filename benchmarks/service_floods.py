"""The service while one client floods it: is another, ordinary client served?

The service is a process of its own with the default models, LEACE fitted on simulated people and
two workers. The flood comes from 127.0.0.2, the ordinary client from 127.0.0.1, one request
after the other; SFUMATO_FLOOD_ADDRESS=127.0.0.1 makes both one caller. Photos are LFW's, from
``SFUMATO_DATA``, by default ``../shared``. Memory is that of the service and all its processes
(PSS). SFUMATO_SECONDS, by default 40, is how long each flood lasts.
"""

import contextlib
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks._memory import PeakMemory
from sfumato.data.columns import embedding_array
from sfumato.data.info import TableInfo
from sfumato.data.simulate import simulate, write_simulated
from sfumato.erasers.leace import LeaceEraser
from sfumato.models import SavedModel, save

SECONDS = float(os.environ.get("SFUMATO_SECONDS", 40))
ADDRESS = os.environ.get("SFUMATO_FLOOD_ADDRESS", "127.0.0.2")
DATA = Path(os.environ.get("SFUMATO_DATA", "../shared"))
COMMAND = "from sfumato.cli import main; main()"


def run(word=""):
    """Return, of every flood with a word, the ordinary client's successes, times and memory."""
    photo = pq.ParquetFile(DATA / "data/lfw.parquet").read_row_group(0)["image"][0]["bytes"]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "m.safetensors"
        faces = simulate(500, 4)
        eraser = LeaceEraser().fit(faces["embedding"], faces["gender"])
        save(SavedModel(eraser, ("gender",), TableInfo(dimension=128)), model)
        floods = {
            "none": lambda address, end: None,
            "505 idle connections": _idle,
            "4 bodies of 59.6 MB of zeros": _zeros,
            "4 audits of 2,000 rows": _audits(_simulated(Path(folder) / "t.parquet"), 2_000),
            "4 audits of a million characters a label": _audits(
                _table(2_500, 8, long=True), 2_000
            ),
            "4 audits of 11.8 million numbers": _audits(_table(23_000, 512), 200_000),
            "2 photos of 49 megapixels, protected and checked": _large(photo.as_py()),
            "photos that say little": _photos(),
            "answers that are not read": _unread,
        }
        found = {}
        for name in [name for name in floods if word in name]:
            found[name] = _flooded(floods[name], model, photo.as_py())
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    return {"seconds": SECONDS, "flood_from": ADDRESS, "floods": found}


def _flooded(flood, model, photo):
    arguments = ["serve", "--port", "0", "--eraser", str(model), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--a-minute", "1000000"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        address = re.search(r"http://[\d.:]+", process.stderr.readline())[0]
        threading.Thread(target=process.stderr.read, daemon=True).start()
        while not _is_ready(address):
            time.sleep(0.2)
        ask = _Ordinary(address, photo)
        ask.once()  # Both workers have loaded their readers.
        ask.once()
        ask.forget()
        end = time.monotonic() + SECONDS
        flooding = threading.Thread(target=flood, args=(address, end), daemon=True)
        with PeakMemory(process.pid, shared=True) as peak:
            flooding.start()
            time.sleep(1)
            while time.monotonic() < end:
                ask.once()
            flooding.join(120)
        return ask.summary() | {"peak_bytes_of_all_processes": peak.peak}
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


def _is_ready(address):
    # The address is told before the first connection is taken.
    with contextlib.suppress(httpx2.ConnectError):
        return httpx2.get(f"{address}/readyz", timeout=60).status_code == 200
    return False


class _Ordinary:
    """Asks for what anybody asks for, and notes how long it took."""

    def __init__(self, address, photo):
        self._address, self._photo = address, photo
        rows = np.random.default_rng(0).normal(size=(50, 128)).round(6).tolist()
        self._rows = json.dumps({"embeddings": rows}).encode()
        self.forget()

    def forget(self):
        self._seconds, self._failures = {}, {}

    def once(self):
        photo = {"content": self._photo}
        rows = {"content": self._rows, "headers": {"content-type": "application/json"}}
        for name, method, path, sent in (
            ("healthz", "GET", "/healthz", {}),
            ("describe", "POST", "/v1/describe", photo),
            ("protect", "POST", "/v1/protect/photo?hide=gender", photo),
            ("templates", "POST", "/v1/protect/templates", rows),
        ):
            started = time.monotonic()
            try:
                # Each in a connection of its own, which is the harder.
                answer = httpx2.request(method, self._address + path, timeout=30, **sent)
                status = answer.status_code
            except httpx2.HTTPError as error:
                status = type(error).__name__
            self._seconds.setdefault(name, []).append(time.monotonic() - started)
            if status != 200:
                key = f"{name}: {status}"
                self._failures[key] = self._failures.get(key, 0) + 1

    def summary(self):
        times = [second for seconds in self._seconds.values() for second in seconds]
        return {
            "requests": len(times),
            "succeeded": len(times) - sum(self._failures.values()),
            "failures": self._failures,
            "seconds": {
                name: {"median": float(np.median(values)), "worst": max(values)}
                for name, values in self._seconds.items()
            },
        }


def _connect(address):
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30, source_address=(ADDRESS, 0))


def _idle(address, end):
    """Hold 505 connections, and open others for those that are closed."""
    held = []
    while time.monotonic() < end:
        for caller in [*held]:
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                try:
                    gone = not caller.recv(1)
                except ConnectionError:
                    gone = True
                if gone:
                    caller.close()
                    held.remove(caller)
        while len(held) < 505:
            held.append(_connect(address))
        time.sleep(0.5)


def _together(n, send, end):
    """Send again and again, n at once, until the end."""

    def again():
        transport = httpx2.HTTPTransport(local_address=ADDRESS)
        with httpx2.Client(transport=transport, timeout=60) as client:
            while time.monotonic() < end:
                with contextlib.suppress(httpx2.HTTPError):
                    send(client)

    threads = [threading.Thread(target=again) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _zeros(address, end):
    row = b"[" + b"0," * 65_535 + b"0]"
    content = b'{"embeddings":[' + b",".join([row] * 455) + b"]}"
    headers = {"content-type": "application/json"}
    url = f"{address}/v1/protect/templates"
    _together(4, lambda client: client.post(url, content=content, headers=headers), end)


def _simulated(path):
    write_simulated(path, 1000, 2)
    return path.read_bytes()


def _table(n, dimension, *, long=False):
    """Return a table of so many rows; its two labels may have a million characters."""
    labels, rows = pa.array(["m", "f"] if not long else ["m" * 10**6, "f" * 10**6]), np.arange(n)
    columns = {
        "image_id": [f"i{row}" for row in rows],
        "identity": [f"p{row // 2}" for row in rows],
        "gender": pa.DictionaryArray.from_arrays(pa.array(rows // 2 % 2), labels),
        "embedding": embedding_array(np.random.default_rng(0).normal(size=(n, dimension))),
    }
    metadata = TableInfo(dimension=dimension).to_metadata()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), content := io.BytesIO())
    return content.getvalue()


def _large(photo):
    image = Image.open(io.BytesIO(photo)).resize((7000, 7000))
    image.save(content := io.BytesIO(), "JPEG", quality=95)

    def flood(address, end):
        url = f"{address}/v1/protect/photo?hide=gender&check=true"
        _together(2, lambda client: client.post(url, content=content.getvalue()), end)

    return flood


def _audits(table, max_rows):
    def flood(address, end):
        url = f"{address}/v1/audits?attribute=gender&max_rows={max_rows}"
        _together(4, lambda client: (client.post(url, content=table), time.sleep(1)), end)

    return flood


def _photos():
    plain = zlib.compress(bytes(100_000_000), 9)
    head = struct.pack(">IIBBBBB", 1, 50_000_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", plain), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    photos = [png, *(_encoded(kind) for kind in ("AVIF", "JPEG2000"))]

    def flood(address, end):
        url = f"{address}/v1/describe"
        _together(6, lambda client: [client.post(url, content=photo) for photo in photos], end)

    return flood


def _encoded(kind):
    content = io.BytesIO()
    Image.new("RGB", (7000, 7000), 128).save(content, kind)
    return content.getvalue()


def _unread(address, end):
    """Ask for large answers on 40 connections and read none of them."""
    row = "[" + ",".join(["0.123456"] * 128) + "]"
    content = ('{"embeddings":[' + ",".join([row] * 9000) + "]}").encode()
    head = (
        "POST /v1/protect/templates HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode()
    held = []
    for _ in range(40):
        if time.monotonic() > end:
            break
        with contextlib.suppress(OSError):
            held.append(_connect(address))
            held[-1].sendall(head + content)
    time.sleep(max(end - time.monotonic(), 0))
