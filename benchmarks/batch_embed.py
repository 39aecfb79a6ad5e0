"""``batch embed`` of all of LFW against ``embed``, and killed three times on the way.

YuNet and MobileFaceNet. First the job runs undisturbed beside ``embed`` on the same photos; then
it is killed (SIGKILL) three times at random moments and gone on with: every photo must be there
once, with the same template. Photos and models lie under ``SFUMATO_DATA``, by default
``../shared``.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sfumato.data.tables import FaceTable

DATA = Path(os.environ.get("SFUMATO_DATA", "../shared"))
LFW = DATA / "data/lfw.parquet"
COMMAND = "from sfumato.cli import main; main()"
MODELS = [
    *("--detector", f"yunet:{DATA / 'models/yunet_n_640_640.onnx'}"),
    *("--encoder", f"arcface-onnx:{DATA / 'models/mobilefacenet.onnx'}"),
]
KILLS = 3


def run():
    """Return faces a second of both, and what became of the killed job."""
    with tempfile.TemporaryDirectory() as folder:
        alone, whole, killed = (Path(folder) / n for n in ("alone.parquet", "whole", "killed"))
        seconds_alone = _timed("embed", alone)
        seconds = _timed("batch", whole)
        table, parts = FaceTable(alone), FaceTable(whole)
        found = {
            "n_photos": FaceTable(LFW).n_rows,
            "n_templates": parts.n_rows,
            "embed_faces_per_second": table.n_rows / seconds_alone,
            "batch_faces_per_second": parts.n_rows / seconds,
            "ratio": seconds / seconds_alone,
            "same_templates": _same(table, parts),
        }
        draw, done_at = random.Random(0), []
        for _ in range(KILLS):
            done_at.append(_killed(killed, draw.uniform(0.15, 0.4) * seconds))
        _timed("batch", killed)
        found["parts_done_when_killed"] = done_at
        found["same_after_kills"] = _same(table, FaceTable(killed).check())
    return found


def _start(command, output):
    words = [command, "embed"] if command == "batch" else [command]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words, str(LFW), "-o", str(output), *MODELS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _timed(command, output):
    started = time.perf_counter()
    assert _start(command, output).wait() in (0, 1)  # 1: some photos have no face
    return time.perf_counter() - started


def _killed(output, seconds):
    process = _start("batch", output)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return len(list(output.glob("part-*.parquet")))


def _same(table, other):
    ids = list(table.column("image_id"))
    same_rows = ids == list(other.column("image_id")) and len(set(ids)) == len(ids)
    return bool(same_rows and np.array_equal(table.embeddings(), other.embeddings()))
