"""Whether what was to be hidden is hidden: the verdict on a check by unseen readers.

A reader *still reads* an attribute of a face if it gives the same class after the change as
before, or the class that the user says the face has. Only readers that gave it before are
counted. An attribute is hidden if at least one reader gave it before, and none does after.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sfumato.perturbers.choice import age_group
from sfumato.perturbers.editing import Wish

#: What readers call what perturbers hide.
NAMES = {"gender": "gender", "race": "ethnicity", "age": "age_years"}


def judge_face(check: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
    """Return what a check says of one changed face.

    Parameters
    ----------
    check : mapping
        As :meth:`sfumato.readers.check.FaceCheck.compare` gives it.
    wish : Wish

    Returns
    -------
    dict
        ``hide`` and ``keep``: by attribute, the names of readers that ``still`` read it, that
        read it ``no_longer``, that read it ``not_before``, and those ``without`` it; and
        whether it ``succeeded``, None where no reader read it before. ``same_person``: whether
        the unseen matcher still accepts the face as the same person's.
    """
    readings = check["readings"]
    hide = {name: _ask(readings, name, wish.labels.get(name)) for name in wish.hide}
    keep = {name: _ask(readings, name, wish.labels.get(name)) for name in wish.keep}
    for asked, unwanted in ((hide, "still"), (keep, "no_longer")):
        for said in asked.values():
            judged = said["still"] or said["no_longer"]
            said["succeeded"] = not said[unwanted] if judged else None
    return {"hide": hide, "keep": keep, "same_person": check["match"]["accepted"]}


def succeeded(verdict: Mapping[str, Any]) -> bool:
    """Return whether a face's verdict grants every wish."""
    asked = [*verdict["hide"].values(), *verdict["keep"].values()]
    return all(said["succeeded"] is True for said in asked)


def count_verdicts(verdicts: Iterable[Mapping[str, Any]], wish: Wish) -> dict[str, Any]:
    """Return the verdict on many faces.

    Parameters
    ----------
    verdicts : iterable of dict
        One a changed face, of :func:`judge_face`.
    wish : Wish

    Returns
    -------
    dict
        ``n_faces``; ``hide`` and ``keep``: by attribute the numbers of faces on which it
        succeeded, failed and could not be judged (``n_succeeded``, ``n_failed``,
        ``n_not_judged``), and of readings before (``n_readings``) and of those that still give
        the class (``n_still``); ``n_same_person``; and whether all ``succeeded``.
    """
    verdicts = list(verdicts)
    found: dict[str, Any] = {"n_faces": len(verdicts)}
    for what, names in (("hide", wish.hide), ("keep", wish.keep)):
        found[what] = {name: _count([v[what][name] for v in verdicts]) for name in names}
    found["n_same_person"] = sum(bool(verdict["same_person"]) for verdict in verdicts)
    every = [*found["hide"].values(), *found["keep"].values()]
    found["succeeded"] = bool(verdicts) and all(c["n_succeeded"] == len(verdicts) for c in every)
    return found


def describe_verdict(verdict: Mapping[str, Any]) -> list[str]:
    """Return the verdict of :func:`count_verdicts` in words, a clause an attribute."""
    n_faces = verdict["n_faces"]
    clauses = [_hidden(name, c, n_faces) for name, c in verdict["hide"].items()]
    clauses += [_kept(name, c, n_faces) for name, c in verdict["keep"].items()]
    return [*clauses, f"the unseen matcher still accepts {verdict['n_same_person']} of {n_faces}"]


def _ask(readings: Mapping[str, Any], attribute: str, truth: str | None) -> dict[str, Any]:
    """Sort the readers by what they say of an attribute."""
    asked: dict[str, Any] = {"still": [], "no_longer": [], "not_before": [], "without": []}
    for reader, found in readings.items():
        reading = found.get(NAMES.get(attribute, attribute))
        if reading is None:
            asked["without"].append(reader)
            continue
        before, after = (_class(reading[when]) for when in ("before", "after"))
        shown = before if truth is None else truth
        if before != shown:
            asked["not_before"].append(reader)
        else:
            asked["still" if after == shown else "no_longer"].append(reader)
    return asked


def _class(reading: Mapping[str, Any]) -> str:
    """Return the class of a reading; ages are "young", "middle" or "old"."""
    return str(age_group([reading["years"]])[0] if "years" in reading else reading["label"])


def _count(asked: list[Mapping[str, Any]]) -> dict[str, int]:
    return {
        "n_succeeded": sum(a["succeeded"] is True for a in asked),
        "n_failed": sum(a["succeeded"] is False for a in asked),
        "n_not_judged": sum(a["succeeded"] is None for a in asked),
        "n_readings": sum(len(a["still"]) + len(a["no_longer"]) for a in asked),
        "n_still": sum(len(a["still"]) for a in asked),
        "n_not_before": sum(len(a["not_before"]) for a in asked),
        "n_without": sum(len(a["without"]) for a in asked),
    }


def _hidden(name: str, counts: Mapping[str, int], n_faces: int) -> str:
    if n_faces == 1:
        if counts["n_not_judged"]:
            return f"{name} is not judged ({_unasked(counts)})"
        text = f"{counts['n_still']} of {counts['n_readings']} readers still read {name}"
        said = f"{name} hidden: {text}" if counts["n_succeeded"] else text
        return said + (f" ({_unasked(counts)})" if _unasked(counts) else "")
    unjudged = f", not judged on {counts['n_not_judged']}" if counts["n_not_judged"] else ""
    return (
        f"{name} hidden on {counts['n_succeeded']} of {n_faces}, still read on "
        f"{counts['n_failed']}{unjudged} ({counts['n_still']} of {counts['n_readings']} readings "
        "give the class from before)"
    )


def _kept(name: str, counts: Mapping[str, int], n_faces: int) -> str:
    unjudged = f", not judged on {counts['n_not_judged']}" if counts["n_not_judged"] else ""
    return f"{name} kept on {counts['n_succeeded']} of {n_faces}{unjudged}"


def _unasked(counts: Mapping[str, int]) -> str:
    """Say which readers were not counted, of one face."""
    parts = []
    if counts["n_not_before"]:
        parts.append(f"{counts['n_not_before']} misread it before")
    if counts["n_without"]:
        parts.append(f"{counts['n_without']} do not read it at all")
    return ", ".join(parts)
