"""The service under load: 32 clients on loopback, mixed requests, for 15 minutes.

The service is a process of its own with the default models and LEACE fitted on simulated people.
SFUMATO_SECONDS takes a shorter time. Photos are LFW's, from ``SFUMATO_DATA``, by default
``../shared``. Memory is that of the service and its workers (USS).
"""

import base64
import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2
import numpy as np
import pyarrow.parquet as pq

from benchmarks._memory import family_bytes
from sfumato.data.info import TableInfo
from sfumato.data.simulate import simulate
from sfumato.erasers.leace import LeaceEraser
from sfumato.models import SavedModel, save

SECONDS = float(os.environ.get("SFUMATO_SECONDS", 900))
CLIENTS = 32
DATA = Path(os.environ.get("SFUMATO_DATA", "../shared"))
COMMAND = "from sfumato.cli import main; main()"
# What a caller may be told; anything else is a fault.
FINE = {200, 422}


def run():
    """Return latencies by request, statuses, and the memory over time."""
    photos = pq.ParquetFile(DATA / "data/lfw.parquet").read_row_group(0)["image"].to_pylist()
    photos = [photo["bytes"] for photo in photos[:300]]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "m.safetensors"
        faces = simulate(500, 4)
        eraser = LeaceEraser().fit(faces["embedding"], faces["gender"])
        save(SavedModel(eraser, ("gender",), TableInfo(dimension=128)), model)
        arguments = ["serve", "--port", "0", "--eraser", str(model), "--a-minute", "1000000"]
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments], stderr=subprocess.PIPE, text=True
        )
        try:
            address = re.search(r"http://[\d.:]+", process.stderr.readline())[0]
            threading.Thread(target=process.stderr.read, daemon=True).start()
            while httpx2.get(f"{address}/readyz").status_code != 200:
                time.sleep(0.2)
            return _loaded(address, process.pid, photos)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _loaded(address, pid, photos):
    times = collections.defaultdict(list)
    statuses: collections.Counter = collections.Counter()
    end = time.monotonic() + SECONDS
    clients = [
        threading.Thread(target=_client, args=(number, address, photos, end, times, statuses))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    memory = []
    while any(client.is_alive() for client in clients):
        memory.append(family_bytes(pid))
        time.sleep(min(5.0, SECONDS / 20))
    n_requests = sum(map(len, times.values()))
    quarter = max(len(memory) // 4, 1)
    return {
        "seconds": SECONDS,
        "clients": CLIENTS,
        "requests": n_requests,
        "requests_per_second": n_requests / SECONDS,
        "statuses": {str(status): n for status, n in sorted(statuses.items())},
        "faults": sum(n for status, n in statuses.items() if status not in FINE),
        "seconds_by_request": {
            name: {f"p{p}": float(np.percentile(values, p)) for p in (50, 95, 99)}
            for name, values in sorted(times.items())
        },
        "memory_bytes_second_quarter": float(np.median(memory[quarter : 2 * quarter])),
        "memory_bytes_last_quarter": float(np.median(memory[-quarter:])),
    }


def _client(number, address, photos, end, times, statuses):
    draw = random.Random(number)
    with httpx2.Client(base_url=address, timeout=120) as client:
        while time.monotonic() < end:
            name, path, options = _request(draw, photos)
            started = time.monotonic()
            answer = client.request("GET" if path == "/readyz" else "POST", path, **options)
            times[name].append(time.monotonic() - started)
            statuses[answer.status_code] += 1


def _request(draw, photos):
    photo = draw.choice(photos)
    what = draw.random()
    if what < 0.35:
        return "describe", "/v1/describe", {"content": photo}
    if what < 0.6:
        return "embed", "/v1/embed", {"content": photo}
    if what < 0.75:
        both = {"first": photo, "second": draw.choice(photos)}
        coded = {name: base64.b64encode(value).decode() for name, value in both.items()}
        return "verify", "/v1/verify", {"json": coded}
    if what < 0.9:
        rows = np.random.default_rng(draw.randrange(1000)).normal(size=(50, 128))
        content = json.dumps({"embeddings": rows.round(6).tolist()}).encode()
        headers = {"content-type": "application/json"}
        return "templates", "/v1/protect/templates", {"content": content, "headers": headers}
    if what < 0.95:
        return "broken photo", "/v1/describe", {"content": photo[: len(photo) // 2]}
    return "ready", "/readyz", {}
