"""Every layout goes in whole, bad rows come out with their reason."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sfumato.data.importers import IMPORTERS, import_faces, import_lfw
from sfumato.data.importers.celeba import ATTRIBUTES
from sfumato.data.tables import FaceTable
from sfumato.errors import InputError

JPEG = b"\xff\xd8\xff\xe0 a small photo"


def put(root, *names, content=JPEG):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def rows(path):
    return {row["image_id"]: row for row in pq.read_table(path).to_pylist()}


def reasons(done):
    return [] if done.rejects is None else pq.read_table(done.rejects).to_pylist()


def test_folder_takes_the_folder_as_identity_and_links(tmp_path):
    root = tmp_path / "faces"
    put(root, "ann/1.jpg", "ann/2.PNG", "team/bob/1.webp", "lost.jpg", "ann/.hidden.jpg")
    put(root, "ann/notes.txt", content=b"no photo")
    put(root, "bob/empty.jpg", content=b"")
    put(root, "bob/text.jpg", content=b"hello, no photo here")
    put(root, "bob/sound.webp", content=b"RIFF1234WAVEfmt ")
    put(root, "bob/still.webp", content=b"RIFF1234WEBPVP8 ")
    done = import_faces("folder", root, tmp_path / "t.parquet")
    found = rows(done.output)
    assert {k: v["identity"] for k, v in found.items()} == {
        "ann/1.jpg": "ann",
        "ann/2.PNG": "ann",
        "team/bob/1.webp": "team/bob",
        "bob/still.webp": "bob",
    }
    path = found["ann/1.jpg"]["image"]["path"]
    assert found["ann/1.jpg"]["image"]["bytes"] is None and Path(path).read_bytes() == JPEG
    assert done.rejects == tmp_path / "t.rejects.parquet" and done.n_rejects == 4
    assert {(r["image_id"], r["reason"]) for r in reasons(done)} == {
        ("lost.jpg", "lies in no person's folder"),
        ("bob/empty.jpg", "the file is empty"),
        ("bob/text.jpg", "not a JPEG, PNG, WebP or BMP image"),
        ("bob/sound.webp", "not a JPEG, PNG, WebP or BMP image"),
    }
    assert FaceTable(done.output).check().info.source == "faces"


def test_copied_images_hold_the_bytes_and_no_path_of_this_machine(tmp_path):
    put(tmp_path / "f", "ann/1.jpg")
    done = import_faces("folder", tmp_path / "f", tmp_path / "t.parquet", {"copy_images": True})
    assert rows(done.output)["ann/1.jpg"]["image"] == {"bytes": JPEG, "path": "ann/1.jpg"}
    assert str(tmp_path).encode() not in done.output.read_bytes()


def test_many_bytes_make_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("sfumato.data.importers._writing.BATCH_BYTES", 2 * len(JPEG))
    put(tmp_path / "f", *(f"ann/{i}.jpg" for i in range(5)))
    calls = []
    done = import_faces(
        "folder",
        tmp_path / "f",
        tmp_path / "t.parquet",
        {"copy_images": True, "progress": lambda *seen: calls.append(seen[:2])},
    )
    assert calls == [(2, None), (4, None), (5, 5)] and done.n_rows == 5
    assert pq.ParquetFile(done.output).num_row_groups == 3


@pytest.mark.parametrize("inner", [True, False])
def test_lfw_with_and_without_its_outer_folder(tmp_path, inner):
    people = tmp_path / "lfw"
    put(people, "Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bo/Bo_0001.jpg")
    put(people, "Cy/Cy_0001.jpg", "Cy/Bo_0002.jpg", "Cy/Cy.jpg")
    (tmp_path / "female_names.txt").write_text("Ann_Lee_0001.jpg\nAnn_Lee_0002.jpg\nCy_0001.jpg\n")
    (tmp_path / "male_names.txt").write_text("Bo_0001.jpg\n\nCy_0001.jpg\n")
    done = import_faces("lfw", people if inner else tmp_path, tmp_path / "t.parquet")
    found = {k: (v["identity"], v["gender"]) for k, v in rows(done.output).items()}
    assert found == {
        "Ann_Lee_0001": ("Ann_Lee", "female"),
        "Ann_Lee_0002": ("Ann_Lee", "female"),
        "Bo_0001": ("Bo", "male"),
        "Cy_0001": ("Cy", None),  # on both lists
    }
    assert {r["path"] for r in reasons(done)} == {"Cy/Bo_0002.jpg", "Cy/Cy.jpg"}
    assert FaceTable(done.output).info.source == "lfw"


def test_lfw_without_lists_has_no_gender(tmp_path):
    put(tmp_path / "lfw", "Bo/Bo_0001.jpg")
    done = import_faces("lfw", tmp_path, tmp_path / "t.parquet")
    assert FaceTable(done.output).label_columns == [] and done.n_rejects == 0
    assert done.rejects is None and not (tmp_path / "t.rejects.parquet").exists()


def test_utkface_names(tmp_path):
    root = tmp_path / "utk"
    put(root, "25_0_2_20170116174525125.jpg.chip.jpg", "part1/116_1_4_20170112213500903.jpg")
    put(root, "39_1_20170116174525125.jpg", "200_1_1_2017.jpg", "5_2_1_2017.jpg", "5_1_7_2017.jpg")
    done = import_faces("utkface", root, tmp_path / "t.parquet")
    found = rows(done.output)
    first = found["25_0_2_20170116174525125"]
    assert (first["age_years"], first["gender"], first["race"]) == (25, "male", "asian")
    other = found["116_1_4_20170112213500903"]
    assert (other["age_years"], other["gender"], other["race"]) == (116, "female", "other")
    assert "identity" not in first and done.n_rejects == 4


def diveface(root, below=""):
    for group in (1, 2, 3):
        for gender in ("Male", "Female"):
            person = f"{group}{gender[0]}@N01"
            lines = f"{person}/1.jpg\n{person}/2.jpg\n"
            (root / below).mkdir(parents=True, exist_ok=True)
            (root / below / f"Group{group}_{gender}.txt").write_text(lines)
            yield f"Group{group}_{gender}", person


@pytest.mark.parametrize("lists", ["", "files"])
@pytest.mark.parametrize("grouped", [True, False])
def test_diveface_lists(tmp_path, lists, grouped):
    root = tmp_path / "dive"
    for name, person in diveface(root, lists):
        put(root / name if grouped else root, f"{person}/1.jpg", f"{person}/2.jpg")
    done = import_faces("diveface", root, tmp_path / "t.parquet")
    found = rows(done.output)
    assert done.n_rows == 12 and done.n_rejects == 0
    picked = found["2F@N01/2.jpg"]
    assert (picked["identity"], picked["gender"]) == ("2F@N01", "female")
    assert picked["race"] == "sub_saharan_or_south_indian"
    assert {r["race"] for r in found.values() if r["identity"][0] == "1"} == {"east_asian"}
    assert {r["gender"] for r in found.values() if r["identity"][1] == "M"} == {"male"}


def test_diveface_rejects_what_is_missing_and_what_leaves_the_folder(tmp_path):
    root, images = tmp_path / "dive", tmp_path / "mega"
    for _, person in diveface(root):
        put(images, f"{person}/1.jpg")
    (root / "Group3_Male.txt").write_text("../secret.jpg\nnobody\n3M@N01/1.jpg\n3M@N01/1.jpg\n")
    done = import_faces("diveface", root, tmp_path / "t.parquet", {"images": images})
    assert done.n_rows == 6
    assert sorted(r["reason"] for r in reasons(done)) == [
        "Group3_Male.txt: is not person/photo.jpg",
        "Group3_Male.txt: is not person/photo.jpg",
        "image_id is already used in an earlier row",
        *["no such file"] * 5,
    ]
    (root / "Group2_Female.txt").unlink()
    with pytest.raises(InputError, match="has no list Group2_Female.txt"):
        import_faces("diveface", root, tmp_path / "u.parquet")
    (root / "Group2_Female_balanced.txt").write_text("2F@N01/1.jpg\n")
    assert import_faces("diveface", root, tmp_path / "u.parquet", {"images": images}).n_rows == 6


def celeba(root, lines, names=ATTRIBUTES, anno="", suffix=".jpg"):
    (root / anno).mkdir(parents=True, exist_ok=True)
    text = f"{len(lines)}\n{' '.join(names)} \n" + "".join(f"{line}\n" for line in lines)
    (root / anno / "list_attr_celeba.txt").write_text(text)
    for line in lines:
        put(root / "img_align_celeba", line.split()[0].replace(".jpg", suffix))
    return root


@pytest.mark.parametrize("anno", ["", "Anno"])
def test_celeba_attributes_identity_and_partition(tmp_path, anno):
    signs = ["-1"] * 40
    signs[ATTRIBUTES.index("Male")] = signs[ATTRIBUTES.index("Smiling")] = " 1"
    root = celeba(
        tmp_path / "c",
        ["000001.jpg " + " ".join(signs), "000002.jpg " + " ".join(["-1"] * 40)],
        anno=anno,
        suffix=".png",
    )
    (root / anno / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 7\n")
    (root / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 2\n")
    done = import_faces("celeba", root, tmp_path / "t.parquet")
    first, second = rows(done.output).values()
    assert first["image_id"] == "000001" and first["identity"] == "2880"
    assert (first["gender"], first["smiling"], first["young"]) == ("male", True, False)
    assert (first["partition"], second["partition"]) == ("train", "test")
    assert second["gender"] == "female" and "male" not in second
    assert first["image"]["path"].endswith("000001.png")
    assert len(FaceTable(done.output).label_columns) == 41


def test_celeba_bad_rows(tmp_path):
    root = celeba(
        tmp_path / "c",
        ["1.jpg 1 -1", "2.jpg 1", "3.jpg 1 0", "4.jpg 1 1", "5.jpg 1 1", "6.jpg 1 1", "7.jpg 1 1"],
        names=["Male", "Young"],
    )
    (root / "identity_CelebA.txt").write_text(
        "".join(f"{i}.jpg {i}\n" for i in (1, 2, 3, 5, 6, 7))
    )
    (root / "list_eval_partition.txt").write_text("1.jpg 0\n2.jpg 0\n3.jpg 1\n5.jpg 5\n7.jpg 1\n")
    (root / "img_align_celeba" / "7.jpg").unlink()
    done = import_faces("celeba", root, tmp_path / "t.parquet")
    assert list(rows(done.output)) == ["1"]
    assert [r["reason"] for r in reasons(done)] == [
        "line 4 has 1 attributes instead of 2",
        "line 5 has the attribute value '0', not 1 or -1",
        "line 6 has no identity in identity_CelebA.txt",
        "line 7 has no partition 0, 1 or 2 in list_eval_partition.txt",
        "line 8 has no partition 0, 1 or 2 in list_eval_partition.txt",
        "no such file",
    ]


def test_celeba_unknown_attribute_lists_the_known(tmp_path):
    root = celeba(tmp_path / "c", ["1.jpg 1 1"], names=["Male", "Happy"])
    with pytest.raises(InputError, match=r"line 2: unknown attribute 'Happy'.*Smiling"):
        import_faces("celeba", root, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="has no list_attr_celeba.txt"):
        import_faces("celeba", tmp_path, tmp_path / "t.parquet")
    assert len(ATTRIBUTES) == len(set(ATTRIBUTES)) == 40


def test_celeba_broken_lists(tmp_path):
    root = celeba(tmp_path / "c", ["1.jpg 1 1"], names=["Male", "Male"])
    with pytest.raises(InputError, match="names an attribute twice"):
        import_faces("celeba", root, tmp_path / "t.parquet")
    root = celeba(tmp_path / "c", ["1.jpg 1"], names=["Male"])
    (root / "identity_CelebA.txt").write_text("1.jpg 1 1\n")
    with pytest.raises(InputError, match=r"identity_CelebA.txt, line 1: must read"):
        import_faces("celeba", root, tmp_path / "t.parquet")


def test_existing_files_stay_without_force(tmp_path):
    put(tmp_path / "f", "ann/1.jpg", "lost.jpg")
    output = tmp_path / "t.parquet"
    import_faces("folder", tmp_path / "f", output)
    before = output.read_bytes()
    put(tmp_path / "f", "ann/2.jpg")
    with pytest.raises(InputError, match="exists already"):
        import_faces("folder", tmp_path / "f", output)
    assert output.read_bytes() == before
    (tmp_path / "f" / "lost.jpg").unlink()
    done = import_faces("folder", tmp_path / "f", output, {"force": True})
    # The rejects of the earlier import are gone: they are not this table's.
    assert done.n_rows == 2 and not (tmp_path / "t.rejects.parquet").exists()
    (tmp_path / "u.rejects.parquet").write_bytes(b"mine")
    with pytest.raises(InputError, match="u.rejects.parquet exists already"):
        import_faces("folder", tmp_path / "f", tmp_path / "u.parquet")


@pytest.mark.parametrize("layout", ["folder", "lfw", "utkface", "diveface", "celeba"])
def test_missing_folder(tmp_path, layout):
    with pytest.raises(InputError, match="no such folder"):
        import_faces(layout, tmp_path / "none", tmp_path / "t.parquet")


def test_empty_folder_writes_nothing(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(InputError, match="no row to import"):
        import_faces("folder", tmp_path / "f", tmp_path / "t.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_unknown_layouts_and_options_list_the_known(tmp_path):
    with pytest.raises(InputError, match="layout must be one of arrays, celeba, csv"):
        import_faces("morph", tmp_path, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="layout lfw has no option prefix; it has copy_images"):
        import_faces("lfw", tmp_path, tmp_path / "t.parquet", {"prefix": "e"})
    assert sorted(IMPORTERS) == list(IMPORTERS)


@pytest.mark.parametrize("name", ["lfw", "utkface", "jaffe", "ckplus48", "celeba-0"])
def test_shared_tables_open_as_face_tables(shared, name):
    table = FaceTable(shared(f"data/{name}.parquet")).check()
    assert table.n_rows > 200 and table.label_columns and table.info.source is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_with_a_byte_order_mark_are_read(tmp_path, encoding):
    folder = tmp_path / "lfw" / "Ann"
    folder.mkdir(parents=True)
    (folder / "Ann_0001.jpg").write_bytes(JPEG)
    (tmp_path / "lfw" / "female_names.txt").write_text("Ann_0001.jpg\n", encoding=encoding)
    (tmp_path / "lfw" / "male_names.txt").write_text("", encoding=encoding)
    import_lfw(tmp_path, tmp_path / "t.parquet")
    assert FaceTable(tmp_path / "t.parquet").column("gender").tolist() == ["female"]
