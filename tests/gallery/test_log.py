import json

import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.errors import InputError
from sfumato.gallery import Gallery


def test_every_operation_has_a_line_without_names_or_vectors(tmp_path, gallery, table, people):
    gallery.calibrate(table())
    gallery.verify(table(), fmr=0.1)
    gallery.identify(table(), fmr=0.1)
    gallery.list()
    gallery.export(tmp_path / "out.parquet")
    gallery.delete("person-4")
    lines = gallery.log.lines()
    assert [line["operation"] for line in lines] == [
        *("create", "enrol", "enrolled", "calibrate", "verify", "identify"),
        *("list", "export", "delete", "deleted"),
    ]
    assert lines[-1]["people"] == [gallery.log.pseudonym("person-4")]
    assert lines[-1]["n_templates"] == 3 and lines[1]["n_templates"] == 36
    assert lines[1]["n_people"] == 12
    text = gallery.log.path.read_text()
    assert "person-" not in text and "face-" not in text
    assert all("time" in line for line in lines)


def test_another_gallery_gives_another_pseudonym(tmp_path, gallery, table):
    other = Gallery.create(tmp_path / "other", table())
    assert other.log.pseudonym("ann") != gallery.log.pseudonym("ann")
    assert Gallery(other.path).log.pseudonym("ann") == other.log.pseudonym("ann")
    assert (other.path / "key").stat().st_mode & 0o777 == 0o600


def test_a_torn_line_spoils_no_other(gallery):
    before = gallery.log.lines()
    with open(gallery.log.path, "a") as file:
        file.write('{"time": "2026')
    gallery.log.append("list")
    assert gallery.log.lines()[:-1] == before
    assert gallery.log.lines()[-1]["operation"] == "list"


def test_lines_are_synced_before_the_call_returns(gallery, monkeypatch):
    import os

    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(real(handle)))
    gallery.log.append("list")
    assert len(synced) == 1
    assert json.loads(gallery.log.path.read_text().splitlines()[-1])["operation"] == "list"


def test_a_line_names_at_most_a_thousand_people(gallery):
    gallery.log.append("enrol", [str(number) for number in range(1500)])
    line = gallery.log.lines()[-1]
    assert len(line["people"]) == 1000 and line["n_people"] == 1500


def test_nothing_is_written_through_a_link(tmp_path, gallery, table):
    other = tmp_path / "other"
    other.write_text("mine")
    for path in (gallery.log.path, gallery.path / "lock"):
        path.rename(tmp_path / "kept")
        path.symlink_to(other)
        for call in (gallery.list, lambda: gallery.enrol(table()), lambda: gallery.delete("x")):
            with pytest.raises(InputError, match=f"{path.name}: is a symbolic link"):
                call()
        assert other.read_text() == "mine"
        (tmp_path / "kept").replace(path)
    assert len(gallery.list()) == 12
