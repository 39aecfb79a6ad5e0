"""Results as pandas tables, for which pandas need not be installed."""

from typing import Any

from sfumato.errors import InputError


def frame_of(rows: Any) -> Any:
    """Return a pandas DataFrame of a list of rows, dicts by column.

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError(
            "to_frame() needs pandas: pip install pandas; to_dict() does not."
        ) from None
    return pandas.DataFrame(rows)
