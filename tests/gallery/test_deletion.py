import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.errors import InputError, StorageError
from sfumato.gallery import Gallery, ProtectedTemplates, _index
from sfumato.gallery._folder import Folder
from sfumato.gallery._store import Store

NAMES = ["Zaphod O'Brien / %_ ü", "Quetzal", "'; DROP TABLE templates --"]


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


def test_real_kills_leave_nothing_of_a_person_who_is_deleted(tmp_path):
    """A short form of ``python -m benchmarks gallery_kills``: one of each operation."""
    script = Path(__file__).parent / "kills.py"
    done = subprocess.run([sys.executable, script, "5", "0"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["files_with_traces"] == []


def test_whatever_no_version_names_goes_with_the_next_writer(tmp_path, gallery, people, info):
    rows = gallery.path / "lance"
    table = rows / "templates.lance"
    left = [rows / "anything", rows / "other.lance" / "data" / "x.lance", table / "data" / ".tmpx",
            table / "_indices" / "0" / "auxiliary.idx", table / "data" / "a.lance",
            table / "_transactions" / "9-a.txn", table / "_versions" / "1.manifest-1"]  # fmt: skip
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"vectors that no version knows")
    X, _, _ = people
    gallery.enrol(ProtectedTemplates(X[:1], info, ["late"], ["late"]))
    assert files_with(gallery.path, b"that no version knows") == []
    assert gallery.summary()["n_templates"] == 37
    # And so do the versions before.
    assert len(list((table / "_versions").iterdir())) == 1


def test_a_deletion_names_files_that_are_not_the_gallerys(gallery):
    (gallery.path / "notes.txt").write_text("mine")
    (gallery.path / "more").mkdir()
    assert gallery.delete("person-3")["unknown_files"] == ["more", "notes.txt"]
    assert (gallery.path / "notes.txt").read_text() == "mine"


def test_a_file_that_cannot_be_removed_is_an_error(gallery, monkeypatch):
    def refused(path, **more):
        raise OSError(errno.EIO, "I/O error", str(path))

    def keeping(store):  # As if LanceDB could not remove it either.
        merge(store)
        (gallery.path / "lance" / "kept").write_bytes(b"person-3")

    merge = Store._optimize
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_optimize", keeping)
        patch.setattr(Path, "unlink", refused)
        with pytest.raises(StorageError, match="in no search any more, but .* may still hold"):
            gallery.delete("person-3")
    assert "person-3" not in {person["person"] for person in gallery.list()}
    assert files_with(gallery.path, b"person-3")
    with pytest.raises(InputError, match="not enrolled"):  # It is finished by now.
        gallery.delete("person-3")
    assert files_with(gallery.path, b"person-3") == []


def test_nothing_is_removed_through_a_link_or_without_a_version(tmp_path, gallery, people, info):
    X, _, _ = people
    one = ProtectedTemplates(X[:1], info, ["late"], ["late"])
    data = gallery.path / "lance" / "templates.lance" / "data"
    data.rename(tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a symbolic link"):
        gallery.enrol(one)
    assert list((tmp_path / "elsewhere").iterdir())
    data.unlink()
    with pytest.raises(InputError, match="is missing"):
        gallery.enrol(one)
    (tmp_path / "elsewhere").rename(data)
    assert gallery.enrol(one).n_enrolled == 1


def test_nothing_of_the_users_goes_where_the_rows_lie_elsewhere(tmp_path, gallery, people, info):
    mine = tmp_path / "disk"
    (gallery.path / "lance").rename(mine)
    (gallery.path / "lance").symlink_to(mine)
    (mine / "thesis.txt").touch()
    one = ProtectedTemplates(people[0][:1], info, ["late"], ["late"])
    for act in (lambda: gallery.enrol(one), lambda: gallery.delete("person-3")):
        with pytest.raises(InputError, match=r"lance: is a symbolic link; a gallery's files must"):
            act()
    assert (mine / "thesis.txt").exists() and len(gallery.list()) == 12


@pytest.mark.parametrize("name", ["index.json", "calibration.safetensors"])
def test_a_linked_file_is_refused_before_anything_is_deleted(tmp_path, gallery, name):
    (tmp_path / name).touch()
    (gallery.path / name).symlink_to(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: is a symbolic link"):
        gallery.delete("person-3")
    assert len(gallery.list()) == 12


@pytest.mark.parametrize("folder", ["[" * 100_000, '{"a": 1}', '"a\\u0000b"', '"\\ud800"', "7"])
def test_a_strange_line_of_the_log_does_not_stop_a_deletion(gallery, folder):
    with open(gallery.log.path, "a") as file:
        file.write(f'{{"operation": "export", "folder": {folder}}}\n')
    assert gallery.delete("person-3")["unknown_files"] == []


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
                patch.setattr(Folder, "writing", lambda self, index: self.reading())
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
