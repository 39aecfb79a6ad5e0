"""The audit: train every attacker afresh, report the strongest on people it never saw.

1. People are split: development (the attackers) and test. People the eraser was fitted on must
   not be among the rows given.
2. Every attacker is tuned by identity-grouped cross-validation on class-balanced development
   rows and refitted on all of them.
3. The strongest is picked by its accuracy on the *validation* identities (those held out in
   the cross-validation), and reported on the *test* identities: no maximum over test figures.
4. Raw and protected embeddings go through the same rows, folds and resamples.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfumato._constraints import (
    POSITIVE_INT,
    Boolean,
    Instance,
    check_argument,
)
from sfumato.audit import _alarms, _structure
from sfumato.audit._attacking import Steps, attack_side
from sfumato.audit._duplicates import is_constant
from sfumato.audit._raw_cache import CacheOption, key_of, recall, remember
from sfumato.audit._rows import check_classes, split_rows
from sfumato.audit.attackers import check_attackers
from sfumato.audit.basis import check_basis
from sfumato.audit.certificate import certify
from sfumato.audit.floor import floors_of
from sfumato.audit.given import given_of
from sfumato.audit.groups import groups_of
from sfumato.audit.learning import Learning
from sfumato.audit.matching import match_all
from sfumato.audit.result import Audit, describe_split
from sfumato.audit.reversal import reversal_of
from sfumato.audit.unlinkability import check_across, link
from sfumato.audit.views import PAIRED
from sfumato.data.label_hints import say_doubts
from sfumato.data.splits import balanced_rows
from sfumato.metrics.leakage import BootstrappedAccuracy
from sfumato.progress import Asked, told
from sfumato.validation import check_seed

# Impostor scores of the test people; more are sampled.
MAX_IMPOSTOR = 2_000_000
MATCHING_RESAMPLES = 500


def audit(
    X: ArrayLike,
    y: ArrayLike,
    *,
    identity: ArrayLike | None = None,
    protected: ArrayLike | None = None,
    test: dict[str, Any] | None = None,
    across: dict[str, Any] | None = None,
    guarantee: dict[str, Any] | None = None,
    attribute: str = "attribute",
    metric: str = "cosine",
    protected_metric: str | None = None,
    crossed: dict[str, Any] | None = None,
    by: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    attackers: list[Any] | None = None,
    test_share: float = 0.3,
    max_train_rows: int = 6000,
    n_resamples: int = 1000,
    curve: bool = True,
    match: bool = True,
    cache: bool | str | Path = True,
    basis: dict[str, str] | None = None,
    seed: int = 0,
    progress: Asked = None,
) -> Audit:
    """Train attackers afresh on embeddings, and report what the strongest reads.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Raw embeddings of people that the eraser was not fitted on.
    y : array-like of shape (n_samples,)
        The protected attribute, classes; rows where it is missing are left out, see
        :mod:`sfumato.data.labels`.
    identity : array-like of shape (n_samples,), optional
        Who is on each row. Without it every row counts as a person of its own, an alarm is
        raised and nothing is said about matching.
    protected : array-like of shape (n_samples, n_features_out), optional
        The same rows after an eraser.
    test : dict, optional
        ``X``, ``y`` and, as above, ``identity`` and ``protected`` of *another* data set. The
        attackers then train on all people of the first and are tested on all of this one.
    across : dict of str to array-like of shape (n_samples, n_features_other), optional
        By name, the same rows under other keys or from other erasers: how well they can be
        linked to the protected ones, see :mod:`sfumato.audit.unlinkability`.
    guarantee : dict, optional
        What noise in the rows promises, ``LocalDpEraser.guarantee``: the bound that follows, see
        :mod:`sfumato.audit.certificate`.
    metric : str, default="cosine"
        How a matcher compares two raw embeddings, see :mod:`sfumato.metrics.comparators`.
    protected_metric : str, optional
        How it compares two protected ones; default ``metric``.
    crossed : dict of str to array-like of shape (n_samples,), optional
        Classes of other protected attributes: the price floor is given for each, and for
        all crossed.
    by : dict of str to array-like of shape (n_samples,), optional
        Labels whose groups are compared, each and all crossed: leakage and matching of each
        group, see :mod:`sfumato.audit.groups`.
    given : dict of str to array-like of shape (n_samples,), optional
        Labels that are known anyway, such as age: how much of the reading goes with them, see
        :mod:`sfumato.audit.given`.
    attackers : list of (str or classifier), optional
        A part of :data:`sfumato.audit.attackers.NAMES`, such as ``QUICK``, and classifiers of
        your own, see :func:`~sfumato.audit.attackers.own_attacker`; default all that have names.
    test_share : float in (0, 1), default=0.3
        Share of people kept for the test.
    max_train_rows : int, default=6000
        At most so many development rows, balanced over the classes.
    n_resamples : int, default=1000
        Bootstrap resamples over identities; of the matching at most 500 are taken.
    curve : bool, default=True
        Whether to add learning curves of the three strongest attackers, see
        :mod:`sfumato.audit.learning`; they cost about a tenth of the audit's time.
    match : bool, default=True
        Whether to measure matching, with its price floor and reversal; False asks for leakage
        alone.
    cache : bool, str or Path, default=True
        What attackers read on raw rows is remembered by the rows' SHA-256, so that another
        protected version of them is audited in half the time. True: by this process; a folder:
        there too; False: not at all. Figures are kept, no templates.
    basis : dict of str to str, optional
        ``purpose``, ``necessity`` and ``retention`` in your own words, for JSON and the report,
        see :mod:`sfumato.audit.basis`.
    progress : callable, False or None, default=None
        Called as ``progress(n_done, n_total, what)``; None shows a bar where somebody looks,
        False none, see :mod:`sfumato.progress`.

    Returns
    -------
    Audit

    Notes
    -----
    An attacker gives a lower bound: another might read more.

    Raises
    ------
    InputError
        For fewer than two classes, or too few people to train and test on.
    """
    seed = check_seed(seed)
    check_argument(n_resamples, POSITIVE_INT, "n_resamples")
    check_argument(attribute, Instance(str), "attribute")
    check_argument(curve, Boolean(), "curve")
    check_argument(match, Boolean(), "match")
    check_argument(cache, CacheOption(), "cache")
    said = check_basis(basis)
    names = check_attackers(attackers, paired=protected is not None)
    name = "y" if attribute == "attribute" else attribute
    rows: dict[str, Any] = {"X": X, "y": y, "identity": identity, "protected": protected}
    rows |= {"crossed": crossed, "by": by, "given": given}
    rows["others"] = check_across(across, one_set=test is None, named=identity is not None)
    train, tested = split_rows(rows, test, test_share, seed=seed, name=name)
    classes = check_classes(train, tested, name=name)
    picked = train.take(balanced_rows(train.y, seed=seed, max_rows=max_train_rows))
    judge = BootstrappedAccuracy(tested.y, tested.identity, n_resamples=n_resamples, seed=seed)
    sides = {"X": metric}
    if picked.protected is not None:
        sides["protected"] = protected_metric or metric
    known = identity is not None and (test is None or test.get("identity") is not None)
    structure = _structure.examine(
        train, tested, sides, attribute, named=known, two_sets=test is not None, seed=seed
    )
    options = {"metric": metric, "n_resamples": n_resamples, "curve": curve, "seed": seed}
    raw_names = [each for each in names if each != PAIRED]
    key = key_of(picked, tested, names=raw_names, **options)
    with told(progress, "audit") as tell:
        n_raw = 0 if recall(key, cache) else len(raw_names) + curve
        steps = Steps(tell, n_raw + ("protected" in sides) * (len(names) + curve))

        def attack(side):
            return attack_side(names, picked, tested, side, judge, sides, seed, steps, curve)

        attacked = [remember(key, cache, lambda: attack("X"))]
        attacked += [attack(side) for side in list(sides)[1:]]
    before, after = attacked[0][0], attacked[1][0] if len(sides) == 2 else None
    learning = Learning(*(curves for _, curves in attacked)) if curve else None
    groups = groups_of(tested, before, after, sides, known, seed=seed)
    known_anyway = given_of(
        train, tested, dict(zip(sides, (before, after), strict=False)), sides,
        max_train_rows=max_train_rows, n_resamples=n_resamples, seed=seed,
    )  # fmt: skip
    chance = 1 / len(classes)
    certificate, void = certify(
        train, tested, guarantee, n_classes=len(classes), named=known, seed=seed
    )
    matching = _matching(tested, sides, n_resamples, seed) if known and match else None
    reduction = _reduction(before, after, judge, chance)
    return Audit(
        attribute=attribute,
        classes=classes,
        chance=chance,
        split=describe_split(picked, tested),
        before=before,
        after=after,
        reduction=reduction,
        matching=matching,
        certificate=certificate,
        unlinkability=across and link(train, tested, across, list(sides.values())[-1], seed=seed),
        reversal=reversal_of(train, tested, matching, sides, seed=seed),
        floor=None if matching is None else floors_of(tested, attribute, sides, n_resamples, seed),
        groups=groups,
        given=known_anyway,
        alarms=[
            *say_doubts(attribute, classes),
            *_alarms.raise_alarms(before, after, chance, judge, known),
            *_alarms.say_little(reduction),
            *_alarms.say_few_rows(after or before, len(picked.y)),
            *_alarms.say_rising(learning),
            *_alarms.say_threshold(matching),
            *structure["alarms"],
            *_structure.say_copies(
                tested.X if tested.protected is None else tested.protected,
                dict(zip(across or (), tested.others, strict=True)),
            ),
            *void,
            *(alarm for grouping in (groups or {}).values() for alarm in grouping.alarms()),
        ],
        seed=seed,
        learning=learning,
        basis=said,
        structure=structure,
        rows={
            "X": tested.X,
            "protected": tested.protected,
            "y": tested.y,
            "identity": tested.identity,
        },
    )


def _reduction(before, after, judge, chance):
    # Where chance lies in the interval nothing is read, and a share of nothing is noise.
    if after is None or before.headline.ci95[0] <= chance:
        return None
    return judge.reduction(before.headline.correct, after.headline.correct)


def _matching(tested, metrics, n_resamples, seed):
    people, counts = np.unique(tested.identity, return_counts=True)
    if len(people) < 2 or counts.max() < 2:
        return None
    # Scores of identical templates differ by rounding alone; an alarm says so.
    if any(is_constant(X) for X in (tested.X, tested.protected) if X is not None):
        return None
    return match_all(
        tested.X,
        tested.identity,
        tested.protected,
        metric=metrics["X"],
        protected_metric=metrics.get("protected"),
        n_resamples=min(n_resamples, MATCHING_RESAMPLES),
        seed=seed,
        max_impostor=MAX_IMPOSTOR,
    )
