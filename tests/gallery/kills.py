"""Kills processes at work on a gallery, deletes a person, and looks for them in every file.

``python tests/gallery/kills.py [N_KILLS] [SECONDS]``; the second number is for how long two
writers and a reader are at work side by side. Prints JSON, and ends with 1 if it finds anything.
A worker is this file, too: ``kills.py work GALLERY OPERATION NUMBER EXPORTS``.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from sfumato.data.info import TableInfo
from sfumato.gallery import Gallery, ProtectedTemplates, _index

N_FEATURES, N_ROWS, N_OWN = 64, 8000, 4
OPERATIONS = ("enrol", "index", "delete", "calibrate", "export")
STEP = {"method": "leace", "version": "0", "fingerprint": "abc", "attributes": [], "fitted_on": {}}
INFO = TableInfo(encoder="toy", encoder_version="1", dimension=N_FEATURES, transformations=(STEP,))


def name_of(number):
    return f"Zaphod-{number:04d} Beeblebrox"


def templates(number, batch=0, n_rows=N_ROWS):
    """Return templates of one worker: the first few are the person's who is looked for."""
    rng = np.random.default_rng([number, batch])
    X = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    people = [f"p{number}-{batch}-{row // 3}" for row in range(n_rows)]
    people[:N_OWN] = [name_of(number)] * N_OWN
    ids = [f"xyzzy-{number:04d}-{batch:03d}-{row:05d}" for row in range(n_rows)]
    return ProtectedTemplates(X, INFO, ids, people)


def needles(number, batches):
    """Return a person's name, ids, and vectors in three widths and two lengths, as bytes."""
    found = [name_of(number).encode()]
    for batch in batches:
        rows = templates(number, batch)
        found += [text.encode() for text in rows.ids[:N_OWN]]
        for x in rows.X[:N_OWN]:
            for vector in (x, x / np.linalg.norm(x)):
                found += [vector.astype(kind).tobytes() for kind in ("f4", "f8", "f2")]
    return found


