"""A face table in one line."""

from typing import Any

from sfumato.data.info import say_space
from sfumato.progress import printable

MOST_LABELS = 8


def say_table(table: Any) -> str:
    """Return a table's name, rows, embedding space and labels in one line of plain text."""
    parts = []
    if "embedding" in table.columns:
        parts.append(f"embeddings of {say_space(table.info.space)}, {table.info.metric}")
    parts += [name for name in ("identity", "image") if name in table.columns]
    names = table.label_columns
    if names:
        more = f" and {len(names) - MOST_LABELS} more" if len(names) > MOST_LABELS else ""
        parts.append(f"labels {', '.join(names[:MOST_LABELS])}{more}")
    name = getattr(table.path, "name", None) or table.path
    said = f"{name}: {table.n_rows:,} rows; {'; '.join(parts) or 'no labels'}"
    return f"<{type(table).__name__} {printable(said)}>"
