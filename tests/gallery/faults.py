"""Makes each write of each change to a gallery fail, with ENOSPC and EIO.

``python tests/gallery/faults.py [EVERY]`` tries every write, or each EVERY-th; it compiles
``faults.c``, starts itself with it, and prints JSON. After a fault the state is that of before or
after, the error is one line that says which, and the change can be made again. Ends with 1 if not.
"""

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from sfumato.data.info import TableInfo
from sfumato.errors import SfumatoError, StorageError
from sfumato.gallery import Gallery, ProtectedTemplates, _index

STEP = {"method": "leace", "version": "0", "fingerprint": "abc", "attributes": [], "fitted_on": {}}
INFO = TableInfo(encoder="toy", encoder_version="1", dimension=8, transformations=(STEP,))
SOURCE = Path(__file__).parent / "faults.c"


def templates(n_rows, seed, prefix):
    X = np.random.default_rng(seed).normal(size=(n_rows, 8)).astype(np.float32)
    ids = [f"{prefix}-id-{row}" for row in range(n_rows)]
    return ProtectedTemplates(X, INFO, ids, [f"{prefix}-{row // 3}" for row in range(n_rows)])


ROWS, LATE, OTHERS = templates(90, 0, "p"), templates(3, 1, "late"), templates(30, 2, "c")
OPERATIONS = {
    "enrol": lambda gallery: gallery.enrol(LATE),
    "delete": lambda gallery: gallery.delete("p-7"),
    "index": lambda gallery: gallery.build_index(n_queries=5),
    "calibrate": lambda gallery: gallery.calibrate(OTHERS, overwrite=True),
}
#: What an error says of the state, and whether the change is made then.
SAID = {
    "nothing was enrolled": False,
    "3 of 3 templates were enrolled": True,
    "nothing was deleted": False,
    "is in no search": True,
    "there is no index": False,
    "the index is built": True,
    "the earlier calibration is kept": False,
    "the new calibration is in place": True,
}


def done(folder, operation):
    """Return whether a change has been made, looking with fresh eyes; all else must be there."""
    gallery = Gallery(folder)
    people = {row["person"]: row["n_templates"] for row in gallery.list()}
    assert {person for person in people if person not in ("late-0", "p-7")} == {
        f"p-{row}" for row in range(30) if row != 7
    }
    assert set(people.values()) == {3}
    summary = gallery.summary()
    found = {"enrol": "late-0" in people, "delete": "p-7" not in people}
    found |= {"index": summary["search"] == "index"}
    found |= {"calibrate": summary["calibration"]["n_templates"] == 30}
    others = [name for name, made in found.items() if made and name != operation]
    assert not (set(others) & {"enrol", "delete", "calibrate"})
    return found[operation]


def traces(folder):
    rows = range(21, 24)
    needles = [b"p-7", *(ROWS.ids[row].encode() for row in rows)]
    needles += [ROWS.X[row].tobytes() for row in rows]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(n in path.read_bytes() for n in needles)]


def attempt(shim, copy, operation, number, n):
    """Let the n-th write fail; return the error's line, or None if there was no fault."""
    gallery = Gallery(copy)
    gallery.list()
    shim.fault_arm(n, number)
    try:
        OPERATIONS[operation](gallery)
    except StorageError as error:
        return str(error)
    finally:
        shim.fault_disarm()
    return None


def judge(copy, operation, line):
    """Say what is wrong after a fault, or nothing."""
    made = done(copy, operation)
    if line is None:  # A fault in cleaning up, say, that cost nothing.
        assert made, "done was said, but it is not"
    else:
        assert len(line.splitlines()) == 1
        said = [value for text, value in SAID.items() if text in line]
        assert said == [made], f"made: {made}, but said: {line}"
    try:
        OPERATIONS[operation](Gallery(copy))
    except SfumatoError as error:
        assert made and "is not enrolled" in str(error), str(error)
    assert done(copy, operation)
    if operation == "delete":
        assert not traces(copy), f"traces in {traces(copy)}"
    assert not Gallery(copy).check()["damaged"]
    with Gallery(copy)._folder.reading():
        assert not Gallery(copy)._folder.strangers()


def inject(every):
    """Try all; return how many faults were tried, and what went wrong."""
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    shim.fault_arm.argtypes = [ctypes.c_long, ctypes.c_int]
    counts, wrong, lines = Counter(), [], Counter()
    _index.MIN_ROWS = 30
    with tempfile.TemporaryDirectory() as place:
        whole, copy = Path(place) / "g", Path(place) / "copy"
        gallery = Gallery.create(whole, ROWS)
        gallery.enrol(ROWS)
        gallery.calibrate(templates(60, 3, "c"))
        for operation in OPERATIONS:
            shutil.copytree(whole, copy)
            gallery = Gallery(copy)
            gallery.list()
            shim.fault_arm(-1, 0)
            OPERATIONS[operation](gallery)
            n_writes = shim.fault_disarm()
            shutil.rmtree(copy)
            for number in (errno.ENOSPC, errno.EIO):
                for n in range(1, n_writes + 1, every):
                    shutil.copytree(whole, copy)
                    name = f"{operation} {errno.errorcode[number]} {n}/{n_writes}"
                    try:
                        line = attempt(shim, copy, operation, number, n)
                        lines[(line or "no error").replace(str(copy), "G")[-150:]] += 1
                        judge(copy, operation, line)
                    except BaseException as error:
                        said = " ".join(str(error).split())[:300]
                        wrong.append(f"{name}: {type(error).__name__}: {said}")
                    counts[f"{operation} {errno.errorcode[number]}"] += 1
                    shutil.rmtree(copy)
    return {"faults": dict(counts), "lines": dict(lines), "wrong": wrong}


def run(every=1):
    """Compile the shim, and do it in a process that has it."""
    with tempfile.TemporaryDirectory() as place:
        shim = Path(place) / "faults.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(SOURCE), "-ldl"], check=True
        )
        command = [sys.executable, __file__, "inject", str(every)]
        done = subprocess.run(
            command, env=os.environ | {"LD_PRELOAD": str(shim)}, capture_output=True, text=True
        )
    if not done.stdout:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["inject"]:
        print(json.dumps(inject(int(sys.argv[2]))))
    else:
        result = run(*map(int, sys.argv[1:]))
        print(json.dumps(result, indent=2))
        sys.exit(bool(result["wrong"]))
