"""Audit face tables: choose the rows that no eraser has seen, then run the protocol."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sfumato._constraints import POSITIVE_INT, Each, Instance, check_argument
from sfumato.audit._twins import check_twin, open_embeddings, same_source, steps_after
from sfumato.audit.protocol import audit
from sfumato.data.info import check_same_space, unknown_origin
from sfumato.data.labels import N_GROUPS, as_classes, is_continuous, say_continuous
from sfumato.data.selection import Selection, check_people, matching_rows, read_rows
from sfumato.data.selection_rules import exclusive
from sfumato.data.table_labels import check_attributes
from sfumato.errors import InputError
from sfumato.progress import Asked, told, within

MAX_ROWS = 200_000


def audit_tables(
    table: str | Path,
    attributes: list[str],
    *,
    protected: str | Path | None = None,
    test_table: str | Path | None = None,
    test_protected: str | Path | None = None,
    where: str | None = None,
    test_where: str | None = None,
    across: Sequence[str | Path] | None = None,
    by: list[str] | None = None,
    given: list[str] | None = None,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
    progress: Asked = None,
    **options: Any,
) -> list[Any]:
    """Audit one or several attributes of a face table, raw and protected.

    Parameters
    ----------
    table : str or Path
        Raw embeddings with label columns.
    attributes : list of str
        Label columns. Continuous numbers are cut into three groups, which an alarm says.
    protected : str or Path, optional
        The same rows after an eraser; found by ``image_id``, in any order.
    test_table, test_protected : str or Path, optional
        Test on the people of another table, having trained on this one.
    where, test_where : str, optional
        ``column=value``: only these rows. ``test_where`` alone tests on these rows of the same
        table.
    across : list of str or Path, optional
        The same rows under other keys or from other erasers, found by ``image_id``: how well
        they can be linked to the protected ones. For one table alone.
    by : list of str, optional
        Label columns whose groups are compared, each and all crossed.
    given : list of str, optional
        Label columns that are known anyway: how much of the reading goes with them.
    max_rows : int, default=200_000
        A larger table gives a random sample of its people.
    seed : int, default=0
    progress : callable, False or None, default=None
        Called as ``progress(n_done, n_total, what)``; None shows a bar where somebody looks,
        False none, see :mod:`sfumato.progress`.
    **options
        Passed to :func:`sfumato.audit.protocol.audit`.

    Returns
    -------
    list of Audit
        One per attribute.

    Notes
    -----
    People the eraser was fitted on are left out: the protected table says which rows these
    were, and if they came from this table the other half is audited. If all of it was used, the
    audit goes on with an alarm.
    """
    check_attributes(attributes)
    for use, names in {"by": by, "given": given}.items():
        if names is not None:
            check_attributes(names, use)
    for name in given or ():
        if name in attributes:
            raise InputError(f"given {name}: the attacked attribute itself; name other labels.")
    check_argument(max_rows, POSITIVE_INT, "max_rows")
    train = _Side.open(table, protected, where, max_rows, seed)
    tested = None
    if test_table is not None or test_where is not None:
        tested = _Side.open(
            table if test_table is None else test_table,
            protected if test_table is None else test_protected,
            test_where,
            max_rows,
            seed,
        )
        tested.same_space(train)
    results = []
    with told(progress, "audit") as tell:
        for number, attribute in enumerate(attributes):
            others = {
                "crossed": [name for name in attributes if name != attribute],
                "by": by or [],
            }
            others["given"] = given or []
            rows = train.rows(attribute, others)
            test = None if tested is None else tested.rows(attribute, others)
            grouped = _group(attribute, rows, test)
            result = audit(
                **rows,
                test=test,
                across=train.across(across),
                guarantee=(tested or train).guarantee(),
                attribute=attribute,
                metric=train.table.info.metric,
                protected_metric=None if train.protected is None else train.protected.info.metric,
                seed=seed,
                progress=within(tell, number, len(attributes)),
                **options,
            )
            alarms = grouped + train.alarms() + ([] if tested is None else tested.alarms())
            results.append(
                replace(
                    result,
                    alarms=[*alarms, *result.alarms],
                    provenance=[side.describe() for side in (train, tested) if side is not None],
                )
            )
    return results


class _Side:
    """A raw table, its protected twin, and the rows of both that may be audited."""

    def __init__(self, table: Any, protected: Any, selection: Any) -> None:
        self.table, self.protected, self.selection = table, protected, selection
        self._cache: dict[str, Any] = {}

    @classmethod
    def open(cls, table: Any, protected: Any, where: Any, max_rows: Any, seed: int) -> Any:
        table = open_embeddings(table)
        protected = None if protected is None else open_embeddings(protected)
        selection = Selection(where=where, share=max_rows / max(table.n_rows, 1), seed=seed)
        if protected is not None:
            check_twin(table, protected)
            for step in steps_after(table, protected):
                if same_source(step, table) and step["fitted_on"].get("half") == "eraser":
                    selection = replace(selection, half="attacker", seed=step["fitted_on"]["seed"])
        return cls(table, protected, selection.check(table))

    def rows(self, attribute: Any, others: dict[str, list[str]]) -> dict[str, Any]:
        """Return the arguments of the protocol; ``others`` names more label columns by use."""
        wanted = list(
            dict.fromkeys([attribute, *(name for use in others.values() for name in use)])
        )
        self.table.require(*wanted)
        columns, X = read_rows(self.table, self.selection, wanted)
        if "identity" in columns:
            check_people(self.table, columns["image_id"], columns["identity"])
        self._cache["image_id"] = columns["image_id"]
        if self.protected is not None and "protected" not in self._cache:
            self._cache["protected"] = matching_rows(self.protected, columns["image_id"])
        return {
            "X": X,
            "y": columns[attribute],
            "identity": columns.get("identity"),
            "protected": self._cache.get("protected"),
        } | {
            use: {name: columns[name] for name in names} for use, names in others.items() if names
        }

    def guarantee(self) -> dict[str, Any] | None:
        """Return what noise in the audited templates promises, the least loss if several do."""
        info = (self.protected or self.table).info
        promised = [step["guarantee"] for step in info.transformations if "guarantee" in step]
        return min(promised, key=lambda given: given["epsilon"], default=None)

    def across(self, paths: Any) -> dict[str, Any] | None:
        """Return the audited rows in other releases, with their metrics, by the file's path."""
        if not paths:
            return None
        check_argument(paths, Each(Instance(str, Path)), "across")
        found = {}
        for path in paths:
            other = open_embeddings(path)
            check_twin(self.table, other)
            found[str(path)] = (matching_rows(other, self._cache["image_id"]), other.info.metric)
        return found

    def same_space(self, other: Any) -> None:
        """Refuse two sides whose embeddings cannot be read by the same attacker."""
        check_same_space(
            self.table.info, other.table.info, table=self.table.path, model=other.table.path
        )
        if self.protected is not None and other.protected is not None:
            check_same_space(
                self.protected.info,
                other.protected.info,
                table=self.protected.path,
                model=other.protected.path,
            )

    def alarms(self) -> Any:
        """Return what makes the choice of rows, or their comparison, doubtful."""
        unknown = [f"{note}." for note in unknown_origin(self.table.info, "Raw table")]
        return unknown + self._doubtful_rows()

    def _doubtful_rows(self):
        if self.protected is None:
            return []
        steps = steps_after(self.table, self.protected)
        if not steps:
            return [f"{self.protected.path.name} records no transformation after the raw table."]
        return [
            f"The eraser {step['method']} was fitted on rows of this very table "
            f"({step['fitted_on'].get('rows')}): its people may be among the audited ones, and "
            "the leakage shown may be too low."
            for step in steps
            if same_source(step, self.table) and not self._apart(step)
        ]

    def _apart(self, step):
        fitted = step["fitted_on"]
        if fitted.get("half") == "eraser":
            return True
        # Fitted on column=value, audited on another value of that column.
        sources = [fitted.get("source"), *fitted.get("also", ())]
        where = fitted.get("where") or ()
        if isinstance(where, str):  # One rule for all tables.
            theirs: Any = [(where,)] * len(sources)
        else:
            theirs = where
        return any(
            source == self.table.info.source and exclusive(self.selection.rules, rules)
            for source, rules in zip(sources, theirs, strict=False)
        )

    def describe(self) -> dict[str, Any]:
        """Return the data's provenance for the report."""
        return {
            "table": self.table.path.name,
            "source": self.table.info.source,
            "space": self.table.info.space,
            "metric": self.table.info.metric,
            "n_rows": self.table.n_rows,
            "audited": self.selection.describe(),
            "protected": None if self.protected is None else self.protected.path.name,
            "protected_metric": None if self.protected is None else self.protected.info.metric,
            "transformations": []
            if self.protected is None
            else steps_after(self.table, self.protected),
        }


def _group(attribute, rows, test):
    """Make classes of the labels on both sides, in place; return what is to be said of it."""
    like = rows["y"]
    for side in (rows, test):
        if side is not None:
            side["y"] = as_classes(side["y"], attribute, n_groups=N_GROUPS, like=like)
    if not is_continuous(like):
        return []
    return [
        f"{attribute} is {say_continuous(like)}: cut into {N_GROUPS} groups, on whose limits the "
        "figures depend."
    ]
