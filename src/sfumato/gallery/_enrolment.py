"""What becomes of templates that are enrolled."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sfumato.data.names import are_plain, name_fault
from sfumato.gallery._templates import faults


@dataclass
class Enrolment:
    """What became of the templates given to :meth:`Gallery.enrol`.

    Parameters
    ----------
    n_rows, n_enrolled : int
    rejects : list of dict
        ``row``, ``template`` and ``reason`` of each that was left out.
    under_way : list of str
        Template ids that are being added, and may be in the gallery already.
    """

    n_rows: int = 0
    n_enrolled: int = 0
    rejects: list = field(default_factory=list)
    under_way: list = field(default_factory=list, repr=False)

    @property
    def reasons(self) -> Any:
        """Number of rejects by reason, the most frequent first."""
        return dict(Counter(reject["reason"] for reject in self.rejects).most_common())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-ready fields."""
        known = {key: value for key, value in asdict(self).items() if key != "under_way"}
        return {**known, "n_rejects": len(self.rejects), "reasons": self.reasons}


def reasons_of(batch: Any, metric: Any, taken: Any) -> Any:
    """Return for each row why it is not enrolled, or None; ``taken`` are ids in use."""
    reasons, seen = faults(batch.X, metric), set()
    plain = are_plain(name for name in (*batch.ids, *batch.people) if name)
    for row, (name, person) in enumerate(zip(batch.ids, batch.people, strict=True)):
        if reasons[row] is not None:
            continue
        if not name:
            reasons[row] = "no template id"
        elif not person:
            reasons[row] = "no person"
        elif not plain and (fault := name_fault(name)):
            reasons[row] = f"the template id {fault}"
        elif not plain and (fault := name_fault(person)):
            reasons[row] = f"the person's name {fault}"
        elif name in taken:
            reasons[row] = "template id is in the gallery already"
        elif name in seen:
            reasons[row] = "template id is used twice"
        else:
            seen.add(name)
    return reasons.tolist()


def enrol_batch(store: Any, batch: Any, metric: Any, log: Any, done: Any) -> None:
    """Add the good rows of a batch in one commit; note the others in ``done``."""
    reasons = reasons_of(batch, metric, store.known(batch.ids))
    good = [row for row, reason in enumerate(reasons) if reason is None]
    people = [batch.people[row] for row in good]
    refused = dict(Counter(reason for reason in reasons if reason is not None))
    # Written before, so that nobody is in the gallery without a line in the log.
    log.append("enrol", people, n_templates=len(good), rejects=refused)
    if good:
        ids = done.under_way = [batch.ids[row] for row in good]
        store.add(people, ids, batch.X[good], datetime.now(UTC))
        store.tidy()
        log.append("enrolled", n_templates=len(good))
    for row, reason in enumerate(reasons):
        if reason is not None:
            reject = {"row": done.n_rows + row, "template": batch.ids[row], "reason": reason}
            done.rejects.append(reject)
    done.n_rows += batch.n_rows
    done.n_enrolled, done.under_way = done.n_enrolled + len(good), []
