"""Simulated faces: embeddings with a known structure and nobody's face behind them.

:func:`simulate` draws from a Gaussian model whose group means and covariances were estimated
on LFW; the shipped file holds these aggregates of at least 100 people a group, and nothing
else. For leaks that are planted on purpose see :mod:`sfumato.data.planted`.
"""

from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sfumato._constraints import Interval, check_argument
from sfumato.data.gaussian import load_gaussian_model
from sfumato.data.info import TableInfo
from sfumato.data.planted import planted
from sfumato.data.tables import ROW_GROUP, table_batch, write_table
from sfumato.outcomes import Progress
from sfumato.validation import check_seed

__all__ = ["planted", "simulate", "simulate_batches", "simulated_info", "write_simulated"]

# Rows are drawn in blocks with a random stream each, so that the same seed gives the same
# rows whatever the size of a batch.
BLOCK_ROWS = 8192
BLOCK_ROUNDS = 128  # identities of each group in a block of identities


def simulate(
    n_identities: int, images_per_identity: int = 5, *, seed: int = 0, races: str = "balanced"
) -> dict[str, NDArray[Any]]:
    """Draw embeddings of people who do not exist, with gender, race and identity.

    A person's mean is normal around the mean of the gender-race group with the group's
    covariance between people; a photo is normal around the person's mean with the group's
    covariance within people, times the photo's own quality; the result has unit length.
    Gender and race leak both linearly and through the covariances.

    Parameters
    ----------
    n_identities : int, at least 1
        Genders are equally frequent.
    images_per_identity : int, default=5
    seed : int, default=0
        The same seed gives the same rows on the same machine.
    races : {"balanced", "estimated"}, default="balanced"
        Equally frequent, or as frequent as in LFW (mostly white).

    Returns
    -------
    dict of str to ndarray
        ``image_id``, ``identity``, ``gender`` (female, male) and ``race`` (asian, white,
        other) of shape (n_identities * images_per_identity,), strings, and ``embedding``,
        float32 of shape (..., 128).

    Raises
    ------
    InputError
        For a count below 1 or an unknown ``races``.

    Notes
    -----
    The model reproduces second moments and the equal error rate of LFW embeddings (see
    ``scripts/estimate_simulation.py``), not their exact distribution: figures on simulated
    faces say how software behaves, not how well real people are protected.

    Examples
    --------
    >>> faces = simulate(6, 2)
    >>> faces["embedding"].shape, sorted(set(faces["gender"]))
    ((12, 128), ['female', 'male'])
    """
    n_rows = _check_count(n_identities, "n_identities") * _check_count(
        images_per_identity, "images_per_identity"
    )
    (batch,) = simulate_batches(
        n_identities, images_per_identity, seed=seed, races=races, batch_rows=n_rows
    )
    columns = {
        name: batch.column(name).to_numpy(zero_copy_only=False)
        for name in ("image_id", "identity", "gender", "race")
    }
    flat = batch.column("embedding").flatten().to_numpy()
    return {**columns, "embedding": flat.reshape(n_rows, -1)}


def simulate_batches(
    n_identities: Any,
    images_per_identity: int = 5,
    *,
    seed: int = 0,
    races: str = "balanced",
    n_rows: int | None = None,
    batch_rows: int = ROW_GROUP,
    model: Any = None,
) -> Iterator[pa.RecordBatch]:
    """Yield what :func:`simulate` returns as record batches of a face table.

    Parameters
    ----------
    n_identities, images_per_identity, seed, races
        As for :func:`simulate`.
    n_rows : int, optional
        Stop after so many rows; by default all.
    batch_rows : int, default=65536
        Rows of a batch; does not change the rows.
    model : GaussianModel, optional
        By default the shipped one.
    """
    total = _check_count(n_identities, "n_identities") * _check_count(
        images_per_identity, "images_per_identity"
    )
    n_rows = total if n_rows is None else min(_check_count(n_rows, "n_rows"), total)
    _check_count(batch_rows, "batch_rows")
    people = _People(model or load_gaussian_model(), check_seed(seed), races)
    return _batches(people, images_per_identity, n_rows, batch_rows)


