"""What ISO/IEC 30136 and 24745 ask for, and where an audit answers it.

One list: the report's last block and the page ``docs/standards.md`` are made from it. The
standards' texts were not at hand: what they ask for is taken from their public abstracts and from
the terms that papers quote from them. Nothing here claims conformity.
"""

from typing import Any, NamedTuple

TESTING, PROTECTION = "ISO/IEC 30136:2018", "ISO/IEC 24745:2022"
NOT_MEASURED = "not measured"
DISCLAIMER = (
    "No claim of conformity. The texts of ISO/IEC 30136:2018 and 24745:2022 were not at hand: "
    "what they ask for is named after their public abstracts and the terms that papers quote, and "
    "may be incomplete."
)
MATCHING, REVERSAL = "Does matching still work?", "Can templates be turned back?"
LINKS, BOUND = "Can releases be linked?", "Is there an upper bound?"
ATTACKERS = "Every attacker"


class Clause(NamedTuple):
    """One thing that a standard asks for.

    Attributes
    ----------
    standard : str
    asks : str
    place : str or None
        Keys of the audit's JSON form, from the outside in, joined by ``/``; None where an audit
        has no answer.
    block : str or None
        How the title of the report's block that shows it begins.
    note : str
        What is answered of it, or why nothing is.
    """

    standard: str
    asks: str
    place: str | None
    block: str | None
    note: str


CLAUSES = (
    Clause(
        TESTING,
        "Accuracy with protection",
        "verification/protected-protected/eer",
        MATCHING,
        "EER, and TMR at an FMR, of protected templates, with intervals over people",
    ),
    Clause(
        TESTING,
        "Accuracy without protection, to compare",
        "verification/original-original/eer",
        MATCHING,
        "the same of the raw templates",
    ),
    Clause(TESTING, "Theoretical accuracy", None, None, "no model of the scores is fitted"),
    Clause(
        TESTING,
        "Probability of a successful attack, empirical",
        "reversal/another",
        REVERSAL,
        "share of restored templates that match another template of the person, raw, at an FMR",
    ),
    Clause(
        TESTING,
        "Probability of a successful attack, theoretical",
        "certificate/bound",
        BOUND,
        "for reading the attribute alone, where noise or few values allow a bound",
    ),
    Clause(
        TESTING,
        "Attack with several protected templates of one person",
        "certificate/composed",
        BOUND,
        "the bound for noise alone; no attacker that joins templates was tried",
    ),
    Clause(
        TESTING,
        "Information leaked about the original: irreversibility",
        "reversal/original",
        REVERSAL,
        "share of restored templates that match their original; pictures are not restored",
    ),
    Clause(
        TESTING,
        "Information leaked about the person: attributes",
        "after/balanced_accuracy",
        ATTACKERS,
        "of the attributes asked for, by the strongest of the attackers",
    ),
    Clause(
        TESTING,
        "Unlinkability (cross-comparison of releases)",
        "unlinkability/d_sys",
        LINKS,
        "D_sys of two linkage functions, where other releases were given",
    ),
    Clause(TESTING, "Diversity", None, None, "how many independent keys there are is not counted"),
    Clause(
        TESTING,
        "Size of the test: people and templates",
        "split/test",
        "Who took part",
        "people and rows, by class",
    ),
    Clause(TESTING, "Storage of a protected template", None, None, "see the table's dimension"),
    Clause(TESTING, "Failure to enrol", None, None, "rejects are listed when photos are embedded"),
    Clause(
        PROTECTION,
        "Irreversibility",
        "reversal/original",
        REVERSAL,
        "an attacker with pairs of other people; a lower bound",
    ),
    Clause(
        PROTECTION,
        "Unlinkability",
        "unlinkability/releases",
        LINKS,
        "for the same and for another photo, where other releases were given",
    ),
    Clause(
        PROTECTION,
        "Renewability and revocability",
        None,
        None,
        "whether a revoked template is refused is not tried; releases under two keys are linked",
    ),
    Clause(
        PROTECTION,
        "Recognition performance kept",
        "verification/protected-protected/tmr_at_fmr",
        MATCHING,
        "TMR at an FMR of protected templates",
    ),
    Clause(
        PROTECTION,
        "Privacy: no more information than the purpose needs",
        "after/attackers",
        ATTACKERS,
        "of the attributes asked for",
    ),
    Clause(
        PROTECTION, "Confidentiality in storage and transfer", None, None, "a matter of operation"
    ),
    Clause(PROTECTION, "Integrity in storage and transfer", None, None, "a matter of operation"),
    Clause(
        PROTECTION,
        "Secure binding of biometric and identity reference",
        None,
        None,
        "a matter of operation",
    ),
)


def look_up(result: dict[str, Any], place: str | None) -> Any:
    """Return what stands at a place of an audit's JSON form, or None."""
    for key in (place or "").split("/"):
        result = (result or {}).get(key)  # type: ignore[assignment]
    return result


def clause_table(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return where an audit answers each clause.

    Parameters
    ----------
    result : dict
        JSON form of an audit.

    Returns
    -------
    list of dict
        ``standard``, ``asks``, ``where`` (the report's block and the JSON's place, or
        ``"not measured"``), ``note`` and ``measured``.
    """
    rows = []
    for clause in CLAUSES:
        measured = look_up(result, clause.place) is not None
        where = f"{clause.block} ({clause.place})" if measured else NOT_MEASURED
        rows.append(clause._asdict() | {"where": where, "measured": measured})
    return rows


def standards_page() -> str:
    """Return the page of the docs, Markdown."""
    lines = [
        "# ISO/IEC 30136 and 24745",
        "",
        f"{DISCLAIMER} Read the standards before you rely on this table.",
        "",
        "The last block of every report says of each line whether this audit measured it. The "
        "place is that in `sfumato audit --json`, under `attributes` and the attribute's name.",
        "",
        "| Standard | asks for | place in the JSON | block of the report | what |",
        "|---|---|---|---|---|",
    ]
    for clause in CLAUSES:
        place = f"`{clause.place}`" if clause.place else NOT_MEASURED
        block = clause.block or ""
        lines.append(f"| {clause.standard} | {clause.asks} | {place} | {block} | {clause.note} |")
    return "\n".join(lines) + "\n"
