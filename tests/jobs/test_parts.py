"""The parts that a job is cut into: all rows once, in order."""

import json

import pyarrow as pa
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.tables import IMAGE, write_table
from sfumato.faces.sources import open_source
from sfumato.jobs.parts import Part, PartReader, photo_parts, table_parts

# Of the table in conftest.py.
GROUPS, ROWS = 5, 40


def test_parts_are_whole_row_groups_and_plain_values(table, tmp_path):
    parts = table_parts(table, ROWS + 1)
    assert [part.n_rows for part in parts] == [80, 80, 40]
    assert [g for part in parts for g in part.groups] == [(0, n) for n in range(GROUPS)]
    assert [Part.read(json.loads(json.dumps(vars(part)))) for part in parts] == parts
    for name in "cab":
        (tmp_path / f"{name}.jpg").touch()
    parts = photo_parts(open_source(tmp_path), 2)
    assert [part.ids for part in parts] == [("a.jpg", "b.jpg"), ("c.jpg",)]


@pytest.mark.parametrize("part_rows", [1, 3, 7, 100])
def test_parts_of_a_tables_photos_are_all_of_them_once(part_rows, tmp_path):
    names, start = [], 0
    batches = []
    for n_rows in (5, 1, 7):
        own = [f"p{n}" for n in range(start, start + n_rows)]
        images = pa.array([{"bytes": b"x", "path": n} for n in own], IMAGE)
        columns = [pa.array(own), images]
        batches.append(pa.RecordBatch.from_arrays(columns, names=["image_id", "image"]))
        names, start = names + own, start + n_rows
    write_table(tmp_path / "t.parquet", batches, batches[0].schema, TableInfo())
    source = open_source(tmp_path / "t.parquet")
    parts = photo_parts(source, part_rows)
    assert [Part.read(json.loads(json.dumps(vars(part)))) for part in parts] == parts
    reader = PartReader(source, 2)
    found = [[n for b in reader.batches(part) for n in b.ids] for part in parts]
    # Another reader meets them in another order, and leaves some out.
    other = PartReader(source, 2)
    for part in (*parts[::2], *parts[::-1]):
        assert [n for b in other.batches(part) for n in b.ids] == found[part.number]
    assert [len(own) for own in found] == [part.n_rows for part in parts]
    assert all(0 < len(own) <= part_rows for own in found)
    assert [name for own in found for name in own] == names


@pytest.mark.parametrize("n_photos", [40, 300, 2000])
def test_parts_of_photos_shrink_towards_the_end(n_photos, tmp_path):
    files = [f"{n}.jpg" for n in range(n_photos)]
    (tmp_path / "list.txt").write_text("\n".join(files))
    parts = photo_parts(open_source(tmp_path / "list.txt"), 256)
    sizes = [part.n_rows for part in parts]
    assert [name for part in parts for name in part.ids] == files
    assert sizes == sorted(sizes, reverse=True) and max(sizes) <= 256
    # A fourth of what is left at most, by hand for 300: 75, 56 of 225, 42 of 169, 32 of 127, ...
    assert n_photos != 300 or sizes == [75, 56, 42, 32, 32, 32, 31]
    assert sizes[-1] <= 32
