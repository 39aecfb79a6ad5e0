"""What the rows of an audit themselves say against its figures, counted before any attack."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.audit._duplicates import SAME, Rows, count_merged, find_near_identical, is_constant
from sfumato.audit._pairing import compare_order
from sfumato.data.rows import unit_rows
from sfumato.metrics.comparators import comparator
from sfumato.validation import check_embeddings

#: Shares from which counts are alarms; a share s moves a balanced accuracy by about s / 2.
NEAR_SHARE, MISPLACED_SHARE, CONTRADICTORY_SHARE = 0.03, 0.04, 0.05
#: Attributes that a person has once; others, such as a smile, may change between photos.
PERSON_LEVEL = ("gender", "sex", "male", "female", "race", "ethnicity")
NOTHING_ERASED = (
    "All protected templates are the raw ones but for their lengths: nothing was erased."
)
#: Names on both sides whose templates are compared.
MAX_NAMES, MIN_NAMES, SAME_PEOPLE = 500, 5, 0.75


def examine(
    train: Any, tested: Any, metrics: dict[str, str], attribute: str, *, named: bool,
    two_sets: bool, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return counts of what is wrong with the rows, and ``alarms`` and ``notes`` in sentences.

    Parameters
    ----------
    train, tested
        ``X``, ``y``, ``identity`` and ``protected`` (or None) of development and test.
    metrics : dict
        Of ``X`` and, if there are protected rows, of ``protected``.
    attribute : str
    named : bool
        Whether identities were given.
    two_sets : bool
        Whether development and test are two data sets.
    seed : int, default=0
    """
    found: dict[str, Any] = {"alarms": [], "notes": []}
    for side, metric in metrics.items():
        found["raw" if side == "X" else side] = _near(train, tested, side, metric, seed)
    found["order"] = None
    if "protected" in metrics:
        found["order"] = _orders(train, tested, metrics, two_sets, seed)
    found["labels"] = _labels(train, tested) if named else None
    found["merged"] = count_merged(train, tested) if named and "protected" in metrics else None
    found["names_on_both_sides"] = None
    if two_sets and named:
        found["names_on_both_sides"] = _names(train, tested, metrics["X"])
    _judge_near(found, "raw", attribute)
    n_alarms = len(found["alarms"])
    for name, order in (found["order"] or {}).items():
        _judge_order(found, name, order)
    if len(found["alarms"]) == n_alarms:  # Else rows of one person stand under other names.
        _judge_near(found, "protected", attribute)
    if "protected" in metrics and _is_copy(tested.X, tested.protected):
        found["alarms"].append(NOTHING_ERASED)
    _judge_merged(found)
    _judge_labels(found, attribute)
    _judge_names(found)
    return found


