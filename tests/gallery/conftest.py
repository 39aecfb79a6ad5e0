"""Small galleries of protected templates."""

import numpy as np
import pytest

from sfumato.data.info import TableInfo
from sfumato.data.tables import table_batch, write_table

STEP = {"method": "leace", "version": "0", "fingerprint": "abc", "attributes": ["gender"]}
INFO = TableInfo(
    source="toy",
    encoder="toy",
    encoder_version="1",
    dimension=8,
    transformations=(STEP | {"fitted_on": {}},),
)


@pytest.fixture
def info():
    return INFO


@pytest.fixture
def people(rng):
    """Return templates of 12 people, 3 each: X, people, ids."""
    number = np.repeat(np.arange(12), 3)
    X = rng.normal(size=(12, 8))[number] + 0.1 * rng.normal(size=(36, 8))
    names = [f"person-{n}" for n in number]
    return X.astype(np.float32), names, [f"face-{n}" for n in range(36)]


@pytest.fixture
def table(tmp_path, people, info):
    """Return a function that writes rows of those templates as a protected face table."""

    def make(name="protected.parquet", rows=slice(None), info=info, **columns):
        X, names, ids = people
        given = {"image_id": ids[rows], "identity": names[rows], "embedding": X[rows]}
        batch = table_batch(given | columns)
        write_table(tmp_path / name, [batch], batch.schema, info)
        return tmp_path / name

    return make


@pytest.fixture
def gallery(tmp_path, table):
    """Return a gallery of all of them."""
    pytest.importorskip("lancedb", reason="needs the extra gallery")
    from sfumato.gallery import Gallery

    made = Gallery.create(tmp_path / "gallery", table())
    assert made.enrol(table()).n_enrolled == 36
    return made
