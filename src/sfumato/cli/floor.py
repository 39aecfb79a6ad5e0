"""How the price floor is printed, of an audit and of a verification."""

from typing import Any

from sfumato.cli.output import say, show, text_table

WHAT = "floor: raw templates, impostors of one class alone: the cost of a perfect eraser"
COLUMNS = {
    "raw": "raw",
    "floor": "floor",
    "floor_by_raw": "floor / raw",
    "protected": "after",
    "protected_by_floor": "after / floor",
}


def print_floors(floors: dict[str, Any]) -> None:
    """Print each attribute's floor, in its JSON form, and the method's cost beside it."""
    rows, notes = [], []
    for name, floor in floors.items():
        notes += [f"Note: {name}: {note}." for note in floor["notes"]]
        for cost in floor["costs"]:
            rows.append((name, cost["rate"], *(_figure(key, cost[key]) for key in COLUMNS)))
    if rows:
        # Without protected templates two columns are empty.
        used = 7 if any(cells[5] != "-" for cells in rows) else 5
        columns = ("of one", "rate", *COLUMNS.values())
        show(text_table(columns[:used], [cells[:used] for cells in rows], caption=WHAT))
    say(*notes)


def _figure(key, measured):
    if measured is None:
        return "-"
    ratio = "_by_" in key
    value = f"{measured['value']:.{2 if ratio else 4}f}"
    # The intervals of rates are printed with the matching.
    if measured["ci95"] is None or not ratio:
        return value
    low, high = measured["ci95"]
    return value, f"[{low:.2f}, {high:.2f}]"
