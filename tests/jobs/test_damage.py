"""Damage to a batch job's folder: the answers stay the same, or one line says what is wrong.

SFUMATO_DAMAGES and SFUMATO_TEST_SEED take other numbers of damages and another seed.
"""

import os
import shutil

import numpy as np
import pytest

from sfumato.data.manifest import MANIFEST, RECORDS, REJECTED
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.jobs.checking import check_folder, require_whole
from sfumato.jobs.filling import How, do_missing
from sfumato.jobs.folder import Folder
from sfumato.jobs.local import Here
from sfumato.jobs.run import run_job

N_DAMAGES = int(os.environ.get("SFUMATO_DAMAGES", 40))
SEED = int(os.environ.get("SFUMATO_TEST_SEED", 0))
ROWS = 20


@pytest.fixture(scope="module")
def folders(table_job, tmp_path_factory):
    """A finished folder, and one with three of five parts."""
    finished, unfinished = (tmp_path_factory.mktemp("out") / name for name in "fu")
    run_job(table_job, finished, part_rows=ROWS, runner=Here())
    folder, parts = Folder(unfinished), table_job.parts(ROWS)
    folder.open(table_job.settings | {"part_rows": ROWS}, parts)
    do_missing(table_job, folder, parts[:3], How(ROWS, Here()))
    assert (unfinished / RECORDS).is_dir() and (finished / REJECTED).is_dir()
    return finished, unfinished


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def damage(folder, rng):
    """Flip a bit, cut, remove or exchange; return what was done to which file."""
    paths = files_of(folder)
    path, other = (paths[n] for n in rng.choice(len(paths), 2, replace=False))
    how = rng.choice(["flip", "cut", "remove", "exchange"])
    content = bytearray(path.read_bytes())
    if how == "flip" and content:
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
    elif how == "cut":
        path.write_bytes(content[: rng.integers(len(content) + 1)])
    elif how == "remove":
        path.unlink()
    elif how == "exchange":
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)
    return f"{how} {path.name} {other.name}"


def rows_of(folder):
    table = FaceTable(folder)
    return list(table.column("image_id")), table.embeddings().tobytes()


def answer(act):
    """Return what an act gives, None where it is refused in a line."""
    try:
        return act()
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 600, error
        return None


@pytest.mark.parametrize("which", [0, 1], ids=["finished", "unfinished"])
def test_damage_changes_no_answer_unsaid(which, table_job, folders, tmp_path):
    rng = np.random.default_rng([SEED, which])
    rows = rows_of(folders[0])
    whole = {
        path.name: path.read_bytes() for path in files_of(folders[0]) if path.name != MANIFEST
    }
    n_found = 0
    for _ in range(N_DAMAGES // 2):
        folder = tmp_path / "out"
        shutil.copytree(folders[which], folder)
        done = damage(folder, rng)
        before = {path: path.read_bytes() for path in files_of(folder)}
        found = answer(lambda folder=folder: require_whole(check_folder(folder)) or True)
        n_found += found is None
        assert answer(lambda folder=folder: rows_of(folder)) in (None, rows), done
        assert {path: path.read_bytes() for path in files_of(folder)} == before, done
        if answer(lambda folder=folder: run_job(table_job, folder, part_rows=ROWS, runner=Here())):
            left = {p.name: p.read_bytes() for p in files_of(folder) if p.name != MANIFEST}
            assert left == whole and rows_of(folder) == rows, done
            assert require_whole(check_folder(folder)) is None
        shutil.rmtree(folder)
    # A flip in the white space of a JSON file, or of nothing, is no damage.
    assert n_found > 0.8 * (N_DAMAGES // 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # A column's name in the footer that is no UTF-8, and the header of the first page, of
        # which pyarrow speaks in several lines.
        (b"image_id", b"\xedmage_id"),
        (b"PAR1", b"PAR1" + b"\xff" * 12),
    ],
)
def test_what_pyarrow_says_of_damage_becomes_a_line(old, new, folders, tmp_path):
    path = tmp_path / "t.parquet"
    content = (folders[0] / "part-000000.parquet").read_bytes()
    if old == b"PAR1":
        old = content[: len(new)]
    path.write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=r"t\.parquet: ") as caught:
        FaceTable(path).embeddings()
    assert "\n" not in str(caught.value)
