"""``sfumato protect`` of photos: options, exit codes, JSON alone on stdout, the check."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from sfumato.cli import app, commands, output  # noqa: F401  (registers every command)
from sfumato.cli.pictures import print_check, read_hide, read_keep
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.faces.photos import read_photo
from sfumato.jobs import protect_files
from sfumato.models import files, registry, save

Image = pytest.importorskip("PIL.Image", reason="needs the extra faces")


@pytest.fixture
def call(brighten, monkeypatch, tmp_path):
    """Return a function that runs ``sfumato protect`` with a saved fake perturber."""
    monkeypatch.setitem(registry.PERTURBERS, "brighten", "brighten:BrightenPerturber")
    monkeypatch.setattr(protect_files, "make_detector", lambda spec, **_: brighten.RedDetector())
    save(brighten.BrightenPerturber().fit(), tmp_path / "model")

    def run(*arguments, perturber=tmp_path / "model", checked=False, at_random=False):
        arguments = ["protect", *map(str, arguments), "--detector", "mtcnn", "--workers", "1"]
        # A face of red squares shows no reader anything.
        arguments += [] if checked else ["--no-check"]
        arguments += [] if at_random else ["--opposite"]
        if perturber is not None:
            arguments += ["--perturber", str(perturber)]
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, InputError):
            raise done.exception
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


@pytest.fixture
def photo(photo_of, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(photo_of((40, 60, 80), (220, 120, 50))).save(path)
    return path


def test_protect_a_photo(call, photo, tmp_path):
    done = call(photo, "--hide", "gender=male,age=old", "--face", "0", "-o", tmp_path / "b.png")
    assert done.exit_code == 0
    assert "b.png: 1 face changed; not checked; --check asks readers." in done.stdout
    assert "hidden" not in done.stdout
    # One class further for gender, two for age: three steps of 51; red was 200.
    before, after = read_photo(photo), read_photo(tmp_path / "b.png")
    np.testing.assert_array_equal(after[100, 80], [255, 173, 173])
    np.testing.assert_array_equal(after[110:, 209:], before[110:, 209:])
    with pytest.raises(InputError, match="exists already"):
        call(photo, "--hide", "gender", "-o", tmp_path / "b.png")
    assert call(photo, "--hide", "gender", "-o", tmp_path / "b.png", "--force").exit_code == 0


def test_what_a_face_shows_can_be_said(call, photo, tmp_path):
    # Read as female, young; told that it is male, the other class is one step back.
    arguments = (photo, "--hide", "gender", "--labels")
    assert call(*arguments, "gender=male", "-o", tmp_path / "b.png").exit_code == 0
    np.testing.assert_array_equal(read_photo(tmp_path / "b.png")[100, 80], [149, 0, 0])
    for said, wrong in {
        "gender=man": "labels: gender must be one of female, male, got 'man'",
        "hair=long": "labels: attribute must be one of gender, age, got 'hair'",
        "gender": "--labels must say what gender is",
        "gender=male,gender=female": "--labels names gender twice",
    }.items():
        with pytest.raises(InputError, match=wrong):
            call(*arguments, said, "-o", tmp_path / "c.png")


def test_what_to_know_of_changed_pictures_is_told(call, brighten, photo, tmp_path, monkeypatch):
    line = (photo, "--hide", "gender", "--force", "-o", tmp_path / "b.png")
    said = call(*line).stderr
    assert "Calibrate a matcher's threshold on protected pictures" in said
    monkeypatch.setattr(brighten.BrightenPerturber, "opponents", ("pixels", "dlib"))
    told = "The readers pixels and dlib and dlib's matcher took part in the search"
    assert told in call(*line, checked=True).stderr
    assert told not in call(*line).stderr


def test_the_class_is_drawn_where_none_is_named(call, photo_of, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(24):
        pixels = photo_of((40, 60, 80))
        pixels[0, 0] = number, 0, 0
        pixels[100, 80, 2] = number  # Another face: what is drawn depends on its pixels.
        Image.fromarray(pixels).save(folder / f"{number}.png")
    done = call(folder, "--hide", "gender", "-o", tmp_path / "out", "--json", at_random=True)
    photos = json.loads(done.stdout)["photos"]
    # All show female: those that drew it stay as they are, which is nothing left undone.
    kept = [face for photo in photos for face in photo["skipped"]]
    changed = [face["drawn"] for photo in photos for face in photo["faces"]]
    assert done.exit_code == 0 and all(face["by_chance"] for face in kept)
    assert all(drawn == {"gender": "male"} for drawn in changed)
    assert len(kept) + len(changed) == 24 and kept and changed  # But once in 2 ** 23.


def test_how_much_is_said(brighten, call, photo, monkeypatch, tmp_path):
    arguments = (photo, "--hide", "gender", "-o", tmp_path / "b.png", "--strength")
    with pytest.raises(InputError, match="BrightenPerturber has no strength that can be set"):
        call(*arguments, "0.4")
    monkeypatch.setattr(brighten.BrightenPerturber, "scaled_by", "by")
    with pytest.raises(InputError, match=r"strength must be a number in \(0, 1\] for .* got 2"):
        call(*arguments, "2")
    assert call(*arguments, "0.4").exit_code == 0
    # 0.4 is 102 steps, where 0.2 was saved; green was 20.
    change = read_photo(tmp_path / "b.png")[100, 80].astype(int) - read_photo(photo)[100, 80]
    assert change[1] == change[2] == 102


def test_protect_a_folder_as_json(call, photo, photo_of, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.rename(folder / "a.png")
    Image.fromarray(photo_of((40, 60, 80), (220, 120, 31))).save(folder / "b.png")
    (folder / "c.jpg").write_bytes(b"")
    done = call(folder, "--hide", "gender", "-o", tmp_path / "out", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1 and found["hide"] == {"gender": None}
    assert [p["image_id"] for p in found["photos"]] == ["a.png", "b.png"]
    assert found["rejects"] == [{"image_id": "c.jpg", "reason": "the file is empty"}]
    assert "c.jpg: the file is empty" in done.stderr
    assert "b.png: face 1 stays as it was: the face is 31 pixels wide" in done.stderr


def test_metadata_left_out_are_named(call, photo, tmp_path):
    exif = Image.Exif()
    exif[0x8769] = {0x927C: b"a note of the maker"}
    with Image.open(photo) as image:
        image.save(tmp_path / "c.jpg", quality=95, exif=exif)
    out = tmp_path / "d.jpg"
    done = call(tmp_path / "c.jpg", "--hide", "gender", "--keep-metadata", "-o", out)
    assert done.exit_code == 0 and "c.jpg: the maker's note is left out" in done.stderr


@pytest.mark.parametrize("command", ["perturb", "protect", "batch protect privacynet"])
def test_race_asks_for_its_own_flag(photo, tmp_path, command):
    target = tmp_path / ("folder" if "batch" in command else "b.png")
    source = tmp_path if "batch" in command else photo
    line = [*command.split(), source, "--hide", "gender,race", "-o", target]
    done = CliRunner().invoke(app, [str(part) for part in line])
    assert isinstance(done.exception, InputError) and "--allow-race" in str(done.exception)
    assert not target.exists()


def test_bad_options(call, photo, tmp_path, monkeypatch):
    out = ("-o", tmp_path / "b.png")
    with pytest.raises(InputError, match="give --hide, such as --hide gender,age"):
        call(photo, *out)
    with pytest.raises(InputError, match="cannot hide or keep 'race'; .* are gender, age"):
        call(photo, "--hide", "gender", "--keep", "race", *out)
    eraser = tmp_path / "eraser"
    save(LeaceEraser().fit(np.eye(4), ["f", "m", "f", "m"]), eraser)
    with pytest.raises(InputError, match="--hide, --face: for photos only"):
        call(eraser, "table.parquet", "--hide", "gender", "--face", "0", *out, perturber=None)
    with pytest.raises(InputError, match="--perturber: for photos only"):
        call(eraser, "table.parquet", *out)
    model = tmp_path / "model"
    with pytest.raises(InputError, match="--face: for photo files only"):
        call(model, "table.parquet", "--hide", "gender", "--face", "0", *out, perturber=None)
    monkeypatch.setitem(files.FOLDERS, "perturber", tmp_path / "none")
    with pytest.raises(InputError, match="soft: no such file"):
        call(photo, "--hide", "gender", *out, perturber=None)


def test_hide_and_keep_are_lists():
    assert read_hide("gender, age=old") == {"gender": None, "age": "old"}
    assert read_keep("race,age ") == ["race", "age"] and read_keep(None) == []
    for bad in ("", "gender,", "=old", "age="):
        with pytest.raises(InputError, match="--hide takes attributes"):
            read_hide(bad)
    with pytest.raises(InputError, match="age twice"):
        read_hide("age,age=old")
    with pytest.raises(InputError, match="--keep takes attributes"):
        read_keep("race,,age")


def test_a_check_is_a_table(capsys, monkeypatch):
    monkeypatch.setattr(output.results, "width", 160)
    said = {"label": "female", "probability": 0.98}, {"label": "male", "probability": 0.61}
    years = {"years": 30, "low": 24, "high": 37}, {"years": 52, "low": 40, "high": 60}
    match = {
        "encoder": "dlib-resnet / 1",
        "metric": "euclidean",
        "score": -0.4123,
        "threshold": -0.541,
        "fmr": 1e-3,
        "accepted": True,
    }
    readings = {
        "gender": dict(zip(("before", "after"), said, strict=True)),
        "age_years": dict(zip(("before", "after"), years, strict=True)),
    }
    check = {"readings": {"dlib": readings}, "match": match, "ssim": 0.91234, "psnr_db": 31.26}
    print_check([("a.png", {"face": 0, "check": check})])
    shown = " ".join(capsys.readouterr().out.split())
    for piece in ("female 0.98", "male 0.61", "30 (24-37)", "52 (40-60)", "accepted, -0.412"):
        assert piece in shown, piece
    assert "SSIM 0.912, 31.3 dB" in shown


def test_check_of_a_real_face(call, shared, tmp_path, brighten, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    for module in ("dlib", "onnxruntime", "face_recognition_models"):
        pytest.importorskip(module, reason="needs the extra faces")
    table = pq.ParquetFile(shared("data/lfw.parquet")).read_row_group(0, columns=["image"])
    row = table.slice(0, 1).to_pylist()[0]
    (tmp_path / "f.webp").write_bytes(row["image"]["bytes"])
    monkeypatch.undo()
    model = tmp_path / "model"
    monkeypatch.setitem(registry.PERTURBERS, "brighten", "brighten:BrightenPerturber")
    arguments = ["protect", tmp_path / "f.webp", "--hide", "gender", "--perturber", model]
    arguments += ["--opposite"]
    arguments += ["-o", tmp_path / "g.png", "--json", "--workers", "1"]
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 1, done.output
    assert "AI Act" in done.stderr
    found = json.loads(done.stdout)
    (face,) = found["photos"][0]["faces"]
    check = face["check"]
    assert {"gender", "age_years"} <= set(check["readings"]["dlib"])
    # Light alone hides neither gender nor person.
    said = check["readings"]["dlib"]["gender"]
    assert said["before"]["label"] == said["after"]["label"]
    assert face["verdict"]["hide"]["gender"]["still"] == ["dlib", "pixels"]
    assert not found["complete"] and found["verdict"]["hide"]["gender"]["n_failed"] == 1
    assert check["match"]["accepted"] and check["match"]["fmr"] == 1e-3
    assert 0.5 < check["ssim"] < 1 and 10 < check["psnr_db"] < 30


def test_protect_by_the_name_of_one_that_comes_along(call, brighten, photo, monkeypatch, tmp_path):
    monkeypatch.setitem(files.FOLDERS, "perturber", tmp_path)
    save(brighten.BrightenPerturber(by=0.1).fit(), tmp_path / "light.safetensors")
    out = tmp_path / "b.png"
    assert call(photo, "--hide", "gender=male", "-o", out, perturber="light").exit_code == 0
    assert read_photo(out)[100, 80].tolist() != read_photo(photo)[100, 80].tolist()
    with pytest.raises(
        InputError, match=r"dark: no such file, nor a bundled .* \(perturbers: light\)"
    ):
        call(photo, "--hide", "gender", "-o", tmp_path / "c.png", perturber="dark")


def test_no_success_where_nothing_was_written(call, photo_of, tmp_path):
    Image.fromarray(photo_of()).save(tmp_path / "none.png")
    done = call(tmp_path / "none.png", "--hide", "gender", "-o", tmp_path / "b.png")
    assert done.exit_code == 1 and done.stdout == "" and not (tmp_path / "b.png").exists()
    assert "b.png: nothing was written." in done.stderr
    assert "none.png: no face found" in done.stderr


def test_what_lies_beside_photos_is_told(call, photo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.rename(folder / "[bold]a.jpg_large")
    (folder / "a.json").write_text("{}")
    done = call(folder, "--hide", "gender", "-o", tmp_path / "out")
    assert done.exit_code == 0 and "left out: 1 x text: a.json" in done.stderr
    assert (tmp_path / "out" / "[bold]a.jpg_large.png").exists()
    (folder / "m.mov").write_bytes(b"\0\0\0\x14ftypqt  ")
    done = call(folder, "--hide", "gender", "-o", tmp_path / "out2")
    assert done.exit_code == 1 and "left out: 1 x video: m.mov" in done.stderr
