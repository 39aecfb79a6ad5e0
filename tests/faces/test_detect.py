"""Detectors on real faces: where faces are, whatever the size, the place and the padding."""

import pickle

import numpy as np
import pyarrow.parquet as pq
import pytest

from sfumato.errors import InputError
from sfumato.faces.align import hog_box
from sfumato.faces.detect import (
    DlibDetector,
    Face,
    MtcnnDetector,
    PaddedDetector,
    YunetDetector,
)
from sfumato.faces.detectors import CHOICES, make_detector
from sfumato.faces.encoders import DlibEncoder
from sfumato.faces.model_files import say_models
from sfumato.faces.photos import read_photo

cv2 = pytest.importorskip("cv2", reason="needs the extra faces")


@pytest.fixture(scope="module")
def photos(shared):
    table = pq.ParquetFile(shared("data/lfw.parquet")).read_row_group(0, columns=["image"])
    return [read_photo(row["image"]["bytes"]) for row in table.slice(0, 8).to_pylist()]


@pytest.fixture(scope="module")
def detectors(shared):
    pytest.importorskip("dlib", reason="needs the extra faces")
    pytest.importorskip("face_recognition_models", reason="needs the extra faces")
    yunet = YunetDetector(shared("models/yunet_n_640_640.onnx"))
    return {"dlib": DlibDetector(), "mtcnn": MtcnnDetector(), "yunet": yunet}


@pytest.fixture(params=["dlib", "mtcnn", "yunet"])
def detector(request, detectors):
    return detectors[request.param]


def test_landmarks_are_in_image_left_first_order(detector, photos):
    for photo in photos:
        face = detector.detect(photo)[0]
        left, top, right, bottom = face.box
        # LFW photos are centred on the face.
        assert left < 80 < right and top < 90 < bottom
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_hog_box_is_nearly_what_hog_itself_finds(detector, detectors, photos):
    for photo in photos:
        expected = np.array(detectors["dlib"].detect(photo)[0].box)
        found = np.array(hog_box(detector.detect(photo)[0].landmarks))
        assert np.abs(found - expected).max() < 0.2 * (expected[2] - expected[0])


def test_detectors_agree_on_the_landmarks(detectors, photos):
    for photo in photos:
        found = [detector.detect(photo)[0].landmarks for detector in detectors.values()]
        assert np.abs(np.diff(found, axis=0)).mean() < 4


def test_coordinates_follow_the_face(detector, photos):
    canvas = np.zeros((300, 400, 3), np.uint8)
    canvas[40:200, 150:310] = photos[0]
    alone, placed = detector.detect(photos[0])[0], detector.detect(canvas)[0]
    np.testing.assert_allclose(placed.landmarks - (150, 40), alone.landmarks, atol=5)
    large = cv2.resize(canvas, None, fx=6, fy=6, interpolation=cv2.INTER_LINEAR)
    scaled = detector.detect(large)[0]
    np.testing.assert_allclose(scaled.landmarks / 6, placed.landmarks, atol=5)


def test_tight_crops_are_found_outside_their_own_frame(detectors, photos):
    face = detectors["yunet"].detect(photos[0])[0]
    left, top, right, bottom = (round(value) for value in face.box)
    tight = photos[0][top + 8 : bottom - 4, left:right]
    found = detectors["yunet"].detect(tight)[0]
    assert found.box[1] < 0
    np.testing.assert_allclose(found.landmarks + (left, top + 8), face.landmarks, atol=5)


def test_the_largest_face_comes_first(detector, photos):
    canvas = np.zeros((340, 640, 3), np.uint8)
    canvas[:160, :160] = photos[0]
    canvas[:320, 300:620] = cv2.resize(photos[1], (320, 320))
    faces = detector.detect(canvas)
    assert len(faces) == 2 and faces[0].area > faces[1].area
    assert faces[0].box[0] > 250 > faces[1].box[0]


