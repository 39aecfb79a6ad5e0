"""Enrols batches into a gallery until it is done or killed: ``writer.py GALLERY NAME N [slow]``.

It loads everything and waits for a line of input, because that takes longer than the work.
"""

import sys
import time
import warnings

import numpy as np

from sfumato.gallery import Gallery, ProtectedTemplates
from sfumato.gallery._store import Store


def slowly(known):
    """Return ``known`` with time for another process between the look and what follows."""

    def look(self, ids):
        found = known(self, ids)
        time.sleep(0.1)
        return found

    return look


def main(path, name, n_batches, pace="fast", n_rows=40):
    """Enrol ``n_batches`` batches; each says its number when it is in."""
    if pace == "slow":
        Store.known = slowly(Store.known)
    gallery, rng = Gallery(path), np.random.default_rng(0)
    if not sys.stdin.readline():
        return
    for batch in range(int(n_batches)):
        X = rng.normal(size=(n_rows, 8))
        ids = [f"{name}-{batch}-{row}" for row in range(n_rows)]
        # Every writer also tries this one: the first gets it.
        ids[0] = f"shared-{batch}"
        people = [f"{name}-{batch}"] * n_rows
        gallery.enrol(ProtectedTemplates(X, gallery.info, ids, people))
        print(batch, flush=True)


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(*sys.argv[1:])
