"""Whether what was to be hidden is hidden: the verdict on a check by unseen readers.

A reader *still reads* an attribute of a face if it gives the same class after the change as
before, or the class that the user says the face has. Only readers that gave it before are
counted. An attribute is hidden if at least one reader gave it before, and none does after.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sfumato.perturbers.choice import age_group
from sfumato.perturbers.editing import Wish

#: What readers call what perturbers hide.
NAMES = {"gender": "gender", "race": "ethnicity", "age": "age_years"}


def judge_face(
    check: Mapping[str, Any], wish: Wish, drawn: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what a check says of one changed face.

    Parameters
    ----------
    check : mapping
        As :meth:`sfumato.readers.check.FaceCheck.compare` gives it.
    wish : Wish
    drawn : mapping of str to str, optional
        The class to show of each attribute that was left to chance.

    Returns
    -------
    dict
        ``hide`` and ``keep``: by attribute, the names of readers that ``still`` read it, that
        read it ``no_longer``, that read it ``not_before``, and those ``without`` it; those that
        still read it on the photo or when it is ``uploaded``; what each read ``before``; and
        whether it ``succeeded``, None where no reader read it before. Of a class that was drawn,
        ``drawn``, it succeeded where all that read the attribute say so, ``as_drawn``.
        ``same_person``: whether the matcher still accepts the face as the same person's, and
        ``same_person_uploaded``, None where that was not asked.
    """
    readings, drawn = check["readings"], drawn or {}
    hide = {name: _ask(readings, name, wish.labels.get(name)) for name in wish.hide}
    keep = {name: _ask(readings, name, wish.labels.get(name)) for name in wish.keep}
    for said in hide.values():
        judged = said["still"] or said["no_longer"]
        said["succeeded"] = not (said["still"] or said["uploaded"]) if judged else None
    for said in keep.values():
        judged = said["still"] or said["no_longer"]
        said["succeeded"] = not said["no_longer"] if judged else None
    for name, shown in drawn.items():
        after = _said(readings, name, "after")
        agree = [reader for reader, value in after.items() if value == shown]
        hide[name] |= {"drawn": shown, "as_drawn": agree, "succeeded": len(agree) == len(after)}
        if not after:
            hide[name]["succeeded"] = None
    match = check["match"]
    return {
        "hide": hide,
        "keep": keep,
        "same_person": match["accepted"],
        "same_person_uploaded": match.get("uploaded", {}).get("accepted"),
    }


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
    again = [verdict["same_person_uploaded"] for verdict in verdicts]
    found["n_same_person_uploaded"] = None if None in again else sum(map(bool, again))
    every = [*found["hide"].values(), *found["keep"].values()]
    found["succeeded"] = bool(verdicts) and all(c["n_succeeded"] == len(verdicts) for c in every)
    return found


def describe_verdict(verdict: Mapping[str, Any]) -> list[str]:
    """Return the verdict of :func:`count_verdicts` in words, a clause an attribute."""
    n_faces = verdict["n_faces"]
    clauses = [_hidden(name, c, n_faces) for name, c in verdict["hide"].items()]
    clauses += [_kept(name, c, n_faces) for name, c in verdict["keep"].items()]
    matched = f"the matcher still accepts {verdict['n_same_person']} of {n_faces}"
    if verdict["n_same_person_uploaded"] not in (None, verdict["n_same_person"]):
        matched += f", uploaded {verdict['n_same_person_uploaded']}"
    return [*clauses, matched]


def _ask(readings: Mapping[str, Any], attribute: str, truth: str | None) -> dict[str, Any]:
    """Sort the readers by what they say of an attribute."""
    asked: dict[str, Any] = {"still": [], "no_longer": [], "not_before": [], "without": []}
    before, after, uploaded = (
        _said(readings, attribute, when) for when in ("before", "after", "uploaded")
    )
    for reader in readings:
        if reader not in before:
            asked["without"].append(reader)
            continue
        shown = before[reader] if truth is None else truth
        if before[reader] != shown:
            asked["not_before"].append(reader)
        else:
            asked["still" if after[reader] == shown else "no_longer"].append(reader)
    judged = asked["still"] + asked["no_longer"]
    again = [r for r in judged if uploaded.get(r) == (before[r] if truth is None else truth)]
    disagree = truth is None and len(set(before.values())) > 1
    return asked | {"uploaded": again, "before": before, "disagree": disagree}


