import json
import os
import runpy
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.cli import main
from sfumato.errors import InputError
from sfumato.gallery import Gallery, ProtectedTemplates


def rows_file(gallery):
    return next(gallery.path.rglob("data/*.lance"))


def flip(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def run_cli(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main([str(text) for text in arguments])
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def test_damage_changes_no_answer_unsaid():
    """A short form of ``python -m benchmarks gallery_damage``."""
    script = Path(__file__).parent / "damage.py"
    found = runpy.run_path(str(script))["run"](40)
    assert found["wrong"] == [] and found["refused"] > 10


@pytest.mark.parametrize(
    "command", ["list", "identify", "verify", "export", "enrol", "check", "delete"]
)
def test_the_command_line_says_one_line(tmp_path, gallery, table, capsys, command):
    flip(rows_file(gallery), 100)
    compare = [table(), "--threshold", 0.5]
    more = {"identify": compare, "verify": compare, "enrol": [table()], "delete": ["person-3"]}
    more["export"] = ["-o", tmp_path / "out.parquet"]
    code, out, err = run_cli(capsys, "gallery", command, gallery.path, *more.get(command, []))
    lines = [line for line in err.splitlines() if "0/?" not in line]  # The progress bar.
    assert code == 2 and out == "" and len(lines) == 1
    assert "is damaged (its checksum is another)" in lines[0]
    assert not (tmp_path / "out.parquet").exists()


def test_check_lists_all_damage(gallery, table, capsys):
    gallery.calibrate(table())
    assert run_cli(capsys, "gallery", "check", gallery.path)[0] == 0
    flip(rows_file(gallery))
    (gallery.path / "calibration.safetensors").unlink()
    with open(gallery.path / "key", "a") as file:
        file.write("0")
    code, out, err = run_cli(capsys, "gallery", "check", gallery.path, "--json")
    assert code == 2 and "3 of " in err
    faults = {Path(entry["file"]).suffix: entry["fault"] for entry in json.loads(out)["damaged"]}
    assert faults == {
        ".lance": "is damaged (its checksum is another)",
        ".safetensors": "is missing",
        "": "is damaged (65 bytes, not 64)",
    }


def make_older(gallery):
    """Take the list of checksums away, as if an older version had made the gallery."""
    (gallery.path / "checksums.json").unlink()
    file = gallery.path / "gallery.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"checksums": None}))


def test_a_list_of_checksums_that_is_gone_is_damage(gallery, table, capsys):
    (gallery.path / "checksums.json").unlink()
    flip(rows_file(gallery), 100)
    for command in (["list"], ["check"], ["delete", "person-3"], ["info"]):
        code, out, err = run_cli(capsys, "gallery", command[0], gallery.path, *command[1:])
        assert (code, out) == (2, "") and "checksums.json: is missing; restore it" in err
    with pytest.raises(InputError, match=r"checksums\.json: is missing"):
        gallery.list()
    flip(rows_file(gallery), 100)
    (gallery.path / "checksums.json").write_text("{}")
    assert Gallery(gallery.path).delete("person-3")["n_templates"] == 3
    assert Gallery(gallery.path).check()["n_files"] >= 5


def test_a_list_of_a_later_version_is_not_called_damaged(gallery, capsys):
    file = gallery.path / "checksums.json"
    file.write_text(json.dumps({"format": 2, "sums": {}}))
    code, out, err = run_cli(capsys, "gallery", "list", gallery.path)
    assert (code, out) == (2, "")
    assert "checksums.json: format 2, this version reads 1; update sfumato." in err


def test_a_gallerys_file_of_endless_brackets_is_one_line(gallery):
    make_older(gallery)
    (gallery.path / "gallery.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="not a gallery"):
        Gallery(gallery.path)


@pytest.mark.parametrize(
    "name",
    ["lock", "checksums.json", "gallery.json", "key", "audit.jsonl", "lance/purge.json"],
)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_pipes_and_folders_in_a_files_place_are_refused(gallery, capsys, name, make):
    (gallery.path / name).unlink(missing_ok=True)
    make(gallery.path / name)
    limit = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("waits for a pipe"))
    signal.alarm(20)
    try:
        code, out, err = run_cli(capsys, "gallery", "delete", gallery.path, "person-3")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, limit)
    assert (code, out, err.count("\n")) == (2, "", 1) and name in err


def test_a_gallery_without_checksums_gets_them_with_the_next_change(gallery, table, people, info):
    make_older(gallery)
    again = Gallery(gallery.path)
    assert len(again.list()) == 12
    found = again.check()
    assert found["n_files"] == 0 and "gallery.json" in found["unlisted"]
    again.enrol(ProtectedTemplates(people[0][:1], info, ["late"], ["late"]))
    assert again.check()["unlisted"] == [] and again.check()["n_files"] >= 5


def test_what_a_killed_writer_left_is_read_and_listed_later(gallery, people, info, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(self, names):
        raise Killed

    one = ProtectedTemplates(people[0][:1], info, ["late"], ["late"])
    with monkeypatch.context() as patch:
        patch.setattr("sfumato.gallery._checksums.Checksums.record", killed)
        with pytest.raises(Killed):
            gallery.enrol(one)
    again = Gallery(gallery.path)
    assert len(again.list()) == 13 and again.check()["unlisted"]
    again.calibrate(ProtectedTemplates(*people[:1], info, people[2], people[1]))
    assert Gallery(gallery.path).check()["unlisted"] == []
    # Without that newest version the list's own is the newest again: it is missing.
    shutil.rmtree(gallery.path / "lance" / "templates.lance" / "_versions")
    with pytest.raises(InputError, match="no version of the rows is there"):
        Gallery(gallery.path).list()


@pytest.mark.parametrize("content", ['"' + "9" * 5000 + '"', "[1e999]", "{", "", "\x00"])
def test_what_stands_in_the_note_of_a_deletion_does_not_matter(gallery, content):
    (gallery.path / "lance" / "purge.json").write_text(content)
    assert gallery.delete("person-3")["n_templates"] == 3
    assert not (gallery.path / "lance" / "purge.json").exists()


@pytest.mark.parametrize(
    "content", ["5", "[]", '{"n_probes": "8"}', '{"n_probes": 1e9}', "{", "NaN"]
)
def test_a_record_of_an_index_that_is_none_is_refused(gallery, monkeypatch, content):
    monkeypatch.setattr("sfumato.gallery._index.MIN_ROWS", 10)
    gallery.build_index(n_queries=5)
    (gallery.path / "checksums.json").write_text("{}")
    (gallery.path / "index.json").write_text(content)
    with pytest.raises(InputError, match="index.json"):
        gallery.summary()
    gallery.build_index(n_queries=5)  # The remedy.
    assert gallery.summary()["search"] == "index"


def test_a_damaged_index_is_not_needed_to_delete_or_to_search_exactly(gallery, table, monkeypatch):
    monkeypatch.setattr("sfumato.gallery._index.MIN_ROWS", 10)
    gallery.build_index(n_queries=5)
    flip(next(gallery.path.rglob("auxiliary.idx")), 50)
    again = Gallery(gallery.path)
    with pytest.raises(InputError, match="build the index anew with sfumato gallery index"):
        again.identify(table(), threshold=0.5)
    assert again.identify(table(), threshold=0.5, exact=True)["n_named"] == 36
    assert again.delete("person-3")["index_removed"]


def test_only_new_files_are_read_for_the_list(gallery, people, info, monkeypatch):
    from sfumato.gallery import _checksums

    read, real = [], _checksums.checksum
    monkeypatch.setattr(_checksums, "checksum", lambda path: read.append(path.name) or real(path))
    old = rows_file(gallery).name
    for row in range(3):
        gallery.enrol(ProtectedTemplates(people[0][:1], info, [f"late-{row}"], ["late"]))
    assert old not in read and len(read) == len(set(read))
    assert np.all([name.endswith((".lance", ".manifest", ".txn")) for name in read])


def test_all_batches_of_an_enrolment_are_listed(tmp_path, info, rng):
    n = 2 * 8192 + 1
    X, ids = rng.normal(size=(n, 8)), [f"t{row}" for row in range(n)]
    rows = ProtectedTemplates(X, info, ids, ids)
    made = Gallery.create(tmp_path / "many", rows)
    seen = []
    made.enrol(rows, progress=lambda *_: seen.append(len(made.check()["unlisted"])))
    assert seen[0] > 0 and seen[-1] == 0 and len(seen) == 3
    flip(rows_file(made))
    with pytest.raises(InputError, match="is damaged"):
        Gallery(made.path).list()
