"""Why attributes are audited, in the user's own words, for the file."""

from typing import Any

from sfumato._constraints import Each, Instance, StrOptions, check_argument
from sfumato.errors import InputError

KEYS = ("purpose", "necessity", "retention")
MOST = 2000


def check_basis(basis: Any) -> dict[str, str] | None:
    """Return the texts that were given, None if none was.

    Parameters
    ----------
    basis : dict of str to str, or None
        ``purpose`` (what the audit is for), ``necessity`` (why it needs these labels),
        ``retention`` (how long labels and results are kept): at most 2,000 characters each; None
        stands for nothing said.

    Raises
    ------
    InputError
        For another key, a text that is none, is empty or too long.
    """
    if basis is None:
        return None
    check_argument(basis, Instance(dict), "basis")
    check_argument(list(basis), Each(StrOptions(KEYS)), "basis: keys")
    said = {}
    for key in KEYS:
        text = basis.get(key)
        if text is None:
            continue
        check_argument(text, Instance(str), f"basis: {key}")
        if not text.strip():
            raise InputError(f"{key} must say something, got an empty text; leave it out.")
        if len(text) > MOST:
            raise InputError(f"{key} must have at most {MOST:,} characters, got {len(text):,}.")
        said[key] = text.strip()
    return said or None
