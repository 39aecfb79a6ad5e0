from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sfumato.data.pairs import join_pairs, read_pairs
from sfumato.errors import InputError

IDS = ["ann1", "ann2", "bob1", "bob2", "cat1"]
PEOPLE = ["ann", "ann", "bob", "bob", "cat"]
COLUMNS = {
    "image_a": ["ann1", "ann1", "bob2", "dan1"],
    "image_b": ["ann2", "bob1", "bob1", "ann1"],
    "genuine": [True, False, True, False],
    "view": ["view1", "view2", "view2", "view2"],
    "split": ["train", "fold0", "fold1", "fold1"],
}


def write(folder, columns, suffix=".parquet"):
    path = folder / f"pairs{suffix}"
    table = pa.table(columns)
    if suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


def without(*names):
    return {name: values for name, values in COLUMNS.items() if name not in names}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_reads_a_table_and_selects_the_last_view(tmp_path, suffix):
    pairs = read_pairs(write(tmp_path, COLUMNS, suffix))
    assert pairs.genuine.tolist() == COLUMNS["genuine"]
    assert pairs.select().image_a.tolist() == ["ann1", "bob2", "dan1"]
    assert pairs.select("view1").split.tolist() == ["train"]
    with pytest.raises(InputError, match="no view 'view3'; it has: view1, view2"):
        pairs.select("view3")


