import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.errors import InputError
from sfumato.gallery import Gallery, ProtectedTemplates, _index
from sfumato.gallery._store import Store

NAMES = ["Zaphod O'Brien \\ %_ ü", "Quetzal", "'; DROP TABLE templates --"]


def files_with(folder, *needles):
    """Return the files below a folder in which one of some bytes are."""
    return [
        path.relative_to(folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


def traces(X, names, ids, person):
    rows = [row for row, name in enumerate(names) if name == person]
    return [
        person.encode(),
        *(X[row].tobytes() for row in rows),
        *(ids[row].encode() for row in rows),
    ]


@pytest.fixture
def crowd(rng, info):
    """Return 600 templates; those of three people among many, with distinctive names and ids."""
    X = rng.normal(size=(600, 8)).astype(np.float32)
    names = [f"somebody-{row // 2}" for row in range(600)]
    for place, name in enumerate(NAMES):
        names[100 * place + 7] = names[100 * place + 8] = name
    ids = [f"xyzzy-{row:04d}-template" for row in range(600)]
    return X, names, ids


@pytest.mark.parametrize("person", NAMES)
@pytest.mark.parametrize("n_batches", [1, 2])
def test_no_file_holds_a_deleted_person(tmp_path, crowd, info, person, n_batches):
    X, names, ids = crowd
    gallery = Gallery.create(tmp_path / "g", ProtectedTemplates(X, info, ids, names))
    for rows in np.array_split(np.arange(600), n_batches):
        part = slice(rows[0], rows[-1] + 1)
        gallery.enrol(ProtectedTemplates(X[part], info, ids[part], names[part]))
    needles = traces(X, names, ids, person)
    assert all(files_with(gallery.path, needle) for needle in needles)
    assert gallery.delete(person)["n_templates"] == 2
    assert files_with(gallery.path, *needles) == []
    # The others are still there, every one of them.
    gallery.export(tmp_path / "rest.parquet")
    kept = [row for row, name in enumerate(names) if name != person]
    found = gallery.verify(
        ProtectedTemplates(X[kept], info, [ids[row] for row in kept]), "somebody-0", threshold=2
    )
    assert found["n_probes"] == 598
    assert gallery.summary()["n_templates"] == 598
    assert {entry["person"] for entry in gallery.list()} == set(names) - {person}
    assert not (gallery.path / "lance" / "purge.json").exists()


KILLED = """
import os, signal, sys, threading, time
import numpy as np
from sfumato.data.info import TableInfo
from sfumato.gallery import Gallery, ProtectedTemplates

gallery = Gallery(sys.argv[1])
folder = gallery.path / "lance"

def watch():
    while True:
        if any(folder.rglob(".tmp*")):
            os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=watch, daemon=True).start()
X = np.load(sys.argv[2])
ids = [f"late-{row}" for row in range(len(X))]
gallery.enrol(ProtectedTemplates(X, gallery.info, ids, ["Late"] * len(X)))
"""


def test_what_a_killed_enrolment_left_goes_too(tmp_path, crowd, info):
    X, names, ids = crowd
    gallery = Gallery.create(tmp_path / "g", ProtectedTemplates(X, info, ids, names))
    gallery.enrol(ProtectedTemplates(X, info, ids, names))
    late = np.random.default_rng(1).normal(size=(4000, 8)).astype(np.float32)
    np.save(tmp_path / "late.npy", late)
    arguments = [sys.executable, "-c", KILLED, str(gallery.path), str(tmp_path / "late.npy")]
    killed = subprocess.run(arguments, capture_output=True).returncode == -signal.SIGKILL
    if not (killed and list((gallery.path / "lance").rglob(".tmp*"))):
        # It was not caught in the act: leave what LanceDB leaves, by its name.
        part = gallery.path / "lance" / "templates.lance" / "data" / ".tmpx3Yz9Q"
        part.write_bytes(late.tobytes() + X[7].tobytes() + NAMES[0].encode())
    gallery.delete(NAMES[0])
    assert list(gallery.path.rglob(".tmp*")) == []
    if not any(person["person"] == "Late" for person in gallery.list()):
        assert files_with(gallery.path, *(row.tobytes() for row in late[::50])) == []


def test_the_index_goes_too(tmp_path, crowd, info, monkeypatch):
    monkeypatch.setattr(_index, "MIN_ROWS", 500)
    X, names, ids = crowd
    gallery = Gallery.create(tmp_path / "g", ProtectedTemplates(X, info, ids, names))
    gallery.enrol(ProtectedTemplates(X, info, ids, names))
    gallery.build_index(n_queries=5)
    # The index keeps vectors of unit length, by cell.
    unit = (X[7] / np.linalg.norm(X[7])).tobytes()
    assert list(gallery.path.rglob("_indices/*"))
    assert gallery.delete(NAMES[0])["index_removed"]
    assert files_with(gallery.path, unit, *traces(X, names, ids, NAMES[0])) == []
    assert not list(gallery.path.rglob("_indices/*/*"))
    assert (
        gallery.identify(ProtectedTemplates(X[:1], info, ["p"]), threshold=-1)["search"] == "exact"
    )


def test_rows_of_a_killed_enrolment_go_with_the_next_deletion(gallery, people, info):
    orphan = gallery.path / "lance" / "templates.lance" / "data" / "unfinished.lance"
    orphan.write_bytes(b"vectors that no version knows")
    gallery.delete("person-3")
    assert files_with(gallery.path, b"that no version knows") == []


def test_an_index_spills_no_vectors_outside_the_gallery(tmp_path, crowd, info, monkeypatch):
    monkeypatch.setattr(_index, "MIN_ROWS", 500)
    # Whoever used it would fail.
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    X, names, ids = crowd
    gallery = Gallery.create(tmp_path / "g", ProtectedTemplates(X, info, ids, names))
    gallery.enrol(ProtectedTemplates(X, info, ids, names))
    spill = gallery.path / "lance" / "spill"
    gallery.build_index(n_queries=5)
    assert os.environ["TMPDIR"] == str(tmp_path / "nowhere") and not spill.exists()
    spill.mkdir()  # as a killed process would leave it
    (spill / "left").write_bytes(b"vectors")
    gallery.delete("somebody-0")
    assert not spill.exists()


def test_nobody_else_is_deleted(gallery):
    before = gallery.summary()["n_templates"]
    with pytest.raises(InputError, match="'person-99' is not enrolled"):
        gallery.delete("person-99")
    with pytest.raises(InputError, match="not enrolled"):
        gallery.delete("person")
    assert gallery.summary()["n_templates"] == before


@pytest.mark.parametrize("step", ["drop_index", "finish", "_optimize"])
def test_a_deletion_that_was_cut_off_is_finished_by_the_next_writer(
    tmp_path, crowd, info, monkeypatch, step
):
    X, names, ids = crowd
    gallery = Gallery.create(tmp_path / "g", ProtectedTemplates(X, info, ids, names))
    gallery.enrol(ProtectedTemplates(X, info, ids, names))
    needles = traces(X, names, ids, NAMES[0])

    def killed(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, killed)
        with pytest.raises(KeyboardInterrupt):
            # Nothing is pending before a deletion, so the first call of each is inside it.
            if step == "finish":
                patch.setattr(Gallery, "_writing", Gallery._reading)
            gallery.delete(NAMES[0])
    assert files_with(gallery.path, *needles)
    again = Gallery(gallery.path)
    again.enrol(ProtectedTemplates(X[:1], info, ["one more"], ["somebody-0"]))
    if step == "drop_index":  # Before the rows were marked: the deletion did not happen.
        again.delete(NAMES[0])
    assert files_with(gallery.path, *needles) == []
    assert again.summary()["n_templates"] == 599


def test_a_deleted_person_is_gone_for_an_object_opened_before(gallery, people, info):
    X, names, ids = people
    other = Gallery(gallery.path)
    probe = ProtectedTemplates(X[:1], info, ["probe"])
    assert other.identify(probe, threshold=0.9)["probes"][0]["person"] == "person-0"
    gallery.delete("person-0")
    assert other.identify(probe, threshold=0.9)["probes"][0]["person"] != "person-0"