def say_copies(final: NDArray[Any], others: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return an alarm for each other release that is the audited templates themselves."""
    return [
        f"across {name}: these are the audited templates themselves, which link to themselves; "
        "name a release under another key or from another eraser."
        for name, other in others.items()
        if _is_copy(final, other)
    ]


def _is_copy(X: NDArray[Any], protected: NDArray[Any]) -> bool:
    if X.shape != protected.shape:
        return False
    return bool(np.allclose(unit_rows(X), unit_rows(protected), rtol=0, atol=SAME))


def order_doubts(
    X: Any, protected: Any, metric: str, protected_metric: str, *, seed: int = 0
) -> list[str]:
    """Return what speaks against protected rows standing beside their own raw rows.

    Parameters are those of :func:`~sfumato.audit._pairing.compare_order`.
    """
    X, protected = check_embeddings(X), check_embeddings(protected, "protected")
    found: dict[str, Any] = {"alarms": [], "notes": []}
    order = compare_order(X, protected, metric, protected_metric, seed=seed)
    _judge_order(found, "rows", order)
    if _is_copy(X, protected):
        found["alarms"].append(NOTHING_ERASED)
    return [text.removesuffix(".") for text in found["alarms"] + found["notes"]]


def _near(train, tested, side, metric, seed):
    X = np.concatenate([getattr(rows, side) for rows in (train, tested)])
    if is_constant(X):
        return {"constant": True, "templates": None, "people": None}
    identity, label = (
        np.unique(
            np.concatenate([getattr(train, name), getattr(tested, name)]), return_inverse=True
        )[1]
        for name in ("identity", "y")
    )
    sides = np.repeat([0, 1], [len(train.y), len(tested.y)])
    rows = Rows(X, identity, sides, label)
    templates = find_near_identical(rows, metric, seed=seed)
    people = None
    if comparator(metric).rotatable and len(np.unique(identity)) < len(identity):
        people = find_near_identical(rows.means(), metric, seed=seed)
    return {"constant": False, "templates": templates, "people": people}


def _orders(train, tested, metrics, two_sets, seed):
    sets = {"development": [train], "test": [tested]} if two_sets else {"rows": [train, tested]}
    return {
        name: compare_order(
            np.concatenate([rows.X for rows in parts]),
            np.concatenate([rows.protected for rows in parts]),
            metrics["X"],
            metrics["protected"],
            seed=seed,
        )
        for name, parts in sets.items()
    }


def _labels(train, tested):
    names = np.concatenate([train.identity, tested.identity])
    labels = np.concatenate([train.y, tested.y])
    people, code, counts = np.unique(names, return_inverse=True, return_counts=True)
    distinct = np.unique(
        np.column_stack([code, np.unique(labels, return_inverse=True)[1]]), axis=0
    )
    n_labels = np.bincount(distinct[:, 0], minlength=len(people))
    return {
        "n_people": int((counts > 1).sum()),
        "n_contradictory": int((n_labels > 1).sum()),
    }


def _names(train, tested, metric):
    """Count names on both sides, and how often they are more alike than two names are."""
    first, second = (
        dict(zip(rows.identity[::-1].tolist(), range(len(rows.y))[::-1], strict=True))
        for rows in (train, tested)
    )
    shared = sorted(first.keys() & second.keys())
    result: dict[str, Any] = {"n_names": len(shared), "same": None}
    if len(shared) < MIN_NAMES:
        return result
    picked = shared[:: -(-len(shared) // MAX_NAMES)]
    compared = comparator(metric)
    A, B = (
        compared.prepare(rows.X[[row[name] for name in picked]])
        for rows, row in ((train, first), (tested, second))
    )
    own, other = compared.pairs(A, B), compared.pairs(A, np.roll(B, 1, axis=0))
    return result | {"same": _more_alike(own, other)}


def _more_alike(own: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.mean(own[:, None] > other) + np.mean(own[:, None] == other) / 2)


def _share(counts, least=NEAR_SHARE):
    return counts["n_near"] >= least * max(counts["n_looked_up"], 1) and counts["n_near"] > 1


def _judge_near(found, side, attribute):
    counts = found.get(side)
    if counts is None:
        return
    if counts["constant"]:
        found["alarms"].append(
            f"All {side} templates are identical: nothing can be read from them or matched."
        )
        return
    parts = [part for part in (counts["templates"], counts["people"]) if part is not None]
    serious = any(_share(part) or _share(part["across"]) for part in parts)
    counts["serious"] = serious
    if side == "protected" and (found["raw"].get("serious") or found["raw"]["constant"]):
        return
    text = _near_text(counts, side)
    if text and serious:
        consequence = (
            f"the attackers may recognise people instead of reading {attribute}, and its figure "
            "is not to be trusted."
            if side == "raw"
            else "their raw templates are not, so the eraser merges people or rows were repeated; "
            "its figure is not to be trusted."
        )
        found["alarms"].append(f"{text}: {consequence}")
    elif text and side == "raw":
        found["notes"].append(f"{text}: too few to move the figure.")


def _near_text(counts, side):
    templates, people = counts["templates"], counts["people"]
    found = []
    if templates["n_near"]:
        across = templates["across"]
        found.append(
            f"{templates['n_near']:,} of {templates['n_looked_up']:,} {side} templates looked up, "
            f"of {templates['n_people']:,} people, have a near-identical template under another "
            f"name ({templates['n_contradicting']:,} with another label), and "
            f"{across['n_near']:,} of {across['n_looked_up']:,} test templates, of "
            f"{across['n_people']:,} people, have one in development"
        )
    if people is not None and people["n_near"]:
        across = people["across"]
        found.append(
            f"the mean {side} templates of {people['n_near']:,} of {people['n_looked_up']:,} "
            "people looked up are near-identical to another person's "
            f"({across['n_near']:,} test people to one in development)"
        )
    text = "; ".join(found)
    return text[:1].upper() + text[1:]


def _judge_order(found, name, order):
    rows = "Protected rows" if name == "rows" else f"Protected {name} rows"
    if order is None:
        return
    measured = (
        f"correlation of pairwise scores {order['correlation']:.3f}, of shuffled rows 0 +- "
        f"{order['shuffled']:.3f}, {order['n_rows']} rows"
    )
    if not order["related"] and order["structured"]:
        found["alarms"].append(
            f"{rows} do not belong to the raw rows beside them ({measured}): they are in another "
            "order or made from other faces, and the protected figures are not to be trusted."
        )
    elif not order["related"]:
        found["notes"].append(
            f"{rows} have nothing in common with the raw rows beside them ({measured}), and "
            "nothing shows whether the eraser destroys matching too or the order is wrong."
        )
    elif order["misplaced"] >= MISPLACED_SHARE:
        found["alarms"].append(
            f"About {order['misplaced']:.0%} of the {rows[0].lower()}{rows[1:]} stand beside the "
            f"raw row of another person ({order['n_rows']} rows looked at): the protected figures "
            "are not to be trusted."
        )


def _judge_labels(found, attribute):
    counts = found["labels"]
    if counts is None or not counts["n_contradictory"]:
        return
    text = (
        f"{counts['n_contradictory']:,} of {counts['n_people']:,} people with several rows have "
        f"more than one {attribute}"
    )
    serious = counts["n_contradictory"] >= CONTRADICTORY_SHARE * counts["n_people"]
    if serious and attribute.lower() in PERSON_LEVEL:
        found["alarms"].append(
            f"{text}: labels or identities are wrong, and the figure is not to be trusted."
        )
    else:
        found["notes"].append(f"{text}.")


def _judge_merged(found):
    counts = found["merged"]
    if counts is None or not counts["n_merged"] or found["protected"]["constant"]:
        return
    serious = counts["n_merged"] >= NEAR_SHARE * counts["n_people"]
    found["alarms" if serious else "notes"].append(
        f"All protected templates of {counts['n_merged']:,} of {counts['n_people']:,} people "
        "whose raw ones differ are the same: one template stands for all photos of a person, so "
        "matching among protected templates is not to be trusted."
    )


def _judge_names(found):
    names = found["names_on_both_sides"]
    if names is None or not names["n_names"]:
        return
    text = f"{names['n_names']:,} test people have the name of someone in development"
    if names["same"] is not None and names["same"] >= SAME_PEOPLE:
        found["alarms"].append(
            f"{text} and look like them: the attackers have seen test people, and the figure is "
            "not to be trusted."
        )
    else:
        found["notes"].append(f"{text}; if they are the same, the figure is not to be trusted.")
