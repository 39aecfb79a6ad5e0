"""Lists in options: ``-a gender,race`` and ``-a gender -a race`` say the same."""

from collections.abc import Iterable

from sfumato.errors import InputError


def read_names(given: Iterable[str] | None, columns: Iterable[str] = ()) -> list[str]:
    """Return the names of an option that takes commas and can be given again.

    Parameters
    ----------
    given : iterable of str or None
        As the shell gave them.
    columns : iterable of str, default=()
        Columns of the table; one whose name has a comma is itself.

    Raises
    ------
    InputError
        If a name is empty.

    Examples
    --------
    >>> read_names(["gender, race", "age"])
    ['gender', 'race', 'age']
    """
    whole = {*columns}
    names = [
        name
        for text in given or ()
        for name in ([text] if text in whole else map(str.strip, text.split(",")))
    ]
    if not all(names):
        raise InputError(f"names are listed as a,b or one by one, got {','.join(given or ())!r}.")
    return names
