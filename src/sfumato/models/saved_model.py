"""A fitted eraser with its provenance: what it takes out, and what it was fitted on."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sfumato import __version__
from sfumato._fitted import fitted_state
from sfumato.data.info import TableInfo, check_same_space, unknown_origin
from sfumato.models.likeness import MIN_PEOPLE, Likeness
from sfumato.models.registry import method_name


@dataclass(frozen=True)
class SavedModel:
    """A fitted eraser with its provenance.

    Parameters
    ----------
    eraser : estimator
    attributes : tuple of str
        The protected attributes that it takes out.
    info : TableInfo
        The embeddings that it takes.
    fitted_on : dict
        ``source``, ``n_rows``, ``n_identities`` and ``identities`` (``"eraser"``: only the
        identities that :func:`sfumato.data.splits.role` gives to erasers; ``"all"``; or a
        column's value such as ``"partition=train"``) and the split's ``seed``.
    version : str
        The sfumato that fitted it.
    sha256 : str, optional
        Of the file that it was read from.
    checked : bool, default=True
        Whether that file had a checksum; those of format 1 had none.
    likeness : Likeness, optional
        The moments of the people that it was fitted on; files of before, and fits of few people
        have none.
    """

    eraser: Any
    attributes: tuple[str, ...] = ()
    info: TableInfo = field(default_factory=TableInfo)
    fitted_on: dict = field(default_factory=dict)
    version: str = __version__
    sha256: str | None = field(default=None, compare=False)
    checked: bool = field(default=True, compare=False)
    likeness: Likeness | None = field(default=None, compare=False)

    @property
    def fingerprint(self) -> Any:
        """Twelve hexadecimal digits of the arrays' SHA-256."""
        return fingerprint_of(self.eraser, method_name(self.eraser))

    @property
    def step(self) -> dict[str, Any]:
        """The entry that this eraser adds to a table's transformations."""
        step = {
            "method": method_name(self.eraser),
            "version": self.version,
            "fingerprint": self.fingerprint,
            "attributes": list(self.attributes),
            "fitted_on": self.fitted_on,
        }
        guarantee = self.eraser.guarantee
        return step | ({"guarantee": guarantee} if guarantee else {})

    def check(self, info: Any, table: Any) -> None:
        """Refuse a table whose embeddings the eraser was not fitted on."""
        if info.dimension != self.eraser.n_features_in_ or self.info.encoder is not None:
            check_same_space(info, self.info, table=table, model=self.step["method"])

    def doubts(self, info: Any, table: Any) -> list[Any]:
        """Return sentences on what nobody can check.

        Whether a table's embeddings are of the model's space, and its people like the fitted ones.
        """
        method = self.step["method"]
        found = [f"{note}." for note in unknown_origin(info, table)]
        if info.encoder is not None and self.info.encoder is None:
            found = [
                f"{table}: embeddings of {info.encoder}, but what {method} was "
                "fitted on is unknown; fit it on a table that says so."
            ]
        if self.likeness is None and self.attributes:
            found.append(
                f"{table}: {method} does not know whom it was fitted on (fewer than {MIN_PEOPLE} "
                "people, or by an older sfumato), so nobody checked whether these look like them."
            )
        return found


def fingerprint_of(estimator: Any, name: str) -> Any:
    """Return twelve hexadecimal digits of the SHA-256 of a method's name and fitted state."""
    digest = hashlib.sha256(name.encode())
    arrays, scalars = fitted_state(estimator)
    digest.update(json.dumps(scalars, sort_keys=True).encode())
    for key in sorted(arrays):
        digest.update(f"{key} {arrays[key].dtype} {arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()[:12]
