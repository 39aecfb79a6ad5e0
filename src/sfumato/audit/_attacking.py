"""All attackers on one side of an audit's rows."""

from typing import Any

from sfumato.audit.attackers import NAMES, train_attacker
from sfumato.audit.attackers import attackers as make_attackers
from sfumato.audit.learning import learn_strongest
from sfumato.audit.result import AttackResult, Leakage
from sfumato.audit.views import PAIRED, side_views
from sfumato.errors import InputError
from sfumato.metrics.leakage import attack_advantage
from sfumato.outcomes import Progress


class Steps:
    """Tells how many of all steps are done."""

    def __init__(self, progress: Progress | None, n_total: Any) -> None:
        self.progress, self.n_done, self.n_total = progress, 0, n_total

    def __call__(self, what: Any) -> None:
        """Say what comes next."""
        if self.progress is not None:
            self.progress(self.n_done, self.n_total, what)
        self.n_done += 1


def attack_side(
    names: list[Any],
    train: Any,
    tested: Any,
    side: str,
    judge: Any,
    metrics: dict[str, str],
    seed: int,
    steps: Steps,
    curve: bool,
) -> tuple[Leakage, list[Any]]:
    """Return what attackers read, and the learning curves of the strongest.

    Parameters
    ----------
    names : list of (str or classifier)
    train, tested : Rows
    side : {"X", "protected"}
    judge : BootstrappedAccuracy
        Of the test people.
    metrics : dict of str to str
        By side.
    seed : int
    steps : Steps
    curve : bool
        Whether curves are wanted; else there are none.
    """
    X, X_test, pairs = side_views(train, tested, side, metrics)
    names = [name for name in names if name != PAIRED or pairs is not None]
    options: dict[str, Any] = {"seed": seed, "metric": metrics[side], "pairs": pairs}
    attacks, fitted = {}, {}
    what = f"on {'raw' if side == 'X' else 'protected'} embeddings"
    for attacker in make_attackers(X["polar"].shape[1], names, **options):
        steps(f"{attacker.name} {what}")
        trained = _trained(attacker, X[attacker.view], train)
        fitted[attacker.name] = trained.estimator, X[attacker.view], X_test[attacker.view]
        correct = trained.estimator.predict(X_test[attacker.view]) == tested.y
        value = judge.value(correct)
        attacks[attacker.name] = AttackResult(
            attacker=attacker.name,
            balanced_accuracy=value,
            ci95=judge.interval(correct),
            advantage=attack_advantage(value, 1 / len(judge.classes)),
            validation=trained.validation,
            training=trained.training,
            parameters=trained.parameters,
            converged=trained.converged,
            correct=correct,
        )
    strongest = max(attacks, key=lambda name: attacks[name].validation)
    leakage = Leakage(attacks, strongest, n_features=X["template"].shape[1])
    if not curve:
        return leakage, []
    steps(f"learning curves {what}")
    return leakage, learn_strongest(leakage, fitted, train, tested.y, judge, seed=seed)


def _trained(attacker, X, train):
    if attacker.name in NAMES:
        return train_attacker(attacker, X, train.y, train.identity)
    try:
        return train_attacker(attacker, X, train.y, train.identity)
    except Exception as error:  # Somebody else's code.
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"attacker {attacker.name} failed ({said}).") from error
