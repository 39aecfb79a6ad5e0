"""Templates straight from crops: those that the usual way gives."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")
pytest.importorskip("cv2", reason="needs the extra faces")

from sfumato.faces.align import ARCFACE  # noqa: E402
from sfumato.faces.crops import crop_face  # noqa: E402
from sfumato.nets.matcher import CropMatcher  # noqa: E402


class Pixels(torch.nn.Module):
    """In the place of an encoder: the pixels it is given are the template."""

    size, scale = 112, 128.0

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        self.seen = x
        return self.weight * x.flatten(1)


def smooth():
    """Return a smooth colour picture of 112 pixels."""
    y, x = np.mgrid[:112, :112] / 111
    return (255 * np.stack([x, y, (x + y) / 2], axis=-1)).round().astype(np.uint8)


@pytest.mark.parametrize(("size", "zoom"), [(160, 0.7), (64, 0.72), (128, 1.0)])
def test_the_network_sees_the_face_where_the_usual_crop_has_it(size, zoom):
    image = smooth()
    crop = crop_face(image, ARCFACE, size, zoom)
    matcher = CropMatcher(Pixels(), zoom)
    planes = torch.from_numpy(crop.transpose(2, 0, 1)[None] / 255).float()
    template = matcher(planes)
    expected = (image.transpose(2, 0, 1) - 127.5) / 128
    # Away from the border, where crop_face has black beyond the photo.
    found = matcher.net.seen[0].numpy()[:, 3:-3, 3:-3]
    np.testing.assert_allclose(found, expected[:, 3:-3, 3:-3], atol=0.015)
    assert template.norm(dim=1).item() == pytest.approx(1, abs=1e-4)


def test_gradients_reach_the_pixels_and_not_the_weights():
    matcher = CropMatcher(Pixels()).train()
    x = torch.rand(2, 3, 64, 64, requires_grad=True)
    matcher(x)[:, :50].sum().backward()
    assert x.grad.abs().sum() > 0 and matcher.net.weight.grad is None
    assert not matcher.training and not matcher.net.training


def test_real_faces_keep_their_templates(shared):
    """Templates of crops at 155 pixels are those of the encoder on its own chips."""
    import io

    import pyarrow.parquet as pq
    from PIL import Image

    from sfumato.faces.detectors import make_detector
    from sfumato.faces.encoders import ArcFaceOnnxEncoder
    from sfumato.nets.mobilefacenet import mobilefacenet_from_onnx

    path = shared("models/mobilefacenet.onnx")
    detector = make_detector(f"yunet:{shared('models/yunet_n_640_640.onnx')}")
    encoder, matcher = ArcFaceOnnxEncoder(path), CropMatcher(mobilefacenet_from_onnx(path))
    for row in (
        pq.read_table(shared("data/lfw.parquet"), columns=["image"]).slice(0, 2).to_pylist()
    ):
        image = np.array(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB"))
        face = detector.detect(image)[0]
        crop = crop_face(image, face.landmarks, 156)
        found = matcher(torch.from_numpy(crop.transpose(2, 0, 1)[None] / 255).float())[0]
        template = encoder.encode(image, face)
        assert found.detach().numpy() @ template / np.linalg.norm(template) > 0.97
