"""Protected rows that nobody can be recognised by are no success."""

import numpy as np
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.tables import table_batch, write_table
from sfumato.erasers.leace import LeaceEraser
from sfumato.errors import InputError
from sfumato.jobs.protect_templates import protect_table
from sfumato.models import SavedModel


@pytest.fixture
def model(rng):
    X = rng.normal(size=(60, 4)) + 1
    y = np.arange(60) % 2
    X[:, 0] += 3 * y
    return SavedModel(LeaceEraser().fit(X, y), ("gender",), TableInfo(encoder="toy", dimension=4))


def protect(model, X, folder):
    batch = table_batch({"image_id": [f"i{n}" for n in range(len(X))], "embedding": X})
    write_table(folder / "t.parquet", [batch], batch.schema, TableInfo(encoder="toy"))
    protect_table(model, folder / "t.parquet", folder / "p.parquet")


def test_copies_of_one_row_are_refused(model, rng, tmp_path):
    row = rng.normal(size=(1, 4))
    with pytest.raises(InputError, match="t.parquet: all 20 embeddings are one, so nobody"):
        protect(model, np.repeat(row, 20, axis=0) * np.linspace(1, 9, 20)[:, None], tmp_path)
    assert not (tmp_path / "p.parquet").exists()
    protect(model, np.repeat(row, 19, axis=0), tmp_path)


def test_rows_that_the_eraser_makes_one_are_refused(model, rng, tmp_path):
    # Beside the fitted mean, rows of this size vanish.
    with pytest.raises(InputError, match="leace makes all 20 embeddings of .* one, so nobody"):
        protect(model, rng.normal(size=(20, 4)) * 1e-30, tmp_path)
    protect(model, rng.normal(size=(20, 4)), tmp_path)