def _said(readings: Mapping[str, Any], attribute: str, when: str) -> dict[str, str]:
    """Return the class that each reader gives, by reader; those that do not read it are out."""
    found = {
        reader: said.get(NAMES.get(attribute, attribute)) for reader, said in readings.items()
    }
    return {reader: _class(said[when]) for reader, said in found.items() if said and when in said}


def _class(reading: Mapping[str, Any]) -> str:
    """Return the class of a reading; ages are "young", "middle" or "old"."""
    return str(age_group([reading["years"]])[0] if "years" in reading else reading["label"])


def _count(asked: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "n_succeeded": sum(a["succeeded"] is True for a in asked),
        "n_failed": sum(a["succeeded"] is False for a in asked),
        "n_not_judged": sum(a["succeeded"] is None for a in asked),
        "n_readings": sum(len(a["still"]) + len(a["no_longer"]) for a in asked),
        "n_still": sum(len(a["still"]) for a in asked),
        "n_not_before": sum(len(a["not_before"]) for a in asked),
        "n_without": sum(len(a["without"]) for a in asked),
        "n_drawn": sum("drawn" in a for a in asked),
        "n_as_drawn": sum(len(a.get("as_drawn", ())) for a in asked),
        "n_answers": sum(len(a["before"]) for a in asked),
        "n_disagree": sum(a["disagree"] for a in asked),
        "still": dict(Counter(reader for a in asked for reader in a["still"])),
        "uploaded": dict(Counter(reader for a in asked for reader in a["uploaded"])),
    }


def _hidden(name: str, counts: Mapping[str, Any], n_faces: int) -> str:
    if counts["n_drawn"]:
        said = f"{counts['n_as_drawn']} of {counts['n_answers']} readings give the class drawn"
        return f"{name} drawn at random: {said}" + _disagreeing(name, counts, n_faces)
    if n_faces == 1:
        text = _hidden_once(name, counts)
    else:
        unjudged = f", not judged on {counts['n_not_judged']}" if counts["n_not_judged"] else ""
        text = (
            f"{name} hidden on {counts['n_succeeded']} of {n_faces}, still read on "
            f"{counts['n_failed']}{unjudged} ({counts['n_still']} of {counts['n_readings']} "
            f"readings give the class from before{_who(counts)})"
        )
    return text + _disagreeing(name, counts, n_faces)


def _hidden_once(name: str, counts: Mapping[str, Any]) -> str:
    if counts["n_not_judged"]:
        return f"{name} is not judged ({_unasked(counts)})"
    text = f"{counts['n_still']} of {counts['n_readings']} readers still read {name}{_who(counts)}"
    said = f"{name} hidden: {text}" if counts["n_succeeded"] else text
    return said + (f" ({_unasked(counts)})" if _unasked(counts) else "")


def _who(counts: Mapping[str, Any]) -> str:
    """Name the readers that still read, and those that do after an upload."""
    still, uploaded = (", ".join(counts[key]) for key in ("still", "uploaded"))
    text = f": {still}" if still else ""
    if counts["uploaded"] and counts["uploaded"] != counts["still"]:
        text += f"; uploaded, {sum(counts['uploaded'].values())}: {uploaded}"
    return text


def _disagreeing(name: str, counts: Mapping[str, Any], n_faces: int) -> str:
    if not counts["n_disagree"]:
        return ""
    where = "" if n_faces == 1 else f" on {counts['n_disagree']}"
    return f"; the readers disagree{where} about the present {name}, tell it (--labels {name}=...)"


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
