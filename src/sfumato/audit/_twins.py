"""A raw table and its protected twin: whether they belong together, and what lies between."""

from typing import Any

from sfumato.data.opening import open_table
from sfumato.errors import InputError


def open_embeddings(path: Any) -> Any:
    """Return an open face table that holds embeddings, each id once."""
    return open_table(path).require("embedding").check_ids()


def check_twin(table: Any, protected: Any) -> None:
    """Refuse a protected table that was not made from the raw one's encoder and steps."""
    raw, other = table.info, protected.info
    if (raw.encoder, raw.encoder_version) != (other.encoder, other.encoder_version):
        remedy = (
            "name what made it by sfumato data origin"
            if None in (raw.encoder, other.encoder)
            else "protect that table"
        )
        raise InputError(
            f"{protected.path}: made from embeddings of {other.encoder} {other.encoder_version}, "
            f"not of {raw.encoder} {raw.encoder_version} as {table.path}; {remedy}."
        )
    if other.transformations[: len(raw.transformations)] != raw.transformations:
        raise InputError(
            f"{protected.path}: its transformations do not start with those of {table.path}."
        )


def steps_after(table: Any, protected: Any) -> list[Any]:
    """Return the transformations that made the protected table from the raw one."""
    return list(protected.info.transformations[len(table.info.transformations) :])


def same_source(step: dict[str, Any], table: Any) -> bool:
    """Return whether a transformation was fitted on rows of the table's source."""
    fitted_on = step["fitted_on"]
    return table.info.source in (fitted_on.get("source"), *fitted_on.get("also", ()))
