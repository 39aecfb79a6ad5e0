"""Damages a gallery's files at random; what is asked of it then is answered as before, or refused.

``python tests/gallery/damage.py [N] [SEED]`` prints JSON, and ends with 1 if an answer is another
one or an error is not one line of ours.
"""

import json
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.gallery import Gallery, ProtectedTemplates, _index

STEP = {"method": "leace", "version": "0", "fingerprint": "abc", "attributes": [], "fitted_on": {}}
INFO = TableInfo(encoder="toy", encoder_version="1", dimension=8, transformations=(STEP,))
KINDS = ("flip", "truncate", "remove", "swap")


def templates(n_rows, seed, prefix):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows // 3, 8)).repeat(3, axis=0) + 0.2 * rng.normal(size=(n_rows, 8))
    ids = [f"{prefix}-{row}" for row in range(n_rows)]
    return ProtectedTemplates(X, INFO, ids, [f"{prefix}-{row // 3}" for row in range(n_rows)])


LATE, PROBES = templates(3, 2, "late"), templates(30, 0, "p")


def make(folder):
    """Make a gallery with an index, a calibration and rows that came after the index."""
    gallery = Gallery.create(folder, PROBES)
    gallery.enrol(templates(600, 0, "p"))
    gallery.calibrate(templates(60, 1, "c"))
    gallery.build_index(n_queries=5)
    gallery.enrol(templates(30, 3, "more"))


def ask(folder, output):
    """Yield the name of each question and a function that answers it."""

    def export():
        output.unlink(missing_ok=True)
        Gallery(folder).export(output)
        table = FaceTable(output)
        return sorted(zip(*(table.column(name).tolist() for name in ("image_id", "identity")),
                          table.embeddings().tolist(), strict=True))  # fmt: skip

    yield "list", lambda: Gallery(folder).list()
    yield "identify", lambda: Gallery(folder).identify(PROBES, fmr=0.01)
    yield "exact", lambda: Gallery(folder).identify(PROBES, threshold=0.5, exact=True)
    yield "verify", lambda: Gallery(folder).verify(PROBES, fmr=0.01)
    yield "summary", lambda: {**Gallery(folder).summary(), "path": "", "bytes": 0}
    yield "export", export


def damage(folder, kind, draw):
    """Damage one file, or exchange two; return what was done."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = draw.choice(files)
    name, content = path.relative_to(folder), path.read_bytes()
    if kind == "remove":
        path.unlink()
    elif kind == "swap":
        other = draw.choice([file for file in files if file != path])
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)
        return f"swap {name} {other.relative_to(folder)}"
    elif content and kind == "truncate":
        path.write_bytes(content[: draw.randrange(len(content))])
    elif content:
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
    return f"{kind} {name}"


def answer(function):
    """Return an answer, or the error's line; whatever else it raises is not caught."""
    try:
        return function()
    except InputError as error:
        assert len(str(error).splitlines()) == 1, str(error)
        return "refused"


def answers(folder, output):
    """Return all answers, then those after an enrolment."""
    found = {name: answer(function) for name, function in ask(folder, output)}
    found["enrol"] = answer(lambda: Gallery(folder).enrol(LATE).to_dict())
    if found["enrol"] != "refused":
        found |= {f"{name} then": answer(function) for name, function in ask(folder, output)}
        if found["list then"] != "refused":  # They say when.
            found["list then"] = [row for row in found["list then"] if row["person"] != "late-0"]
    return found


def run(n=500, seed=0):
    """Return how many damages were refused or made no difference, and those that did."""
    draw, counts, wrong = random.Random(seed), Counter(), []
    _index.MIN_ROWS, before = 500, _index.MIN_ROWS
    try:
        with tempfile.TemporaryDirectory() as place:
            whole, copy, output = (Path(place) / name for name in ("g", "copy", "out.parquet"))
            make(whole)
            shutil.copytree(whole, copy)
            expected = answers(copy, output)
            assert "refused" not in expected.values()
            for _ in range(n):
                shutil.rmtree(copy)
                shutil.copytree(whole, copy)
                done = damage(copy, draw.choice(KINDS), draw)
                try:
                    found = answers(copy, output)
                except BaseException as error:
                    wrong.append(f"{done}: {type(error).__name__}: {str(error)[:200]}")
                    continue
                others = [k for k, v in found.items() if v not in ("refused", expected[k])]
                wrong += [f"{done}: {others}"] if others else []
                counts["refused" if "refused" in found.values() else "as before"] += 1
    finally:
        _index.MIN_ROWS = before
    return {"n": n, "seed": seed, **counts, "wrong": wrong}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    result = run(*map(int, sys.argv[1:]))
    print(json.dumps(result, indent=2))
    sys.exit(bool(result["wrong"]))
