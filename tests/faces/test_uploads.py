"""An upload halves a photo and compresses it."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs the extra faces")

from sfumato.faces.uploads import upload


def test_an_upload_halves_a_photo_and_loses_what_is_fine():
    flat = np.full((40, 61, 3), 120, np.uint8)
    assert upload(flat).shape == (20, 30, 3)
    np.testing.assert_allclose(upload(flat).astype(int), 120, atol=1)
    # A checkerboard of single pixels is grey at half its size.
    board = np.indices((40, 40)).sum(axis=0) % 2 * 255
    small = upload(np.repeat(board[..., None], 3, axis=2).astype(np.uint8))
    assert np.abs(small[2:-2, 2:-2].astype(int) - 127).max() < 30
    assert upload(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1, 3)
