"""Contact sheets: every face in its place."""

import numpy as np
import pytest

from sfumato.errors import InputError
from sfumato.perturbers._sheets import GAP, contact_sheet, save_sheet


def test_every_version_is_in_its_place(tmp_path):
    rng = np.random.default_rng(0)
    columns = [rng.random((2, 3, 5, 4)) for _ in range(3)]
    sheet = contact_sheet(columns)
    assert sheet.shape == (2 * 5 + GAP, 3 * 4 + 2 * GAP, 3)
    for column, version in enumerate(columns):
        for row, face in enumerate(version):
            top, left = row * (5 + GAP), column * (4 + GAP)
            found = sheet[top : top + 5, left : left + 4]
            np.testing.assert_array_equal(found, np.rint(255 * face).transpose(1, 2, 0))
    assert (sheet[5:7] == 255).all() and (sheet[:, 4:6] == 255).all()


def test_it_is_written_as_a_picture(tmp_path):
    pytest.importorskip("PIL", reason="needs the extra faces")
    from sfumato.faces.photos import read_photo

    columns = [np.full((2, 3, 5, 4), value) for value in (0.0, 2.0)]
    save_sheet(columns, tmp_path / "s.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "s.png"), contact_sheet(columns))


def test_bad_shapes():
    with pytest.raises(InputError, match=r"got \(3, 5, 4\)"):
        contact_sheet([np.zeros((3, 5, 4))])
