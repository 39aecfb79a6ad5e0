import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.files import locked
from sfumato.gallery import Gallery, ProtectedTemplates
from sfumato.gallery._store import Store

WRITER = Path(__file__).parent / "writer.py"


@pytest.fixture
def start():
    """Return a function that starts a writer, which is killed in the end."""
    with contextlib.ExitStack() as stack:

        def begin(gallery, name, n_batches, pace):
            command = [sys.executable, str(WRITER), str(gallery.path), name, str(n_batches), pace]
            writer = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True)
            stack.enter_context(writer)
            stack.callback(writer.kill)
            return writer

        yield begin


def loose(writer):
    writer.stdin.write("go\n")
    writer.stdin.flush()


@pytest.fixture
def empty(tmp_path, info):
    return Gallery.create(tmp_path / "g", ProtectedTemplates(np.ones((1, 8)), info, ["like"]))


def test_an_interrupt_waits_until_lancedb_has_done_the_change(gallery, people, info, monkeypatch):
    # LanceDB's threads would go on after the lock is free.
    real = Store.add

    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        return real(*given)

    monkeypatch.setattr(Store, "add", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        gallery.enrol(ProtectedTemplates(people[0][:1], info, ["late"], ["late"]))
    assert "late" in {person["person"] for person in gallery.list()}
    assert gallery.check()["unlisted"] == [] and signal.getsignal(signal.SIGINT) is before


def test_another_gallery_in_the_place_of_an_open_one(tmp_path, gallery, table, people, info):
    probe = ProtectedTemplates(people[0][:1], info, ["probe"])

    def named():
        return gallery.identify(probe, threshold=0.9)["probes"][0]["person"]

    others = {
        "same": info,
        "other": replace(info, transformations=(info.transformations[0] | {"fingerprint": "x"},)),
    }
    for name, made_by in others.items():
        rows = ProtectedTemplates(
            people[0], made_by, people[2], [f"{name} {p}" for p in people[1]]
        )
        Gallery.create(tmp_path / name, rows).enrol(rows)
    assert named() == "person-0"
    gallery.path.rename(tmp_path / "away")
    with pytest.raises(InputError, match="the gallery is gone"):
        gallery.list()
    assert not gallery.path.exists()
    (tmp_path / "same").rename(gallery.path)
    assert named() == "same person-0" and not gallery.replaced
    gallery.path.rename(tmp_path / "same")
    (tmp_path / "other").rename(gallery.path)
    for act in (named, lambda: gallery.enrol(table()), gallery.list, gallery.check):
        with pytest.raises(InputError, match="of other templates is in the place of the one"):
            act()
    assert gallery.replaced and len(Gallery(gallery.path).list()) == 12


def test_a_backup_that_is_put_back_below_an_open_gallery(tmp_path, gallery, people, info):
    shutil.copytree(gallery.path, tmp_path / "backup")
    for name in ("ann", "bob"):  # The same number of versions each time.
        shutil.copytree(tmp_path / "backup", gallery.path, dirs_exist_ok=True)
        for left in gallery.path.glob("lance/templates.lance/_versions/*"):
            if not (tmp_path / "backup" / left.relative_to(gallery.path)).exists():
                left.unlink()
        late = ProtectedTemplates(-people[0][:1], info, ["late"], [name])
        Gallery(gallery.path).enrol(late)
        assert gallery.identify(late, threshold=0.9)["probes"][0]["person"] == name
        assert {person["person"] for person in gallery.list()} & {"ann", "bob"} == {name}


def test_two_writers_lose_nothing_and_double_nothing(tmp_path, empty, start):
    writers = [start(empty, name, 4, "slow") for name in ("ann", "bob")]
    for writer in writers:
        loose(writer)
    for writer in writers:
        _, said = writer.communicate(timeout=300)
        assert writer.returncode == 0 and said == ""
    empty.export(tmp_path / "out.parquet")
    ids = FaceTable(tmp_path / "out.parquet").column("image_id").tolist()
    expected = {
        f"{name}-{b}-{row}" for name in ("ann", "bob") for b in range(4) for row in range(1, 40)
    }
    expected |= {f"shared-{b}" for b in range(4)}
    assert len(ids) == len(set(ids)) and set(ids) == expected
    assert len(empty.log.lines()) == 1 + 2 * 8 + 1  # create, two a batch, export


def test_a_killed_enrolment_leaves_whole_batches(empty, rng, start):
    # Loaded side by side, let loose one after the other.
    for kill, writer in enumerate([start(empty, f"kill{n}", 1000, "fast") for n in range(3)]):
        loose(writer)
        seen = int(writer.stdout.readline())
        time.sleep(rng.uniform(0, 0.2))
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate(timeout=300)
        seen = max([seen, *map(int, rest.split())])
        again = Gallery(empty.path)  # readable, by a new object and by an old one
        counts = Counter({row["person"]: row["n_templates"] for row in again.list()})
        assert empty.summary()["n_templates"] == sum(counts.values())
        own = {name: n for name, n in counts.items() if name.startswith(f"kill{kill}-")}
        # Every batch that was told is there, at most one more, and each is whole: 39 rows, and
        # the one that an earlier writer may have been first with.
        assert len(own) - 1 - seen in (0, 1)
        assert set(own.values()) <= {39, 40}
        again.enrol(ProtectedTemplates(np.ones((1, 8)), empty.info, [f"after-{kill}"], ["after"]))


def test_writers_wait_for_readers_and_readers_share(tmp_path):
    import threading

    path, order = tmp_path / "lock", []

    def write():
        with locked(path, alone=True):
            order.append("write")

    with locked(path, alone=False):
        with locked(path, alone=False):
            order.append("read")
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(0.1)
        assert order == ["read"]
    writer.join(10)
    assert order == ["read", "write"]
