"""What the newest version of a LanceDB table names: read by hand, so held against LanceDB."""

import numpy as np
import pyarrow as pa
import pytest

lancedb = pytest.importorskip("lancedb", reason="needs the extra gallery")

from sfumato.errors import InputError  # noqa: E402
from sfumato.gallery import _manifest  # noqa: E402
from sfumato.gallery._manifest import Manifests, newest_name, read_manifest  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    table = lancedb.connect(tmp_path).create_table("t", pa.table({"a": np.arange(100)}))
    table.delete("a < 10")  # so that it has flags
    return tmp_path / "t.lance"


def test_it_names_every_file_of_a_table_that_was_written_once(folder):
    found = read_manifest(folder)
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    older = {name for name in there - found.files if name.startswith(("_versions", "_trans"))}
    assert found.files <= there and there - found.files == older
    assert found.unfinished == (0,) and found.cut_short(folder) is None


def test_features_that_are_unknown_are_refused_and_nothing_is_given_up(folder, monkeypatch):
    monkeypatch.setattr(_manifest, "KNOWN_FLAGS", 0)
    with pytest.raises(InputError, match=f"{newest_name(folder)}: has features of a newer"):
        read_manifest(folder)


def test_a_manifest_is_read_once_and_a_newer_or_changed_one_anew(folder, monkeypatch):
    read = []
    monkeypatch.setattr(
        _manifest, "read_manifest", lambda *a: [read.append(a[1]), read_manifest(*a)][1]
    )
    manifests, first = Manifests(folder), newest_name(folder)
    assert manifests.read() == manifests.read(first) == read_manifest(folder)
    assert read == [first]
    lancedb.connect(folder.parent).open_table("t").delete("a < 20")
    second = newest_name(folder)
    assert manifests.read() == read_manifest(folder) and read == [first, second]
    path = folder / second
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(_manifest.BrokenManifestError):
        manifests.read()
