"""A gallery of 100,000 x 128 templates, or of another size: enrolment, search, deletion, kills.

``python -m benchmarks gallery [N_TEMPLATES]``, of 10,000 or more. Two templates a person and the
probes are noisy copies of one random vector (cosine about 0.8). Processor times stand beside the
elapsed ones, which other work on the machine distorts. A search is that of one probe a
call, with the log's line and its sync, as a service asks, rows in memory; the bare work is the
product of one probe with all rows. Deletion is proved by looking for the person's name, ids and
vectors in every file, before and after. The last part kills an enrolling process at twenty
random moments.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._timing import best_of
from sfumato.data.info import TableInfo
from sfumato.gallery import Gallery, ProtectedTemplates

N_TEMPLATES, N_FEATURES = 100_000, 128
N_PROBES, N_KILLS = 100, 20
WRITER = Path(__file__).parents[1] / "tests/gallery/writer.py"
STEP = {"method": "leace", "version": "0", "fingerprint": "benchmark", "attributes": []}


def run(n_templates=N_TEMPLATES):
    """Return rates, latencies, the index's recall, bytes on disk and what deletion left."""
    n, rng = int(n_templates), np.random.default_rng(0)
    centres = rng.standard_normal(((n + 1) // 2, N_FEATURES), dtype=np.float32)
    number = np.arange(n) // 2
    X = centres[number] + 0.5 * rng.standard_normal((n, N_FEATURES), dtype=np.float32)
    info = _info(N_FEATURES)
    people = [f"person-{k:08d}" for k in number]
    ids = [f"template-{row:08d}" for row in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        templates = ProtectedTemplates(X, info, ids, people)
        gallery = Gallery.create(Path(folder) / "g", templates)
        started, worked = time.perf_counter(), time.process_time()
        gallery.enrol(templates)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        found = {"shape": [n, N_FEATURES], "enrol_per_s": n / seconds, "enrol_cpu_s": cpu}
        found["bytes"] = gallery.summary()["bytes"]
        found["bytes_of_vectors"] = X.nbytes
        picked = rng.choice(n, N_PROBES, replace=False)
        noise = rng.standard_normal((N_PROBES, N_FEATURES), dtype=np.float32)
        probes = centres[number[picked]] + 0.5 * noise
        names = [people[row] for row in picked]
        found["bare_product_ms"] = 1e3 * best_of(lambda: X @ probes[0])[0]
        found["exact"] = _latency(gallery, info, probes, names)
        found["index_record"] = gallery.build_index()
        found["index"] = _latency(gallery, info, probes, names)
        found["bytes_with_index"] = gallery.summary()["bytes"]
        found["deletion"] = _deletion(gallery, X, people, ids)
    return found | {"kills": _kills()}


def _info(dimension):
    step = STEP | {"fitted_on": {}}
    return TableInfo(
        encoder="benchmark", encoder_version="1", dimension=dimension, transformations=(step,)
    )


def _latency(gallery, info, probes, names):
    """Return the time of one probe a call, and how many were named rightly."""
    gallery.identify(ProtectedTemplates(probes[:1], info, ["warm"]), threshold=0.5)
    times, cpu, right = [], [], 0
    for probe, name in zip(probes, names, strict=True):
        started, worked = time.perf_counter(), time.process_time()
        found = gallery.identify(ProtectedTemplates(probe[None], info, ["probe"]), threshold=0.5)
        times.append(time.perf_counter() - started)
        cpu.append(time.process_time() - worked)
        right += found["probes"][0]["person"] == name
    p50, p99 = 1e3 * np.percentile(times, [50, 99])
    return {
        "search": found["search"],
        "p50_ms": p50,
        "p99_ms": p99,
        "cpu_p50_ms": 1e3 * float(np.median(cpu)),
        "right": right / len(names),
    }


def _deletion(gallery, X, people, ids):
    person = people[len(people) // 2]
    rows = [row for row, name in enumerate(people) if name == person]
    needles = [person.encode(), *(ids[row].encode() for row in rows)]
    needles += [X[row].tobytes() for row in rows]
    before = _files_with(gallery.path, needles)
    started = time.perf_counter()
    gallery.delete(person)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "files_with_traces_before": before,
        "files_with_traces_after": _files_with(gallery.path, needles),
        "n_templates_after": gallery.summary()["n_templates"],
    }


def _files_with(folder, needles):
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return sum(any(needle in content for needle in needles) for content in files)


def _kills():
    """Kill an enrolling process again and again; count galleries that were read and whole."""
    whole, told_and_lost, n_batches = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        gallery = Gallery.create(
            Path(folder) / "g", ProtectedTemplates(np.ones((1, 8)), _info(8), ["like"])
        )
        for kill in range(N_KILLS):
            command = [sys.executable, str(WRITER), str(gallery.path), f"kill{kill}", "100000"]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as writer:
                writer.stdin.write("go\n")
                writer.stdin.flush()
                told = [int(writer.stdout.readline())]
                time.sleep(random.Random(kill).uniform(0, 1))
                writer.send_signal(signal.SIGKILL)
                told += [int(number) for number in writer.communicate()[0].split()]
            sizes = {row["person"]: row["n_templates"] for row in Gallery(gallery.path).list()}
            own = [size for name, size in sizes.items() if name.startswith(f"kill{kill}-")]
            whole += set(own) <= {39, 40}
            told_and_lost += len(own) < max(told) + 1
            n_batches += len(own)
    return {
        "n_kills": N_KILLS,
        "n_with_whole_batches": whole,
        "n_with_lost_batches": told_and_lost,
        "n_batches": n_batches,
    }