def files_with(folders, wanted):
    """Return the files below some folders that hold one of some bytes."""
    return [
        str(path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (content := path.read_bytes())
        and any(needle in content for needle in wanted)
    ]  # fmt: skip


def work(path, operation, number, exports):
    """Do one operation again and again; say so before each."""
    _index.MIN_ROWS = 1000
    gallery, number = Gallery(path), int(number)
    known = templates(number, 999, 200)
    known.people[:] = [f"c{row // 4}" for row in range(200)]
    gallery.list()  # Loads LanceDB, which takes longer than the work.
    sys.stdin.readline()
    for step in range(1000):
        print(step, flush=True)
        if operation == "enrol":
            gallery.enrol(templates(number, step))
        elif operation == "write":
            gallery.enrol(templates(number, step, 300))
        elif operation == "index":
            gallery.build_index(n_queries=5)
        elif operation == "delete":
            gallery.delete(f"p{number}-0-{2 + step}")
        elif operation == "calibrate":
            gallery.calibrate(known, overwrite=True)
        elif operation == "read":
            gallery.identify(known, threshold=0.9)
            gallery.list()
        else:
            gallery.export(Path(exports) / f"{number}-{step}.parquet")


def start(*arguments):
    command = [sys.executable, __file__, "work", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def end(worker, seconds, folder=None):
    """Let a worker loose, kill it after a while; return how far it came.

    Of a folder the moment is that when LanceDB, or an export, has a file under way in it.
    """
    before = set() if folder is None else under_way(folder)
    worker.stdin.write("go\n")
    worker.stdin.flush()
    steps = [int(worker.stdout.readline())]
    until = time.monotonic() + (seconds if folder is None else 5)
    while time.monotonic() < until:
        if folder is not None and under_way(folder) - before:
            break
        time.sleep(0 if folder is not None else 0.001)
    worker.send_signal(signal.SIGKILL)
    steps += [int(text) for text in worker.communicate()[0].split()]
    return max(steps)


def under_way(folder):
    """Return files with something in them that become others when they are whole."""
    places = [*folder.glob("g/lance/*.lance/data"), *folder.glob("g/lance/*.lance/_indices/*")]
    places += [folder / "g" / "lance" / "spill", folder / "exports" / ".sfumato-staging"]
    found = set()
    for place in places:
        with contextlib.suppress(OSError):
            for entry in os.scandir(place):
                if entry.name.startswith(".tmp") or place.name in ("spill", ".sfumato-staging"):
                    found |= {entry.path} if entry.stat().st_size else set()
    return found


def kill(folder, number, operation, worker, draw):
    """Kill a worker at a random moment; return if it left files, and those with traces then."""
    gallery, exports = Gallery(folder / "g"), folder / "exports"
    if operation != "enrol":
        gallery.enrol(templates(number))
    caught = number // len(OPERATIONS) % 2 == 0  # Every other one of each operation.
    last = end(worker, draw.uniform(0, 0.6), folder if caught else None)
    with gallery._folder.reading():
        left = bool(gallery._folder.strangers()) or (exports / ".sfumato-staging").exists()
    for done in exports.glob("*.parquet"):  # Whole exports are the user's.
        done.unlink()
    enrolled = {person["person"] for person in gallery.list()}
    # A killed enrolment may have left vectors of somebody who is not enrolled.
    gallery.delete(name_of(number) if name_of(number) in enrolled else min(enrolled))
    wanted = needles(number, range(last + 1) if operation == "enrol" else [0])
    return left, files_with([gallery.path, exports], wanted)


def side_by_side(folder, seconds, draw):
    """Let two writers and a reader work for a while, then delete and look for some batches."""
    gallery = Gallery(folder / "g")
    workers = [
        start(gallery.path, what, number, folder / "exports")
        for number, what in ((9001, "write"), (9002, "write"), (9003, "read"))
    ]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.stdout.readline()
    time.sleep(seconds)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    said = [worker.communicate()[0].split() for worker in workers]
    steps = [max(map(int, ["0", *numbers])) for numbers in said]
    wanted = []
    for number, n_steps in zip((9001, 9002), steps, strict=False):
        some = {0, n_steps, *draw.choices(range(n_steps + 1), k=8)}
        wanted += needles(number, sorted(some))
    enrolled = {person["person"] for person in gallery.list()}
    for number in (9001, 9002):
        if name_of(number) in enrolled:  # A writer may have waited all the time.
            gallery.delete(name_of(number))
    return steps, files_with([gallery.path], wanted)


def run(n_kills=60, seconds=60.0, seed=0):
    """Return what was killed, how often it left something, and the files with traces: none."""
    draw, left, found = random.Random(seed), Counter(), []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        Gallery.create(folder / "g", templates(0)).enrol(templates(9999))
        (folder / "exports").mkdir()
        kinds = [OPERATIONS[number % len(OPERATIONS)] for number in range(n_kills)]
        # Loaded side by side, because that takes longer than the work.
        waiting = []
        for number, operation in enumerate(kinds):
            while len(waiting) < 3 and number + len(waiting) < n_kills:
                ahead = number + len(waiting)
                waiting.append(start(folder / "g", kinds[ahead], ahead, folder / "exports"))
            more, files = kill(folder, number, operation, waiting.pop(0), draw)
            left[operation] += more
            found += [f"{operation}: {file}" for file in files]
        steps, files = side_by_side(folder, seconds, draw) if seconds else ([], [])
    about = {"n_kills": n_kills, "kills_that_left_files": dict(left), "seconds": seconds}
    return about | {"steps": steps, "files_with_traces": found + files}


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:])
    else:
        given = [float(text) for text in sys.argv[1:]]
        result = run(int(given[0]) if given else 60, *given[1:])
        print(json.dumps(result, indent=2))
        sys.exit(bool(result["files_with_traces"]))
