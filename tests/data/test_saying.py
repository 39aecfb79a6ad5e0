"""A face table tells in one line what it holds."""

import pyarrow as pa
import pyarrow.parquet as pq

from sfumato.data.simulate import write_simulated
from sfumato.data.tables import FaceTable


def test_a_table_tells_its_rows_space_and_labels(tmp_path):
    write_simulated(tmp_path / "people.parquet", 600, 2)
    said = repr(FaceTable(tmp_path / "people.parquet"))
    assert said.startswith("<FaceTable people.parquet: 1,200 rows; embeddings of ")
    assert said.endswith(">") and "cosine; identity; labels gender" in said


def test_a_table_of_many_or_odd_columns_is_still_one_short_line(tmp_path):
    columns = {"image_id": ["a"]} | {f"label{n}": ["x"] for n in range(31)}
    path = tmp_path / "odd\n.parquet"
    pq.write_table(pa.table(columns), path)
    said = repr(FaceTable(path))
    assert said == (
        "<FaceTable odd\\n.parquet: 1 rows; labels label0, label1, label2, label3, label4, "
        "label5, label6, label7 and 23 more>"
    )
    pq.write_table(pa.table({"image_id": ["a"]}), tmp_path / "ids.parquet")
    said = repr(FaceTable(tmp_path / "ids.parquet"))
    assert said == "<FaceTable ids.parquet: 1 rows; no labels>"
