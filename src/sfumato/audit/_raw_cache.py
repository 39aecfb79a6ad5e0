"""What attackers read on raw rows, remembered: several protected tables share it.

The key is the SHA-256 of the rows, labels, people and settings and of the versions that computed
it. What is kept are figures, and of each test row whether attackers read it right; no template, no
label, no name. A folder holds JSON with a checksum, written atomically; what a damaged, edited or
renamed file holds is computed anew.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn

from sfumato import __version__
from sfumato.audit.learning import Curve, Point
from sfumato.audit.result import AttackResult, Leakage
from sfumato.errors import InputError
from sfumato.files import make_folder, write_text

MOST = 16
FORM = 2
_known: OrderedDict[str, Any] = OrderedDict()

Found = tuple[Leakage, list[Curve]]


class CacheOption:
    """True, False or a folder."""

    def describe(self) -> str:
        """Say what is accepted."""
        return "True (this process), False or a folder"

    def accepts(self, value: Any) -> bool:
        """Return whether the value is one."""
        return isinstance(value, bool | str | Path)


def key_of(train: Any, tested: Any, **settings: Any) -> str | None:
    """Return the key of what is read on raw rows, None where attackers are a user's own.

    Parameters
    ----------
    train, tested : Rows
    **settings
        With ``names``, those of the attackers; all of what JSON can hold.
    """
    if not all(isinstance(name, str) for name in settings["names"]):
        return None
    versions = [FORM, __version__, np.__version__, scipy.__version__, sklearn.__version__]
    digest = hashlib.sha256(json.dumps([versions, settings], sort_keys=True).encode())
    for rows in (train, tested):
        for values in (rows.X, rows.y.astype(str), rows.identity.astype(str)):
            digest.update(f"{values.dtype.str} {values.shape} ".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def recall(key: str | None, cache: bool | str | Path) -> Found | None:
    """Return what was found under a key, None if it is not known or nothing may be recalled."""
    if key is None or cache is False:
        return None
    if key in _known:
        _known.move_to_end(key)
        return _known[key]
    if cache is True:
        return None
    try:
        saved = json.loads(_file(cache, key).read_text(encoding="utf-8"))
        if saved["sha256"] == _checksum(key, saved["found"]):
            return _from_json(saved["found"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None


def remember(key: str | None, cache: bool | str | Path, compute: Callable[[], Found]) -> Found:
    """Return what is known under a key, or compute and keep it.

    Parameters
    ----------
    key : str or None
        None: computed and not kept.
    cache : bool, str or Path
        True: in this process, the last 16; a folder, made if it is not there: there too.
    compute : callable
    """
    if key is None or cache is False:
        return compute()
    if cache is not True:
        # Where that fails, nothing was computed in vain.
        if not (above := Path(cache).absolute().parent).is_dir():
            raise InputError(f"cache: {above} is missing; make that folder first.")
        make_folder(cache)
    known = recall(key, cache)
    found = known or compute()
    _known[key] = found
    while len(_known) > MOST:
        _known.popitem(last=False)
    if cache is not True and (known is None or not _file(cache, key).exists()):
        saved = _to_json(found)
        saved = {"sha256": _checksum(key, saved), "found": saved}
        write_text(_file(cache, key), json.dumps(saved))
    return found


def forget() -> None:
    """Forget what this process remembers."""
    _known.clear()


def _file(folder, key):
    return Path(folder) / f"raw-{key}.json"


def _checksum(key, found):
    """Return the SHA-256 of what is kept, and of the key that it is kept under."""
    return hashlib.sha256(f"{key} {json.dumps(found, sort_keys=True)}".encode()).hexdigest()


def _to_json(found):
    leakage, curves = found
    attacks = {
        name: attack.to_dict() | {"correct": np.packbits(attack.correct).tobytes().hex()}
        for name, attack in leakage.attacks.items()
    }
    n_rows = len(leakage.headline.correct)
    return {
        "strongest": leakage.strongest,
        "n_features": leakage.n_features,
        "n_rows": n_rows,
        "attacks": attacks,
        "curves": [curve.to_dict() for curve in curves],
    }


def _from_json(found):
    n_rows, attacks = found["n_rows"], {}
    for name, figures in found["attacks"].items():
        bits = np.frombuffer(bytes.fromhex(figures.pop("correct")), dtype=np.uint8)
        correct = np.unpackbits(bits, count=n_rows).astype(bool)
        attacks[name] = AttackResult(attacker=name, correct=correct, **figures)
    leakage = Leakage(attacks, found["strongest"], found["n_features"])
    curves = [
        Curve(**curve | {"points": [Point(**point) for point in curve["points"]]})
        for curve in found["curves"]
    ]
    return (leakage, curves) if leakage.headline else None
