"""How the price floor is printed, of an audit and of a verification."""

from typing import Any

from sfumato.cli.output import say, show, text_table

WHAT = "floor: raw templates, impostors of one class; a perfect eraser would still cost that"
COLUMNS = {
    "raw": "raw",
    "floor": "floor",
    "floor_by_raw": "floor / raw",
    "protected": "protected",
    "protected_by_floor": "protected / floor",
}


def print_floors(floors: dict[str, Any]) -> None:
    """Print each attribute's floor, in its JSON form, and the method's cost beside it."""
    rows, notes = [], []
    for name, floor in floors.items():
        notes += [f"Note: {name}: {note}." for note in floor["notes"]]
        for cost in floor["costs"]:
            rows.append((name, cost["rate"], *(_figure(cost[key]) for key in COLUMNS)))
    if rows:
        # Without protected templates two columns are empty.
        used = 7 if any(cells[5] != "-" for cells in rows) else 5
        columns = ("impostors of one", "rate", *COLUMNS.values())
        show(text_table(columns[:used], [cells[:used] for cells in rows], caption=WHAT))
    say(*notes)


def _figure(measured):
    if measured is None:
        return "-"
    digits = 4 if measured["value"] < 0.5 else 3
    value = f"{measured['value']:.{digits}f}"
    if measured["ci95"] is None:
        return value
    low, high = measured["ci95"]
    return value, f"[{low:.{digits}f}, {high:.{digits}f}]"
