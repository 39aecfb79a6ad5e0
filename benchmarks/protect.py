"""SensitiveNets folded, 1,000,000 x 512 -> 1024, against one bare float32 product.

File reading and writing are timed apart, on a smaller table.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks._timing import best_of
from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.erasers.sensitivenets import SensitiveNetsEraser
from sfumato.jobs.protect_templates import protect_table
from sfumato.models import SavedModel

N_ROWS, N_FEATURES, N_UNITS = 1_000_000, 512, 1024
N_FILE_ROWS = 200_000


def run():
    """Time ``transform``, the bare product, and ``protect`` with its reading and writing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    eraser = SensitiveNetsEraser()
    eraser.weights_ = rng.standard_normal((N_UNITS, N_FEATURES), dtype=np.float32)
    eraser.bias_ = rng.standard_normal(N_UNITS, dtype=np.float32)
    eraser.n_features_in_ = N_FEATURES
    bare, product = best_of(lambda: X @ eraser.weights_.T, 2)
    del product
    folded, _ = best_of(lambda: eraser.transform(X), 2)
    return {
        "shape": [N_ROWS, N_FEATURES, N_UNITS],
        "transform_s": folded,
        "bare_product_s": bare,
        "transform_to_bare": folded / bare,
        "file": _file(eraser, X[:N_FILE_ROWS]),
    }


def _file(eraser, X):
    info = TableInfo(encoder="benchmark", encoder_version="1", dimension=N_FEATURES)
    with tempfile.TemporaryDirectory() as folder:
        table, output = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        step = 65_536
        batches = [
            table_batch(
                {
                    "image_id": [str(row) for row in range(start, min(start + step, len(X)))],
                    "embedding": X[start : start + step],
                }
            )
            for start in range(0, len(X), step)
        ]
        write, _ = best_of(lambda: write_table(table, batches, batches[0].schema, info), 2)
        read, _ = best_of(lambda: FaceTable(table).embeddings(), 2)
        model = SavedModel(eraser, info=info)
        whole, _ = best_of(lambda: protect_table(model, table, output, overwrite=True), 2)
        columns = pq.read_table(output)
        write_out, _ = best_of(lambda: pq.write_table(columns, output, compression="none"), 2)
        transform, _ = best_of(lambda: eraser.transform(X), 2)
    return {
        "n_rows": len(X),
        "protect_s": whole,
        "transform_s": transform,
        "read_s": read,
        "write_input_s": write,
        "write_output_s": write_out,
    }