def test_only_those_who_ask_load_the_68_landmarks(monkeypatch, photos):
    models = pytest.importorskip("face_recognition_models", reason="needs the extra faces")

    def refuse():
        raise AssertionError("loads the model whose makers exclude commercial use")

    monkeypatch.setattr(models, "pose_predictor_model_location", refuse)
    face = make_detector("dlib").detect(photos[0])[0]
    assert DlibEncoder().encode(photos[0], face).shape == (128,)
    with pytest.raises(AssertionError):
        make_detector("dlib-68")


def test_dlibs_templates_are_the_same_with_5_and_68_landmarks(photos):
    five, many = make_detector("dlib"), make_detector("dlib-68")
    encoder = DlibEncoder()
    assert five.version != many.version and five.files != many.files
    for photo in photos:
        faces = five.detect(photo)[0], many.detect(photo)[0]
        assert faces[0].box == faces[1].box
        assert np.abs(faces[0].landmarks - faces[1].landmarks).max() > 0
        first, second = (encoder.encode(photo, face) for face in faces)
        np.testing.assert_array_equal(first, second)


def test_models_and_their_terms_are_told():
    says = {spec: say_models(make_detector(spec), DlibEncoder()) for spec in ("dlib", "dlib-68")}
    start = "Detector dlib-hog with dlib's {} landmarks, encoder dlib-resnet. Commercial use: "
    resnet = "unclear (dlib_face_recognition_resnet_model_v1.dat)"
    assert says["dlib"].startswith(start.format(5) + resnet)
    no = f"no (shape_predictor_68_face_landmarks.dat), {resnet}"
    assert says["dlib-68"].startswith(start.format(68) + no)


def test_no_face_no_error_no_noise(detector, capfd):
    detector = pickle.loads(pickle.dumps(detector))
    for shape in [(200, 300, 3), (30, 30, 3), (3, 500, 3), (1, 1, 3)]:
        assert detector.detect(np.zeros(shape, np.uint8)) == []
    assert capfd.readouterr() == ("", "")


def test_a_pickled_detector_finds_the_same(detector, photos):
    copy = pickle.loads(pickle.dumps(detector))
    assert copy.parameters == detector.parameters and copy.version == detector.version
    np.testing.assert_array_equal(
        copy.detect(photos[1])[0].landmarks, detector.detect(photos[1])[0].landmarks
    )


class CornerDetector(PaddedDetector):
    """Reports the image that it is given: its size as a box, its last pixel as landmarks."""

    def __init__(self):
        super().__init__(max_side=100, pad=0.2)

    def _find(self, image):
        height, width = image.shape[:2]
        assert image[:20].max() == 0 and image[:, -20:].max() == 0
        small = Face((width / 2, height / 2, width / 2 + 1, height), 1.0, np.zeros((5, 2)))
        return [small, Face((0, 0, width, height), 0.5, np.full((5, 2), (20.0, 20.0)))]


def test_padding_and_shrinking_by_hand():
    # 400 x 200 shrinks by 4 to 100 x 50; a fifth of 100 all round makes 140 x 90. In the
    # photo's own frame the border is 20 * 4 = 80 wide and the point (20, 20) the corner.
    faces = CornerDetector().detect(np.full((200, 400, 3), 255, np.uint8))
    assert faces[0].box == (-80, -80, 480, 280) and faces[0].score == 0.5
    np.testing.assert_array_equal(faces[0].landmarks, np.zeros((5, 2)))
    assert faces[1].box == (200, 100, 204, 280)


@pytest.mark.parametrize("spec", ["haar", "yunet", "yunet:", "dlib:x", ""])
def test_bad_specs_list_the_choices(spec):
    with pytest.raises(InputError, match=f"one of {CHOICES}"):
        make_detector(spec)


def test_bad_files_and_parameters(tmp_path):
    with pytest.raises(InputError, match="no such file; give the path of a YuNet"):
        make_detector(f"yunet:{tmp_path / 'none.onnx'}")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match="not a YuNet ONNX file"):
        make_detector(f"yunet:{tmp_path / 'bad.onnx'}")
    with pytest.raises(InputError, match=r"pad must be a number in \[0, 1\]"):
        MtcnnDetector(pad=1.5)
    with pytest.raises(InputError, match="max_side must be an integer >= 64"):
        MtcnnDetector(max_side=10)
