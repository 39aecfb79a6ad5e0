"""Make the docs' figures on real faces: embed, verify, audit, erase, audit again.

    SFUMATO_DATA=... python scripts/real_faces.py WORK [figures.json]

``SFUMATO_DATA`` holds ``data/lfw.parquet``, ``data/lfw_pairs.parquet``, ``data/celeba-*.parquet``
and the ONNX models. Tables that exist in WORK are not made again.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from sfumato.audit.tables import audit_tables
from sfumato.audit.verification import verify
from sfumato.data.selection import Selection
from sfumato.data.tables import FaceTable, write_table
from sfumato.jobs.embed import embed
from sfumato.jobs.protect_templates import protect_table
from sfumato.models.tables import fit_table

METHODS = ("leace", "sensitivenets")


def main(work, output):
    """Run everything and write the figures as JSON."""
    data = Path(os.environ["SFUMATO_DATA"])
    work = Path(work)
    figures = {}
    for encoder in ("mobilefacenet", "dlib"):
        table = made(data, work, "lfw", encoder)
        figures[f"lfw {encoder}"] = {
            "verify": verify(table, pairs=data / "data/lfw_pairs.parquet"),
            "audit": one(audit_tables(table, ["gender"])),
        }
    celeba = merged(data, work)
    lfw = work / "lfw-mobilefacenet.parquet"
    for method in METHODS:
        model = work / f"{method}.safetensors"
        if not model.exists():
            fit_table(method, celeba, ["gender"], model, selection=Selection("partition=train"))
        for table in (celeba, lfw):
            if not protected(table, method).exists():
                protect_table(model, table, protected(table, method))
        figures[method] = {
            "celeba": one(
                audit_tables(
                    celeba,
                    ["gender"],
                    protected=protected(celeba, method),
                    where="partition=val",
                    test_where="partition=test",
                )
            ),
            "lfw": one(audit_tables(lfw, ["gender"], protected=protected(lfw, method))),
            "lfw view 2": verify(
                lfw,
                protected=protected(lfw, method),
                pairs=data / "data/lfw_pairs.parquet",
            ),
        }
        Path(output).write_text(json.dumps(figures, indent=1))


def made(data, work, name, encoder):
    """Return the embedded table, made if it is missing."""
    table = work / f"{name}-{encoder}.parquet"
    if not table.exists():
        spec = f"arcface-onnx:{data}/models/mobilefacenet.onnx"
        embed(
            data / f"data/{name}.parquet",
            table,
            detector=f"yunet:{data}/models/yunet_n_640_640.onnx",
            encoder="dlib" if encoder == "dlib" else spec,
        )
    return table


def merged(data, work):
    """Return CelebA's two embedded tables as one."""
    output = work / "celeba.parquet"
    if not output.exists():
        parts = [FaceTable(made(data, work, f"celeba-{n}", "mobilefacenet")) for n in (0, 1)]
        batches = (batch for part in parts for batch in part.batches())
        write_table(output, batches, parts[0].schema, replace(parts[0].info, source="celeba"))
    return output


def protected(table, method):
    """Return the path of the protected table."""
    return table.with_name(f"{table.stem}-{method}.parquet")


def one(audits):
    """Return the JSON form of the only audit."""
    return audits[0].to_dict()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "figures.json")