def _batches(people, images_per_identity, n_rows, batch_rows):
    X = np.empty((min(batch_rows, n_rows), people.model.n_features), dtype=np.float32)
    groups = np.empty(len(X), dtype=np.int64)
    start = filled = 0
    for block in range(-(-n_rows // BLOCK_ROWS)):
        values, members = people.photos(block, images_per_identity)
        values, members = values[: n_rows - block * BLOCK_ROWS], members[: len(values)]
        used = 0
        while used < len(values):
            step = min(len(values) - used, len(X) - filled)
            X[filled : filled + step] = values[used : used + step]
            groups[filled : filled + step] = members[used : used + step]
            used, filled = used + step, filled + step
            if filled == len(X) or start + filled == n_rows:
                yield _record_batch(
                    people, start, images_per_identity, X[:filled], groups[:filled]
                )
                start, filled = start + filled, 0
                # The batch keeps its memory: the next one gets its own.
                X = np.empty((min(batch_rows, n_rows - start), X.shape[1]), dtype=np.float32)


def _record_batch(people, start, images_per_identity, X, groups):
    rows = np.arange(start, start + len(X))
    person, photo = np.divmod(rows, images_per_identity)
    identity = pc.binary_join_element_wise(
        f"s{people.seed}", pc.utf8_lpad(pc.cast(pa.array(person), "string"), 7, "0"), "-"
    )
    number = pc.utf8_lpad(pc.cast(pa.array(photo), "string"), 3, "0")
    return table_batch(
        {
            "image_id": pc.binary_join_element_wise(identity, number, "-"),
            "identity": identity,
            "gender": pa.array(people.model.genders).take(pa.array(groups)),
            "race": pa.array(people.model.races).take(pa.array(groups)),
            "embedding": X,
        }
    )


class _People:
    """Draws blocks of identities and of photos; each block has its own random stream."""

    def __init__(self, model: Any, seed: int, races: Any) -> None:
        self.model, self.seed = model, seed
        self.probabilities = model.probabilities(races)
        self.balanced = races == "balanced" and np.ptp(self.probabilities) < 1e-9
        self.block_identities = BLOCK_ROUNDS * len(model.genders)
        self._kept: dict[Any, Any] = {}

    def _stream(self, kind, block):
        seeds = np.random.SeedSequence(self.seed, spawn_key=(kind, block))
        return np.random.Generator(np.random.SFC64(seeds))

    def _identities(self, block):
        """Return the groups and means of one block of identities; the last two are kept."""
        if block not in self._kept:
            rng = self._stream(0, block)
            n_groups = len(self.probabilities)
            if self.balanced:  # every run of n_groups people holds each group once
                order = np.tile(np.arange(n_groups), (BLOCK_ROUNDS, 1))
                groups = rng.permuted(order, axis=1).ravel()
            else:
                groups = rng.choice(n_groups, self.block_identities, p=self.probabilities)
            noise = rng.standard_normal((len(groups), self.model.n_features), dtype=np.float32)
            means = self.model.means[groups] + _colour(noise, groups, self.model.between)
            while len(self._kept) > 1:
                del self._kept[min(self._kept)]
            self._kept[block] = groups, means
        return self._kept[block]

    def photos(self, block: Any, images_per_identity: Any) -> tuple[Any, ...]:
        """Return the embeddings and groups of one block of rows."""
        rows = np.arange(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
        people, place = np.divmod(rows // images_per_identity, self.block_identities)
        blocks = np.unique(people)
        groups = np.empty(BLOCK_ROWS, dtype=np.int64)
        means = np.empty((BLOCK_ROWS, self.model.n_features), dtype=np.float32)
        for number in blocks:
            here = people == number
            drawn_groups, drawn_means = self._identities(int(number))
            groups[here], means[here] = drawn_groups[place[here]], drawn_means[place[here]]
        rng = self._stream(1, block)
        noise = rng.standard_normal(means.shape, dtype=np.float32)
        spread = self.model.quality_spread
        # Lognormal with mean 1: the covariance of the photos stays the estimated one.
        quality = np.exp(spread * rng.standard_normal(BLOCK_ROWS) - spread**2 / 2)
        noise *= np.sqrt(quality, dtype=np.float32, casting="same_kind")[:, None]
        X = means + _colour(noise, groups, self.model.within)
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        return X, groups


def _colour(noise, groups, factors):
    """Multiply each row of white noise by its group's Cholesky factor."""
    coloured = np.empty_like(noise)
    for group, factor in enumerate(factors):
        here = np.flatnonzero(groups == group)
        coloured[here] = noise[here] @ factor.T
    return coloured


def simulated_info(model: Any = None) -> TableInfo:
    """Return the :class:`~sfumato.data.info.TableInfo` of simulated embeddings."""
    model = model or load_gaussian_model()
    return TableInfo(
        source="simulated",
        encoder="simulated",
        encoder_version=model.fingerprint,
        dimension=model.n_features,
        metric="cosine",
        normalisation="l2",
    )


def write_simulated(
    path: str | Path,
    n_identities: int | None = None,
    images_per_identity: int = 5,
    *,
    seed: int = 0,
    races: str = "balanced",
    n_rows: Any = None,
    progress: Progress | None = None,
) -> Any:
    """Write simulated faces as a face table, batch by batch; return the number of rows.

    Parameters
    ----------
    path : str or Path
        Replaced when it exists.
    n_identities : int, optional
        By default as many as ``n_rows`` needs, or 1000.
    images_per_identity, seed, races, n_rows
        As for :func:`simulate_batches`.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.
    """
    _check_count(images_per_identity, "images_per_identity")
    if n_identities is None and n_rows is None:
        n_identities = 1000
    elif n_identities is None:
        n_identities = -(-_check_count(n_rows, "n_rows") // images_per_identity)
    batches = simulate_batches(
        n_identities, images_per_identity, seed=seed, races=races, n_rows=n_rows
    )
    total = n_identities * images_per_identity
    counted = _count(batches, total if n_rows is None else min(n_rows, total), progress)
    columns = [(name, pa.string()) for name in ("image_id", "identity", "gender", "race")]
    info = simulated_info()
    embedding = pa.list_(pa.float32(), info.dimension)
    schema = pa.schema([*columns, ("embedding", embedding)])
    return write_table(path, counted, schema, info)


def _count(batches, n_total, progress):
    n_done = 0
    for batch in batches:
        yield batch
        n_done += batch.num_rows
        if progress:
            progress(n_done, n_total, "rows")


#: The product of two of them has room in 64 bits.
_COUNT = Interval(Integral, 1, 2**31 - 1, closed="both")


def _check_count(value, name):
    return int(check_argument(value, _COUNT, name))
