import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.data.names import name_fault
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError
from sfumato.gallery import Gallery, ProtectedTemplates


def other_step(info):
    return (info.transformations[0] | {"fingerprint": "def"},)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"transformations": ()}, "raw templates of .* run sfumato protect"),
        ({"encoder": None}, "encoder of the templates is unknown"),
        ({"encoder": "other"}, "encoder other 1, but .* encoder toy 1"),
        ({"encoder_version": "2"}, "encoder toy 2, but .* encoder toy 1"),
        ({"transformations": "other"}, "eraser leace:def, but .* eraser leace:abc"),
        ({"transformations": "twice"}, "eraser leace:abc .* leace:abc, but .* eraser leace:abc;"),
        ({"dimension": 4}, "dimension 4, but .* dimension 8"),
        ({"metric": "euclidean"}, "metric euclidean, but .* metric cosine"),
    ],
)
@pytest.mark.parametrize("operation", ["enrol", "identify", "verify", "calibrate"])
def test_other_templates_are_refused(gallery, info, people, change, message, operation):
    if change.get("transformations") == "other":
        change = {"transformations": other_step(info)}
    if change.get("transformations") == "twice":
        change = {"transformations": info.transformations * 2}
    X, names, ids = people
    given = ProtectedTemplates(
        X[:, : change.get("dimension", 8)], replace(info, **change), ids, names
    )
    more = {} if operation in ("enrol", "calibrate") else {"threshold": 0.5}
    with pytest.raises(InputError, match=message) as error:
        getattr(gallery, operation)(given, **more)
    assert "\n" not in str(error.value)
    assert gallery.summary()["n_templates"] == 36


def test_a_gallery_is_not_made_of_raw_templates(tmp_path, table, info):
    raw = table(info=replace(info, transformations=()))
    with pytest.raises(InputError, match="raw templates"):
        Gallery.create(tmp_path / "gallery", raw)
    assert [path.name for path in tmp_path.iterdir()] == ["protected.parquet"]


def test_bad_rows_are_rejects_and_the_others_go_in(tmp_path, gallery, people, info):
    X, names, _ = people
    X, names = X[:9].copy(), names[:9]
    X[1, 0], X[2], X[3] = np.nan, 0, 1e30
    ids = ["a", "b", "c", "d", "e", "a", "face-0", None, "i"]
    names[4] = None
    done = gallery.enrol(ProtectedTemplates(X, info, ids, names))
    assert {reject["row"]: reject["reason"] for reject in done.rejects} == {
        1: "missing, NaN or infinite",
        2: "a template of zeros",
        3: "too long for float32",
        4: "no person",
        5: "template id is used twice",
        6: "template id is in the gallery already",
        7: "no template id",
    }
    assert (done.n_rows, done.n_enrolled) == (9, 2)
    assert gallery.summary()["n_templates"] == 38
    assert done.reasons["no person"] == 1


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2Jb", "a\u2028b", "/etc/a", "../a", "a\\b", "a" * 257]
)
def test_names_that_are_none_are_rejects(gallery, people, info, name):
    X, _, _ = people
    done = gallery.enrol(ProtectedTemplates(X[:2], info, ["id", name], [name, "Ada"]))
    assert done.n_enrolled == 0
    fault = name_fault(name)
    assert [reject["reason"] for reject in done.rejects] == [
        f"the person's name {fault}", f"the template id {fault}"
    ]  # fmt: skip
    assert len(gallery.list()) == 12


