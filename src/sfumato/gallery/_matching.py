"""Probes compared with a gallery, one to one and one to many."""

from typing import Any

import numpy as np

from sfumato._constraints import POSITIVE_INT, check_argument
from sfumato.data.labels import as_text
from sfumato.gallery import _search
from sfumato.gallery._index import read_record
from sfumato.gallery._store import is_person
from sfumato.gallery._templates import faults

CACHE_BYTES = 1 << 30
FEW_CLAIMS = 20
PROBES = 1024


class Matcher:
    """Compares probes with a gallery's rows, batch by batch; each batch has a line in the log.

    Parameters
    ----------
    info : TableInfo
    folder : Folder
    """

    def __init__(self, info: Any, folder: Any) -> None:
        self._info, self._folder = info, folder
        self._cache: Any = None

    def index(self, store: Any) -> Any:
        """Return the record of a usable index, or None."""
        self._folder.verify("index")
        if not self._folder.index.exists() or not store.has_index:
            return None
        return read_record(self._folder.index)

    def forget(self) -> None:
        """Let go of the rows that are kept in memory."""
        self._cache = None

    def _parts(self, store, where=None):
        """Return the rows as parts, from memory where they fit."""
        version, metric = self._folder.identity.newest, self._info.metric
        if self._cache is not None and self._cache[0] != version:
            self._cache = None
        if self._cache is not None:
            return self._cache[1]
        size = 4 * self._info.dimension * store.n_rows
        if where is not None or size > CACHE_BYTES:
            return _search.read_parts(store, metric, where)
        parts = list(_search.read_parts(store, metric))
        self._cache = version, parts
        return parts

    def verify(self, templates: Any, person: Any, limit: Any) -> Any:
        """Do the work of :meth:`sfumato.gallery._gallery.Gallery.verify`."""
        found: dict = {"threshold": limit.to_dict(), "probes": [], "rejects": []}
        for batch in templates.batches(PROBES):
            claims = batch.people if person is None else as_text([person] * batch.n_rows).tolist()
            with self._folder.reading() as store:
                meant = store.numbers_meant(set(claims))
                claims = [meant.get(claim, claim) for claim in claims]
                probes, rejects = self._claims(store, batch, claims, limit)
                accepted = sum(probe["accepted"] for probe in probes)
                counts = {"n_probes": batch.n_rows, "n_accepted": accepted}
                people = [probe["person"] for probe in probes]
                self._folder.log.append("verify", people, **counts)
            found["probes"] += probes
            found["rejects"] += rejects
        accepted = sum(probe["accepted"] for probe in found["probes"])
        return found | {"n_probes": len(found["probes"]), "n_accepted": accepted}

    def identify(self, templates: Any, k: Any, limit: Any, exact: Any) -> Any:
        """Do the work of :meth:`sfumato.gallery._gallery.Gallery.identify`."""
        check_argument(k, POSITIVE_INT, "k")
        found: dict = {"search": "exact", "recall_at_1": None, "threshold": limit.to_dict()}
        found |= {"n_templates": 0, "probes": [], "rejects": []}
        for batch in templates.batches(PROBES):
            with self._folder.reading() as store:
                record = None if exact else self.index(store)
                probes, rejects = self._candidates(store, batch, k, limit, record)
                named = [probe["person"] for probe in probes if probe["person"] is not None]
                counts = {"n_probes": batch.n_rows, "n_named": len(named)}
                self._folder.log.append("identify", named, **counts)
                found["n_templates"] = store.n_rows
            if record is not None:
                found |= {"search": "index", "recall_at_1": record["recall_at_1"]}
            found["probes"] += probes
            found["rejects"] += rejects
        rate = None if limit.fmr is None else limit.fmr * found["n_templates"]
        n_named = sum(probe["person"] is not None for probe in found["probes"])
        counts = {"n_probes": len(found["probes"]), "n_named": n_named}
        return found | counts | {"false_matches_of_a_stranger": rate}

    def _claims(self, store, batch, claims, limit):
        """Return the probes and the rejects of one batch."""
        reasons = faults(batch.X, self._info.metric)
        reasons[[claim is None for claim in claims]] = "claims to be nobody; name a person"
        rows = np.flatnonzero([reason is None for reason in reasons])
        scores, wanted = np.full(batch.n_rows, np.nan), [claims[row] for row in rows]
        if len(rows):
            distinct = sorted(set(wanted))
            where = is_person(distinct) if len(distinct) <= FEW_CLAIMS else None
            parts = self._parts(store, where)
            scores[rows] = _search.claimed(parts, batch.X[rows], wanted, self._info.metric)
        reasons[rows[np.isnan(scores[rows])]] = "the person is not enrolled"
        probes = [
            {"probe": batch.ids[row], "person": claims[row], "score": score, "accepted": accepted}
            for row, score, accepted in zip(
                range(batch.n_rows), scores.tolist(), (scores >= limit.score).tolist(), strict=True
            )
            if reasons[row] is None
        ]
        return probes, rejects_of(batch, reasons)

    def _candidates(self, store, batch, k, limit, record):
        """Return the probes and the rejects of one batch.

        ``record`` is that of the index to use, or None for exact search.
        """
        metric, n_rows = self._info.metric, store.n_rows
        reasons = faults(batch.X, metric)
        rows = np.flatnonzero([reason is None for reason in reasons])
        X = batch.X[rows]
        if record is None:
            leaders = _search.exact(self._parts(store), X, metric, k)
        else:
            leaders = _search.indexed(store, X, metric, k, record["n_probes"], n_rows)
        probes = []
        for row, people in zip(rows, leaders.people(limit.score), strict=True):
            ranked = [
                {"rank": rank, "person": person, "score": score}
                for rank, (person, score) in enumerate(people, 1)
            ]
            person = people[0][0] if people else None
            probes.append({"probe": batch.ids[row], "person": person, "candidates": ranked})
        return probes, rejects_of(batch, reasons)


def rejects_of(batch: Any, reasons: Any) -> list[Any]:
    """Return ``{"probe", "reason"}`` of each row that has a reason."""
    return [
        {"probe": name, "reason": reason}
        for name, reason in zip(batch.ids, reasons, strict=True)
        if reason is not None
    ]
