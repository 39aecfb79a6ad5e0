"""Several protected versions of one table, audited against the same raw rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sfumato._constraints import Instance, check_argument
from sfumato.audit._twins import check_twin, open_embeddings
from sfumato.audit.tables import audit_tables
from sfumato.errors import InputError
from sfumato.progress import Asked, told, within


def audit_many(
    table: str | Path,
    attributes: list[str],
    protected: Sequence[Any] | dict[str, Any],
    *,
    progress: Asked = None,
    **options: Any,
) -> dict[str, list[Any]]:
    """Audit several protected versions of one face table, one after another.

    Raw rows are attacked once where the versions are audited on the same rows: erasers that
    were fitted on half of the people leave the other half by their seed.

    Parameters
    ----------
    table : str or Path
        Raw embeddings with label columns.
    attributes : list of str
        Label columns.
    protected : list, or dict by name, of (str, Path or table)
        The same rows after several erasers.
    progress : callable, False or None, default=None
        As of :func:`~sfumato.audit.tables.audit_tables`.
    **options
        Passed to :func:`~sfumato.audit.tables.audit_tables`.

    Returns
    -------
    dict of str to list of Audit
        By the protected table's path, or its name in ``protected``: one audit an attribute.

    Raises
    ------
    InputError
        If one of the tables cannot be audited, before any is.
    """
    check_argument(protected, Instance(list, tuple, dict), "protected")
    if not protected:
        raise InputError("protected must name at least one table, got none.")
    for name in ("test_table", "test_protected"):
        if options.get(name) is not None:
            raise InputError(f"{name} goes with one protected table; audit each on its own.")
    raw, tables = open_embeddings(table), _named(protected)
    for path in tables.values():
        check_twin(raw, open_embeddings(path))
    found = {}
    with told(progress, "audit") as tell:
        for number, (name, path) in enumerate(tables.items()):
            step = within(tell, number, len(tables))
            found[name] = audit_tables(table, attributes, protected=path, progress=step, **options)
    return found


def _named(protected):
    if isinstance(protected, dict):
        return {str(name): table for name, table in protected.items()}
    tables: dict[str, Any] = {}
    for table in protected:
        name = str(open_embeddings(table).path)
        if name in tables:
            raise InputError(f"protected: {name} is there twice; name each once.")
        tables[name] = table
    return tables


def summarise(found: dict[str, list[Any]], attribute: str) -> list[dict[str, Any]]:
    """Return a row a version, the raw rows first: what is read, and what matching costs.

    Parameters
    ----------
    found : dict of str to list of Audit
        Of :func:`audit_many`.
    attribute : str

    Returns
    -------
    list of dict
        ``table`` (None: raw), ``strongest``, ``balanced_accuracy``, ``ci95``, ``reduction``
        (None where nothing is read of raw rows), ``eer`` (None without matching) and
        ``n_alarms``. Where versions are audited on other rows, raw rows come before each.
    """
    rows: list[dict[str, Any]] = []
    for name, audits in found.items():
        audit = next(each for each in audits if each.attribute == attribute)
        raw = _row(None, audit, audit.before, "original-original") | {"reduction": None}
        if raw not in rows:
            rows.append(raw)
        row = _row(name, audit, audit.after, "protected-protected")
        rows.append(row | {"n_alarms": len(audit.alarms)})
    return rows


def _row(name, audit, leakage, pairing):
    eer = audit.matching and audit.matching[pairing].result["eer"]["value"]
    return {
        "table": name,
        "strongest": leakage.strongest,
        "balanced_accuracy": leakage.headline.balanced_accuracy,
        "ci95": list(leakage.headline.ci95),
        "reduction": audit.reduction,
        "eer": eer,
        "n_alarms": None,
    }