def test_numbers_as_ids_and_ones_as_genuine(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("image_a,image_b,genuine\n007,008,1\n007,009,0\n")
    pairs = read_pairs(path)
    assert pairs.image_a.tolist() == ["007", "007"] and pairs.genuine.tolist() == [True, False]
    assert pairs.select() is pairs


def test_joins_by_image_id_and_counts_the_missing(tmp_path):
    found = join_pairs(read_pairs(write(tmp_path, COLUMNS)).select(), IDS, PEOPLE)
    assert (found.a.tolist(), found.b.tolist()) == ([0, 3], [2, 2])
    assert found.genuine.tolist() == [False, True]
    assert (found.n_missing, found.view) == (1, "view2")
    assert found.split.tolist() == ["fold0", "fold1"]


def test_genuine_comes_from_identity_when_absent(tmp_path):
    pairs = read_pairs(write(tmp_path, without("genuine")))
    assert join_pairs(pairs, IDS, PEOPLE).genuine.tolist() == [True, False, True]
    with pytest.raises(InputError, match="needs a column genuine"):
        join_pairs(pairs, IDS)


def test_people_come_from_genuine_pairs_when_absent(tmp_path):
    found = join_pairs(read_pairs(write(tmp_path, COLUMNS)), IDS)
    code = found.identity
    assert code[0] == code[1] and code[2] == code[3] and len({*code.tolist()}) == 3


def test_reads_lfw_view_2(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("2\t1\nAnn_Lee\t1\t12\nBob\t3\tCat\t4\nDan\t1\t2\nEve\t5\tFay\t6\n")
    pairs = read_pairs(path)
    assert pairs.image_a.tolist() == ["Ann_Lee_0001", "Bob_0003", "Dan_0001", "Eve_0005"]
    assert pairs.image_b.tolist() == ["Ann_Lee_0012", "Cat_0004", "Dan_0002", "Fay_0006"]
    assert pairs.genuine.tolist() == [True, False, True, False]
    assert pairs.split.tolist() == ["fold0", "fold0", "fold1", "fold1"]
    assert set(pairs.view) == {"view2"}


@pytest.mark.parametrize("split", ["Train", "Test"])
def test_reads_lfw_view_1(tmp_path, split):
    path = tmp_path / f"pairsDev{split}.txt"
    path.write_text("1\nAnn\t1\t2\nBob\t3\tCat\t4\n")
    pairs = read_pairs(path)
    assert set(pairs.view) == {"view1"} and set(pairs.split) == {split.lower()}


def test_reads_the_real_protocol(shared):
    pairs = read_pairs(shared("data/lfw_pairs.parquet"))
    folds = pairs.select()
    assert folds.genuine.sum() == 3000 and np.unique(folds.split).size == 10
    assert pairs.select("view1").genuine.size == 3200


def test_refuses_files_that_are_no_pairs(tmp_path):
    cases = {
        "a.txt": ("hello\n", "line 1: expected the number"),
        "b.txt": ("1\nAnn 1 2\n", "line 1 promises 1 x 2 x 1 pairs, the file has 1"),
        "c.txt": ("1\nAnn 1 2\nBob x Cat 1\n", "line 3: expected 'name n m'"),
        "d.txt": ("", "line 1: expected the number"),
        "e.csv": ("image_a,image\nx,y\n", "need the columns image_a and image_b; it has image_a"),
        "f.csv": ("image_a,image_b,genuine\nx,y,maybe\n", "genuine must hold true/false or 1/0"),
        "g.csv": ("image_a,image_b,genuine\nx,y,2\n", "genuine must hold true/false or 1/0"),
        "h.csv": ("image_a,image_b\n", "holds no pairs"),
        "i.parquet": ("nonsense", "not readable"),
        "j.json": ("{}", "must be a .parquet, .csv or LFW .txt file"),
    }
    for name, (text, message) in cases.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_pairs(path)
    with pytest.raises(InputError, match="no such file"):
        read_pairs(tmp_path / "none.csv")


def test_refuses_an_empty_id(tmp_path):
    path = write(tmp_path, {"image_a": ["x", None], "image_b": ["x", "y"]})
    with pytest.raises(InputError, match="row 1: image_a is missing"):
        read_pairs(path)


def test_refuses_what_does_not_fit_the_table(tmp_path):
    pairs = read_pairs(write(tmp_path, COLUMNS))
    with pytest.raises(InputError, match="no pair has both images in the table, e.g. 'ann1'"):
        join_pairs(pairs, ["x", "y"])
    with pytest.raises(InputError, match="'ann1', 'ann2' has genuine=True, which contradicts"):
        join_pairs(pairs, IDS, ["ann", "ann?", "bob", "bob", "cat"])
    with pytest.raises(InputError, match="identity, row 3: missing"):
        join_pairs(pairs, IDS, ["ann", "ann", "bob", None, None])
    with pytest.raises(InputError, match="image_id must be unique"):
        join_pairs(pairs, [*IDS, "ann1"])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_ids_may_be_numbers(tmp_path, suffix):
    pairs = read_pairs(write(tmp_path, {"image_a": [0, 3], "image_b": [1, 20]}, suffix))
    found = join_pairs(pairs, np.arange(4.0), [7, 7.0, "7", "8"])
    assert (found.a.tolist(), found.b.tolist(), found.n_missing) == ([0], [1], 1)
    assert found.genuine.tolist() == [True]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_text_with_a_byte_order_mark_is_read(tmp_path, encoding):
    csv, lfw = tmp_path / "pairs.csv", tmp_path / "pairs.txt"
    csv.write_text("image_a,image_b\nä,b\n", encoding=encoding)
    lfw.write_text("1\nÄnn 1 2\nÄnn 1 Bob 1\n", encoding=encoding)
    assert read_pairs(csv).image_a.tolist() == ["ä"]
    assert read_pairs(lfw).image_b.tolist() == ["Änn_0002", "Bob_0001"]


def test_names_with_blanks_between_tabs(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("1\nAnn Lee\t1\t2\nAnn Lee\t1\tBob\t1\n")
    assert read_pairs(path).image_a.tolist() == ["Ann Lee_0001", "Ann Lee_0001"]


@pytest.mark.parametrize(
    "layout", ["{0}/{0}_{1:04d}.jpg", "{0}_{1:04d}.jpg", "{0}_{1:04d}", "lfw/{0}/{1}.jpg"]
)
def test_lfw_names_are_found_by_folder_and_number(tmp_path, layout):
    path = tmp_path / "pairs.txt"
    path.write_text("1\nAnn_Lee 1 12\nAnn_Lee 1 Bob_L. 3\n")
    images = [("Ann_Lee", 1), ("Ann_Lee", 12), ("Bob_L.", 3), ("Cat", 1)]
    ids = [layout.format(*image) for image in images] + ["odd", "Ann_Lee_"]
    found = join_pairs(read_pairs(path), ids)
    assert (found.a.tolist(), found.b.tolist(), found.n_missing) == ([0, 0], [1, 2], 0)


def test_lfw_names_that_two_images_have_are_refused(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("1\nAnn 1 2\nAnn 1 Bob 3\n")
    ids = ["a/Ann_0001.jpg", "b/Ann_0001.jpg", "Ann_0002", "Bob_0003"]
    with pytest.raises(InputError, match="'Ann_0001' may be 'a/Ann_0001.jpg' or 'b/Ann_0001"):
        join_pairs(read_pairs(path), ids)
    assert join_pairs(read_pairs(path), [*ids[:2], "Ann_0001", *ids[2:]]).a.tolist() == [2, 2]


def test_a_photo_with_itself_is_refused(tmp_path):
    columns = {"image_a": ["x", "i0"], "image_b": ["y", "i0"]}
    for suffix in (".csv", ".parquet"):
        with pytest.raises(InputError, match="row 1: pairs the photo 'i0' with itself; drop"):
            read_pairs(write(tmp_path, columns, suffix))
    path = tmp_path / "pairs.txt"
    path.write_text("1\nAnn 1 2\n\nBob 3 Bob 3\n")
    with pytest.raises(InputError, match="line 4: pairs the photo 'Bob_0003' with itself"):
        read_pairs(path)
    path.write_text("1\nAnn 1 2\nBob 3 Cat 3\n")
    pairs = read_pairs(path)
    own = replace(pairs, image_b=np.array([7.0, "Cat_0003"], object), image_a=["7", "Bob_0003"])
    with pytest.raises(InputError, match="pairs the photo '7' with itself"):
        join_pairs(replace(own, image_a=np.array(own.image_a, object)), ["7", "x"])


def test_a_pair_listed_again_counts_once(tmp_path):
    again = {
        "image_a": ["ann1", "bob1", "ann2", "ann1"],
        "image_b": ["ann2", "bob2", "ann1", "ann2"],
        "split": ["fold0", "fold0", "fold1", "fold1"],
    }
    found = join_pairs(read_pairs(write(tmp_path, again)), IDS, PEOPLE)
    assert (found.a.tolist(), found.b.tolist(), found.n_repeated) == ([0, 2], [1, 3], 2)
    assert found.split.tolist() == ["fold0", "fold0"]
    # Without identities a list may contradict itself.
    again["genuine"] = [True, True, False, True]
    with pytest.raises(InputError, match="'ann2', 'ann1' is listed as genuine and as not"):
        join_pairs(read_pairs(write(tmp_path, again)), IDS)


def test_whole_numbers_with_a_point_are_found(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("image_a,image_b,genuine\n7.0,8.0,1\n7.0,9.5,0\n")
    found = join_pairs(read_pairs(path), ["8", "7", "9.5"])
    assert (found.a.tolist(), found.b.tolist()) == ([1, 1], [0, 2])
    # A table that has such a name itself means that one.
    assert join_pairs(read_pairs(path), ["7.0", "7", "8", "9.5"]).a.tolist() == [0, 0]
