"""How perturbers are trained: plain values, without torch."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

from sfumato._constraints import POSITIVE, POSITIVE_INT, Interval, check_values
from sfumato.training.loop import ACCELERATOR, PRECISION


@dataclass(frozen=True)
class PerturberRecipe:
    """How long a perturber trains, and on what.

    Parameters
    ----------
    n_iterations : int
        Batches.
    batch_size : int, default=16
    learning_rate : float, default=1e-4
        Of Adam.
    n_rounds : int, default=20
        After so many equal parts of the iterations the log and curves are written.
    n_samples : int, default=0
        Training faces, at most 64, of which PrivacyNet and SANs write the outputs into
        ``samples.png`` of the training's folder after every round.
    precision : {"auto", "32-true", "bf16-mixed"}, default="32-true"
        Of Lightning Fabric; "auto": "bf16-mixed" where the machine is faster so.
    accelerator : {"auto", "cpu", "cuda", "gpu", "mps"}, default="auto"
        Of Lightning Fabric.
    """

    constraints: ClassVar = {
        "n_iterations": POSITIVE_INT,
        "batch_size": POSITIVE_INT,
        "learning_rate": POSITIVE,
        "n_rounds": POSITIVE_INT,
        "n_samples": Interval(Integral, 0, 64, closed="both"),
        "precision": PRECISION,
        "accelerator": ACCELERATOR,
    }

    n_iterations: int
    batch_size: int = 16
    learning_rate: float = 1e-4
    n_rounds: int = 20
    n_samples: int = 0
    precision: str = "32-true"
    accelerator: str = "auto"

    def __post_init__(self):
        check_values(type(self), vars(self))

    @property
    def round_iterations(self) -> Any:
        """Batches of one round."""
        return -(-self.n_iterations // self.n_rounds)
