"""Faces a second of ``embed`` against the bare model calls on the same photos.

The bare work is decoding, YuNet, one warp and one run of the network on one core, with
everything loaded and padded beforehand; its speed on all cores is that times their number.
Processor times stand beside the elapsed ones, which other work on the machine distorts.
The photos and models lie under ``SFUMATO_DATA``, by default ``../shared``.
"""

import io
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sfumato.faces.align import ARCFACE
from sfumato.jobs.embed import embed
from sfumato.jobs.local import n_cores

N_PHOTOS = 2_000
N_BARE = 300
DATA = Path(os.environ.get("SFUMATO_DATA", "../shared"))
YUNET = DATA / "models/yunet_n_640_640.onnx"
NETWORK = DATA / "models/mobilefacenet.onnx"


def run():
    """Return faces a second of ours, of the bare calls on all cores, and the ratio."""
    table = pq.ParquetFile(DATA / "data/lfw.parquet").read_row_group(0).slice(0, N_PHOTOS)
    before = _bare_seconds(table)
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "photos.parquet", Path(folder) / "out.parquet"
        pq.write_table(table, source)
        started, cpu = time.perf_counter(), _cpu_seconds()
        summary = embed(
            source, output, detector=f"yunet:{YUNET}", encoder=f"arcface-onnx:{NETWORK}"
        )
        seconds, cpu = time.perf_counter() - started, _cpu_seconds() - cpu
    # Before and after, because other work on the machine changes the speed of its cores.
    after = _bare_seconds(table)
    bare, bare_cpu = ((a + b) / 2 for a, b in zip(before, after, strict=True))
    ours, ideal = summary.n_templates / seconds, n_cores() / bare
    return {
        "n_photos": table.num_rows,
        "n_lost": table.num_rows - summary.n_templates,
        "faces_per_second": ours,
        "bare_ms_per_face_one_core": 1e3 * bare,
        "bare_faces_per_second_all_cores": ideal,
        "ratio": ours / ideal,
        "cpu_ms_per_face": 1e3 * cpu / table.num_rows,
        "bare_cpu_ms_per_face": 1e3 * bare_cpu,
    }


def _cpu_seconds():
    """Return the processor time so far of this process and of its finished children."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _bare_seconds(table):
    """Return the seconds a face, elapsed and of one core, that the model calls alone take."""
    import cv2
    import onnxruntime
    from PIL import Image

    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(str(YUNET), "", (208, 208), 0.6)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    network = onnxruntime.InferenceSession(str(NETWORK), options)
    files = [value["bytes"] for value in table.column("image").slice(0, N_BARE).to_pylist()]
    photos = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    padded = [cv2.copyMakeBorder(photo, *[24] * 4, cv2.BORDER_CONSTANT) for photo in photos]
    matrix, template = np.array([(0.9, 0.1, -10), (-0.1, 0.9, -5)]), ARCFACE.astype(np.float32)
    chip = np.random.default_rng(0).normal(size=(1, 3, 112, 112)).astype(np.float32)
    started, cpu = time.perf_counter(), time.process_time()
    for file, photo, large in zip(files, photos, padded, strict=True):
        Image.open(io.BytesIO(file)).convert("RGB")
        detector.detect(large)
        cv2.estimateAffinePartial2D(template, template)
        cv2.warpAffine(photo, matrix, (112, 112))
        network.run(None, {"input": chip})
    seconds = time.perf_counter() - started, time.process_time() - cpu
    return tuple(value / len(files) for value in seconds)
