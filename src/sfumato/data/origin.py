"""State what made a table's embeddings, where other tools have lost or never had it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sfumato.data.info import TableInfo
from sfumato.data.opening import open_table
from sfumato.data.tables import FaceTable, write_table
from sfumato.errors import InputError
from sfumato.files import check_free


def state_origin(
    table: str | Path | FaceTable,
    output: str | Path,
    *,
    like: str | Path | FaceTable | None = None,
    encoder: str | None = None,
    encoder_version: str | None = None,
    metric: str | None = None,
    normalisation: str | None = None,
    overwrite: bool = False,
) -> TableInfo:
    """Write a copy of a face table whose metadata say what made its embeddings.

    pandas, for one, keeps the columns of a table and drops its metadata.

    Parameters
    ----------
    table : str, Path or FaceTable
    output : str or Path
    like : str, Path or FaceTable, optional
        The table that these rows once were: all its metadata are taken, erasers applied too.
    encoder, encoder_version, metric, normalisation : str, optional
        As in :class:`~sfumato.data.info.TableInfo`; default what ``table`` or ``like`` says.
    overwrite : bool, default=False
        Replace an existing output.

    Returns
    -------
    TableInfo
        Of the output.

    Raises
    ------
    InputError
        If the embeddings are known to be of another encoder, version, metric or eraser, or of
        another dimension than those of ``like``.
    """
    table = open_table(table)
    table.require("embedding").check()
    info, inputs = table.info, [table.path]
    if like is not None:
        like = like if isinstance(like, FaceTable) else FaceTable(like)
        inputs.append(like.path)
        info = _taken(table, like)
    given: dict[str, Any] = {
        "encoder": encoder,
        "encoder_version": encoder_version,
        "metric": metric,
        "normalisation": normalisation,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if info.encoder is not None:
        for name, value in given.items():
            if getattr(info, name) != value:
                raise InputError(
                    f"{table.path if like is None else like.path}: says {name} "
                    f"{getattr(info, name)}, not {value}; only what is unknown can be stated."
                )
    info = replace(info, **given)
    check_free(output, overwrite=overwrite, inputs=inputs)
    write_table(output, table.batches(), table.schema, info)
    return info


def _taken(table: FaceTable, like: FaceTable) -> TableInfo:
    if table.info.encoder is not None and table.info.space != like.info.space:
        raise InputError(
            f"{table.path}: embeddings of [{table.info.space}], not of [{like.info.space}] as "
            f"{like.path}."
        )
    if table.info.dimension != like.info.dimension:
        raise InputError(
            f"{table.path}: embeddings have {table.info.dimension} features, those of "
            f"{like.path} {like.info.dimension}."
        )
    return like.info