READ = """
import os, sys
from sfumato.gallery import Gallery
gallery = Gallery(sys.argv[1])
assert not os.access(gallery.path, os.W_OK)
print(len(gallery.list()), gallery.identify(sys.argv[2], threshold=0.9)["n_named"])
print(gallery.summary()["n_templates"], gallery.export(sys.argv[3])["n_rows"])
try:
    gallery.delete("person-3")
except PermissionError as error:
    print(error.filename)
"""
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]  # What makes root one of many.


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
@pytest.mark.parametrize("lock", [True, False])
def test_a_gallery_that_may_not_be_written_can_be_read(tmp_path, gallery, table, lock):
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    probes, lines = table(), len(gallery.log.lines())
    if not lock:
        (gallery.path / "lock").unlink()
    for path in [*gallery.path.rglob("*"), gallery.path]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    paths = [str(gallery.path), str(probes), str(tmp_path / "out.parquet")]
    command = [*(POWERLESS if os.getuid() == 0 else []), sys.executable, "-c", READ, *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.split() == ["12", "36", "36", "36", str(gallery.path / "lock")]
    for path in [gallery.path, *gallery.path.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert len(gallery.log.lines()) == lines


def test_missing_embeddings_of_a_table_are_rejects(gallery, table, people):
    rows = [None, [1.0] * 7, [1.0] * 8, [float("nan")] * 8]
    path = table("odd.parquet", slice(4), image_id=list("abcd"), embedding=_lists(rows))
    done = gallery.enrol(path)
    assert [reject["template"] for reject in done.rejects] == ["a", "b", "d"]
    assert done.n_enrolled == 1


def _lists(rows):
    import pyarrow as pa

    return pa.array(rows, pa.list_(pa.float32()))


def test_enrolling_twice_changes_nothing(gallery, table):
    done = gallery.enrol(table())
    assert done.n_enrolled == 0 and done.reasons == {"template id is in the gallery already": 36}
    assert gallery.summary()["n_templates"] == 36


def test_export_gives_the_templates_back_bit_for_bit(tmp_path, gallery, people, info):
    X, names, ids = people
    assert gallery.export(tmp_path / "out.parquet")["n_rows"] == 36
    found = FaceTable(tmp_path / "out.parquet").check()
    assert found.info == info
    order = np.argsort(found.column("image_id"))
    expected = np.argsort(ids)
    assert np.array_equal(found.embeddings()[order], X[expected])
    assert found.column("identity")[order].tolist() == [names[row] for row in expected]
    with pytest.raises(InputError, match="exists already"):
        gallery.export(tmp_path / "out.parquet")


def test_an_empty_gallery_answers(tmp_path, table):
    made = Gallery.create(tmp_path / "gallery", table())
    assert made.list() == [] and made.summary()["n_people"] == 0
    assert made.identify(table(), threshold=0.0)["n_named"] == 0
    found = made.verify(table(), threshold=0.0)
    assert found["n_probes"] == 0 and len(found["rejects"]) == 36
    assert made.export(tmp_path / "out.parquet")["n_rows"] == 0


def test_people_are_listed_with_their_templates(gallery):
    found = gallery.list()
    assert sorted(person["person"] for person in found) == sorted(
        {f"person-{n}" for n in range(12)}
    )
    assert {person["n_templates"] for person in found} == {3}
    assert all(person["first_enrolled"] <= person["last_enrolled"] for person in found)


def test_many_small_enrolments_are_merged(gallery, people, info, monkeypatch):

    from sfumato.gallery import _store

    monkeypatch.setattr(_store, "MAX_FRAGMENTS", 3)
    X, names, _ = people
    for row in range(6):
        gallery.enrol(ProtectedTemplates(X[row : row + 1], info, [f"more-{row}"], [names[row]]))
    files = list((gallery.path / "lance" / "templates.lance" / "data").iterdir())
    assert len(files) <= 4 and gallery.summary()["n_templates"] == 42


@pytest.mark.parametrize("about", [None, "no json", "[]", '{"format": 2, "info": {}}'])
def test_a_folder_that_is_no_gallery_is_one_line(tmp_path, about):
    folder = tmp_path / "gallery"
    if about is not None:
        folder.mkdir()
        (folder / "gallery.json").write_text(about)
    expected = (
        "format 2, this version reads 1" if about and "2" in about else "sfumato gallery create"
    )
    with pytest.raises(InputError, match=expected) as error:
        Gallery(folder)
    assert "\n" not in str(error.value)


def test_nothing_is_overwritten(tmp_path, gallery, table):
    before = json.loads((gallery.path / "gallery.json").read_text())
    with pytest.raises(InputError, match="exists already"):
        Gallery.create(gallery.path, table())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        Gallery.create(tmp_path / "file", table())
    assert (tmp_path / "file").read_text() == "mine"
    assert json.loads((gallery.path / "gallery.json").read_text()) == before
    assert not list(tmp_path.glob(".*"))


def test_templates_of_other_shapes_are_refused(info):
    with pytest.raises(InputError, match="an id and a person a row"):
        ProtectedTemplates(np.ones(8), info, ["a"])
    with pytest.raises(InputError, match="2 ids"):
        ProtectedTemplates(np.ones((1, 8)), info, ["a", "b"])


def test_people_may_be_numbers(tmp_path, table, people):
    from sfumato.gallery import Gallery

    X, _, _ = people
    number = np.repeat(np.arange(12), 3)
    path = table("numbers.parquet", identity=number.astype(float), image_id=np.arange(36))
    made = Gallery.create(tmp_path / "numbers", path)
    assert made.enrol(path).n_enrolled == 36
    assert made.enrol(table("text.parquet", image_id=[str(k) for k in range(36)])).n_enrolled == 0
    assert {row["person"] for row in made.list()} == {str(n) for n in range(12)}
    assert made.verify(path, 7, threshold=0.9)["n_accepted"] >= 3
    assert made.delete(7.0)["n_templates"] == 3
    assert made.delete("8.0") == made.delete("9.0") | {"person": "8"}
    with pytest.raises(InputError, match="'8.5' is not enrolled"):
        made.delete("8.5")


def test_a_number_written_as_another_is_found_by_verify_as_by_delete(gallery, people, info):
    X = people[0]
    templates = ProtectedTemplates(X[:3], info, ["n0", "n1", "n2"], [7, 7, "8.0"])
    gallery.enrol(templates)
    found = gallery.verify(templates, "7.0", threshold=-1)
    assert [probe["person"] for probe in found["probes"]] == ["7"] * 3
    found = gallery.verify(replace(templates, people=["7.0", "8.0", "8"]), threshold=-1)
    assert [probe["person"] for probe in found["probes"]] == ["7", "8.0"]
    assert gallery.delete("7.0")["person"] == "7"


def test_a_name_of_bytes_that_are_no_utf8_is_refused(gallery, people, info):
    with pytest.raises(InputError, match=r"the person '.udcff': is no text in UTF-8"):
        gallery.delete("\udcff")
    given = ProtectedTemplates(people[0][:1], info, ["n0"], ["\udcff"])
    with pytest.raises(InputError, match="is no text in UTF-8"):
        gallery.verify(given, threshold=0.5)
    assert gallery.enrol(given).rejects[0]["reason"] == "the person's name is no text in UTF-8"


def scans_of(monkeypatch, store):
    """Return a list that grows with every look at all ids."""
    found, scan = [], store.scan

    def counted(columns, *rest):
        for batch in scan(columns, *rest):
            if columns == ["template_id"]:
                found.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(store, "scan", counted)
    return found


def test_a_long_enrolment_reads_all_ids_once(gallery, info, monkeypatch):
    ids = [f"more-{n}" for n in range(100_000)]
    X = np.ones((100_000, 8), np.float32)
    more = ProtectedTemplates(X, info, ids, ["crowd"] * 100_000)
    gallery = Gallery(gallery.path)
    with gallery._folder.writing() as store:
        read = scans_of(monkeypatch, store)
    assert gallery.enrol(more).n_enrolled == 100_000
    # Before the first batch, and before the second; not before each of the thirteen.
    assert sum(read) == 36 + 36 + 8192


def test_ids_of_others_are_seen_between_the_batches_of_an_enrolment(gallery, info):
    other = Gallery(gallery.path)

    def enrol(where, *names):
        X = np.ones((len(names), 8), np.float32)
        return where.enrol(ProtectedTemplates(X, info, [*names], ["x"] * len(names))).n_enrolled

    assert [enrol(gallery, f"a{n}") for n in range(4)] == [1] * 4
    assert enrol(other, "b0") == 1 and enrol(gallery, "b0", "a4") == 1
    assert enrol(gallery, "a0", "a5") == 1 and enrol(gallery, "a5", "a6") == 1
    other.delete("x")
    assert enrol(gallery, "a0", "b0", "a6") == 3 and enrol(gallery, "a6") == 0


def test_an_older_gallery_of_no_number_of_features_is_refused(gallery):
    file = gallery.path / "gallery.json"
    about = json.loads(file.read_text())
    about.pop("checksums")  # As versions before wrote it.
    about["info"]["dimension"] = [1]
    file.write_text(json.dumps(about))
    (gallery.path / "checksums.json").unlink()
    with pytest.raises(InputError, match=r"gallery.json: .* dimension is \[1\], which is no num"):
        Gallery(gallery.path)
