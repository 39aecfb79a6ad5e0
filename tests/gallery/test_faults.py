import errno
import runpy
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.errors import StorageError
from sfumato.files import disk_faults
from sfumato.gallery import Gallery


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not shutil.which("cc"), reason="needs a C compiler"
)
def test_after_a_fault_the_state_is_before_or_after_and_said():
    """A short form of ``python -m benchmarks gallery_faults``."""
    found = runpy.run_path(str(Path(__file__).parent / "faults.py"))["run"](17)
    assert found["wrong"] == []
    assert all(count >= 2 for count in found["faults"].values()) and len(found["faults"]) == 8


@pytest.mark.parametrize("name", ["Checksums.record", "Checksums.begin"])
def test_a_full_disk_while_a_gallery_is_made_is_said_of_its_name(
    tmp_path, table, monkeypatch, name
):
    def full(self, *names):
        with disk_faults(self.path):
            raise OSError(errno.ENOSPC, "full")

    table, made = table(), tmp_path / "made"
    monkeypatch.setattr(f"sfumato.gallery._checksums.{name}", full)
    with pytest.raises(StorageError) as error:
        Gallery.create(made, table)
    assert str(error.value).startswith(f"{made}/checksums.json: the disk is full")
    assert not made.exists() and not (tmp_path / ".sfumato-staging").exists()


def test_lancedbs_words_for_a_full_disk_are_not_said_when_a_gallery_is_made(
    tmp_path, table, monkeypatch
):
    def full(*arguments):
        raise RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)")

    table = table()
    monkeypatch.setattr("sfumato.gallery._folder.Store", full)
    with pytest.raises(StorageError, match="made: the disk is full"):
        Gallery.create(tmp_path / "made", table)
